//! What keeps a saved run from being used.

use std::path::PathBuf;

use crate::config::KeyPlace;

/// An error of the checkpoints of a run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SavedRunError {
    /// The run folder already has checkpoints.
    #[error(
        "{} already has checkpoints; resume it with `--resume auto`, or choose another run.dir",
        dir.display()
    )]
    HasCheckpoints {
        /// The run folder.
        dir: PathBuf,
    },
    /// A run without a step that is left.
    #[error(
        "{}: the run has finished all {step} steps of training.max_steps; choose another run.dir, or export it",
        dir.display()
    )]
    Finished {
        /// The run folder.
        dir: PathBuf,
        /// Its last step.
        step: u64,
    },
    /// There are checkpoints, and none of them can be used.
    #[error(
        "no checkpoint of the run can be used, {} among them; put a whole one back, or choose another run.dir to start over",
        path.display()
    )]
    NoUsableCheckpoint {
        /// One that was passed over.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: checkpoint::CheckpointError,
    },
    /// There is no checkpoint to use.
    #[error("{} has no {}; train first, or name a checkpoint that is there with --checkpoint", dir.display(), wanted.as_deref().map_or_else(|| "complete checkpoint".to_owned(), |wanted| format!("checkpoint {wanted:?}")))]
    NoCheckpoint {
        /// The folder that was searched.
        dir: PathBuf,
        /// The checkpoint that was asked for by name.
        wanted: Option<String>,
    },
    /// The checkpoint belongs to another run.
    #[error(
        "the checkpoint {} was written by another run: {fields}; set these back, or choose another run.dir",
        path.display()
    )]
    OtherRun {
        /// The checkpoint.
        path: PathBuf,
        /// What differs, with both values.
        fields: String,
    },
    /// The checkpoint lacks a field or tensor.
    #[error(
        "the checkpoint {} has no {what}, so it was not written by this program; use another one",
        path.display()
    )]
    IncompleteCheckpoint {
        /// The checkpoint.
        path: PathBuf,
        /// What it lacks.
        what: String,
    },
    /// A resumed run is to skip a step that it has taken.
    #[error(
        "{place}data.skip_steps: the run has already taken step {step}, because it goes on after step {finished}. A run can only skip steps that are still to come. To train without that batch, remove the checkpoints from step {step} on and resume from the one before"
    )]
    SkipsTakenStep {
        /// Where the file has the key.
        place: KeyPlace,
        /// The first such step.
        step: u64,
        /// Steps that are finished.
        finished: u64,
    },
    /// The tokenizer that a checkpoint was trained with is not where it was.
    #[error(
        "the tokenizer of the checkpoint {} (hash {hash}) was not found ({tried}); name its folder with --tokenizer DIR",
        checkpoint.display()
    )]
    NoTokenizerOfCheckpoint {
        /// The checkpoint.
        checkpoint: PathBuf,
        /// The hash of its tokenizer.
        hash: String,
        /// Where it was looked for, and why it is not there.
        tried: String,
    },
}
