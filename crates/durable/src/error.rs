//! The one error of this crate: which operation failed, on what, and what to do about it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why a write, a lock or a checksum did not happen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DurableError {
    /// The file system that holds `path` has no room left.
    #[error(
        "cannot {operation} {}: the disk is full; free space there or choose a folder on another disk, then run the command again",
        path.display()
    )]
    DiskFull {
        /// What was tried.
        operation: Operation,
        /// On which file or folder.
        path: PathBuf,
        /// The system's own error.
        source: io::Error,
    },
    /// The user's quota on the file system that holds `path` is used up.
    #[error(
        "cannot {operation} {}: your disk quota is used up; free space there or choose a folder on another disk, then run the command again",
        path.display()
    )]
    QuotaExceeded {
        /// What was tried.
        operation: Operation,
        /// On which file or folder.
        path: PathBuf,
        /// The system's own error.
        source: io::Error,
    },
    /// `path` lies in a folder or on a file system that this user may not write to.
    #[error(
        "cannot {operation} {}: the folder is read-only for this user; choose another folder or make it writable (chmod u+w)",
        path.display()
    )]
    ReadOnly {
        /// What was tried.
        operation: Operation,
        /// On which file or folder.
        path: PathBuf,
        /// The system's own error.
        source: io::Error,
    },
    /// Something on the way to `path` does not exist.
    #[error(
        "cannot {operation} {}: it or a folder above it does not exist; check the path, or create the folder first",
        path.display()
    )]
    Missing {
        /// What was tried.
        operation: Operation,
        /// On which file or folder.
        path: PathBuf,
        /// The system's own error.
        source: io::Error,
    },
    /// A folder is committed only under a name that is free.
    #[error(
        "{} already exists and is not overwritten; remove it, or choose another name",
        path.display()
    )]
    AlreadyExists {
        /// The name that is taken.
        path: PathBuf,
    },
    /// A name inside a staged folder that would leave that folder, or a path without a name.
    #[error(
        "{} is not a name inside a folder; give a relative path without `..`",
        path.display()
    )]
    InvalidName {
        /// The name as given.
        path: PathBuf,
    },
    /// A manifest names what is not a file of its folder.
    #[error(
        "{name} is not the name of a file: {problem}; a manifest may only name files of its own folder: make the folder again, and do not use a folder that you do not trust"
    )]
    NotAFileName {
        /// The name, quoted and shortened.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Another user could change what is trusted in this folder later.
    #[error("{} is not used: {problem}; choose another place, or remove it if it is yours", path.display())]
    NotPrivate {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Another user could put another folder in the place of this one.
    #[error(
        "{} is not used: others can write to {} and rename what is in it; if that folder is yours, run `{}`, or choose a place below a folder of your own",
        path.display(),
        above.display(),
        chmod_line(above)
    )]
    Replaceable {
        /// The folder.
        path: PathBuf,
        /// The folder above it that others can write to.
        above: PathBuf,
    },
    /// Another process works in the folder.
    #[error(
        "{} is in use by {holder}; wait until it has ended, end it, or choose another folder",
        path.display()
    )]
    Locked {
        /// The folder.
        path: PathBuf,
        /// Who holds it: process id, host and purpose as the holder wrote them.
        holder: String,
    },
    /// Any other failure of the system.
    #[error("cannot {operation} {}", path.display())]
    Io {
        /// What was tried.
        operation: Operation,
        /// On which file or folder.
        path: PathBuf,
        /// The system's own error.
        source: io::Error,
    },
}

impl DurableError {
    /// Sorts a system error into the variant whose message names the way out.
    ///
    /// Crates that write to a [`StorageFile`](crate::StorageFile) themselves use it to add
    /// operation and path to the `io::Error` that they get.
    pub fn new(operation: Operation, path: &Path, source: io::Error) -> Self {
        let path = path.to_path_buf();
        match source.kind() {
            io::ErrorKind::StorageFull => Self::DiskFull {
                operation,
                path,
                source,
            },
            io::ErrorKind::QuotaExceeded => Self::QuotaExceeded {
                operation,
                path,
                source,
            },
            io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied
                if operation != Operation::Read =>
            {
                Self::ReadOnly {
                    operation,
                    path,
                    source,
                }
            }
            io::ErrorKind::NotFound => Self::Missing {
                operation,
                path,
                source,
            },
            _ => Self::Io {
                operation,
                path,
                source,
            },
        }
    }
}

/// The shell line after which nobody renames what others have in a folder.
fn chmod_line(folder: &Path) -> String {
    format!(
        "chmod +t '{}'",
        folder.display().to_string().replace('\'', r"'\''")
    )
}

/// What was tried when a [`DurableError`] arose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operation {
    /// Creating a file or a folder.
    Create,
    /// Writing into a file.
    Write,
    /// Flushing a file or a folder to the disk.
    Sync,
    /// Moving the finished file or folder to its final name.
    Rename,
    /// Removing a file or a folder.
    Remove,
    /// Changing permissions.
    Protect,
    /// Taking the lock of a folder.
    Lock,
    /// Reading a file or listing a folder.
    Read,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Create => "create",
            Self::Write => "write",
            Self::Sync => "flush",
            Self::Rename => "rename to",
            Self::Remove => "remove",
            Self::Protect => "change the permissions of",
            Self::Lock => "lock",
            Self::Read => "read",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENOSPC: i32 = 28;
    const EDQUOT: i32 = 122;
    const EROFS: i32 = 30;
    const EACCES: i32 = 13;

    fn error(operation: Operation, errno: i32) -> DurableError {
        DurableError::new(
            operation,
            Path::new("/data/corpus"),
            io::Error::from_raw_os_error(errno),
        )
    }

    #[test]
    fn a_full_disk_names_the_path_and_the_way_out() {
        let message = error(Operation::Write, ENOSPC).to_string();
        assert!(message.contains("/data/corpus"), "{message}");
        assert!(message.contains("the disk is full"), "{message}");
        assert!(message.contains("free space"), "{message}");
    }

    #[test]
    fn a_used_up_quota_is_not_called_a_full_disk() {
        assert!(matches!(
            error(Operation::Write, EDQUOT),
            DurableError::QuotaExceeded { .. }
        ));
    }

    #[test]
    fn a_read_only_folder_and_a_read_only_file_system_name_the_way_out() {
        for errno in [EROFS, EACCES] {
            let message = error(Operation::Create, errno).to_string();
            assert!(message.contains("read-only"), "{message}");
            assert!(message.contains("choose another folder"), "{message}");
        }
    }

    #[test]
    fn a_file_that_may_not_be_read_is_not_called_read_only() {
        assert!(matches!(error(Operation::Read, EACCES), DurableError::Io { .. }));
    }

    #[test]
    fn the_cause_is_in_the_source_and_not_in_the_message() {
        use std::error::Error;
        let error = error(Operation::Write, ENOSPC);
        let cause = error.source().expect("a cause").to_string();
        assert!(!error.to_string().contains(&cause));
    }
}
