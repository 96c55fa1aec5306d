//! Saving: everything beside, the manifest last, then the name.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use durable::{DurableError, Operation, Sha256Writer, StagedDir, Storage};
use serde_json::Value;

use crate::manifest::{FileEntry, MANIFEST_FILE, MODEL_FILE, OPTIMIZER_FILE, TRAINER_FILE};
use crate::restore::verify;
use crate::tensor_file::{TensorFile, Unwritable};
use crate::{CheckpointError, Manifest, NamedTensor};

/// The name of the folder of a step: `step-00012345`.
pub fn folder_name(step: u64) -> String {
    format!("step-{step:08}")
}

/// Saves one step under `checkpoints_dir` (created when missing); returns its folder.
///
/// `trainer` is a JSON object; `step` is put into it. Leftovers of killed processes of this
/// host are removed. Saving a step that is there with the same contents changes nothing; a
/// damaged one of the same step is set aside as `step-00012345.damaged-1`.
///
/// # Errors
/// [`CheckpointError::Conflict`] when the step is there with other contents,
/// [`CheckpointError::Tensor`] and [`CheckpointError::TrainerState`] for state that cannot be
/// saved, [`CheckpointError::Durable`] when the disk does not take it. In all cases the
/// checkpoints that were there stay.
pub fn save(
    storage: &dyn Storage,
    checkpoints_dir: &Path,
    step: u64,
    model: &[NamedTensor<'_>],
    optimizer: &[NamedTensor<'_>],
    trainer: &Value,
) -> Result<PathBuf, CheckpointError> {
    let contents = Contents {
        step,
        model: tensor_file(MODEL_FILE, model)?,
        optimizer: tensor_file(OPTIMIZER_FILE, optimizer)?,
        trainer: trainer_text(step, trainer)?,
    };
    storage
        .create_dir_all(checkpoints_dir)
        .map_err(|source| DurableError::new(Operation::Create, checkpoints_dir, source))?;
    durable::remove_stale_partials(storage, checkpoints_dir)?;
    let path = checkpoints_dir.join(folder_name(step));
    match verify(&path) {
        Ok(existing) => return contents.accept(storage, &existing, path),
        Err(_) if path.symlink_metadata().is_err() => {}
        Err(error) if error.is_damage() => set_aside(storage, &path)?,
        Err(error) => return Err(error),
    }
    durable::commit_dir(storage, &path, |staged| contents.write(staged))?;
    Ok(path)
}

fn tensor_file<'a>(
    file: &'static str,
    tensors: &'a [NamedTensor<'a>],
) -> Result<TensorFile<'a>, CheckpointError> {
    TensorFile::new(tensors).map_err(|Unwritable { name, problem }| CheckpointError::Tensor {
        file,
        name,
        problem,
    })
}

fn trainer_text(step: u64, trainer: &Value) -> Result<Vec<u8>, CheckpointError> {
    let refuse = |problem: String| CheckpointError::TrainerState { step, problem };
    let mut trainer = trainer
        .as_object()
        .ok_or_else(|| refuse("it is not a JSON object".to_owned()))?
        .clone();
    match trainer.insert("step".to_owned(), step.into()) {
        Some(other) if other != step => return Err(refuse(format!("its `step` is {other}"))),
        _ => {}
    }
    let mut text = serde_json::to_vec_pretty(&trainer).map_err(|error| refuse(error.to_string()))?;
    text.push(b'\n');
    Ok(text)
}

/// Gives a damaged checkpoint another name, so that the step can be saved again.
fn set_aside(storage: &dyn Storage, path: &Path) -> Result<(), CheckpointError> {
    let mut number = 1;
    loop {
        let name = format!(
            "{}.damaged-{number}",
            path.file_name().unwrap_or_default().display()
        );
        let aside = path.with_file_name(name);
        match storage.rename_new(path, &aside) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            result => {
                return result.map_err(|source| DurableError::new(Operation::Rename, &aside, source).into());
            }
        }
    }
}

/// Everything of a checkpoint but its manifest, ready to be written.
struct Contents<'a> {
    step: u64,
    model: TensorFile<'a>,
    optimizer: TensorFile<'a>,
    trainer: Vec<u8>,
}

impl Contents<'_> {
    fn write(&self, staged: &StagedDir<'_>) -> Result<(), CheckpointError> {
        let mut manifest = Manifest::new(self.step);
        for name in [MODEL_FILE, OPTIMIZER_FILE, TRAINER_FILE] {
            staged.write_file(name, |file| self.write_file(name, file, &mut manifest))?;
        }
        staged.write_file(MANIFEST_FILE, |file| {
            serde_json::to_writer_pretty(&mut *file, &manifest)?;
            file.write_all(b"\n")
        })?;
        Ok(())
    }

    fn write_file(&self, name: &str, file: &mut dyn Write, manifest: &mut Manifest) -> io::Result<()> {
        let mut hashed = Sha256Writer::new(file);
        match name {
            MODEL_FILE => self.model.write_to(&mut hashed)?,
            OPTIMIZER_FILE => self.optimizer.write_to(&mut hashed)?,
            _ => hashed.write_all(&self.trainer)?,
        }
        let (_, sha256, size_bytes) = hashed.finish();
        let entry = FileEntry { size_bytes, sha256 };
        manifest.files.insert(name.to_owned(), entry);
        Ok(())
    }

    /// A complete checkpoint of this step is there: fine if it is this one.
    fn accept(
        &self,
        storage: &dyn Storage,
        existing: &Manifest,
        path: PathBuf,
    ) -> Result<PathBuf, CheckpointError> {
        let mut manifest = Manifest::new(self.step);
        for name in [MODEL_FILE, OPTIMIZER_FILE, TRAINER_FILE] {
            self.write_file(name, &mut io::sink(), &mut manifest)
                .map_err(|source| DurableError::new(Operation::Write, &path, source))?;
        }
        let differing = manifest
            .files
            .into_iter()
            .find(|(name, entry)| existing.files.get(name) != Some(entry));
        if let Some((file, _)) = differing {
            return Err(CheckpointError::Conflict { path, file });
        }
        // The save that made it may have failed at its last flush.
        let parent = path.parent().unwrap_or(&path);
        storage
            .sync_dir(parent)
            .map_err(|source| DurableError::new(Operation::Sync, parent, source))?;
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use durable::testing::{Call, Recorder, at_every_call};
    use durable::{DISK, is_partial};
    use serde_json::json;

    use super::*;
    use crate::{Dtype, apply, latest, restore};

    fn tensors(salt: u8) -> Vec<NamedTensor<'static>> {
        ["roberta.a", "roberta.b"]
            .map(|name| NamedTensor {
                name: name.to_owned(),
                dtype: Dtype::F32,
                shape: vec![2, 3],
                bytes: vec![salt; 24].into(),
            })
            .to_vec()
    }

    fn save_step(
        storage: &dyn Storage,
        folder: &Path,
        step: u64,
        salt: u8,
    ) -> Result<PathBuf, CheckpointError> {
        let tensors = tensors(salt);
        let trainer = json!({"tokens_seen": 5120, "loss_scale": 0.1});
        save(storage, folder, step, &tensors, &tensors, &trainer)
    }

    fn assert_holds(path: &Path, step: u64, salt: u8) {
        let checkpoint = restore(path).unwrap();
        assert_eq!(checkpoint.step, step);
        assert_eq!(checkpoint.model, tensors(salt));
        assert_eq!(checkpoint.optimizer, tensors(salt));
        let trainer = json!({"tokens_seen": 5120, "loss_scale": 0.1, "step": step});
        assert_eq!(checkpoint.trainer, trainer);
    }

    #[test]
    fn what_is_saved_is_restored() {
        let folder = tempfile::tempdir().unwrap();
        let path = save_step(&DISK, &folder.path().join("made/on/the/way"), 12_345, 1).unwrap();
        assert_eq!(path.file_name().unwrap(), "step-00012345");
        assert_holds(&path, 12_345, 1);
    }

    #[test]
    fn a_fault_at_any_call_leaves_the_previous_checkpoint_loadable() {
        let reached = at_every_call(|storage| {
            let folder = tempfile::tempdir().unwrap();
            let folder = folder.path().join("checkpoints");
            save_step(&DISK, &folder, 10, 1).unwrap();
            let result = save_step(storage, &folder, 20, 2);
            assert_eq!(result.is_err(), storage.has_failed(), "{storage:?}");
            assert_holds(&folder.join("step-00000010"), 10, 1);
            let found = latest(&folder).unwrap();
            assert!(found.skipped.is_empty(), "{storage:?} {found:?}");
            let found = found.path.unwrap();
            if found.ends_with("step-00000020") {
                assert_holds(&found, 20, 2);
            } else {
                assert!(result.is_err(), "{storage:?}");
                assert_holds(&found, 10, 1);
            }
            // The next attempt, as after a restart, goes through.
            assert_holds(&save_step(&DISK, &folder, 20, 2).unwrap(), 20, 2);
        });
        assert!(reached > 15, "{reached}");
    }

    #[test]
    fn a_fault_at_any_call_leaves_the_first_checkpoint_absent_or_whole() {
        at_every_call(|storage| {
            let folder = tempfile::tempdir().unwrap();
            let result = save_step(storage, folder.path(), 10, 1);
            match latest(folder.path()).unwrap().path {
                Some(path) => assert_holds(&path, 10, 1),
                None => assert!(result.is_err(), "{storage:?}"),
            }
        });
    }

    #[test]
    fn a_fault_at_any_call_of_save_and_retention_leaves_only_whole_checkpoints() {
        at_every_call(|storage| {
            let folder = tempfile::tempdir().unwrap();
            for step in [10, 20] {
                save_step(&DISK, folder.path(), step, 1).unwrap();
            }
            let _ = save_step(storage, folder.path(), 30, 1);
            let _ = apply(storage, folder.path(), 1, None);
            let found = latest(folder.path()).unwrap();
            assert!(found.skipped.is_empty(), "{storage:?} {found:?}");
            let path = found.path.unwrap();
            let step = if path.ends_with("step-00000030") { 30 } else { 20 };
            assert_holds(&path, step, 1);
        });
    }

    #[test]
    fn the_manifest_is_written_last() {
        let folder = tempfile::tempdir().unwrap();
        let recorder = Recorder::default();
        save_step(&recorder, folder.path(), 10, 1).unwrap();
        let created: Vec<_> = recorder
            .calls()
            .into_iter()
            .filter_map(|call| match call {
                Call::CreateNew(path) => Some(path.file_name().unwrap().to_owned()),
                _ => None,
            })
            .collect();
        assert_eq!(created, [MODEL_FILE, OPTIMIZER_FILE, TRAINER_FILE, MANIFEST_FILE]);
    }

    #[test]
    fn saving_the_same_step_twice_is_fine_and_another_of_its_number_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = save_step(&DISK, folder.path(), 10, 1).unwrap();
        assert_eq!(save_step(&DISK, folder.path(), 10, 1).unwrap(), path);
        let error = save_step(&DISK, folder.path(), 10, 2).unwrap_err();
        let CheckpointError::Conflict { file, .. } = &error else {
            panic!("{error}");
        };
        assert_eq!(file, MODEL_FILE);
        assert_holds(&path, 10, 1);
    }

    #[test]
    fn a_damaged_checkpoint_of_the_step_is_set_aside() {
        let folder = tempfile::tempdir().unwrap();
        for number in 1..=2 {
            let path = save_step(&DISK, folder.path(), 10, 1).unwrap();
            fs::remove_file(path.join(MODEL_FILE)).unwrap();
            assert_holds(&save_step(&DISK, folder.path(), 10, 1).unwrap(), 10, 1);
            let aside = format!("step-00000010.damaged-{number}");
            assert!(folder.path().join(aside).is_dir());
        }
    }

    #[test]
    fn a_checkpoint_of_another_format_version_is_not_set_aside() {
        let folder = tempfile::tempdir().unwrap();
        let path = save_step(&DISK, folder.path(), 10, 1).unwrap();
        let manifest = path.join(MANIFEST_FILE);
        let text = fs::read_to_string(&manifest).unwrap();
        let text = text.replace("\"format_version\": 1", "\"format_version\": 2");
        durable::commit_bytes(&DISK, &manifest, text.as_bytes()).unwrap();
        let error = save_step(&DISK, folder.path(), 10, 1).unwrap_err();
        assert!(matches!(error, CheckpointError::FormatVersion { .. }), "{error}");
        assert!(path.is_dir());
    }

    #[test]
    fn leftovers_of_a_killed_save_are_removed_by_the_next_one() {
        let folder = tempfile::tempdir().unwrap();
        // Process ids end at 4,194,304: this one's writer is gone.
        let host = {
            let kept = durable::testing::FaultyStorage::from_call(6, io::ErrorKind::Other);
            save_step(&kept, folder.path(), 10, 1).unwrap_err();
            let entry = fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap();
            entry.file_name().into_string().unwrap()
        };
        assert!(is_partial(&host), "{host}");
        let mut parts: Vec<&str> = host.split('-').collect();
        let pid = parts.len() - 3;
        parts[pid] = "4194305";
        let dead = folder.path().join(parts.join("-"));
        fs::rename(folder.path().join(&host), &dead).unwrap();
        save_step(&DISK, folder.path(), 20, 1).unwrap();
        assert!(!dead.exists());
    }

    #[test]
    fn state_that_cannot_be_saved_is_refused_before_anything_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let mut bad = tensors(1);
        bad[1].shape = vec![7];
        let error = save(&DISK, folder.path(), 1, &tensors(1), &bad, &json!({})).unwrap_err();
        assert!(
            error.to_string().contains("`roberta.b` of optimizer.safetensors"),
            "{error}"
        );
        for (trainer, expected) in [
            (json!(7), "not a JSON object"),
            (json!({"step": 2}), "`step` is 2"),
        ] {
            let error = save(&DISK, folder.path(), 1, &[], &[], &trainer).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
