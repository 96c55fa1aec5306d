//! What can go wrong while a corpus is made, each with the file and the way out.

use std::path::PathBuf;

/// An error that ends a command. A single bad document never does: it becomes an
/// [`Outcome::Rejected`](crate::Outcome) with its reason.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CorpusError {
    /// A file or folder could not be read.
    #[error("cannot {operation} {}: check that it exists and is readable", path.display())]
    Read {
        /// What was tried (`read`, `list`).
        operation: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
}
