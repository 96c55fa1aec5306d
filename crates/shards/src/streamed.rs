//! A file that is written bit by bit and gets its name when it is whole.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use durable::{DurableError, Operation, Sha256Writer, Storage, StorageFile};

const WRITE_BUFFER_BYTES: usize = 1 << 16;

/// A hashed, buffered file under a name beside its own; dropped unfinished, it is removed.
#[derive(Debug)]
pub(crate) struct StreamedFile<'s> {
    storage: &'s dyn Storage,
    path: PathBuf,
    partial: PathBuf,
    file: Option<Sha256Writer<BufWriter<Box<dyn StorageFile>>>>,
}

impl<'s> StreamedFile<'s> {
    pub(crate) fn create(storage: &'s dyn Storage, path: &Path) -> Result<Self, DurableError> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let partial = path.with_file_name(format!(".{name}.unfinished"));
        if partial.exists() {
            // left by a killed process
            storage
                .remove_file(&partial)
                .map_err(|source| DurableError::new(Operation::Remove, &partial, source))?;
        }
        let file = storage
            .create_new(&partial)
            .map_err(|source| DurableError::new(Operation::Create, path, source))?;
        let file = Sha256Writer::new(BufWriter::with_capacity(WRITE_BUFFER_BYTES, file));
        Ok(Self {
            storage,
            path: path.to_path_buf(),
            partial,
            file: Some(file),
        })
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), DurableError> {
        let written = match &mut self.file {
            Some(file) => file.write_all(bytes),
            None => Ok(()),
        };
        written.map_err(|source| DurableError::new(Operation::Write, &self.path, source))
    }

    /// Flushes to disk, makes read-only, renames; gives the SHA-256 in hex and the length.
    pub(crate) fn finish(mut self) -> Result<(String, u64), DurableError> {
        let Some(file) = self.file.take() else {
            return Ok((String::new(), 0));
        };
        let (buffered, hash, bytes) = file.finish();
        let finished = self.publish(buffered);
        if finished.is_err() {
            self.remove_partial();
        }
        finished.map(|()| (hash, bytes))
    }

    fn publish(&self, buffered: BufWriter<Box<dyn StorageFile>>) -> Result<(), DurableError> {
        let fail = |operation| move |source| DurableError::new(operation, &self.path, source);
        let (mut file, rest) = buffered.into_parts();
        let rest = rest.map_err(|_| std::io::Error::other("an earlier write broke off"));
        rest.and_then(|rest| file.write_all(&rest))
            .and_then(|()| file.sync_all())
            .and_then(|()| self.storage.set_read_only(&self.partial))
            .map_err(fail(Operation::Write))?;
        self.storage
            .rename(&self.partial, &self.path)
            .map_err(fail(Operation::Rename))
    }

    fn remove_partial(&self) {
        // the error that led here is the one to report; the next writer removes a leftover
        let _ = self.storage.remove_file(&self.partial);
    }
}

impl Drop for StreamedFile<'_> {
    fn drop(&mut self) {
        if let Some(file) = self.file.take() {
            // taken apart so that the buffer is not written
            drop(file.finish().0.into_parts());
            self.remove_partial();
        }
    }
}
