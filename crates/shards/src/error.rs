//! The one error type of this crate.

use std::path::PathBuf;

use durable::DurableError;

/// Everything that can be wrong with a corpus folder or with what is written into one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ShardError {
    /// A file cannot be read.
    #[error(
        "cannot read {path}: check that it exists and may be read; if it is gone, copy or build the corpus again"
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file cannot be written.
    #[error(transparent)]
    Durable(#[from] DurableError),
    /// A field of a binary header is not what it must be.
    #[error("{path}: {field} is {found}, but it must be {expected}; the file is damaged or of another kind")]
    Header {
        /// The file.
        path: PathBuf,
        /// The field of the byte table.
        field: &'static str,
        /// What is allowed.
        expected: String,
        /// What is there.
        found: String,
    },
    /// A file is shorter or longer than its header or its manifest says.
    #[error(
        "{path} has {found_bytes} bytes, but it must have {expected_bytes}; it was cut or changed after it was written: copy or build it again"
    )]
    Length {
        /// The file.
        path: PathBuf,
        /// Length that follows from the header or the manifest.
        expected_bytes: u64,
        /// Length of the file.
        found_bytes: u64,
    },
    /// An entry of an index column is impossible.
    #[error("{path}: {column} {index} is {found}, but it must be {expected}; build the shard again")]
    Column {
        /// The file.
        path: PathBuf,
        /// The column: `length`, `pointer` or `document index`.
        column: &'static str,
        /// Place in the column, from 0.
        index: usize,
        /// What is allowed.
        expected: String,
        /// What is there.
        found: i64,
    },
    /// A token does not fit into the width of the shard.
    #[error(
        "{path}: token {token} of block {block} does not fit into {width}; write the shard with a wider type"
    )]
    TokenTooLarge {
        /// The shard that is being written.
        path: PathBuf,
        /// The token.
        token: u32,
        /// Its block.
        block: usize,
        /// Name of the type.
        width: &'static str,
    },
    /// A block has no token or too many.
    #[error("{path}: block {block} has {tokens} tokens, a block has 1 to {}", i32::MAX - 1)]
    BlockLength {
        /// The shard that is being written.
        path: PathBuf,
        /// The block.
        block: usize,
        /// Its tokens.
        tokens: usize,
    },
    /// `finish` was called with blocks that belong to no document yet.
    #[error("{path}: the last document, from block {first_block} on, was not ended")]
    UnfinishedDocument {
        /// The shard that is being written.
        path: PathBuf,
        /// Its first block.
        first_block: usize,
    },
    /// An index lies outside of what the file holds.
    #[error("{path} has no {what} {index}: there are {count}, counted from 0; ask for a smaller one")]
    OutOfRange {
        /// The file.
        path: PathBuf,
        /// Block, row, shard ...
        what: &'static str,
        /// What was asked for.
        index: u64,
        /// How many there are.
        count: u64,
    },
    /// A JSON file is not what it should be.
    #[error("{path} cannot be read as {what}; it is damaged or of another kind: copy or build it again")]
    Json {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
        /// Place and reason.
        #[source]
        source: serde_json::Error,
    },
    /// A field of the manifest does not fit what it describes.
    #[error(
        "{path}: {field} is {found}, but it must be {expected}; build the corpus again with `tenk-corpus build`"
    )]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// The field.
        field: String,
        /// What is there or what this program reads.
        expected: String,
        /// What the manifest says.
        found: String,
    },
    /// A source that the corpus does not have.
    #[error("the corpus has no source {source_name:?}; ask for one of {known}")]
    UnknownSource {
        /// The name asked for.
        source_name: String,
        /// The names that exist.
        known: String,
    },
    /// `documents.jsonl.zst` is damaged.
    #[error("{path}: {problem}; build the corpus again with `tenk-corpus build`")]
    Documents {
        /// The file.
        path: PathBuf,
        /// What is wrong, with its place.
        problem: String,
    },
    /// Contents differ from their hash.
    #[error(
        "{file} is damaged {place}: its contents differ from the hash written with them; copy or build it again"
    )]
    Damaged {
        /// The first bad file.
        file: PathBuf,
        /// Where: byte offset and document as far as they can be told.
        place: Damage,
    },
    /// A sequence length without room for a token.
    #[error(
        "sequences of {max_length} tokens have no room for text: <s> and </s> take two tokens; use at least 3"
    )]
    SequenceLength {
        /// The length asked for.
        max_length: u32,
    },
    /// A packing file was made from another corpus.
    #[error(
        "{path} was packed from the corpus {found}, but this corpus is {expected}; delete the packing file, and it will be built again"
    )]
    PackingOfOtherCorpus {
        /// The packing file.
        path: PathBuf,
        /// Hash of the corpus.
        expected: String,
        /// Hash that the packing file states.
        found: String,
    },
    /// A packing row and its shard do not fit together.
    #[error(
        "{path}: packing row (block {block}, offset {token_offset}, length {length}) does not fit the shard; delete the packing file, and it will be built again"
    )]
    PackingRow {
        /// The shard.
        path: PathBuf,
        /// First block of the row.
        block: u32,
        /// First token in it.
        token_offset: u32,
        /// Tokens of the row.
        length: u32,
    },
}

/// Where damage begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// First byte of the damaged part; `None` if only the whole file is known to differ.
    pub offset_bytes: Option<u64>,
    /// Id of the document there.
    pub document: Option<String>,
}

impl Damage {
    /// The file differs, nobody can tell where.
    pub(crate) const UNKNOWN: Self = Self {
        offset_bytes: None,
        document: None,
    };
}

impl std::fmt::Display for Damage {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.offset_bytes, &self.document) {
            (Some(offset), Some(id)) => write!(formatter, "from byte {offset} on, in document {id}"),
            (Some(offset), None) => write!(formatter, "from byte {offset} on"),
            (None, Some(id)) => write!(formatter, "in document {id}"),
            (None, None) => write!(formatter, "at an unknown place"),
        }
    }
}

impl ShardError {
    #[expect(
        clippy::needless_pass_by_value,
        reason = "numbers and strings are passed alike"
    )]
    pub(crate) fn header(
        path: &std::path::Path,
        field: &'static str,
        expected: impl ToString,
        found: impl ToString,
    ) -> Self {
        Self::Header {
            path: path.to_path_buf(),
            field,
            expected: expected.to_string(),
            found: found.to_string(),
        }
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "numbers and strings are passed alike"
    )]
    pub(crate) fn manifest(
        path: &std::path::Path,
        field: impl Into<String>,
        expected: impl ToString,
        found: impl ToString,
    ) -> Self {
        Self::Manifest {
            path: path.to_path_buf(),
            field: field.into(),
            expected: expected.to_string(),
            found: found.to_string(),
        }
    }
}
