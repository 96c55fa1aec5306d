"""Tokens a second of transformers on a GPU, beside `tenk-pretrain gpu-check`: RoBERTa-base, sequence
512, dropout on, as run_mlm drives it, and tuned (only masked rows through the head, fused AdamW,
torch.compile). Prints one line a figure."""
import time

import torch
from transformers import RobertaConfig, RobertaForMaskedLM

LENGTH, MASKED, WARM_UP, TIMED = 512, 77, 5, 20
BFLOAT16 = torch.cuda.get_device_capability()[0] >= 8
KIND = torch.bfloat16 if BFLOAT16 else torch.float16


def batch(size, vocabulary):
    ids = torch.randint(5, vocabulary, (size, LENGTH))
    labels = torch.full_like(ids, -100)
    rows = torch.rand(size, LENGTH).topk(MASKED).indices
    labels.scatter_(1, rows, ids.gather(1, rows))
    return ids.cuda(), labels.cuda()


def rate(model, optimizer, loss, size):
    scaler = torch.amp.GradScaler(enabled=not BFLOAT16)
    for step in range(WARM_UP + TIMED):
        if step == WARM_UP:
            torch.cuda.synchronize()
            begun = time.perf_counter()
        ids, labels = batch(size, model.config.vocab_size)
        with torch.autocast("cuda", KIND):
            value = loss(ids, labels)
        scaler.scale(value).backward()
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()
        value.item()
    return TIMED * size * LENGTH / (time.perf_counter() - begun)


def model_and_optimizer(fused):
    config = RobertaConfig(vocab_size=50265, max_position_embeddings=514, type_vocab_size=1)
    model = RobertaForMaskedLM(config).cuda().train()
    return model, torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.9, 0.98), eps=1e-6, weight_decay=0.01, fused=fused)


def tuned(model):
    def loss(ids, labels):
        hidden = model.roberta(ids).last_hidden_state
        rows = labels.flatten().ne(-100).nonzero().squeeze(1)
        logits = model.lm_head(hidden.flatten(0, 1)[rows]).float()
        return torch.nn.functional.cross_entropy(logits, labels.flatten()[rows])

    return torch.compile(loss)


for size in (8, 32):
    model, optimizer = model_and_optimizer(False)
    found = rate(model, optimizer, lambda ids, labels: model(ids, labels=labels).loss, size)
    print(f"run_mlm, {KIND}, micro-batch {size} x {LENGTH}: {found:.0f} tokens/s")
    model, optimizer = model_and_optimizer(True)
    print(f"tuned, {KIND}, micro-batch {size} x {LENGTH}: {rate(model, optimizer, tuned(model), size):.0f} tokens/s")
