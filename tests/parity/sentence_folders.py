"""Folders as sentence-transformers and transformers write them, with the vectors that
sentence-transformers gives: one folder a case under OUT, `expected.npy` in it.
Usage: sentence_folders.py OUT TEXTS"""
import json
import pathlib
import shutil
import sys

import numpy as np
import small_roberta
import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from transformers import RobertaForMaskedLM, RobertaModel

out, texts_path = pathlib.Path(sys.argv[1]), sys.argv[2]
texts = open(texts_path, encoding="utf8").read().split("\n")[:-1]
base = out / "plain"
base.mkdir(parents=True)
size = small_roberta.slow_files(base)
small_roberta.model(size).save_pretrained(base)
small_roberta.tokenizer(base, model_max_length=32).save_pretrained(base)
cases = {"plain": base}


def case(name, source="plain"):
    cases[name] = out / name
    shutil.copytree(cases[source], cases[name])
    return cases[name]


def write(path, value):
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(value), "utf8")


def edit(path, **changes):
    write(path, json.loads(path.read_text("utf8")) | changes)


def sentence(name, pooling, *more, old=True, **settings):
    """A folder with modules.json; `more` are the classes after the pooling."""
    folder = case(name)
    package = "sentence_transformers.models." if old else "sentence_transformers.base.modules."
    kinds = ["Transformer", "Pooling", *more]
    packages = [package, "sentence_transformers.models.", *([package] * len(more))]
    write(folder / "modules.json", [
        {"idx": i, "name": str(i), "path": f"{i}_{kind}" if i else "", "type": packages[i] + kind}
        for i, kind in enumerate(kinds)])
    write(folder / "1_Pooling" / "config.json", {"word_embedding_dimension": 24} | pooling)
    write(folder / "sentence_bert_config.json", {"max_seq_length": 32, "do_lower_case": False} | settings)
    for i, kind in enumerate(more, 2):
        write(folder / f"{i}_{kind}" / "config.json", {"dropout": 0.1} if kind == "Dropout" else {})
    return folder


NEW = ["mean", "cls", "max", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"]
OLD = ["mean_tokens", "cls_token", "max_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken"]
for mode in NEW:
    sentence(f"new-{mode}", {"pooling_mode": mode})
for mode in OLD:
    keys = {f"pooling_mode_{other}": other == mode for other in OLD}
    sentence(f"old-{mode}", keys)
sentence("joined-old", {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True})
sentence("joined-new", {"pooling_mode": ["lasttoken", "mean"]}, "Normalize")
sentence("normalized", {"pooling_mode_mean_tokens": True}, "Normalize")
sentence("normalized-new", {"pooling_mode": "cls"}, "Normalize", old=False)
sentence("dropout", {"pooling_mode": "cls"}, "Dropout", "Normalize")
sentence("lower", {"pooling_mode": "mean"}, do_lower_case=True)
sentence("short", {"pooling_mode": "mean"}, max_seq_length=9)
folder = sentence("short-tokenizer", {"pooling_mode": "cls"}, max_seq_length=None)
edit(folder / "tokenizer_config.json", model_max_length=11)
folder = sentence("prompt", {"pooling_mode": "mean"})
write(folder / "config_sentence_transformers.json",
      {"prompts": {"query": "Query: "}, "default_prompt_name": "query", "similarity_fn_name": "cosine"})
folder = sentence("roberta-settings", {"pooling_mode": "mean"}, max_seq_length=12)
(folder / "sentence_bert_config.json").rename(folder / "sentence_roberta_config.json")
folder = sentence("subfolder", {"pooling_mode": "mean"}, "Normalize")
inner = folder / "0_Transformer"
inner.mkdir()
for path in list(folder.iterdir()):
    if path.is_file() and path.name != "modules.json":
        path.rename(inner / path.name)
modules = json.loads((folder / "modules.json").read_text())
modules[0]["path"] = inner.name
write(folder / "modules.json", modules)
folder = case("saved")
shutil.rmtree(folder)
SentenceTransformer(str(base)).save(str(folder))
folder = case("not-named")  # without modules.json nobody reads these
write(folder / "1_Pooling" / "config.json", {"word_embedding_dimension": 24, "pooling_mode": "cls"})
write(folder / "sentence_bert_config.json", {"max_seq_length": 7, "do_lower_case": True})

# tokenizers that ask for more than byte-level BPE
folder = case("tokenizer-added")
made = small_roberta.tokenizer(base, model_max_length=32)
made.add_tokens(["EBITDA", "million"])
made.save_pretrained(folder)
small_roberta.model(len(made)).save_pretrained(folder)
folder = sentence("tokenizer-lower", {"pooling_mode": "mean"}, do_lower_case=True)
made.save_pretrained(folder)
small_roberta.model(len(made)).save_pretrained(folder)
small_roberta.tokenizer(base, model_max_length=32, add_prefix_space=True).save_pretrained(case("tokenizer-prefix-space"))
small_roberta.tokenizer(base, model_max_length=12, truncation_side="left").save_pretrained(case("tokenizer-cut-left"))

# the same tensors in every spelling that transformers opens
tensors = load_file(base / "model.safetensors")
EMBEDDINGS, DECODER = "roberta.embeddings.word_embeddings.weight", "lm_head.decoder.weight"


def respelled(name, change, source="plain"):
    folder = case(name, source)
    save_file({k: v.clone() for k, v in change(dict(tensors)).items()}, folder / "model.safetensors", {"format": "pt"})
    return folder


def moved(old, new, keep=False):
    def change(all):
        all[new] = all[old]
        if not keep:
            del all[old]
        return all
    return change


def renamed(rename):
    return lambda all: {rename(name): tensor for name, tensor in all.items()}


respelled("decoder-weight", moved(EMBEDDINGS, DECODER))
respelled("decoder-weight-too", moved(EMBEDDINGS, DECODER, keep=True))
respelled("decoder-bias", moved("lm_head.bias", "lm_head.decoder.bias"))
respelled("gamma-beta", renamed(lambda name: name.replace("LayerNorm.weight", "LayerNorm.gamma")
                                .replace("LayerNorm.bias", "LayerNorm.beta")))
respelled("no-prefix", lambda all: {k.removeprefix("roberta."): v for k, v in all.items() if k.startswith("roberta.")})
respelled("position-ids", lambda all: all | {"roberta.embeddings.position_ids": torch.arange(34)[None]})
respelled("half", lambda all: {name: tensor.half() for name, tensor in all.items()})
respelled("bfloat", lambda all: {name: tensor.bfloat16() for name, tensor in all.items()})
folder = case("bare")
RobertaModel.from_pretrained(base).save_pretrained(folder)
folder = case("sharded")
(folder / "model.safetensors").unlink()
small_roberta.model(size).save_pretrained(folder, max_shard_size="20KB")
assert len(list(folder.glob("model-*.safetensors"))) > 1

# refused by the product, each with the word that its message has
refused = {}
folder = sentence("refused-dense", {"pooling_mode": "mean"}, "Dense")
refused[folder.name] = "2_Dense"
folder = case("refused-pickle")
(folder / "model.safetensors").unlink()
torch.save(tensors, folder / "pytorch_model.bin")
refused[folder.name] = "python3 -c"
folder = respelled("refused-untied", lambda all: all | {DECODER: all[EMBEDDINGS] + 1})
refused[folder.name] = DECODER
folder = respelled("refused-nan", lambda all: all | {"lm_head.bias": all["lm_head.bias"] * float("nan")})
refused[folder.name] = "lm_head.bias"
folder = sentence("refused-pooling", {"pooling_mode": "attention"})
refused[folder.name] = "attention"
write(out / "refused.json", refused)

for name in [name for name in cases if not name.startswith("refused")]:
    model = SentenceTransformer(str(cases[name]), device="cpu", model_kwargs={"dtype": "float32"})
    vectors = model.encode(texts, batch_size=len(texts), show_progress_bar=False)
    np.save(cases[name] / "expected.npy", vectors.astype(np.float32))
# A RobertaModel has no decoder: only RobertaForMaskedLM takes its word embeddings from there.
opened = RobertaForMaskedLM.from_pretrained(cases["decoder-weight"])
assert torch.equal(opened.roberta.embeddings.word_embeddings.weight, tensors[EMBEDDINGS])
shutil.copyfile(base / "expected.npy", cases["decoder-weight"] / "expected.npy")
print(len(cases) - len(refused))
