"""Hugging Face tokenizers on chunks of text: prints the SHA-256 of each chunk's ids.

Usage: token_ids.py TOKENIZER_DIR CHUNKS.jsonl
TOKENIZER_DIR holds vocab.json and merges.txt; each line of CHUNKS.jsonl is a JSON string. The ids
of a chunk are hashed as little-endian 32-bit numbers, one hash a line in the order of the chunks."""
import array, hashlib, itertools, json, pathlib, sys
from tokenizers import Tokenizer, models, pre_tokenizers

folder = pathlib.Path(sys.argv[1])
tokenizer = Tokenizer(models.BPE.from_file(str(folder / "vocab.json"), str(folder / "merges.txt")))
tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
with open(sys.argv[2], encoding="utf8") as lines:
    while batch := [json.loads(line) for line in itertools.islice(lines, 64)]:
        for encoding in tokenizer.encode_batch_fast(batch, add_special_tokens=False):
            ids = array.array("I", encoding.ids)
            if sys.byteorder == "big":
                ids.byteswap()
            print(hashlib.sha256(ids.tobytes()).hexdigest())
