//! Byte-level BPE: the alphabet of bytes, words, and the merging of a word's bytes into tokens.

pub(crate) mod alphabet;
mod merge_long;
pub(crate) mod merge_table;
pub(crate) mod merge_word;
pub(crate) mod split;
pub(crate) mod word_cache;
