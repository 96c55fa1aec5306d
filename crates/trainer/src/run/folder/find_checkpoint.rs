//! Finds the checkpoints of a run.

use std::path::{Path, PathBuf};

use checkpoint::folder_name;

use crate::{error::TrainError, run::folder::saved_run_error::SavedRunError};

/// The newest whole checkpoint of a folder; `None` when there is none. Damaged and unfinished
/// ones are passed over with a line each.
///
/// # Errors
/// [`SavedRunError::NoUsableCheckpoint`] when there are some and all are damaged: starting over
/// would lose the run. What may be whole and cannot be used here is not passed over either.
pub(crate) fn newest(checkpoints: &Path) -> Result<Option<PathBuf>, TrainError> {
    let latest = checkpoint::latest(checkpoints)?;
    for skipped in &latest.skipped {
        tracing::warn!(
            "skipping the checkpoint {}: {}",
            skipped.path.display(),
            skipped.reason
        );
    }
    match latest.skipped.into_iter().next() {
        Some(damaged) if latest.path.is_none() => Err(SavedRunError::NoUsableCheckpoint {
            path: damaged.path,
            source: damaged.reason,
        }
        .into()),
        _ => Ok(latest.path),
    }
}

/// The folder of a checkpoint of `run_dir`: by path, by name (`step-00000100`), by number, or
/// the newest whole one.
///
/// # Errors
/// [`SavedRunError::NoCheckpoint`] when there is none; those of [`newest`].
pub(crate) fn find_checkpoint(run_dir: &Path, wanted: Option<&str>) -> Result<PathBuf, TrainError> {
    let checkpoints = run_dir.join("checkpoints");
    let found = match wanted {
        None => newest(&checkpoints)?,
        Some(wanted) => {
            let number = wanted.strip_prefix("step-").unwrap_or(wanted).parse().ok();
            let named = number.map(|step| checkpoints.join(folder_name(step)));
            let candidates = [named, Some(checkpoints.join(wanted)), Some(PathBuf::from(wanted))];
            candidates.into_iter().flatten().find(|path| path.is_dir())
        }
    };
    let missing = || SavedRunError::NoCheckpoint {
        dir: checkpoints,
        wanted: wanted.map(str::to_owned),
    };
    Ok(found.ok_or_else(missing)?)
}
