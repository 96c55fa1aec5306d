"""RoBERTa masked-LM pre-training as transformers' run_mlm drives it: RobertaForMaskedLM with its
dense head, DataCollatorForLanguageModeling, torch.optim.AdamW; f32 on the CPU.
Prints {"rate": tokens/s after two warm-up steps}.
Usage: run_mlm.py EXPORTED_FOLDER SHARD.bin MICRO_BATCH STEPS SEQUENCE_LENGTH THREADS"""
import json
import sys
import time

import numpy
import torch
from transformers import AutoConfig, AutoTokenizer, DataCollatorForLanguageModeling, RobertaForMaskedLM

folder, shard, micro_batch, steps, length, threads = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:7])
torch.set_num_threads(threads)
torch.manual_seed(1)
tokenizer = AutoTokenizer.from_pretrained(folder)
model = RobertaForMaskedLM(AutoConfig.from_pretrained(folder)).train()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.98), eps=1e-6, weight_decay=0.01)
collate = DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15)
tokens = numpy.fromfile(shard, dtype="<u2").astype("int64")
rows = length - 2
seconds = []
for step in range(steps + 2):
    start = time.perf_counter()
    examples = []
    for row in range(micro_batch):
        at = (step * micro_batch + row) * rows % (len(tokens) - rows)
        ids = [tokenizer.bos_token_id, *tokens[at:at + rows].tolist(), tokenizer.eos_token_id]
        examples.append({"input_ids": ids})
    loss = model(**collate(examples)).loss
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    seconds.append(time.perf_counter() - start)
print(json.dumps({"rate": micro_batch * length * steps / sum(seconds[2:])}))
