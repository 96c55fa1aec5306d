//! What can go wrong with a table, each with the way out.

use std::io;
use std::path::{Path, PathBuf};

use documents::DocumentsError;
use durable::{DurableError, Operation};

/// An error that ends the writing of a table.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ColumnsError {
    /// The name of the file does not say which format it is to have.
    #[error("{} has no ending that names a format; give a name that ends with {known}", path.display())]
    UnknownFormat {
        /// The file.
        path: PathBuf,
        /// The endings that there are.
        known: String,
    },
    /// A row does not fit the columns.
    #[error("a row has no value that fits the column {column}; this is a bug in tenk, please report it")]
    Row {
        /// The first column that has none.
        column: String,
    },
    /// The table of members could not be read.
    #[error("cannot read {}: check that it exists and is readable text", path.display())]
    ReadMembers {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The table of members has a line that is none of it.
    #[error(
        "{}, line {line}: {reason}; give a table with the columns cik, ticker, start_date and end_date",
        path.display()
    )]
    Members {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong there.
        reason: String,
    },
    /// Parquet could not be written.
    #[error("cannot write {} as Parquet; this is a bug in tenk, please report it", path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: parquet::errors::ParquetError,
    },
    /// Worker threads could not be started.
    #[error("cannot start the worker threads; try a smaller --threads")]
    Threads {
        /// Why not.
        #[source]
        source: rayon::ThreadPoolBuildError,
    },
    /// The thread that encodes Parquet could not be started.
    #[error("cannot start a thread for the writing of Parquet; try again with fewer programs running")]
    EncoderThread {
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The documents cannot be read.
    #[error(transparent)]
    Documents(#[from] DocumentsError),
    /// The file cannot be written.
    #[error(transparent)]
    Durable(#[from] durable::DurableError),
}

/// A file could not be written.
pub(crate) fn write_error(path: &Path, source: io::Error) -> ColumnsError {
    DurableError::new(Operation::Write, path, source).into()
}
