//! Finding checkpoints and reading them back, believing nothing that is not verified.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use durable::{MOST_JSON_BYTES, Sha256Writer, open_file, sha256_file};

use crate::folder_name::step_of;
use crate::manifest::{FileEntry, MODEL_FILE, OPTIMIZER_FILE, TRAINER_FILE};
use crate::tensor_file::read_tensors;
use crate::{Checkpoint, CheckpointError, MANIFEST_FILE, Manifest, NamedTensor, SavedModel};

/// The newest checkpoint that is whole, and those newer ones that are damaged or unfinished.
#[derive(Debug, Default)]
pub struct Latest {
    /// Its folder; `None` when there is none.
    pub path: Option<PathBuf>,
    /// Newer ones that are damaged or unfinished, newest first, each with the reason.
    pub skipped: Vec<Skipped>,
}

/// A checkpoint that is damaged or was never finished.
#[derive(Debug)]
pub struct Skipped {
    /// Its folder.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: CheckpointError,
}

/// All folders under `checkpoints_dir` that are called like a checkpoint, by ascending step,
/// finished or not; none when there is no such folder.
///
/// # Errors
/// [`CheckpointError::Read`] when the folder cannot be listed.
pub fn list(checkpoints_dir: &Path) -> Result<Vec<(u64, PathBuf)>, CheckpointError> {
    let failed = |source| CheckpointError::Read {
        path: checkpoints_dir.to_path_buf(),
        source,
    };
    let entries = match fs::read_dir(checkpoints_dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(failed(source)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        if let Some(step) = entry.file_name().to_str().and_then(step_of) {
            found.push((step, entry.path()));
        }
    }
    found.sort();
    Ok(found)
}

/// The newest checkpoint whose files have the sizes and hashes that its manifest says.
///
/// One that is damaged or unfinished never comes back, so it is passed over and listed in
/// [`Latest::skipped`]. One that cannot be judged is not: another program version or a disk
/// that answers again can use it, and whoever runs this must decide to go on without it.
///
/// # Errors
/// [`CheckpointError::NotPassedOver`] for another format version and for what cannot be read;
/// [`CheckpointError::Read`] when the folder cannot be listed.
pub fn latest(checkpoints_dir: &Path) -> Result<Latest, CheckpointError> {
    let mut found = Latest::default();
    for (_, path) in list(checkpoints_dir)?.into_iter().rev() {
        match verify(&path) {
            Ok(_) => {
                found.path = Some(path);
                break;
            }
            Err(reason) if reason.is_damage() => found.skipped.push(Skipped { path, reason }),
            Err(reason) => {
                return Err(CheckpointError::NotPassedOver {
                    path,
                    source: Box::new(reason),
                });
            }
        }
    }
    Ok(found)
}

/// Checks sizes and hashes of all files of a checkpoint; returns its manifest.
///
/// # Errors
/// The first thing that is wrong, naming the file.
pub fn verify(path: &Path) -> Result<Manifest, CheckpointError> {
    let manifest = read_manifest(path)?;
    for (name, entry) in &manifest.files {
        let file = path.join(name);
        let found = sha256_file(&file)?;
        compare_hash(&file, entry, found)?;
    }
    Ok(manifest)
}

/// Reads a checkpoint, checking sizes and hashes on the way.
///
/// # Errors
/// The first thing that is wrong, naming the file and, inside it, the tensor or field.
pub fn restore(path: &Path) -> Result<Checkpoint, CheckpointError> {
    let manifest = read_manifest(path)?;
    Ok(Checkpoint {
        step: manifest.step,
        model: read_tensor_file(path, MODEL_FILE, &manifest)?,
        optimizer: read_tensor_file(path, OPTIMIZER_FILE, &manifest)?,
        trainer: read_trainer(path, &manifest)?,
    })
}

/// Reads the model and the trainer's state of a checkpoint, checking their hashes on the way, and of
/// the other files the sizes: what an export needs, a third of the bytes.
///
/// # Errors
/// As [`restore`].
pub fn restore_model(path: &Path) -> Result<SavedModel, CheckpointError> {
    let manifest = read_manifest(path)?;
    Ok(SavedModel {
        step: manifest.step,
        model: read_tensor_file(path, MODEL_FILE, &manifest)?,
        trainer: read_trainer(path, &manifest)?,
    })
}

/// Reads the trainer's state of a checkpoint, checking its hash, and of the other files the sizes.
///
/// # Errors
/// As [`restore`].
pub fn restore_trainer(path: &Path) -> Result<serde_json::Value, CheckpointError> {
    read_trainer(path, &read_manifest(path)?)
}

/// The manifest, when all files have its sizes, the folder has its step's name, and what is read whole is
/// not too large for it.
fn read_manifest(path: &Path) -> Result<Manifest, CheckpointError> {
    let manifest = Manifest::read(path)?;
    let named = path.file_name().and_then(|name| step_of(name.to_str()?));
    if let Some(step) = named.filter(|step| *step != manifest.step) {
        return Err(CheckpointError::Manifest {
            path: path.join(MANIFEST_FILE),
            problem: format!("`step` is {}, the folder's name says {step}", manifest.step),
        });
    }
    manifest.check_sizes(path)?;
    let trainer_bytes = manifest.files[TRAINER_FILE].size_bytes;
    if trainer_bytes > MOST_JSON_BYTES {
        return Err(CheckpointError::Content {
            path: path.join(TRAINER_FILE),
            problem: format!(
                "it has {trainer_bytes} bytes, and at most {MOST_JSON_BYTES} are read; use another checkpoint"
            ),
        });
    }
    Ok(manifest)
}

fn read_tensor_file(
    folder: &Path,
    name: &str,
    manifest: &Manifest,
) -> Result<Vec<NamedTensor<'static>>, CheckpointError> {
    let entry = &manifest.files[name];
    read_hashed(&folder.join(name), entry, |input| {
        read_tensors(input, entry.size_bytes)
    })
}

fn read_trainer(folder: &Path, manifest: &Manifest) -> Result<serde_json::Value, CheckpointError> {
    let path = folder.join(TRAINER_FILE);
    let trainer: serde_json::Value = read_hashed(&path, &manifest.files[TRAINER_FILE], |input| {
        serde_json::from_reader(input).map_err(io::Error::from)
    })?;
    if trainer["step"] == manifest.step {
        return Ok(trainer);
    }
    Err(CheckpointError::Content {
        problem: format!(
            "`step` is {}, the manifest says {}",
            trainer["step"], manifest.step
        ),
        path,
    })
}

/// Reads a file once, for its contents and its hash; a wrong hash is the error to report.
fn read_hashed<T>(
    path: &Path,
    entry: &FileEntry,
    read: impl FnOnce(&mut dyn Read) -> io::Result<T>,
) -> Result<T, CheckpointError> {
    let failed = |source| CheckpointError::Read {
        path: path.to_path_buf(),
        source,
    };
    let mut input = HashedReader {
        inner: io::BufReader::with_capacity(1 << 18, open_file(path).map_err(failed)?),
        hash: Sha256Writer::new(io::sink()),
        failure: None,
    };
    let contents = read(&mut input);
    // What the reader of the contents made of a failing disk is not the reason.
    if let Some(source) = input.failure.take() {
        return Err(failed(source));
    }
    io::copy(&mut input, &mut io::sink()).map_err(failed)?;
    let (_, found, _) = input.hash.finish();
    compare_hash(path, entry, found)?;
    contents.map_err(|error| CheckpointError::Content {
        path: path.to_path_buf(),
        problem: error.to_string(),
    })
}

fn compare_hash(path: &Path, entry: &FileEntry, found: String) -> Result<(), CheckpointError> {
    if found == entry.sha256 {
        return Ok(());
    }
    Err(CheckpointError::Hash {
        path: path.to_path_buf(),
        expected: entry.sha256.clone(),
        found,
    })
}

struct HashedReader<R> {
    inner: R,
    hash: Sha256Writer<io::Sink>,
    /// The first failure of the system.
    failure: Option<io::Error>,
}

impl<R: Read> Read for HashedReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer).inspect_err(|error| {
            let code = error.raw_os_error();
            if let Some(code) = code.filter(|_| error.kind() != io::ErrorKind::Interrupted) {
                self.failure
                    .get_or_insert_with(|| io::Error::from_raw_os_error(code));
            }
        })?;
        self.hash.write_all(&buffer[..read])?;
        Ok(read)
    }
}

#[cfg(test)]
mod tests;
