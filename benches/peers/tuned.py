"""The same training in plain PyTorch, as fast as we can make it without compiled code of our own: only
masked rows go through the head, fused AdamW, the precision that the caller found best; attention in
one autograd function, because scaled_dot_product_attention falls to a slow path when dropout is on;
dropout's masks out of whole random words, four elements each; freed memory stays in the process.
Arguments: see micro_batches.start."""
import ctypes

# glibc gives large freed blocks back to the system and faults them in again in every step.
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4
for setting, value in ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, 2**31 - 1), (M_TOP_PAD, 2**28)):
    ctypes.CDLL(None).mallopt(setting, value)

import torch
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from micro_batches import measure, start

KEPT = round(0.9 * 2**16)
SCALE = 2**16 / KEPT


def keep_mask(like):
    """True for the elements that dropout 0.1 keeps: 16 random bits each."""
    words = torch.empty((like.numel() + 3) // 4, dtype=torch.int64).random_(-(2**63), None)
    return words.view(torch.int16)[: like.numel()].view(like.shape) < KEPT - 2**15


class DropoutFunction(torch.autograd.Function):
    @staticmethod
    def forward(context, values):
        keep = keep_mask(values)
        context.save_for_backward(keep)
        return values * keep * SCALE

    @staticmethod
    def backward(context, gradient):
        (keep,) = context.saved_tensors
        return gradient * keep * SCALE


class Dropout(torch.nn.Module):
    p = 0.1

    def forward(self, values):
        return DropoutFunction.apply(values)


class Attention(torch.autograd.Function):
    """softmax(scale Q K^T + mask) with dropout, times V: products in batches, the rest in place."""

    @staticmethod
    def forward(context, query, key, value, mask, scale):
        shape = query.shape
        query, key, value = (part.reshape(-1, *shape[2:]) for part in (query, key, value))
        scores = query.new_empty(query.shape[0], shape[2], shape[2])
        torch.baddbmm(scores, query, key.transpose(1, 2), beta=0, alpha=scale, out=scores)
        if mask is not None:
            scores.view(shape[0], shape[1], shape[2], shape[2]).add_(mask)
        probabilities = torch.softmax(scores, -1, out=scores)
        keep = keep_mask(probabilities)
        context.save_for_backward(query, key, value, probabilities, keep)
        context.scale, context.size = scale, shape
        return torch.bmm(probabilities * keep, value).mul_(SCALE).view(shape)

    @staticmethod
    def backward(context, gradient):
        query, key, value, probabilities, keep = context.saved_tensors
        gradient = gradient.reshape(value.shape) * SCALE
        kept = probabilities * keep
        value_gradient = torch.bmm(kept.transpose(1, 2), gradient)
        torch.bmm(gradient, value.transpose(1, 2), out=kept).mul_(keep)
        scores = torch._softmax_backward_data(kept, probabilities, -1, probabilities.dtype)
        query_gradient = torch.bmm(scores, key).mul_(context.scale)
        key_gradient = torch.bmm(scores.transpose(1, 2), query).mul_(context.scale)
        parts = (query_gradient, key_gradient, value_gradient)
        return *(part.view(context.size) for part in parts), None, None


def attend(module, query, key, value, mask, dropout=0.0, scaling=None, **_):
    return Attention.apply(query, key, value, mask, scaling).transpose(1, 2).contiguous(), None


def replace_dropout(module):
    for name, child in module.named_children():
        if isinstance(child, torch.nn.Dropout):
            setattr(module, name, Dropout())
        else:
            replace_dropout(child)


model, steps, autocast, warm_up = start()
ALL_ATTENTION_FUNCTIONS.register("in_place", attend)
ALL_MASK_ATTENTION_FUNCTIONS.register("in_place", lambda *_, attention_mask=None, **__: attention_mask)
model.set_attn_implementation("in_place")
replace_dropout(model)
optimizer = torch.optim.AdamW(
    model.parameters(), lr=1e-4, betas=(0.9, 0.98), eps=1e-6, weight_decay=0.01, fused=True
)


def train(batch):
    real = batch["attention_mask"]
    # What padding adds to the scores of its column; with four dimensions it is taken as it is.
    mask = None if real.all() else (1.0 - real.float())[:, None, None] * -1e30
    rows = batch["labels"] != -100
    with autocast:
        hidden = model.roberta(batch["input_ids"], attention_mask=mask).last_hidden_state
        loss = torch.nn.functional.cross_entropy(model.lm_head(hidden[rows]).float(), batch["labels"][rows])
    loss.backward()
    optimizer.step()
    optimizer.zero_grad(set_to_none=False)


measure(steps, warm_up, train)
