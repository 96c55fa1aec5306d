//! Names of the files of a tokenizer folder.

/// The whole pipeline.
pub const TOKENIZER_JSON: &str = "tokenizer.json";
/// The vocabulary, for older readers.
pub const VOCAB_JSON: &str = "vocab.json";
/// The merges, for older readers.
pub const MERGES_TXT: &str = "merges.txt";
/// Class, special tokens and longest sequence.
pub const TOKENIZER_CONFIG_JSON: &str = "tokenizer_config.json";
/// The special tokens by role.
pub const SPECIAL_TOKENS_MAP_JSON: &str = "special_tokens_map.json";
/// Added tokens of older folders.
pub const ADDED_TOKENS_JSON: &str = "added_tokens.json";
/// The model's configuration, which may name the class of the tokenizer.
pub const CONFIG_JSON: &str = "config.json";
