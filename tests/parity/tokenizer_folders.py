"""Tokenizer folders as the real libraries write them, one a case under OUT, with `expected.json` in it: the
ids that `AutoTokenizer` gives for each text. `refused.json` names the folders that the product refuses,
with the word that its message has.
Usage: tokenizer_folders.py OUT TEXTS"""
import json
import pathlib
import shutil
import sys

import small_roberta
from small_roberta import SPECIALS, WORDS
from tokenizers import (AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors,
                        trainers)
from transformers import AutoTokenizer, PreTrainedTokenizerFast, RobertaConfig

out = pathlib.Path(sys.argv[1])
texts = json.loads(pathlib.Path(sys.argv[2]).read_text("utf8"))
slow = out / "slow-files"
slow.mkdir(parents=True)
size = small_roberta.slow_files(slow)
CONFIG = RobertaConfig(vocab_size=size + 50).to_dict()
cases, refused = {}, {}


def write(path, value):
    path.write_text(json.dumps(value, ensure_ascii=False), "utf8")


def read(path):
    return json.loads(path.read_text("utf8"))


def edit(path, drop=(), **changes):
    value = (read(path) if path.exists() else {}) | changes
    write(path, {key: value[key] for key in value if key not in drop})


def case(name, config=True):
    cases[name] = folder = out / name
    folder.mkdir(exist_ok=True)
    if config:
        write(folder / "config.json", CONFIG)
    return folder


def saved(name, added=(), special=(), **flags):
    """What `RobertaTokenizerFast` saves with these flags."""
    folder = case(name)
    made = small_roberta.tokenizer(slow, **flags)
    made.add_tokens(list(added))
    if special:
        made.add_special_tokens({"extra_special_tokens": list(special)})
    made.save_pretrained(folder)
    return folder


def old_files(name, **config):
    """`vocab.json` and `merges.txt`, as the slow tokenizer saved them."""
    folder = case(name)
    for file in ["vocab.json", "merges.txt"]:
        shutil.copy(slow / file, folder / file)
    if config:
        write(folder / "tokenizer_config.json", config)
    return folder


def token(content, **flags):
    return {"content": content, "lstrip": False, "normalized": False, "rstrip": False, "single_word": False} | flags


# every flag of RobertaTokenizerFast
saved("plain")
saved("add-prefix-space", add_prefix_space=True)
saved("trim-offsets", trim_offsets=False, errors="ignore")
saved("truncation-side", truncation_side="left", padding_side="left", model_max_length=20)
saved("split-special-tokens", split_special_tokens=True)
saved("other-cls-and-sep", cls_token="[CLS]", sep_token="[SEP]")
saved("swapped-cls-and-sep", cls_token="</s>", sep_token="<s>")
saved("other-bos-and-eos", bos_token="<bos>", eos_token="<eos>")
saved("other-pad", pad_token="[PAD]")
saved("other-unk", unk_token="[UNK]")
saved("other-mask", mask_token=AddedToken("[MASK]", lstrip=True, normalized=False, special=True))
saved("mask-strips-both", mask_token=AddedToken("<mask>", lstrip=True, rstrip=True, normalized=False, special=True))
# added tokens
saved("added", added=["EBITDA", "EBIT", "ACME Inc.", "revenue"])
saved("added-with-flags", added=[
    AddedToken("EBITDA", lstrip=True), AddedToken("ACME", rstrip=True), AddedToken("million", single_word=True),
    AddedToken("rose", normalized=False, lstrip=True, rstrip=True)])
saved("added-specials", special=["<ticker>", "<table>"], added=["EBITDA"], add_prefix_space=True)
# older folders
old_files("slow-alone")
old_files("slow-with-config", add_prefix_space=True, tokenizer_class="RobertaTokenizer")
folder = old_files("slow-with-map", tokenizer_class="RobertaTokenizer")
write(folder / "special_tokens_map.json",
      {"bos_token": "<s>", "eos_token": "</s>", "mask_token": token("<mask>", lstrip=True), "cls_token": "<s>"})
folder = old_files("slow-with-added", tokenizer_class="RobertaTokenizer")
write(folder / "added_tokens.json", {"EBITDA": size + 1, "ACME": size, "<mask>": size - 1})
write(folder / "special_tokens_map.json", {"additional_special_tokens": ["ACME"], "mask_token": token("<mask>")})
folder = old_files("without-mask")
edit(folder / "vocab.json", drop=["<mask>"])
folder = old_files("ids-with-holes")
edit(folder / "vocab.json", **{"<mask>": size + 7})
write(folder / "added_tokens.json", {"EBITDA": size + 9})
folder = saved("version-4", added=["EBITDA"], special=["<ticker>"])
by_id = {str(number): token(text, normalized=True, special=True) for number, text in enumerate(SPECIALS[:4])}
edit(folder / "tokenizer_config.json", drop=["extra_special_tokens", "backend"],
     additional_special_tokens=["<ticker>"], added_tokens_decoder=by_id | {
         str(size - 1): token("<mask>", lstrip=True, special=True), str(size): token("EBITDA", normalized=True),
         str(size + 1): token("<ticker>", special=True)})
write(folder / "added_tokens.json", {"EBITDA": size, "<ticker>": size + 1})
write(folder / "special_tokens_map.json",
      {"additional_special_tokens": ["<ticker>"], "bos_token": token("<s>", normalized=True)})
# files that say different things
folder = saved("mixed", added=["EBITDA"])
write(folder / "added_tokens.json", {"dollars": size + 3})
write(folder / "special_tokens_map.json", {"sep_token": "</s>", "cls_token": token("<cls>"), "image_token": "<image>"})
folder = saved("decoder-alone", added=["EBITDA"])
edit(folder / "tokenizer_config.json", added_tokens_decoder={
    "0": token("<s>", normalized=True, special=True), str(size - 1): token("<mask>", lstrip=True, special=True),
    str(size + 4): token("market", normalized=True), str(size + 2): token("ACME", single_word=True)})
folder = saved("named-extras")
edit(folder / "tokenizer_config.json", video_token="<video>", audio_token="<audio>",
     extra_special_tokens={"image_token": "<image>", "bill_token": "<bill>"})
folder = saved("string-merges")
edit(folder / "tokenizer_config.json", tokenizer_class="RobertaTokenizerFast")
model = read(folder / "tokenizer.json")["model"]
edit(folder / "tokenizer.json", model=model | {"merges": [" ".join(pair) for pair in model["merges"]]},
     truncation={"direction": "Left", "max_length": 9, "strategy": "LongestFirst", "stride": 0})
folder = saved("lower-case-that-nobody-reads", do_lower_case=True)
edit(folder / "tokenizer_config.json", drop=["tokenizer_class"])
edit(folder / "tokenizer.json", normalizer={"type": "Lowercase"}, model=model | {"dropout": 0.5})
folder = saved("class-in-config")
edit(folder / "tokenizer_config.json", drop=["tokenizer_class"])
edit(folder / "config.json", tokenizer_class="PreTrainedTokenizerFast")
edit(folder / "tokenizer.json", normalizer={"type": "Lowercase"})


folder = old_files("map-with-names", tokenizer_class="RobertaTokenizer", image_token="<image>")
write(folder / "special_tokens_map.json", {
    "b_token": "<bill>", "a_token": "<audio>", "image_token": "<x>",
    "extra_special_tokens": {"video_token": "<video>"}})
folder = old_files("typed-names", tokenizer_class="RobertaTokenizer", image_token=token(
    "<image>", __type="AddedToken", lstrip=True), audio_token="<audio>",
    mask_token=token("<mask>", __type="AddedToken", lstrip=True))
write(folder / "added_tokens.json", {"<mask>": size - 1, "ACME": size})
write(folder / "special_tokens_map.json", {"additional_special_tokens": ["ACME", "EBIT"]})
old_files("specific-names", tokenizer_class="RobertaTokenizer",
          model_specific_special_tokens={"bill_token": "<bill>", "audio_token": "<audio>"})
old_files("same-name-twice", tokenizer_class="RobertaTokenizer", image_token="<image>",
          extra_special_tokens={"image_token": "<video>", "bill_token": "<bill>"})
old_files("empty-extras", tokenizer_class="RobertaTokenizer", extra_special_tokens={},
          additional_special_tokens=["<ticker>"])
folder = old_files("bart")
edit(folder / "config.json", model_type="bart")


# PreTrainedTokenizerFast does what tokenizer.json says
def fast(name, change=lambda made: None, made=None, names=True, **config):
    folder = case(name)
    if made is None:
        made = Tokenizer.from_file(str(cases["plain"] / "tokenizer.json"))
    change(made)
    roles = dict(zip(["bos_token", "pad_token", "eos_token", "unk_token", "mask_token"], SPECIALS))
    roles = roles | {"cls_token": "<s>", "sep_token": "</s>"} if names else {}
    PreTrainedTokenizerFast(tokenizer_object=made, **roles, **config).save_pretrained(folder)
    return folder


def part(**parts):
    return lambda made: [setattr(made, key, value) for key, value in parts.items()]


def byte_level(**flags):
    return pre_tokenizers.ByteLevel(**({"add_prefix_space": False} | flags))


fast("fast-plain")
fast("fast-without-names", names=False)
folder = fast("backend-class", lambda made: made.add_tokens(["ACME"]))
edit(folder / "tokenizer_config.json", tokenizer_class="TokenizersBackend")
fast("fast-lower-case", part(normalizer=normalizers.Lowercase()))
fast("fast-unicode", part(normalizer=normalizers.Sequence(
    [normalizers.NFKD(), normalizers.StripAccents(), normalizers.Replace(Regex(r"\d+"), "0")])))
fast("fast-prefix-space", part(pre_tokenizer=byte_level(add_prefix_space=True)))
fast("fast-no-regex", part(pre_tokenizer=byte_level(use_regex=False)))
fast("fast-digits", part(pre_tokenizer=pre_tokenizers.Sequence(
    [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.Split(Regex(r"[A-Z]+"), "isolated"), byte_level()])))
fast("fast-template", part(post_processor=processors.TemplateProcessing(
    single="<s> <mask> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2), ("<mask>", size - 1)])))
fast("fast-no-ends", part(post_processor=processors.ByteLevel()))
fast("fast-added", lambda made: made.add_tokens([AddedToken("EBITDA", lstrip=True), "ACME"]), extra_special_tokens=["<x>"])
folder = fast("fast-holes", lambda made: made.add_tokens(["ACME"]))
edit(folder / "tokenizer_config.json", image_token="<image>")
value = read(folder / "tokenizer.json")
value["model"]["vocab"]["<bill>"] = size + 7
write(folder / "tokenizer.json", value | {
    "added_tokens": [token("<bill>", id=size + 7, special=False)] + value["added_tokens"]})
folder = fast("fast-padding", names=False)
edit(folder / "tokenizer.json", padding={"strategy": "BatchLongest", "direction": "Right", "pad_to_multiple_of": None,
                                         "pad_id": size, "pad_type_id": 0, "pad_token": "[PAD]"})
folder = fast("fast-without-config", part(normalizer=normalizers.Lowercase()))
(folder / "config.json").unlink()
edit(folder / "tokenizer_config.json", drop=["tokenizer_class"])
made = Tokenizer(models.WordPiece(unk_token="<unk>"))
made.normalizer, made.pre_tokenizer = normalizers.Lowercase(), pre_tokenizers.Whitespace()
made.train_from_iterator([WORDS] * 4, trainers.WordPieceTrainer(vocab_size=200, special_tokens=SPECIALS, show_progress=False))
made.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
fast("fast-word-pieces", made=made)
made = Tokenizer(models.Unigram())
made.pre_tokenizer, made.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
made.train_from_iterator([WORDS] * 4, trainers.UnigramTrainer(
    vocab_size=120, special_tokens=SPECIALS, unk_token="<unk>", show_progress=False))
made.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
fast("fast-unigram", made=made)

# refused, each with the word that its message has
folder = fast("refused-dropout")
edit(folder / "tokenizer.json", model=model | {"dropout": 0.1})
refused[folder.name] = "dropout"
folder = saved("refused-class")
edit(folder / "tokenizer_config.json", tokenizer_class="BertTokenizer")
refused[folder.name] = "BertTokenizer"
folder = saved("refused-gpt2-class")
edit(folder / "tokenizer_config.json", tokenizer_class="GPT2Tokenizer")
refused[folder.name] = "GPT2Tokenizer"
folder = old_files("refused-model-type")
edit(folder / "config.json", model_type="gpt2")
refused[folder.name] = "model_type is gpt2"
for key, value in [("add_prefix_space", 1), ("split_special_tokens", "true"), ("truncation_side", "Left"),
                   ("cls_token", None), ("fast_tokenizer_files", ["tokenizer.4.0.0.json"]),
                   ("model_input_names", ["input_ids"])]:
    folder = old_files(f"refused-{key}", tokenizer_class="RobertaTokenizer", **{key: value})
    refused[folder.name] = key
folder = fast("refused-far-end", part(post_processor=processors.RobertaProcessing(("</s>", 2), ("<s>", 999999))))
refused[folder.name] = "999999"
folder = fast("refused-twice", part(post_processor=processors.TemplateProcessing(
    single="<s> $A </s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])))
refused[folder.name] = "post_processor"
write(out / "refused.json", refused)

for name, folder in cases.items():
    if name not in refused:
        theirs = AutoTokenizer.from_pretrained(folder)
        write(folder / "expected.json", {
            "ids": [theirs(text)["input_ids"] for text in texts],
            "side": theirs.truncation_side,
            "class": type(theirs).__name__,
        })
