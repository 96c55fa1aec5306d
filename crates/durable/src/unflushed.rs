//! A storage that leaves flushing to whoever flushes the whole.

use std::io;
use std::path::Path;

use crate::{Storage, StorageFile};

/// A storage that does not flush: for what is flushed as a whole before it gets its name, where
/// flushing a file by itself gains nothing.
#[derive(Debug)]
pub(crate) struct Unflushed<'a>(pub(crate) &'a dyn Storage);

#[derive(Debug)]
struct UnflushedFile(Box<dyn StorageFile>);

impl Storage for Unflushed<'_> {
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        Ok(Box::new(UnflushedFile(self.0.create_new(path)?)))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.0.create_dir(path)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.0.create_dir_all(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename(from, to)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename_new(from, to)
    }

    fn sync_file(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.0.remove_file(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.0.remove_dir_all(path)
    }

    fn set_read_only(&self, path: &Path) -> io::Result<()> {
        self.0.set_read_only(path)
    }
}

impl io::Write for UnflushedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl StorageFile for UnflushedFile {
    fn sync_all(&mut self) -> io::Result<()> {
        Ok(())
    }
}
