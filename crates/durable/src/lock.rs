//! One process at a time in a folder.
//!
//! The lock is the kernel's, on the file `.lock` inside the folder: it is free as soon as its
//! holder has ended, however that happened. The file's text says who holds it. It is advisory:
//! it keeps apart those who take it. A holder may remove the folder: who then gets the lock of a
//! file that has lost its name takes it for nothing and tries again.

use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::partial::host_name;
use crate::{DurableError, Operation, open_own};

/// Name of the lock file inside a locked folder; who removes other files there leaves it.
pub const LOCK_FILE: &str = ".lock";

/// A folder that this process works in and no other; free again when dropped.
#[derive(Debug)]
pub struct FolderLock {
    file: File,
    folder: PathBuf,
}

impl FolderLock {
    /// Takes the lock of an existing folder without waiting; `purpose` is shown to others.
    ///
    /// # Errors
    /// [`DurableError::Locked`] with the holder when it is taken; other variants when the
    /// folder is missing or not writable.
    pub fn acquire(folder: &Path, purpose: &str) -> Result<Self, DurableError> {
        let path = folder.join(LOCK_FILE);
        let failed = |source| DurableError::new(Operation::Lock, &path, source);
        let mut file = loop {
            let mut file = open(&path).map_err(failed)?;
            match file.try_lock() {
                Ok(()) if is_at(&file, &path) => break file,
                // The last holder removed the folder after this process had opened the file.
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    return Err(DurableError::Locked {
                        path: folder.to_path_buf(),
                        holder: holder(&mut file),
                    });
                }
                Err(TryLockError::Error(source)) => return Err(failed(source)),
            }
        };
        let text = format!("process {} on {} ({purpose})\n", std::process::id(), host_name());
        replace_text(&mut file, &text).map_err(failed)?;
        Ok(Self {
            file,
            folder: folder.to_path_buf(),
        })
    }

    /// The folder that is locked.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        // The lock ends with the file; the text is emptied first so that it names nobody.
        // The file stays: removing it would let two processes lock two files of one name.
        let _ = self.file.set_len(0);
        let _ = self.file.unlock();
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let file = open_own(options.read(true).write(true).create(true).truncate(false), path)?;
    // Its text is replaced: a second name could be another file's.
    if file.metadata()?.nlink() > 1 {
        return Err(io::Error::other(
            "it has a second name; remove it, or choose another folder",
        ));
    }
    Ok(file)
}

/// Whether the open file is the one that `path` names now.
fn is_at(file: &File, path: &Path) -> bool {
    let identity = |metadata: Metadata| (metadata.dev(), metadata.ino());
    let open = file.metadata().map(identity);
    let named = path.metadata().map(identity);
    matches!((open, named), (Ok(open), Ok(named)) if open == named)
}

fn replace_text(file: &mut File, text: &str) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(text.as_bytes())
}

/// What the holder wrote; a holder that has just begun has written nothing yet.
fn holder(file: &mut File) -> String {
    let mut text = String::new();
    match file.read_to_string(&mut text) {
        Ok(_) if !text.trim().is_empty() => text.trim().to_owned(),
        _ => "another process".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    use super::*;

    const FOLDER_OF_CHILD: &str = "DURABLE_TEST_LOCK_FOLDER";

    #[test]
    fn a_held_lock_is_refused_with_its_holder_and_free_after_drop() {
        let folder = tempfile::tempdir().unwrap();
        let lock = FolderLock::acquire(folder.path(), "train").unwrap();
        let error = FolderLock::acquire(folder.path(), "train").unwrap_err();
        let DurableError::Locked { path, holder } = &error else {
            panic!("{error}");
        };
        assert_eq!(path, folder.path());
        assert!(
            holder.contains(&format!("process {}", std::process::id())),
            "{holder}"
        );
        assert!(holder.contains("(train)"), "{holder}");
        drop(lock);
        FolderLock::acquire(folder.path(), "evaluate").unwrap();
    }

    #[test]
    fn a_lock_file_that_has_lost_its_name_is_not_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(LOCK_FILE);
        let old = open(&path).unwrap();
        assert!(is_at(&old, &path));
        std::fs::remove_file(&path).unwrap();
        assert!(!is_at(&old, &path));
        let new = open(&path).unwrap();
        assert!(is_at(&new, &path) && !is_at(&old, &path));
    }

    #[test]
    fn a_lock_of_a_killed_process_is_free() {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "lock::tests::hold_the_lock_until_killed",
                "--ignored",
                "--nocapture",
            ])
            .env(FOLDER_OF_CHILD, folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(
            lines.any(|line| line.unwrap().contains("held")),
            "the child ended before it held the lock"
        );
        let error = FolderLock::acquire(folder.path(), "train").unwrap_err();
        assert!(
            error.to_string().contains(&format!("process {}", child.id())),
            "{error}"
        );
        child.kill().unwrap();
        child.wait().unwrap();
        FolderLock::acquire(folder.path(), "train").unwrap();
    }

    #[test]
    #[ignore = "the child process of a_lock_of_a_killed_process_is_free"]
    fn hold_the_lock_until_killed() {
        let Some(folder) = std::env::var_os(FOLDER_OF_CHILD) else {
            return;
        };
        let _lock = FolderLock::acquire(Path::new(&folder), "child").unwrap();
        println!("\nheld");
        // Ends with the parent at the latest: its end closes this pipe.
        let _ = io::stdin().read(&mut [0]);
    }

    #[test]
    fn a_lock_file_that_leads_to_another_file_is_refused_and_that_file_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (victim, path) = (folder.path().join("victim"), folder.path().join(LOCK_FILE));
        crate::commit_bytes(&crate::DISK, &victim, b"whole").unwrap();
        std::os::unix::fs::symlink(&victim, &path).unwrap();
        let error = FolderLock::acquire(folder.path(), "train").unwrap_err();
        assert!(format!("{error:?}").contains("it is a link"), "{error:?}");
        std::fs::remove_file(&path).unwrap();
        std::fs::hard_link(&victim, &path).unwrap();
        let error = FolderLock::acquire(folder.path(), "train").unwrap_err();
        assert!(format!("{error:?}").contains("second name"), "{error:?}");
        assert_eq!(std::fs::read(&victim).unwrap(), b"whole");
    }

    #[test]
    fn a_missing_folder_is_named() {
        let error = FolderLock::acquire(Path::new("/no/such/folder"), "train").unwrap_err();
        assert!(matches!(error, DurableError::Missing { .. }), "{error}");
    }
}
