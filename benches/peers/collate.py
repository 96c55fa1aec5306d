"""Masks and micro-batches as transformers makes them: DataCollatorForLanguageModeling over ready
token ids, 8 sequences of 512 at a time. Prints {"rate": tokens/s}.
Usage: collate.py TOKENIZER_FOLDER SHARD.bin"""
import json
import sys
import time

import numpy
import torch
from transformers import AutoTokenizer, DataCollatorForLanguageModeling

folder, shard = sys.argv[1:3]
torch.set_num_threads(1)
tokenizer = AutoTokenizer.from_pretrained(folder)
collate = DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15)
tokens = numpy.fromfile(shard, dtype="<u2").astype("int64")
rows = 510


def batch(step):
    examples = []
    for row in range(8):
        at = (step * 8 + row) * rows % (len(tokens) - rows)
        examples.append({"input_ids": [tokenizer.bos_token_id, *tokens[at:at + rows].tolist(), tokenizer.eos_token_id]})
    return examples


ready = [batch(step) for step in range(200)]
for examples in ready[:20]:
    collate(examples)
counted, start = 0, time.perf_counter()
while time.perf_counter() - start < 3:
    collate(ready[counted % len(ready)])
    counted += 1
print(json.dumps({"rate": counted * 8 * 512 / (time.perf_counter() - start)}))
