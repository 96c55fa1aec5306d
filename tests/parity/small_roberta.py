"""A small RoBERTa and its tokenizer, made on the spot: what the scripts of folders begin with."""
import torch
from tokenizers import ByteLevelBPETokenizer
from transformers import RobertaConfig, RobertaForMaskedLM, RobertaTokenizerFast

WORDS = ("The company reported revenue of 12 million dollars, and costs rose with the market. "
         "EBITDA of ACME Inc. fell; the Überraschung was na\u00efve caf\u00e9 \u6771\u4eac.")
SPECIALS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]


def slow_files(folder):
    """vocab.json and merges.txt, the specials at RoBERTa's places and <mask> last."""
    trainer = ByteLevelBPETokenizer()
    trainer.train_from_iterator([WORDS] * 4, vocab_size=340, min_frequency=2, special_tokens=SPECIALS[:4],
                                show_progress=False)
    trainer.add_special_tokens(["<mask>"])
    trainer.save_model(str(folder))
    import json
    path = folder / "vocab.json"
    vocab = json.loads(path.read_text("utf8"))
    vocab["<mask>"] = len(vocab)
    path.write_text(json.dumps(vocab, ensure_ascii=False), "utf8")
    return len(vocab)


def tokenizer(folder, **flags):
    return RobertaTokenizerFast(vocab=str(folder / "vocab.json"), merges=str(folder / "merges.txt"), **flags)


def model(vocab_size, seed=3):
    torch.manual_seed(seed)
    config = RobertaConfig(vocab_size=vocab_size, hidden_size=24, num_hidden_layers=2, num_attention_heads=2,
                           intermediate_size=40, max_position_embeddings=34, type_vocab_size=1, layer_norm_eps=1e-5)
    made = RobertaForMaskedLM(config).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return made
