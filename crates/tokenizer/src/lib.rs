//! Byte-level BPE as RoBERTa uses it: train, encode fast, word starts.
//!
//! A [`Tokenizer`] is a vocabulary and an ordered list of merges over the 256 bytes, with the
//! five special tokens of RoBERTa. It reads and writes the files of Hugging Face `tokenizers`
//! and gives the same ids on any text; [`Encoder`] does so many times faster. Folders that ask for
//! more, such as added tokens or a prefix space, are encoded by the crate `tokenizers`.
//!
//! This crate does not read corpora, and it knows nothing about sequences, padding or masks.

mod bpe;
mod encode;
mod error;
mod folder;
mod library;
mod special;
mod spelled;
mod tokenizer;
mod train;
mod vocabulary;

#[cfg(test)]
mod oracle;

pub use encode::Encoder;
pub use error::TokenizerError;
pub use folder::file_names;
pub use folder::manifest::{FolderManifest, MANIFEST_FILE, MANIFEST_FORMAT_VERSION};
pub use special::{Ends, SpecialTokens, TokenId};
pub use tokenizer::{Tokenizer, TruncationSide};
pub use train::{Trainer, train};
