"""The same training in plain PyTorch, as fast as we could make it: only masked rows go through the head,
scaled_dot_product_attention, fused AdamW, the precision that the caller found best, and freed memory
stays in the process. An attention of its own in one autograd function and dropout masks out of whole
random words were slower here. Arguments: see micro_batches.start."""
import ctypes

# glibc gives large freed blocks back to the system and faults them in again in every step.
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4
for setting, value in ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, 2**31 - 1), (M_TOP_PAD, 2**28)):
    ctypes.CDLL(None).mallopt(setting, value)

import torch

from micro_batches import measure, start

model, steps, autocast, warm_up = start()
model.set_attn_implementation("sdpa")
optimizer = torch.optim.AdamW(
    model.parameters(), lr=1e-4, betas=(0.9, 0.98), eps=1e-6, weight_decay=0.01, fused=True
)


def train(batch):
    rows = batch["labels"] != -100
    with autocast:
        hidden = model.roberta(batch["input_ids"], attention_mask=batch["attention_mask"]).last_hidden_state
        loss = torch.nn.functional.cross_entropy(model.lm_head(hidden[rows]).float(), batch["labels"][rows])
    loss.backward()
    optimizer.step()
    optimizer.zero_grad(set_to_none=False)


measure(steps, warm_up, train)
