"""The text that html_text.py takes out of pages, each into a file of the same name with .txt.
Usage: html_texts.py PAGE.html ..."""
import pathlib
import sys

from html_text import text

for path in map(pathlib.Path, sys.argv[1:]):
    path.with_suffix(".txt").write_text(text(path.read_bytes()), encoding="utf8")
