//! Byte-level BPE as RoBERTa uses it: train, encode fast, word starts.
//!
//! A [`Tokenizer`] is a vocabulary and an ordered list of merges over the 256 bytes, with the
//! five special tokens of RoBERTa. It reads and writes the files of Hugging Face `tokenizers`
//! and gives the same ids on any text; [`Encoder`] does so many times faster. Folders that ask for
//! more, such as added tokens or a prefix space, are encoded by the crate `tokenizers`.
//!
//! This crate does not read corpora, and it knows nothing about sequences, padding or masks.

mod added;
mod alphabet;
mod cache;
mod canonical;
mod class;
mod encode;
mod error;
mod files;
mod folder;
mod library;
mod merge;
mod merge_long;
mod names;
mod open;
mod ordered;
mod pipeline;
mod read;
mod settings;
mod spelled;
mod split;
mod tokenizer_json;
mod train;
mod vocabulary;

#[cfg(test)]
mod oracle;

pub use encode::Encoder;
pub use error::TokenizerError;
pub use folder::{FolderManifest, MANIFEST_FILE, MANIFEST_FORMAT_VERSION};
pub use settings::TruncationSide;
pub use train::{Trainer, train};
pub use vocabulary::{Ends, SpecialTokens, TokenId, Tokenizer};
