"""Visible text of HTML filings with lxml, hidden elements dropped; prints {"rate": MB/s of raw HTML}.
Usage: html_text.py FILE ..."""
import json
import sys
import time

import lxml.html

HIDDEN = ("//*[contains(translate(@style, ' ', ''), 'display:none')]|//head|//script|//style"
          "|//*[local-name()='header' and contains(name(), 'ix:')]")


def text(raw):
    tree = lxml.html.fromstring(raw)
    for element in tree.xpath(HIDDEN):
        element.drop_tree()
    return " ".join(tree.itertext())


if __name__ == "__main__":
    files = [open(path, "rb").read() for path in sys.argv[1:]]
    start = time.perf_counter()
    words = sum(len(text(raw).split()) for raw in files)
    seconds = time.perf_counter() - start
    print(json.dumps({"rate": sum(map(len, files)) / seconds / 1e6, "words": words}))
