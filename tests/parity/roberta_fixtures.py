"""Writes the files that the Rust tests of `model` are compared with: the golden ones, or with
`--random COUNT` that many configurations drawn at random.

Each file holds a configuration, weights, one micro-batch, and what `RobertaForMaskedLM` of
`transformers` makes of them with dropout 0: logits, summed loss, every gradient; and, for
one configuration, the weights after 20 steps of `torch.optim.AdamW`.

    python tests/parity/roberta_fixtures.py tests/golden/roberta
    python tests/parity/roberta_fixtures.py FOLDER --random 20

Run it with the peers' environment (scripts/setup.sh peers). It is deterministic: one thread,
seeded; weights come from NumPy's PCG64, whose streams are fixed.
"""

import json
import pathlib
import sys

import numpy as np
import torch
from safetensors.torch import save_file
from transformers import RobertaConfig, RobertaForMaskedLM

# name -> (configuration, lengths, padded length, masked positions a sequence)
CASES = {
    # Odd widths, padded rows, a vocabulary that is no multiple of 8.
    "odd": (dict(vocab_size=101, hidden_size=12, num_hidden_layers=2, num_attention_heads=3, intermediate_size=20,
                 max_position_embeddings=24, type_vocab_size=1, layer_norm_eps=1e-5), [17, 9, 3], 17, 2),
    # One head, two token types, a vocabulary that needs no padding, nothing padded.
    "one-head": (dict(vocab_size=64, hidden_size=32, num_hidden_layers=1, num_attention_heads=1, intermediate_size=48,
                      max_position_embeddings=12, type_vocab_size=2, layer_norm_eps=1e-12), [8, 8], 8, 3),
    # The longest sequence of a 514-row position table, many heads, and a short one beside it.
    "long": (dict(vocab_size=57, hidden_size=16, num_hidden_layers=1, num_attention_heads=8, intermediate_size=24,
                  max_position_embeddings=514, type_vocab_size=1, layer_norm_eps=1e-5), [512, 100], 512, 6),
    # Sequences of one token; another padding id.
    "one-token": (dict(vocab_size=33, hidden_size=8, num_hidden_layers=3, num_attention_heads=2, intermediate_size=8,
                       max_position_embeddings=9, type_vocab_size=1, layer_norm_eps=1e-5, pad_token_id=3), [1, 1], 1, 1),
    # Other activations. New names go to the end of the alphabet: a case's place is its seed.
    "relu": (dict(vocab_size=40, hidden_size=12, num_hidden_layers=2, num_attention_heads=2, intermediate_size=20,
                  max_position_embeddings=20, type_vocab_size=1, layer_norm_eps=1e-5, hidden_act="relu"), [12, 7], 12, 2),
    "tanh-gelu": (dict(vocab_size=40, hidden_size=12, num_hidden_layers=2, num_attention_heads=2, intermediate_size=20,
                       max_position_embeddings=20, type_vocab_size=1, layer_norm_eps=1e-5, hidden_act="gelu_new"),
                  [12, 7], 12, 2),
}
SCALE = 0.25
OPTIMIZED = "odd"
LONGEST = 512
STEPS, WARMUP, PEAK = 20, 8, 2e-3


def random_case(generator):
    """Width, depth, heads, activation, vocabulary, padding and lengths; lengths of every order up to the longest."""
    def number(low, high):
        return int(generator.integers(low, high + 1))

    heads, length = number(1, 6), int(LONGEST ** generator.random())
    fields = dict(vocab_size=number(9, 300), hidden_size=heads * 2 * number(1, 8), num_hidden_layers=number(1, 4),
                  num_attention_heads=heads, intermediate_size=number(1, 90), type_vocab_size=number(1, 2),
                  layer_norm_eps=float(generator.choice([1e-5, 1e-12])), pad_token_id=number(0, 3))
    fields["hidden_act"] = str(generator.choice(["gelu", "gelu_new", "relu"]))
    fields["max_position_embeddings"] = length + fields["pad_token_id"] + 1 + number(0, 9)
    lengths = [length] + [number(1, length) for _ in range(number(0, 3))]
    return fields, lengths, length, number(1, min(min(lengths), 9))


def fill(model, generator, scale):
    """Weights large enough that every non-linearity bends."""
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            values = generator.standard_normal(tuple(parameter.shape)) * scale
            if name.endswith("orm.weight"):
                values += 1.0
            # Rounded to f32, so that both precisions start from the same numbers.
            parameter.copy_(torch.from_numpy(values.astype(np.float32)))


def micro_batch(config, lengths, length, slots, generator):
    rows = len(lengths)
    input_ids = np.full((rows, length), config.pad_token_id)
    positions, labels = [], []
    for row, tokens in enumerate(lengths):
        input_ids[row, :tokens] = generator.integers(4, config.vocab_size, tokens)
        positions += [row * length + int(i) for i in np.sort(generator.choice(tokens, slots, replace=False))]
        labels += [int(i) for i in generator.integers(0, config.vocab_size, slots)]
    return {
        "input_ids": torch.from_numpy(input_ids),
        "lengths": torch.tensor(lengths),
        "masked_positions": torch.tensor(positions),
        "labels": torch.tensor(labels),
    }


def summed_loss(model, batch):
    """The loss that transformers computes, times the number of labels, and the masked logits."""
    length = batch["input_ids"].shape[1]
    attention_mask = (torch.arange(length)[None, :] < batch["lengths"][:, None]).long()
    labels = torch.full((batch["input_ids"].numel(),), -100)
    labels[batch["masked_positions"]] = batch["labels"]
    output = model(input_ids=batch["input_ids"], attention_mask=attention_mask, labels=labels.view(-1, length))
    logits = output.logits.flatten(0, 1)[batch["masked_positions"]]
    return output.loss * len(batch["labels"]), logits, output.logits


def optimize(model, batch):
    """20 clipped AdamW steps with warm-up; no decay on biases and LayerNorm."""
    decayed = [p for p in model.parameters() if p.ndim == 2]
    plain = [p for p in model.parameters() if p.ndim == 1]
    groups = [dict(params=decayed, weight_decay=0.01), dict(params=plain, weight_decay=0.0)]
    optimizer = torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.98), eps=1e-6)
    for step in range(1, STEPS + 1):
        rate = PEAK * min(step / WARMUP, (STEPS + 1 - step) / (STEPS + 1 - WARMUP))
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad()
        loss, _, _ = summed_loss(model, batch)
        (loss / len(batch["labels"])).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()


def tensors_of(case, seed, dtype, scale, optimized):
    fields, lengths, length, slots = case
    config = RobertaConfig(**fields, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    model = RobertaForMaskedLM(config).to(dtype).train()
    generator = np.random.Generator(np.random.PCG64(seed))
    fill(model, generator, scale)
    batch = micro_batch(config, lengths, length, slots, generator)
    tensors = dict(batch)
    tensors |= {f"weight.{key}": value.detach().float().clone() for key, value in model.named_parameters()}
    loss, logits, dense = summed_loss(model, batch)
    loss.backward()
    tensors |= {"loss": loss.detach(), "masked_logits": logits.detach().contiguous()}
    if length <= 32:
        tensors["logits"] = dense.detach().contiguous()
    tensors |= {f"gradient.{key}": value.grad.clone() for key, value in model.named_parameters()}
    if optimized:
        optimize(model, batch)
        tensors |= {f"optimized.{key}": value.detach().clone() for key, value in model.named_parameters()}
    return config, tensors


def write(out, name, case, seed, scale):
    for suffix, dtype in (("f32", torch.float32), ("f64", torch.float64)):
        config, tensors = tensors_of(case, seed, dtype, scale, name == OPTIMIZED)
        text = json.dumps(config.to_dict(), sort_keys=True)
        save_file(tensors, out / f"{name}-{suffix}.safetensors", metadata={"config": text})


def main():
    torch.set_num_threads(1)
    out = pathlib.Path(sys.argv[1])
    if sys.argv[2:3] == ["--random"]:
        generator = np.random.Generator(np.random.PCG64(1))
        for number in range(int(sys.argv[3])):
            case = random_case(generator)
            # Behind a softmax that saturates f32 gradients are rounding alone, on both sides.
            write(out, f"random-{number}", case, number, min(SCALE, case[0]["hidden_size"] ** -0.5))
        return
    for seed, name in enumerate(sorted(CASES)):
        write(out, name, CASES[name], seed, SCALE)


if __name__ == "__main__":
    main()
