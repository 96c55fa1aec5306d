//! Finding checkpoints and reading them back, believing nothing that is not verified.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use durable::{Sha256Writer, sha256_file};

use crate::manifest::{FileEntry, MODEL_FILE, OPTIMIZER_FILE, TRAINER_FILE};
use crate::save::folder_name;
use crate::tensor_file::read_tensors;
use crate::{Checkpoint, CheckpointError, MANIFEST_FILE, Manifest, NamedTensor};

/// The newest checkpoint that is whole, and those newer ones that are not.
#[derive(Debug, Default)]
pub struct Latest {
    /// Its folder; `None` when there is none.
    pub path: Option<PathBuf>,
    /// Newer ones that cannot be used, newest first, each with the reason.
    pub skipped: Vec<Skipped>,
}

/// A checkpoint that cannot be used.
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

/// The step in a folder's name; `None` when it is not exactly what `save` would call it.
fn step_of(name: &str) -> Option<u64> {
    let step = name.strip_prefix("step-")?.parse().ok()?;
    (folder_name(step) == name).then_some(step)
}

/// The newest checkpoint whose files have the sizes and hashes that its manifest says.
///
/// # Errors
/// [`CheckpointError::Read`] when the folder cannot be listed. A checkpoint that cannot be
/// used is not an error: it is in [`Latest::skipped`].
pub fn latest(checkpoints_dir: &Path) -> Result<Latest, CheckpointError> {
    let mut found = Latest::default();
    for (_, path) in list(checkpoints_dir)?.into_iter().rev() {
        match verify(&path) {
            Ok(_) => {
                found.path = Some(path);
                break;
            }
            Err(reason) => found.skipped.push(Skipped { path, reason }),
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

/// The manifest, when all files have its sizes and the folder has its step's name.
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
        inner: io::BufReader::with_capacity(1 << 18, File::open(path).map_err(failed)?),
        hash: Sha256Writer::new(io::sink()),
    };
    let contents = read(&mut input);
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
}

impl<R: Read> Read for HashedReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hash.write_all(&buffer[..read])?;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use durable::{DISK, commit_bytes};
    use serde_json::{Value, json};

    use super::*;
    use crate::{Dtype, save};

    const FILES: [&str; 4] = [MODEL_FILE, OPTIMIZER_FILE, TRAINER_FILE, MANIFEST_FILE];

    fn save_step(folder: &Path, step: u64) -> PathBuf {
        let tensor = NamedTensor {
            name: "weight".to_owned(),
            dtype: Dtype::F64,
            shape: vec![2],
            bytes: vec![3; 16].into(),
        };
        save(&DISK, folder, step, &[tensor], &[], &json!({})).unwrap()
    }

    fn change(path: &Path, edit: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = fs::read(path).unwrap();
        edit(&mut bytes);
        commit_bytes(&DISK, path, &bytes).unwrap();
    }

    fn change_manifest(checkpoint: &Path, edit: impl FnOnce(&mut Value)) {
        change(&checkpoint.join(MANIFEST_FILE), |bytes| {
            let mut manifest = serde_json::from_slice(bytes).unwrap();
            edit(&mut manifest);
            *bytes = serde_json::to_vec(&manifest).unwrap();
        });
    }

    /// Breaks a copy of step 20 in one way; it must be refused by name, and step 10 be found.
    fn assert_refused(name: &str, expected: &str, damage: impl FnOnce(&Path)) {
        let folder = tempfile::tempdir().unwrap();
        let previous = save_step(folder.path(), 10);
        let newest = save_step(folder.path(), 20);
        damage(&newest);
        let error = restore(&newest).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert!(error.contains(name), "{error}");
        let found = latest(folder.path()).unwrap();
        assert_eq!(found.path.as_deref(), Some(previous.as_path()), "{error}");
        assert_eq!(found.skipped.len(), 1);
        assert_eq!(found.skipped[0].path, newest);
        assert!(found.skipped[0].reason.to_string().contains(name));
    }

    #[test]
    fn a_removed_file_is_refused_by_name() {
        for name in &FILES[..3] {
            assert_refused(name, "is missing", |path| {
                fs::remove_file(path.join(name)).unwrap();
            });
        }
        assert_refused(MANIFEST_FILE, "not a finished checkpoint", |path| {
            fs::remove_file(path.join(MANIFEST_FILE)).unwrap();
        });
    }

    #[test]
    fn a_file_that_is_cut_or_has_grown_is_refused_by_name() {
        for name in &FILES[..3] {
            assert_refused(name, "its manifest says", |path| {
                change(&path.join(name), |bytes| {
                    bytes.pop();
                });
            });
            assert_refused(name, "has 0 bytes", |path| {
                change(&path.join(name), Vec::clear);
            });
            assert_refused(name, "its manifest says", |path| {
                change(&path.join(name), |bytes| bytes.push(0));
            });
        }
    }

    #[test]
    fn a_manifest_cut_anywhere_is_refused() {
        let length = {
            let folder = tempfile::tempdir().unwrap();
            let path = save_step(folder.path(), 20).join(MANIFEST_FILE);
            // The line end at its end may go.
            fs::metadata(path).unwrap().len() - 1
        };
        for length in (0..usize::try_from(length).unwrap()).step_by(7) {
            assert_refused(MANIFEST_FILE, "is damaged", |path| {
                change(&path.join(MANIFEST_FILE), |bytes| bytes.truncate(length));
            });
        }
    }

    #[test]
    fn one_flipped_bit_anywhere_is_refused_by_name() {
        for name in &FILES[..3] {
            for position in [0, 8, 15] {
                assert_refused(name, "has SHA-256", |path| {
                    change(&path.join(name), |bytes| bytes[position] ^= 1);
                });
            }
        }
    }

    #[test]
    fn a_manifest_that_does_not_fit_is_refused_with_its_field() {
        assert_refused(MANIFEST_FILE, "`step` is 30", |path| {
            change_manifest(path, |manifest| manifest["step"] = json!(30));
        });
        assert_refused(MANIFEST_FILE, "format_version 2", |path| {
            change_manifest(path, |manifest| manifest["format_version"] = json!(2));
        });
        assert_refused(MANIFEST_FILE, "unknown field `extra`", |path| {
            change_manifest(path, |manifest| manifest["extra"] = json!(1));
        });
        assert_refused(MANIFEST_FILE, "lacks optimizer.safetensors", |path| {
            change_manifest(path, |manifest| {
                let files = manifest["files"].as_object_mut().unwrap();
                files.remove(OPTIMIZER_FILE);
            });
        });
    }

    #[test]
    fn a_trainer_state_of_another_step_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = save_step(folder.path(), 20);
        change(&path.join(TRAINER_FILE), |bytes| {
            *bytes = b"{\"step\": 21}".to_vec();
        });
        change_manifest(&path, |manifest| {
            let bytes = fs::read(path.join(TRAINER_FILE)).unwrap();
            manifest["files"][TRAINER_FILE] =
                json!({"size_bytes": bytes.len(), "sha256": durable::sha256_hex(&bytes)});
        });
        let error = restore(&path).unwrap_err().to_string();
        assert!(
            error.contains("trainer.json") && error.contains("`step` is 21"),
            "{error}"
        );
    }

    #[test]
    fn nothing_is_found_in_an_empty_or_missing_folder() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().to_path_buf(), folder.path().join("missing")] {
            let found = latest(&path).unwrap();
            assert!(found.path.is_none() && found.skipped.is_empty());
        }
    }

    #[test]
    fn only_exact_names_are_checkpoints_and_they_come_in_the_order_of_their_steps() {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "step-1",
            "step-+0000001",
            "step-00000010.damaged-1",
            "notes",
            ".step-00000010.partial-0-1-2-3",
            "step-123456789",
            "step-00000020",
            "step-00000003",
        ] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let steps: Vec<u64> = list(folder.path())
            .unwrap()
            .into_iter()
            .map(|(step, _)| step)
            .collect();
        assert_eq!(steps, [3, 20, 123_456_789]);
    }
}
