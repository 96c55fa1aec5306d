//! Saving: everything beside, the manifest last, then the name.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use durable::{DurableError, FileName, MOST_JSON_BYTES, Operation, Sha256Writer, StagedDir, Storage};
use serde_json::Value;

use crate::folder_name::folder_name;
use crate::manifest::{FileEntry, MANIFEST_FILE, MODEL_FILE, OPTIMIZER_FILE, TRAINER_FILE};
use crate::restore::verify;
use crate::tensor_file::{TensorFile, Unwritable};
use crate::{CheckpointError, Manifest, NamedTensor};

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
    // Never write what is refused on reading.
    if text.len() as u64 > MOST_JSON_BYTES {
        let bytes = text.len();
        return Err(refuse(format!(
            "it has {bytes} bytes as JSON, more than the {MOST_JSON_BYTES} that are read again; \
             name fewer documents in data.exclude"
        )));
    }
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
        let name = FileName::new(name).map_err(io::Error::other)?;
        manifest.files.insert(name, entry);
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
            let file = file.to_string();
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
mod tests;
