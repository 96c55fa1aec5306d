//! bin tenk-corpus, thin over corpus, tokenizer and shards.

fn main() {}
