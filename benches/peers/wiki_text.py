"""Articles of a multistream dump to text with gensim's filter_wiki, a process a core; prints
{"rate": MB/s of XML}. Usage: wiki_text.py DUMP.xml.bz2 XML_BYTES"""
import bz2
import json
import multiprocessing
import os
import sys
import time

from gensim.corpora.wikicorpus import extract_pages, filter_wiki


def articles(dump):
    for title, text, page_id in extract_pages(bz2.open(dump, "rb"), ("0",)):
        yield text


if __name__ == "__main__":
    start = time.perf_counter()
    with multiprocessing.Pool(len(os.sched_getaffinity(0))) as pool:
        letters = sum(len(text) for text in pool.imap(filter_wiki, articles(sys.argv[1]), chunksize=10))
    seconds = time.perf_counter() - start
    print(json.dumps({"rate": int(sys.argv[2]) / seconds / 1e6, "letters": letters}))
