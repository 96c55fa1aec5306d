//! What can go wrong with a documents folder, each with the file and the way out.

use std::path::PathBuf;

/// An error that ends the reading or the writing of a documents folder.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentsError {
    /// A file could not be read.
    #[error("cannot {operation} {}: check that it exists and is readable", path.display())]
    Read {
        /// What was tried (`open`).
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// Inputs were read, but none became a document.
    #[error(
        "none of the {inputs} inputs became a document ({skipped} skipped, {rejected} rejected: {reasons}); \
         give 10-K or 10-Q filings, a Wikipedia dump, or texts"
    )]
    NoDocuments {
        /// Inputs that were read.
        inputs: u64,
        /// Skipped documents, pages or files.
        skipped: u64,
        /// Rejected documents, pages or files.
        rejected: u64,
        /// The first reasons with their counts.
        reasons: String,
    },
    /// A folder is not what `ingest` writes.
    #[error("{} is not a documents folder: {reason}; make it with `tenk-corpus ingest`", path.display())]
    NotDocs {
        /// The folder.
        path: PathBuf,
        /// Which file and field does not fit.
        reason: String,
    },
    /// Items were asked for, and nobody has looked for them.
    #[error(
        "the filings of {} have no items: an older version of tenk read them; make the folder again with \
         `tenk-corpus ingest`",
        path.display()
    )]
    NoItems {
        /// The folder.
        path: PathBuf,
    },
    /// A documents file is damaged.
    #[error("{}, line {line} is damaged; make the folder again with `tenk-corpus ingest`", path.display())]
    DamagedDocs {
        /// The documents file.
        path: PathBuf,
        /// Line number, from 1.
        line: u64,
        /// Why it cannot be read.
        #[source]
        source: std::io::Error,
    },
    /// A value could not be written as JSON.
    #[error("cannot write a value as JSON; this is a bug in tenk, please report it")]
    Json {
        /// Why not.
        #[source]
        source: serde_json::Error,
    },
    /// Writing failed.
    #[error(transparent)]
    Durable(#[from] durable::DurableError),
}
