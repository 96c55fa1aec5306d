"""Writes a RoBERTa folder as transformers itself does: a fresh model of the shape of FOLDER with
its tokenizer.
Usage: write_roberta.py FOLDER OUT"""
import sys

import torch
from transformers import AutoConfig, AutoTokenizer, RobertaForMaskedLM

folder, out = sys.argv[1:3]
torch.manual_seed(11)
model = RobertaForMaskedLM(AutoConfig.from_pretrained(folder))
with torch.no_grad():
    for parameter in model.parameters():
        parameter.add_(torch.randn_like(parameter) * 0.01)
model.save_pretrained(out)
AutoTokenizer.from_pretrained(folder).save_pretrained(out)
