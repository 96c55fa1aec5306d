"""Articles of a decompressed dump to text with gensim's filter_wiki, in one process, the XML parsed
before the clock starts; prints {"rate": MB/s of XML}. Usage: wiki_markup.py DUMP.xml XML_BYTES"""
import json
import sys
import time

from gensim.corpora.wikicorpus import extract_pages, filter_wiki

with open(sys.argv[1], "rb") as dump:
    articles = [text for title, text, page_id in extract_pages(dump, ("0",))]
start = time.perf_counter()
letters = sum(len(filter_wiki(text)) for text in articles)
seconds = time.perf_counter() - start
print(json.dumps({"rate": int(sys.argv[2]) / seconds / 1e6, "letters": letters}))
