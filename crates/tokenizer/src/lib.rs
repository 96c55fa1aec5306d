//! Byte-level BPE as RoBERTa uses it: train, encode fast, word starts.
//!
//! A [`Tokenizer`] is a vocabulary and an ordered list of merges over the 256 bytes, with the
//! five special tokens of RoBERTa. It reads and writes the files of Hugging Face `tokenizers`
//! and gives the same ids on any text; [`Encoder`] does so many times faster. Special tokens
//! are never added nor recognised while encoding: text that spells `<mask>` is text.
//!
//! This crate does not read corpora, and it knows nothing about sequences, padding or masks.

mod alphabet;
mod beside;
mod cache;
mod encode;
mod error;
mod files;
mod folder;
mod merge;
mod merge_long;
mod open;
mod read;
mod split;
mod train;
mod vocabulary;

#[cfg(test)]
mod oracle;

pub use encode::Encoder;
pub use error::TokenizerError;
pub use folder::{FolderManifest, MANIFEST_FILE, MANIFEST_FORMAT_VERSION};
pub use train::{Trainer, train};
pub use vocabulary::{SpecialTokens, TokenId, Tokenizer};
