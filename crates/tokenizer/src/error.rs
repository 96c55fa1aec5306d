//! The one error type of this crate.

use std::path::{Path, PathBuf};

use durable::DurableError;

impl TokenizerError {
    pub(crate) fn unfit(path: &Path, lacks: String) -> Self {
        Self::Unfit {
            path: path.to_path_buf(),
            lacks,
        }
    }
}

/// Everything that can go wrong with a tokenizer's files or with training one.
#[derive(Debug, thiserror::Error)]
pub enum TokenizerError {
    /// A file of the folder cannot be read.
    #[error("cannot read the tokenizer file {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The folder has neither `tokenizer.json` nor `vocab.json` with `merges.txt`.
    #[error(
        "{folder} holds no tokenizer: it has neither tokenizer.json nor vocab.json with merges.txt; make one with `tenk-corpus tokenizer`"
    )]
    NoTokenizer {
        /// The folder that was searched.
        folder: PathBuf,
    },
    /// A file is not the JSON that it should be.
    #[error("{path} is not a tokenizer file that can be read")]
    Json {
        /// The file.
        path: PathBuf,
        /// Place and reason.
        #[source]
        source: serde_json::Error,
    },
    /// The files describe a tokenizer that cannot be used, or not for what it is wanted.
    #[error(
        "{path}: this tokenizer cannot be used: {lacks}; choose another RoBERTa tokenizer folder, or train one with `tenk-corpus tokenizer`"
    )]
    Unfit {
        /// The file or folder.
        path: PathBuf,
        /// What is missing or different.
        lacks: String,
    },
    /// The crate `tokenizers`, which encodes where our own encoder does not, cannot encode a text.
    #[error(
        "the crate `tokenizers` cannot encode a text with the files of this tokenizer folder: {message}; choose another tokenizer folder, or leave the text out"
    )]
    Pipeline {
        /// What the crate says.
        message: String,
    },
    /// A text of which nothing is left.
    #[error(
        "text {text_index} (counted from 0) gives no token, and this tokenizer folder puts none around it: leave the text out"
    )]
    NoTokens {
        /// Which of the texts.
        text_index: usize,
    },
    /// A line of `merges.txt` is not two tokens.
    #[error("{path}, line {line}: a merge is two tokens separated by one space")]
    MergeLine {
        /// The file.
        path: PathBuf,
        /// Line number, from 1.
        line: usize,
    },
    /// The folder's `manifest.json` says something else than its tokenizer.
    #[error(
        "{path}: {field} is {found} but the tokenizer beside it has {expected}; \
         the folder was changed after it was written: make it again with `tenk-corpus tokenizer`"
    )]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// The field that differs.
        field: &'static str,
        /// What the tokenizer files give.
        expected: String,
        /// What the manifest says.
        found: String,
    },
    /// A vocabulary that cannot hold the alphabet and the specials.
    #[error(
        "a vocabulary of {requested} entries is too small: the 256 bytes and the special tokens alone take {smallest}; raise --vocab-size"
    )]
    VocabularyTooSmall {
        /// The size asked for.
        requested: usize,
        /// The smallest size that works.
        smallest: usize,
    },
    /// The texts to train on hold nothing.
    #[error("there is no text to train a tokenizer on; check what `ingest` wrote and what it rejected")]
    NoText,
    /// Writing the folder failed.
    #[error(transparent)]
    Durable(#[from] DurableError),
    /// A file's content cannot be written as JSON.
    #[error("cannot write {file} as JSON")]
    Serialize {
        /// The file's name.
        file: &'static str,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}
