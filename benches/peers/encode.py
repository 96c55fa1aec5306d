"""Byte-level BPE by Hugging Face tokenizers on all cores; prints {"rate": MB/s, "tokens": n}.
Usage: encode.py TOKENIZER.json TEXT"""
import json
import sys
import time

from tokenizers import Tokenizer

tokenizer = Tokenizer.from_file(sys.argv[1])
lines = open(sys.argv[2], encoding="utf8").read().split("\n")
size = sum(len(line.encode()) for line in lines)
start = time.perf_counter()
tokens = sum(len(encoding.ids) for encoding in tokenizer.encode_batch(lines, add_special_tokens=False))
seconds = time.perf_counter() - start
print(json.dumps({"rate": size / seconds / 1e6, "tokens": tokens}))
