"""Opens an exported folder in transformers and compares it with what our programs computed.
Usage: exported_folder.py FOLDER OURS.safetensors TEXT
OURS holds input_ids [B, T] and logits [B, T, V] of ours; for every line of TEXT a tensor
ids.N of our token ids. Prints one JSON object with the largest differences."""
import json
import sys

import torch
from safetensors.torch import load_file
from transformers import AutoTokenizer, RobertaForMaskedLM, pipeline

folder, ours_path, text_path = sys.argv[1:4]
ours = load_file(ours_path)
model, report = RobertaForMaskedLM.from_pretrained(folder, output_loading_info=True)
model.eval()
tokenizer = AutoTokenizer.from_pretrained(folder)

ids = ours["input_ids"]
with torch.no_grad():
    theirs = model(input_ids=ids, attention_mask=(ids != tokenizer.pad_token_id).long()).logits
real = ids != tokenizer.pad_token_id
logits_error = ((theirs - ours["logits"])[real].abs().max() / theirs[real].abs().max()).item()

lines = open(text_path, encoding="utf8").read().split("\n")
different = [line for number, line in enumerate(lines)
             if line and tokenizer(line)["input_ids"] != ours[f"ids.{number}"].tolist()]

words = next(line for line in lines if len(line.split()) > 8).split()
words[4] = tokenizer.mask_token
filled = pipeline("fill-mask", model=model, tokenizer=tokenizer)(" ".join(words))
print(json.dumps({
    "logits_error": logits_error,
    "texts": len([line for line in lines if line]),
    "texts_with_different_ids": len(different),
    "first_different": different[:1],
    "fill_mask_answers": len(filled),
    "missing_keys": sorted(report["missing_keys"]),
    "unexpected_keys": sorted(report["unexpected_keys"]),
    "tokenizer_class": type(tokenizer).__name__,
    "model_max_length": tokenizer.model_max_length,
}))
