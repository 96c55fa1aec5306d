//! Which checkpoints stay: decided by a pure function, carried out by another.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use durable::{DurableError, Storage};

use crate::{CheckpointError, Manifest, list};

/// What [`apply`] did.
#[derive(Debug, Default)]
pub struct Retained {
    /// Steps that are gone, ascending.
    pub deleted: Vec<u64>,
    /// Checkpoints that should be gone and are not.
    pub failed: Vec<FailedDelete>,
}

/// A checkpoint that could not be removed.
#[derive(Debug)]
pub struct FailedDelete {
    /// Its folder.
    pub path: PathBuf,
    /// Why it is still there.
    pub reason: DurableError,
}

/// The steps to delete, ascending: all but the newest `keep_last` and the multiples of
/// `keep_every`.
///
/// The newest is never deleted, whatever `keep_last` says; `keep_every` of `None` or 0 keeps
/// none besides.
pub fn plan(steps: &[u64], keep_last: usize, keep_every: Option<u64>) -> Vec<u64> {
    let steps: BTreeSet<u64> = steps.iter().copied().collect();
    let num_older = steps.len().saturating_sub(keep_last.max(1));
    let is_kept = |step: u64| keep_every.is_some_and(|every| every > 0 && step.is_multiple_of(every));
    steps
        .into_iter()
        .take(num_older)
        .filter(|step| !is_kept(*step))
        .collect()
}

/// Deletes what [`plan`] says of the finished checkpoints under `checkpoints_dir`.
///
/// Folders without a fitting manifest are neither counted nor touched. Each deletion leaves
/// its checkpoint whole or gone, and one that fails does not stop the others.
///
/// # Errors
/// [`CheckpointError::Read`] when the folder cannot be listed.
pub fn apply(
    storage: &dyn Storage,
    checkpoints_dir: &Path,
    keep_last: usize,
    keep_every: Option<u64>,
) -> Result<Retained, CheckpointError> {
    let finished: Vec<(u64, PathBuf)> = list(checkpoints_dir)?
        .into_iter()
        .filter(|(_, path)| Manifest::read(path).is_ok_and(|manifest| manifest.check_sizes(path).is_ok()))
        .collect();
    let steps: Vec<u64> = finished.iter().map(|(step, _)| *step).collect();
    let to_delete = plan(&steps, keep_last, keep_every);
    let mut done = Retained::default();
    for (step, path) in finished {
        if !to_delete.contains(&step) {
            continue;
        }
        match durable::remove_dir(storage, &path) {
            Ok(()) => done.deleted.push(step),
            Err(reason) => done.failed.push(FailedDelete { path, reason }),
        }
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io;

    use durable::DISK;
    use durable::testing::FaultyStorage;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::{MODEL_FILE, save};

    fn save_steps(folder: &Path, steps: &[u64]) {
        for step in steps {
            save(&DISK, folder, *step, &[], &[], &json!({})).unwrap();
        }
    }

    fn steps_in(folder: &Path) -> Vec<u64> {
        list(folder).unwrap().into_iter().map(|(step, _)| step).collect()
    }

    #[test]
    fn the_newest_and_the_multiples_stay() {
        let steps = [10, 20, 30, 40, 50];
        assert_eq!(plan(&steps, 2, None), [10, 20, 30]);
        assert_eq!(plan(&steps, 2, Some(20)), [10, 30]);
        assert_eq!(plan(&steps, 5, None), [] as [u64; 0]);
        assert_eq!(plan(&steps, 6, None), [] as [u64; 0]);
        assert_eq!(plan(&steps, 0, Some(0)), [10, 20, 30, 40]);
        assert_eq!(plan(&[], 1, None), [] as [u64; 0]);
    }

    proptest! {
        #[test]
        fn no_plan_deletes_the_newest_or_a_step_that_is_not_there(
            steps in prop::collection::vec(0_u64..1000, 1..20),
            keep_last in 0_usize..25,
            keep_every in prop::option::of(0_u64..50),
        ) {
            let deleted = plan(&steps, keep_last, keep_every);
            let newest = steps.iter().max().unwrap();
            prop_assert!(!deleted.contains(newest));
            prop_assert!(deleted.iter().all(|step| steps.contains(step)));
            let distinct: BTreeSet<_> = steps.iter().collect();
            prop_assert!(distinct.len() - deleted.len() >= keep_last.max(1).min(distinct.len()));
        }
    }

    #[test]
    fn a_damaged_checkpoint_neither_counts_nor_goes() {
        let folder = tempfile::tempdir().unwrap();
        save_steps(folder.path(), &[10, 20, 30]);
        fs::remove_file(folder.path().join("step-00000030").join(MODEL_FILE)).unwrap();
        let done = apply(&DISK, folder.path(), 1, None).unwrap();
        assert_eq!(done.deleted, [10]);
        assert_eq!(steps_in(folder.path()), [20, 30]);
    }

    #[test]
    fn a_failed_deletion_is_reported_and_the_others_go_on() {
        let folder = tempfile::tempdir().unwrap();
        save_steps(folder.path(), &[10, 20, 30]);
        let storage = FaultyStorage::at_call(1, io::ErrorKind::PermissionDenied);
        let done = apply(&storage, folder.path(), 1, None).unwrap();
        assert_eq!(done.deleted, [20]);
        assert_eq!(done.failed.len(), 1);
        let failed = &done.failed[0];
        assert!(failed.path.ends_with("step-00000010"));
        assert!(
            failed.reason.to_string().contains("step-00000010"),
            "{}",
            failed.reason
        );
        assert_eq!(steps_in(folder.path()), [10, 30]);
    }
}
