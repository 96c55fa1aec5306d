"""Writes the learning rates that the Rust tests of the schedules are compared with: the golden ones,
or with `--random COUNT` those of that many schedules drawn at random.

`rates.json` is a list of schedules in tenk's own keys, each with the rates that the schedulers of
`transformers` give for the steps from 0 on.

    python tests/parity/schedule_fixtures.py tests/golden/schedule
    python tests/parity/schedule_fixtures.py FOLDER --random 200

Run it with the peers' environment (scripts/setup.sh peers). It is deterministic.
"""

import itertools
import json
import pathlib
import random
import sys
import warnings

import torch
import transformers

KINDS = ["linear", "cosine", "constant", "polynomial", "wsd"]


def scheduler(optimizer, keys, max_steps):
    """tenk's keys as the arguments of the field's functions, whose defaults are used."""
    warmup = keys["warmup_steps"]
    if keys["kind"] == "constant":
        return transformers.get_constant_schedule_with_warmup(optimizer, warmup)
    if keys["kind"] == "wsd":
        decay = int(keys["decay_share"] * max_steps + 0.5)
        return transformers.get_wsd_schedule(optimizer, warmup, decay, num_training_steps=max_steps)
    if keys["kind"] == "polynomial":
        own = {key: keys[key] for key in ("power", "lr_end") if key in keys}
        return transformers.get_polynomial_decay_schedule_with_warmup(optimizer, warmup, max_steps, **own)
    name = f"get_{keys['kind']}_schedule_with_warmup"
    return getattr(transformers, name)(optimizer, warmup, max_steps)


def rates(peak, keys, max_steps):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=peak)
    schedule = scheduler(optimizer, keys, max_steps)
    found = []
    for _ in range(max_steps):
        found.append(schedule.get_last_lr()[0])
        if len(found) < max_steps:
            optimizer.step()
            schedule.step()
    return found


def chosen():
    for kind, (warmup, steps) in itertools.product(KINDS, [(0, 1), (0, 7), (1, 8), (3, 20), (10, 40), (6, 6)]):
        keys = {"kind": kind, "warmup_steps": warmup}
        if kind == "wsd":
            keys["decay_share"] = 0.0 if warmup == steps else 0.3
        yield 5e-4, steps, keys
    yield 1e-3, 12, {"kind": "wsd", "warmup_steps": 0, "decay_share": 1.0}
    yield 1e-3, 12, {"kind": "wsd", "warmup_steps": 6, "decay_share": 0.5}
    for power, end in [(2.0, 0.0), (0.5, 1e-5), (3.7, 9e-4)]:
        yield 1e-3, 15, {"kind": "polynomial", "warmup_steps": 4, "power": power, "lr_end": end}


def drawn(count):
    generator = random.Random(14)
    for index in range(count):
        steps = generator.randint(1, 300)
        keys = {"kind": KINDS[index % len(KINDS)], "warmup_steps": generator.randint(0, steps)}
        peak = 10 ** generator.uniform(-5, 0)
        if keys["kind"] == "wsd":
            keys["decay_share"] = generator.uniform(0, 1 - keys["warmup_steps"] / steps)
            if keys["warmup_steps"] + int(keys["decay_share"] * steps + 0.5) > steps:
                keys["decay_share"] = 0.0
        elif keys["kind"] == "polynomial":
            keys["power"], keys["lr_end"] = generator.uniform(0.1, 5), peak * generator.uniform(0, 0.99)
        yield peak, steps, keys


def main():
    warnings.simplefilter("error")
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    schedules = drawn(int(sys.argv[3])) if sys.argv[2:3] == ["--random"] else chosen()
    cases = [{"learning_rate": peak, "max_steps": steps, "schedule": keys, "rates": rates(peak, keys, steps)}
             for peak, steps, keys in schedules]
    lines = ",\n".join(json.dumps(case) for case in cases)
    (folder / "rates.json").write_text(f"[\n{lines}\n]\n")


main()
