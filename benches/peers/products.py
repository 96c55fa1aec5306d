"""Seconds that the matrix products of a training step of RoBERTa-base take by themselves: every shape
that is computed, forward and backward, best of warm addmm_out, times its number in a step. TOKENS are
without padding, attention as if all sequences were full; behind the attention of the last layer there are
only the masked rows.
Prints {"rate": seconds}. Arguments: TOKENS MASKED_ROWS SEQUENCE_LENGTH THREADS PRECISION"""
import json
import sys
import time

import torch

tokens, rows, length, threads = map(int, sys.argv[1:5])
kind = torch.bfloat16 if sys.argv[5] == "bf16" else torch.float32
torch.set_num_threads(threads)
LAYERS, WIDTH, HEAD, INNER, VOCABULARY = 12, 768, 64, 3072, 50272


def seconds(left, right):
    out = torch.empty(left.shape[0], right.shape[1], dtype=kind)
    best = float("inf")
    for _ in range(4):
        begun = time.perf_counter()
        torch.addmm(out, left, right, beta=0, out=out)
        best = min(best, time.perf_counter() - begun)
    return best


def linear(rows, inputs, outputs):
    """A product x W^T, and the two of its backward pass."""
    x, weight, gradient = (torch.randn(*s).to(kind) for s in ((rows, inputs), (outputs, inputs), (rows, outputs)))
    return seconds(x, weight.t()) + seconds(gradient, weight) + seconds(gradient.t(), x)


def behind_attention(rows):
    return sum(linear(rows, *shape) for shape in ((WIDTH, WIDTH), (WIDTH, INNER), (INNER, WIDTH)))


projection = linear(tokens, WIDTH, 3 * WIDTH)
# Scores and context of a head, and the two products of each one's backward pass.
query, scores = torch.randn(length, HEAD).to(kind), torch.randn(length, length).to(kind)
heads = tokens / length * WIDTH // HEAD
attention = heads * (2 * seconds(query, query.t()) + 2 * seconds(scores, query) + 2 * seconds(scores.t(), query))
head = linear(rows, WIDTH, WIDTH) + linear(rows, WIDTH, VOCABULARY)
layers = LAYERS * (projection + attention) + (LAYERS - 1) * behind_attention(tokens) + behind_attention(rows)
print(json.dumps({"rate": layers + head}))
