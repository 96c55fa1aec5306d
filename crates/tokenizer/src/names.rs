//! Names of the files of a tokenizer folder.

pub(crate) const TOKENIZER_JSON: &str = "tokenizer.json";
pub(crate) const VOCAB_JSON: &str = "vocab.json";
pub(crate) const MERGES_TXT: &str = "merges.txt";
pub(crate) const TOKENIZER_CONFIG_JSON: &str = "tokenizer_config.json";
pub(crate) const SPECIAL_TOKENS_MAP_JSON: &str = "special_tokens_map.json";
pub(crate) const ADDED_TOKENS_JSON: &str = "added_tokens.json";
