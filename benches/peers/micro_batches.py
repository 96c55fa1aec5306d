"""What the training peers share: the model from our initial weights, our micro-batches, the clock."""
import json
import resource
import sys
import time

import torch
from transformers import RobertaForMaskedLM


def start():
    """Arguments FOLDER BATCHES.json THREADS PRECISION WARM_UP -> model in train mode, micro-batches, autocast, warm-up."""
    folder, batches, threads, precision, warm_up = sys.argv[1:6]
    torch.set_num_threads(int(threads))
    torch.manual_seed(1)
    model = RobertaForMaskedLM.from_pretrained(folder).train()
    with open(batches) as file:
        steps = [micro_batch(step["sequences"], model.config.pad_token_id) for step in json.load(file)]
    autocast = torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16")
    return model, steps, autocast, int(warm_up)


def micro_batch(sequences, pad):
    """The rows of `tenk-pretrain replay --json` as `DataCollatorForLanguageModeling` pads them."""
    length = max(len(row["input_ids"]) for row in sequences)
    padded = lambda key, value: torch.tensor([row[key] + [value] * (length - len(row[key])) for row in sequences])
    ids = padded("input_ids", pad)
    return {"input_ids": ids, "attention_mask": (ids != pad).long(), "labels": padded("labels", -100)}


def measure(steps, warm_up, train):
    """Trains on every micro-batch and prints the rate of those after the warm-up."""
    seconds, tokens = 0.0, 0
    for index, batch in enumerate(steps):
        begun = time.perf_counter()
        train(batch)
        if index >= warm_up:
            seconds += time.perf_counter() - begun
            tokens += int(batch["attention_mask"].sum())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"rate": tokens / seconds, "peak_bytes": peak}))
