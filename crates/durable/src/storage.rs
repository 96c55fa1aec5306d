//! The calls that change a disk, as a trait that tests replace.
//!
//! Only mutating calls are here: what is read is read through [`crate::open_file`].
//! [`crate::testing`] has a recorder and a fault injector behind the same trait.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::{flush, open_file};

/// Every call that changes what is on disk.
///
/// The `io::Error`s carry no path; callers add it with [`crate::DurableError::new`].
#[expect(
    clippy::missing_errors_doc,
    reason = "every method returns the system's error for the operation that it is named after"
)]
pub trait Storage: Send + Sync + fmt::Debug {
    /// Creates a file that must not exist yet, open for writing.
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn StorageFile>>;
    /// Creates a folder that must not exist yet, inside one that does.
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// Creates a folder and those above it; one that exists is fine.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Moves a file onto `to`, replacing a file there in one step.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Moves a file or folder to `to`; an error of kind `AlreadyExists` if there is anything.
    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Flushes a closed file's contents to the disk.
    fn sync_file(&self, path: &Path) -> io::Result<()>;
    /// Flushes many closed files; an error comes with the index of its file.
    fn sync_files(&self, paths: &[PathBuf]) -> Result<(), (usize, io::Error)> {
        for (index, path) in paths.iter().enumerate() {
            self.sync_file(path).map_err(|error| (index, error))?;
        }
        Ok(())
    }
    /// Flushes a folder's entries to the disk.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Removes a folder and all in it.
    fn remove_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Takes the write permission of a file from everybody.
    fn set_read_only(&self, path: &Path) -> io::Result<()>;
}

/// A file that is being written.
pub trait StorageFile: Write + Send + fmt::Debug {
    /// Flushes contents and length to the disk.
    ///
    /// # Errors
    /// The system's error; what was written may then be lost.
    fn sync_all(&mut self) -> io::Result<()>;
}

/// The real disk.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disk;

/// The one [`Disk`], for call sites that need a `&dyn Storage`.
pub static DISK: Disk = Disk;

impl Storage for Disk {
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        let file = OpenOptions::new().write(true).create_new(true).open(path)?;
        Ok(Box::new(DiskFile(file)))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        fs::create_dir(path)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        rename_without_replacing(from, to)
    }

    fn sync_file(&self, path: &Path) -> io::Result<()> {
        open_file(path)?.sync_all()
    }

    fn sync_files(&self, paths: &[PathBuf]) -> Result<(), (usize, io::Error)> {
        flush::at_once(paths, |path| self.sync_file(path))
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        // Refuses what is no folder without waiting for it.
        let folder_alone = OFlags::DIRECTORY.bits().cast_signed();
        let mut options = OpenOptions::new();
        options
            .read(true)
            .custom_flags(folder_alone)
            .open(path)?
            .sync_all()
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir_all(path)
    }

    fn set_read_only(&self, path: &Path) -> io::Result<()> {
        let mut permissions = fs::metadata(path)?.permissions();
        permissions.set_readonly(true);
        fs::set_permissions(path, permissions)
    }
}

#[derive(Debug)]
struct DiskFile(File);

impl Write for DiskFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl StorageFile for DiskFile {
    fn sync_all(&mut self) -> io::Result<()> {
        self.0.sync_all()
    }
}

/// A plain rename puts a folder in the place of an empty one, so the kernel is asked not to
/// replace. File systems without that flag (NFS) get a check first, which two writers at the
/// same instant could both pass.
fn rename_without_replacing(from: &Path, to: &Path) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        use rustix::io::Errno;
        match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            Err(Errno::INVAL | Errno::NOSYS) => {}
            result => return result.map_err(io::Error::from),
        }
    }
    match fs::symlink_metadata(to) {
        Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => fs::rename(from, to),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rename_new_refuses_an_empty_folder_a_file_and_a_dangling_link() {
        let folder = tempfile::tempdir().unwrap();
        let from = folder.path().join("from");
        fs::create_dir(&from).unwrap();
        fs::create_dir(folder.path().join("empty")).unwrap();
        drop(DISK.create_new(&folder.path().join("file")).unwrap());
        std::os::unix::fs::symlink("nowhere", folder.path().join("link")).unwrap();
        for taken in ["empty", "file", "link"] {
            let error = DISK.rename_new(&from, &folder.path().join(taken)).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists, "{taken}");
        }
        DISK.rename_new(&from, &folder.path().join("free")).unwrap();
        assert!(folder.path().join("free").is_dir());
    }

    #[test]
    fn a_pipe_in_the_place_of_what_is_flushed_is_an_error_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        crate::testing::lay_pipe(&path).unwrap();
        let flushed = crate::testing::within_a_minute(move || {
            [DISK.sync_file(&path), DISK.sync_dir(&path)].map(|flushed| flushed.is_ok())
        });
        assert_eq!(flushed, [false, false]);
    }

    #[test]
    fn a_read_only_file_has_no_write_permission_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        drop(DISK.create_new(&path).unwrap());
        DISK.set_read_only(&path).unwrap();
        assert!(fs::metadata(&path).unwrap().permissions().readonly());
    }
}
