"""RoBERTa masked-LM pre-training as transformers' run_mlm drives it: RobertaForMaskedLM with its
dense head and torch.optim.AdamW as it comes. Arguments: see micro_batches.start."""
import torch

from micro_batches import measure, start

model, steps, autocast, warm_up = start()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.9, 0.98), eps=1e-6, weight_decay=0.01)


def train(batch):
    with autocast:
        loss = model(**batch).loss
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()


measure(steps, warm_up, train)
