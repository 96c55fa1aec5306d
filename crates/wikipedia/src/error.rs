//! Why a dump cannot be read to its end, each with the file, the place and the way out.

use std::path::PathBuf;

use crate::resume::text_place;

/// An error that ends the reading of a dump. A single bad page never does: it becomes an
/// [`Outcome::Rejected`](documents::Outcome) with its reason.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DumpError {
    /// The file could not be read.
    #[error("cannot {operation} {}: check that it exists and is readable", path.display())]
    Read {
        /// What was tried (`read`).
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A dump ends before its last page does.
    #[error(
        "{} ends at {}, before `</mediawiki>`: the file is cut; download it again, or check it with `bzip2 -t`",
        path.display(), text_place(*part_offset, *position)
    )]
    Truncated {
        /// The dump.
        path: PathBuf,
        /// Where in the file the part begins that was read; 0 in a dump that is not divided.
        part_offset: u64,
        /// Bytes of decompressed text from there to the end.
        position: u64,
    },
    /// A dump's file lacks its end; noticed before anything is read.
    #[error(
        "{} does not end as a dump does ({missing} is missing): the file is cut; download it again, or check it with `bzip2 -t`",
        path.display()
    )]
    Cut {
        /// The dump.
        path: PathBuf,
        /// What the end of the file lacks.
        missing: &'static str,
    },
    /// A dump is damaged where nothing can go on behind the damage.
    #[error(
        "{} is damaged in the bzip2 stream that begins at byte {offset}; download it again, or check it with `bzip2 -t`",
        path.display()
    )]
    Damaged {
        /// The dump.
        path: PathBuf,
        /// Where in the file the damaged stream begins.
        offset: u64,
    },
}
