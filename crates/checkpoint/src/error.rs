//! What can be wrong with a checkpoint, each with the file and the way out.

use std::io;
use std::path::PathBuf;

use durable::DurableError;

/// Why a checkpoint was not saved, found, restored or removed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// Writing, renaming or removing failed.
    #[error(transparent)]
    Durable(#[from] DurableError),
    /// Another training run has saved this step here.
    #[error(
        "{} already holds this step, but its {file} differs: it is from another run; choose another run folder, or remove that checkpoint",
        path.display()
    )]
    Conflict {
        /// The existing checkpoint.
        path: PathBuf,
        /// The first file whose contents differ.
        file: String,
    },
    /// A tensor that cannot be saved as it was given.
    #[error("tensor `{name}` of {file} cannot be saved: {problem}")]
    Tensor {
        /// The file it was meant for.
        file: &'static str,
        /// The tensor.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The trainer's state is not a JSON object, or is that of another step.
    #[error("the trainer's state of step {step} cannot be saved: {problem}")]
    TrainerState {
        /// The step that was to be saved.
        step: u64,
        /// What is wrong with it.
        problem: String,
    },
    /// A folder without a manifest: never finished, or not a checkpoint.
    #[error(
        "{} is not a finished checkpoint: it has no MANIFEST.json; use another checkpoint",
        path.display()
    )]
    NoManifest {
        /// The folder.
        path: PathBuf,
    },
    /// A file or folder that cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The system's own error.
        source: io::Error,
    },
    /// A manifest that does not say what a manifest says.
    #[error("{} is damaged: {problem}; use another checkpoint", path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// What is wrong with it, the field included.
        problem: String,
    },
    /// A checkpoint of another format version.
    #[error(
        "{} has format_version {found}, this program reads {expected}; use the program that wrote it",
        path.display()
    )]
    FormatVersion {
        /// The manifest.
        path: PathBuf,
        /// The version in the manifest.
        found: u64,
        /// The version of this program.
        expected: u64,
    },
    /// A checkpoint that may be whole but cannot be used here and now: an older one in its
    /// place would throw steps away without anybody having asked for that.
    #[error(
        "the checkpoint {} is newer than every checkpoint that can be used. It may not be damaged, so tenk does not go on from an older one; fix the cause and run the command again, or move it out of {} to go on without it",
        path.display(),
        path.parent().unwrap_or(path).display()
    )]
    NotPassedOver {
        /// Its folder.
        path: PathBuf,
        /// Why it cannot be used.
        #[source]
        source: Box<CheckpointError>,
    },
    /// A file that the manifest lists is not there.
    #[error("{} is missing although the manifest lists it; use another checkpoint", path.display())]
    MissingFile {
        /// The file.
        path: PathBuf,
    },
    /// A file that was cut, or has grown.
    #[error(
        "{} has {found} bytes, its manifest says {expected}; use another checkpoint",
        path.display()
    )]
    Size {
        /// The file.
        path: PathBuf,
        /// Bytes according to the manifest.
        expected: u64,
        /// Bytes on disk.
        found: u64,
    },
    /// A file whose bytes have changed.
    #[error(
        "{} has SHA-256 {found}, its manifest says {expected}; its contents have changed, use another checkpoint",
        path.display()
    )]
    Hash {
        /// The file.
        path: PathBuf,
        /// Hash according to the manifest.
        expected: String,
        /// Hash of what is on disk.
        found: String,
    },
    /// A file that is as it was written and still not what it should be.
    #[error("{} does not belong in a checkpoint: {problem}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong, tensor or field included.
        problem: String,
    },
}

impl CheckpointError {
    /// Whether the bytes on disk are not those that were saved, and never will be again; not
    /// so for another format version or for a disk that does not answer.
    pub(crate) fn is_damage(&self) -> bool {
        matches!(
            self,
            Self::NoManifest { .. }
                | Self::Manifest { .. }
                | Self::MissingFile { .. }
                | Self::Size { .. }
                | Self::Hash { .. }
                | Self::Content { .. }
        )
    }
}
