//! `MANIFEST.json`: what a checkpoint consists of. Its presence means that it is finished.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use durable::{FileName, MOST_JSON_BYTES, read_text};
use serde::{Deserialize, Serialize};

use crate::CheckpointError;

/// Name of the manifest.
pub const MANIFEST_FILE: &str = "MANIFEST.json";
/// Name of the file of weights.
pub const MODEL_FILE: &str = "model.safetensors";
/// Name of the file of the optimizer's tensors.
pub const OPTIMIZER_FILE: &str = "optimizer.safetensors";
/// Name of the file of the trainer's state.
pub const TRAINER_FILE: &str = "trainer.json";

const FORMAT_VERSION: u64 = 1;

/// The contents of a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of the checkpoint format.
    pub format_version: u64,
    /// Optimizer steps that were finished.
    pub step: u64,
    /// Every other file of the folder, by name.
    pub files: BTreeMap<FileName, FileEntry>,
}

/// What a manifest says of one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Length.
    pub size_bytes: u64,
    /// SHA-256 as 64 hex digits.
    pub sha256: String,
}

impl Manifest {
    pub(crate) fn new(step: u64) -> Self {
        Self {
            format_version: FORMAT_VERSION,
            step,
            files: BTreeMap::new(),
        }
    }

    /// Reads the manifest of a checkpoint and checks that it is one of this format version
    /// and lists the three files; looks at none of them.
    ///
    /// # Errors
    /// [`CheckpointError::NoManifest`], [`CheckpointError::Manifest`] or
    /// [`CheckpointError::FormatVersion`]; [`CheckpointError::Read`] from the system.
    pub fn read(checkpoint: &Path) -> Result<Self, CheckpointError> {
        /// Read first: of another version nothing else is known.
        #[derive(Deserialize)]
        struct Version {
            format_version: u64,
        }
        let path = checkpoint.join(MANIFEST_FILE);
        let damaged = |problem: String| CheckpointError::Manifest {
            path: path.clone(),
            problem,
        };
        let text = read_text(&path, MOST_JSON_BYTES).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => CheckpointError::NoManifest {
                path: checkpoint.to_path_buf(),
            },
            // What lies there is no text, no file or far too much: the system has answered.
            io::ErrorKind::InvalidData | io::ErrorKind::IsADirectory | io::ErrorKind::FileTooLarge => {
                damaged(source.to_string())
            }
            _ => CheckpointError::Read {
                path: path.clone(),
                source,
            },
        })?;
        let version: Version = serde_json::from_str(&text).map_err(|error| damaged(error.to_string()))?;
        if version.format_version != FORMAT_VERSION {
            return Err(CheckpointError::FormatVersion {
                path,
                found: version.format_version,
                expected: FORMAT_VERSION,
            });
        }
        let manifest: Self = serde_json::from_str(&text).map_err(|error| damaged(error.to_string()))?;
        if manifest.files.contains_key(MANIFEST_FILE) {
            return Err(damaged(format!("`files` lists {MANIFEST_FILE} itself")));
        }
        for file in [MODEL_FILE, OPTIMIZER_FILE, TRAINER_FILE] {
            if !manifest.files.contains_key(file) {
                return Err(damaged(format!("`files` lacks {file}")));
            }
        }
        Ok(manifest)
    }

    /// Checks that every file has the length that the manifest says.
    pub(crate) fn check_sizes(&self, checkpoint: &Path) -> Result<(), CheckpointError> {
        for (name, entry) in &self.files {
            let path = checkpoint.join(name);
            let found = match fs::metadata(&path) {
                Ok(metadata) => metadata.len(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return Err(CheckpointError::MissingFile { path });
                }
                Err(source) => return Err(CheckpointError::Read { path, source }),
            };
            if found != entry.size_bytes {
                return Err(CheckpointError::Size {
                    path,
                    expected: entry.size_bytes,
                    found,
                });
            }
        }
        Ok(())
    }
}
