//! Names of what is being written, and the removal of what a killed process left behind.
//!
//! A partial is called `.NAME.partial-HOST-PID-START-COUNT`: the hash of the host's name, the
//! writing process, when that process first wrote, and a counter. So a process can tell its
//! own partials from those of a predecessor with the same process id (in containers it is
//! often the same), and leaves alone those of other hosts on a shared file system.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use xxhash_rust::xxh3::xxh3_64;

use crate::{DurableError, Operation, Storage};

const MARK: &str = ".partial-";

/// Whether a file name is that of something that is being written, or was when its writer died.
pub fn is_partial(file_name: &str) -> bool {
    Writer::of(file_name).is_some()
}

/// Removes what killed processes of this host left in `parent`; returns what was removed.
///
/// What a living process writes, and what another host writes, stays.
///
/// # Errors
/// When `parent` cannot be listed or a leftover cannot be removed.
pub fn remove_stale_partials(storage: &dyn Storage, parent: &Path) -> Result<Vec<PathBuf>, DurableError> {
    remove_partials(storage, parent, Writer::is_gone)
}

/// Removes every partial in `parent` but this process's own; returns what was removed.
///
/// Only for who holds the lock of the folder ([`crate::FolderLock`]): it removes the
/// leftovers of other hosts too, and would remove what they write at this moment.
///
/// # Errors
/// When `parent` cannot be listed or a leftover cannot be removed.
pub fn remove_all_partials(storage: &dyn Storage, parent: &Path) -> Result<Vec<PathBuf>, DurableError> {
    remove_partials(storage, parent, |writer| !writer.is_this_process())
}

fn remove_partials(
    storage: &dyn Storage,
    parent: &Path,
    is_stale: impl Fn(&Writer) -> bool,
) -> Result<Vec<PathBuf>, DurableError> {
    let mut stale: Vec<PathBuf> = Vec::new();
    let listing = |source| DurableError::new(Operation::Read, parent, source);
    for entry in fs::read_dir(parent).map_err(listing)? {
        let entry = entry.map_err(listing)?;
        if entry
            .file_name()
            .to_str()
            .and_then(Writer::of)
            .is_some_and(|writer| is_stale(&writer))
        {
            stale.push(entry.path());
        }
    }
    stale.sort();
    for path in &stale {
        remove(storage, path).map_err(|source| DurableError::new(Operation::Remove, path, source))?;
    }
    Ok(stale)
}

fn remove(storage: &dyn Storage, path: &Path) -> io::Result<()> {
    let is_folder = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata.is_dir(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if is_folder {
        storage.remove_dir_all(path)
    } else {
        storage.remove_file(path)
    }
}

/// A name beside `path` that no other process, and no other call of this one, uses.
pub(crate) fn partial_path(path: &Path) -> Result<PathBuf, DurableError> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let name = path.file_name().ok_or_else(|| DurableError::InvalidName {
        path: path.to_path_buf(),
    })?;
    let writer = Writer::this_process();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let mut partial = OsString::from(".");
    partial.push(name);
    partial.push(format!(
        "{MARK}{:08x}-{}-{:x}-{count}",
        writer.host, writer.pid, writer.start
    ));
    Ok(path.with_file_name(partial))
}

/// Who writes, or wrote, a partial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Writer {
    host: u32,
    pid: u32,
    start: u64,
}

impl Writer {
    fn this_process() -> Self {
        static THIS: OnceLock<Writer> = OnceLock::new();
        *THIS.get_or_init(|| Self {
            host: host_tag(),
            pid: std::process::id(),
            start: nanoseconds_now(),
        })
    }

    fn of(file_name: &str) -> Option<Self> {
        let (name, tag) = file_name.strip_prefix('.')?.rsplit_once(MARK)?;
        let mut parts = tag.split('-');
        let writer = Self {
            host: u32::from_str_radix(parts.next()?, 16).ok()?,
            pid: parts.next()?.parse().ok()?,
            start: u64::from_str_radix(parts.next()?, 16).ok()?,
        };
        let _count: u64 = parts.next()?.parse().ok()?;
        (parts.next().is_none() && !name.is_empty()).then_some(writer)
    }

    fn is_this_process(&self) -> bool {
        *self == Self::this_process()
    }

    fn is_gone(&self) -> bool {
        let this = Self::this_process();
        if self.host != this.host {
            return false;
        }
        if self.pid == this.pid {
            return self.start != this.start;
        }
        !process_lives(self.pid)
    }
}

fn process_lives(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    pid.is_some_and(|pid| {
        // A process of another user may not be signaled, but it lives.
        rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH)
    })
}

/// The host's name; "unknown" where the system does not say.
pub(crate) fn host_name() -> String {
    fs::read_to_string("/proc/sys/kernel/hostname")
        .map_or_else(|_| "unknown".to_owned(), |name| name.trim().to_owned())
}

fn host_tag() -> u32 {
    let hash = xxh3_64(host_name().as_bytes());
    u32::try_from(hash >> 32).expect("the upper half of 64 bits has 32")
}

fn nanoseconds_now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|elapsed| u64::try_from(elapsed.as_nanos()).ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DISK;

    /// No process has it: the kernel's largest is 4,194,304.
    const NO_PROCESS: u32 = 4_194_305;

    fn partial_of(writer: Writer) -> String {
        format!(
            ".model{MARK}{:08x}-{}-{:x}-0",
            writer.host, writer.pid, writer.start
        )
    }

    #[test]
    fn a_partial_lies_beside_and_is_recognized() {
        let partial = partial_path(Path::new("/run/step-1")).unwrap();
        assert_eq!(partial.parent(), Some(Path::new("/run")));
        let name = partial.file_name().unwrap().to_str().unwrap();
        assert!(is_partial(name), "{name}");
        assert!(Writer::of(name).unwrap().is_this_process());
    }

    #[test]
    fn other_names_are_not_partials() {
        for name in [
            "model.safetensors",
            ".partial-0-1-2-3",
            ".x.partial-1",
            "x.partial-0-1-2-3",
            ".x.partial-0-1-2-3-4",
        ] {
            assert!(!is_partial(name), "{name}");
        }
    }

    #[test]
    fn only_partials_of_dead_processes_of_this_host_are_stale() {
        let this = Writer::this_process();
        let parent_pid = std::os::unix::process::parent_id();
        let cases = [
            (this, false),
            (
                Writer {
                    start: this.start - 1,
                    ..this
                },
                true,
            ),
            (
                Writer {
                    pid: NO_PROCESS,
                    ..this
                },
                true,
            ),
            (
                Writer {
                    pid: parent_pid,
                    ..this
                },
                false,
            ),
            (
                Writer {
                    host: !this.host,
                    pid: NO_PROCESS,
                    ..this
                },
                false,
            ),
        ];
        for (writer, expected) in cases {
            assert_eq!(writer.is_gone(), expected, "{writer:?}");
        }
    }

    #[test]
    fn stale_files_and_folders_go_and_everything_else_stays() {
        let folder = tempfile::tempdir().unwrap();
        let this = Writer::this_process();
        let dead = Writer {
            pid: NO_PROCESS,
            ..this
        };
        let other_host = Writer {
            host: !this.host,
            ..dead
        };
        let stale_folder = folder.path().join(partial_of(dead));
        fs::create_dir(&stale_folder).unwrap();
        drop(DISK.create_new(&stale_folder.join("file")).unwrap());
        let kept = [partial_of(this), partial_of(other_host), "model.bin".to_owned()];
        for name in &kept {
            drop(DISK.create_new(&folder.path().join(name)).unwrap());
        }
        let removed = remove_stale_partials(&DISK, folder.path()).unwrap();
        assert_eq!(removed, std::slice::from_ref(&stale_folder));
        assert!(!stale_folder.exists());
        for name in &kept {
            assert!(folder.path().join(name).exists(), "{name}");
        }
        let removed = remove_all_partials(&DISK, folder.path()).unwrap();
        assert_eq!(removed, [folder.path().join(partial_of(other_host))]);
    }
}
