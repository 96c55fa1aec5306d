//! Files between the passes of a command: folders that appear whole or not at all, so that what
//! a killed command had finished can be used, and files that nobody opens by name.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use durable::{DISK, DurableError, Operation, Storage};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::CorpusError;

/// Says what a folder holds; written last.
const FACTS: &str = "segment.json";

/// Ends the name of a folder that is being written.
const UNFINISHED: &str = ".unfinished";

/// A folder that is being written.
pub(crate) struct ScratchFolder {
    folder: PathBuf,
    unfinished: PathBuf,
}

/// A file that is being written; it is read back through the same handle.
pub(crate) struct ScratchWriter {
    path: PathBuf,
    file: BufWriter<File>,
}

impl ScratchFolder {
    /// Begins `folder`; what a killed writer of it left is removed.
    pub(crate) fn create(folder: &Path) -> Result<Self, CorpusError> {
        let mut unfinished = folder.as_os_str().to_owned();
        unfinished.push(UNFINISHED);
        let unfinished = PathBuf::from(unfinished);
        remove_folder(&unfinished)?;
        DISK.create_dir(&unfinished)
            .map_err(|source| DurableError::new(Operation::Create, &unfinished, source))?;
        Ok(Self {
            folder: folder.to_path_buf(),
            unfinished,
        })
    }

    pub(crate) fn file(&self, name: &str) -> Result<ScratchWriter, CorpusError> {
        ScratchWriter::create(self.unfinished.join(name))
    }

    /// Gives the folder, whose files are finished, its name.
    pub(crate) fn finish(self, facts: &impl Serialize) -> Result<(), CorpusError> {
        let facts = serde_json::to_vec(facts).map_err(|source| CorpusError::Json { source })?;
        durable::commit_bytes(&DISK, &self.unfinished.join(FACTS), &facts)?;
        DISK.sync_dir(&self.unfinished)
            .map_err(|source| DurableError::new(Operation::Sync, &self.unfinished, source))?;
        DISK.rename_new(&self.unfinished, &self.folder)
            .map_err(|source| DurableError::new(Operation::Rename, &self.folder, source).into())
    }

    /// What a finished folder says that it holds; `None` if there is no such folder.
    ///
    /// # Errors
    /// [`CorpusError::Read`] when it is there and cannot be read.
    pub(crate) fn facts<T: DeserializeOwned>(folder: &Path) -> Result<Option<T>, CorpusError> {
        let failed = |source| CorpusError::Read {
            operation: "read",
            path: folder.to_path_buf(),
            source,
        };
        let facts = match std::fs::read(folder.join(FACTS)) {
            Ok(facts) => facts,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        // Those of another format are not used.
        Ok(serde_json::from_slice(&facts).ok())
    }
}

impl ScratchWriter {
    fn create(path: PathBuf) -> Result<Self, CorpusError> {
        let file = BufWriter::with_capacity(1 << 20, scratch_file(&path)?);
        Ok(Self { path, file })
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), CorpusError> {
        let written = self.file.write_all(bytes);
        Ok(written.map_err(|source| DurableError::new(Operation::Write, &self.path, source))?)
    }

    /// Writes all of it to the disk.
    pub(crate) fn finish(self) -> Result<File, CorpusError> {
        let Self { path, file } = self;
        let file = file.into_inner().map_err(io::IntoInnerError::into_error);
        let file = file.and_then(|file| file.sync_all().map(|()| file));
        Ok(file.map_err(|source| DurableError::new(Operation::Write, &path, source))?)
    }
}

/// A new file that is written and read back through one handle: what is read is what was written,
/// whatever happens to its name.
pub(crate) fn scratch_file(path: &Path) -> Result<File, CorpusError> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .open(path);
    Ok(file.map_err(|source| DurableError::new(Operation::Create, path, source))?)
}

/// Removes a folder that may not be there.
pub(crate) fn remove_folder(path: &Path) -> Result<(), CorpusError> {
    match DISK.remove_dir_all(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(DurableError::new(Operation::Remove, path, source).into())
        }
        _ => Ok(()),
    }
}
