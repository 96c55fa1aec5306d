"""Tokens a second of transformers on a GPU, beside `tenk-pretrain gpu-check`: RoBERTa-base, dropout on, as
run_mlm drives it, and tuned: torch.compile, flash attention and nothing else, only masked rows through the
head, fused AdamW. All batches lie on the GPU before anything is timed, every sequence has 512 tokens and
the same number of masked ones, and their places are given, so that nothing waits for the GPU and nothing is
compiled twice. Prints one line a figure: tokens a second, and the share of what a large product reaches,
with operations counted as `tenk-pretrain` counts them (docs/training.md)."""
import argparse
import contextlib
import time

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import RobertaConfig, RobertaForMaskedLM

options = argparse.ArgumentParser(description=__doc__)
options.add_argument("--device", default="cuda")
options.add_argument("--layers", type=int, default=12)
options.add_argument("--width", type=int, default=768)
options.add_argument("--vocabulary", type=int, default=50265)
options.add_argument("--sequences", type=int, default=32)
options.add_argument("--length", type=int, default=512)
options.add_argument("--product", type=int, default=8192, help="rows and columns of the large product")
options.add_argument("--warm-up", type=int, default=5)
options.add_argument("--steps", type=int, default=20)
asked = options.parse_args()

ON_GPU = asked.device == "cuda"
HAS_BF16 = not ON_GPU or torch.cuda.get_device_capability()[0] >= 8
KIND = torch.bfloat16 if HAS_BF16 else torch.float16
# As many as `tenk-pretrain` masks of a sequence.
MASKED = -(-15 * (asked.length - 2) // 100)


def finished():
    if ON_GPU:
        torch.cuda.synchronize()


def ready_batches():
    """Token ids [B, T], the flat places of masked ones and their labels [M], labels as run_mlm has them [B, T]."""
    size = (asked.sequences, asked.length)
    for _ in range(asked.warm_up + asked.steps):
        ids = torch.randint(5, asked.vocabulary, size)
        columns = torch.rand(size).topk(MASKED).indices.sort().values
        rows = (columns + torch.arange(asked.sequences)[:, None] * asked.length).flatten()
        labels = torch.full(size, -100).scatter_(1, columns, ids.gather(1, columns))
        yield [tensor.to(asked.device) for tensor in (ids, rows, ids.flatten()[rows], labels)]


def operations_of_a_step():
    depth, inner, length, masked = asked.width, 4 * asked.width, asked.length, MASKED
    layer = 2 * length * (4 * depth**2 + 2 * depth * inner) + 4 * length**2 * depth
    behind = 2 * (length - masked) * (depth**2 + 2 * depth * inner)
    head = 2 * masked * (depth**2 + depth * asked.vocabulary)
    return 3 * asked.sequences * (asked.layers * layer - behind + head)


def operations_a_second():
    """The best of a few large products."""
    ones = torch.ones(asked.product, asked.product, device=asked.device, dtype=KIND)
    times = []
    for _ in range(5):
        finished()
        begun = time.perf_counter()
        ones @ ones
        finished()
        times.append(time.perf_counter() - begun)
    return 2 * asked.product**3 / min(times)


def model_and_optimizer(fused):
    config = RobertaConfig(
        vocab_size=asked.vocabulary, hidden_size=asked.width, num_hidden_layers=asked.layers,
        num_attention_heads=max(1, asked.width // 64), intermediate_size=4 * asked.width,
        max_position_embeddings=asked.length + 2, type_vocab_size=1, attn_implementation="sdpa",
    )
    model = RobertaForMaskedLM(config).to(asked.device).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.9, 0.98), eps=1e-6, weight_decay=0.01, fused=fused)
    return model, optimizer


def seconds_a_step(optimizer, loss):
    scaler = torch.amp.GradScaler(asked.device, enabled=not HAS_BF16)
    for step, batch in enumerate(list(ready_batches())):
        if step == asked.warm_up:
            finished()
            begun = time.perf_counter()
        with torch.autocast(asked.device, KIND):
            value = loss(*batch)
        scaler.scale(value).backward()
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()
    finished()
    return (time.perf_counter() - begun) / asked.steps


def tuned(model):
    # transformers counts positions from the padding id on; no sequence is padded.
    positions = torch.arange(2, asked.length + 2, device=asked.device)[None]

    def loss(ids, rows, labels, _):
        hidden = model.roberta.embeddings(input_ids=ids, position_ids=positions)
        # Without a mask, which flash attention does not take.
        hidden = model.roberta.encoder(hidden).last_hidden_state
        logits = model.lm_head(hidden.flatten(0, 1).index_select(0, rows)).float()
        return torch.nn.functional.cross_entropy(logits, labels)

    return torch.compile(loss) if ON_GPU else loss


def as_run_mlm(model):
    return lambda ids, _, __, labels: model(ids, labels=labels).loss


def report(name, seconds, peak):
    rate = operations_of_a_step() / seconds
    print(
        f"{name}, {KIND}, {asked.sequences} x {asked.length}: {asked.sequences * asked.length / seconds:.0f} tokens/s, "
        f"{rate / 1e12:.1f} TFLOP/s, {100 * rate / peak:.0f} % of the {peak / 1e12:.1f} of a large product",
        flush=True,
    )


print(f"operations of a step: {operations_of_a_step()}", flush=True)
peak = operations_a_second()
model, optimizer = model_and_optimizer(ON_GPU)
with sdpa_kernel(SDPBackend.FLASH_ATTENTION) if ON_GPU else contextlib.nullcontext():
    report("tuned", seconds_a_step(optimizer, tuned(model)), peak)
model, optimizer = model_and_optimizer(False)
report("run_mlm", seconds_a_step(optimizer, as_run_mlm(model)), peak)
