//! Storages for tests: one that records calls, one that fails at the k-th; and pipes under the
//! names of files.
//!
//! [`at_every_call`] is the driver: it runs a scenario once for every call that the scenario
//! makes, failing there, first as an error that the program lives on after and then as its
//! death. Other crates' tests use it as it stands.

use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::{DISK, Storage, StorageFile};

/// One mutating call, with its paths.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "named after the methods of `Storage` and `StorageFile`"
)]
pub enum Call {
    CreateNew(PathBuf),
    CreateDir(PathBuf),
    CreateDirAll(PathBuf),
    Rename { from: PathBuf, to: PathBuf },
    RenameNew { from: PathBuf, to: PathBuf },
    SyncFile(PathBuf),
    SyncDir(PathBuf),
    RemoveFile(PathBuf),
    RemoveDirAll(PathBuf),
    SetReadOnly(PathBuf),
    Write { path: PathBuf, num_bytes: usize },
    SyncAll(PathBuf),
}

/// Sees every call before it reaches the disk, and decides whether it does.
trait Watch: Send + Sync + fmt::Debug {
    /// An error stops the call; for a write, half of the bytes still get through.
    fn before(&self, call: Call) -> io::Result<()>;
}

/// The real disk, noting each call in order.
#[derive(Debug, Clone, Default)]
pub struct Recorder {
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Recorder {
    /// The calls so far.
    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Watch for Recorder {
    fn before(&self, call: Call) -> io::Result<()> {
        self.calls
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(call);
        Ok(())
    }
}

/// The real disk, failing at one call or from one call on.
///
/// A failing write lets half of its bytes through, as a full disk does.
#[derive(Debug, Clone)]
pub struct FaultyStorage {
    fail_at: u64,
    fault: Fault,
    kind: io::ErrorKind,
    num_calls: Arc<AtomicU64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// One call fails.
    Error,
    /// No call gets through any more.
    Crash,
    /// The process is killed.
    Kill,
}

impl FaultyStorage {
    /// Fails at the `k`-th call (from 1) alone: what an error leaves that the program handles.
    pub fn at_call(k: u64, kind: io::ErrorKind) -> Self {
        Self {
            fail_at: k,
            fault: Fault::Error,
            kind,
            num_calls: Arc::default(),
        }
    }

    /// Fails from the `k`-th call (from 1) on: what a killed process leaves.
    pub fn from_call(k: u64, kind: io::ErrorKind) -> Self {
        Self {
            fault: Fault::Crash,
            ..Self::at_call(k, kind)
        }
    }

    /// Kills this process (SIGKILL) instead of making its `k`-th call: for a child process.
    pub fn kill_at_call(k: u64) -> Self {
        Self {
            fault: Fault::Kill,
            ..Self::at_call(k, io::ErrorKind::Other)
        }
    }

    /// Whether the fault has struck.
    pub fn has_failed(&self) -> bool {
        self.num_calls.load(Ordering::SeqCst) >= self.fail_at
    }

    /// Whether every later call fails too.
    pub fn is_crash(&self) -> bool {
        self.fault == Fault::Crash
    }
}

impl Watch for FaultyStorage {
    fn before(&self, _: Call) -> io::Result<()> {
        let call = self.num_calls.fetch_add(1, Ordering::SeqCst) + 1;
        let fails = match self.fault {
            Fault::Error => call == self.fail_at,
            Fault::Crash => call >= self.fail_at,
            Fault::Kill if call == self.fail_at => kill_this_process(),
            Fault::Kill => false,
        };
        if fails { Err(self.kind.into()) } else { Ok(()) }
    }
}

fn kill_this_process() -> bool {
    use rustix::process::{Signal, getpid, kill_process};
    kill_process(getpid(), Signal::KILL).is_ok()
}

/// Lays a pipe that nobody writes to at `path`, in the place of a file that may be there: who opens it
/// as a file waits for ever.
///
/// # Errors
/// The system's.
pub fn lay_pipe(path: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, Mode, mkfifoat};
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    Ok(mkfifoat(CWD, path, Mode::RUSR | Mode::WUSR)?)
}

/// What `work` gives, which has a minute for it. A thread that waits for ever is left alone, so that a
/// test which fails by it ends.
///
/// # Panics
/// When it takes longer, or panics itself.
pub fn within_a_minute<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (send, receive) = channel();
    thread::spawn(move || send.send(work()));
    let answer = receive.recv_timeout(Duration::from_mins(1));
    answer.unwrap_or_else(|reason| panic!("no answer within a minute: {reason}"))
}

/// Runs `scenario` with a fault at its first mutating call, then at its second, and so on
/// until it ends without meeting the fault; each time once as a handled error (a full disk)
/// and once as a crash. Returns the number of calls of the undisturbed scenario.
///
/// The scenario makes its own folder each time and asserts on what is left in it.
pub fn at_every_call(mut scenario: impl FnMut(&FaultyStorage)) -> u64 {
    let mut k = 1;
    loop {
        for storage in [
            FaultyStorage::at_call(k, io::ErrorKind::StorageFull),
            FaultyStorage::from_call(k, io::ErrorKind::Other),
        ] {
            scenario(&storage);
            if !storage.has_failed() {
                return k - 1;
            }
        }
        k += 1;
    }
}

impl<W: Watch + Clone + 'static> Storage for W {
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        self.before(Call::CreateNew(path.to_path_buf()))?;
        Ok(Box::new(WatchedFile {
            watch: self.clone(),
            inner: DISK.create_new(path)?,
            path: path.to_path_buf(),
        }))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.before(Call::CreateDir(path.to_path_buf()))?;
        DISK.create_dir(path)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.before(Call::CreateDirAll(path.to_path_buf()))?;
        DISK.create_dir_all(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.before(Call::Rename {
            from: from.to_path_buf(),
            to: to.to_path_buf(),
        })?;
        DISK.rename(from, to)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.before(Call::RenameNew {
            from: from.to_path_buf(),
            to: to.to_path_buf(),
        })?;
        DISK.rename_new(from, to)
    }

    fn sync_file(&self, path: &Path) -> io::Result<()> {
        self.before(Call::SyncFile(path.to_path_buf()))?;
        DISK.sync_file(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.before(Call::SyncDir(path.to_path_buf()))?;
        DISK.sync_dir(path)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.before(Call::RemoveFile(path.to_path_buf()))?;
        DISK.remove_file(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.before(Call::RemoveDirAll(path.to_path_buf()))?;
        DISK.remove_dir_all(path)
    }

    fn set_read_only(&self, path: &Path) -> io::Result<()> {
        self.before(Call::SetReadOnly(path.to_path_buf()))?;
        DISK.set_read_only(path)
    }
}

#[derive(Debug)]
struct WatchedFile<W> {
    watch: W,
    inner: Box<dyn StorageFile>,
    path: PathBuf,
}

impl<W: Watch> Write for WatchedFile<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let watched = self.watch.before(Call::Write {
            path: self.path.clone(),
            num_bytes: bytes.len(),
        });
        if let Err(error) = watched {
            self.inner.write_all(&bytes[..bytes.len() / 2])?;
            return Err(error);
        }
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<W: Watch> StorageFile for WatchedFile<W> {
    fn sync_all(&mut self) -> io::Result<()> {
        self.watch.before(Call::SyncAll(self.path.clone()))?;
        self.inner.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_is_failed_once_as_an_error_and_once_as_a_crash() {
        let mut seen = Vec::new();
        let reached = at_every_call(|storage| {
            let folder = tempfile::tempdir().unwrap();
            let made: Vec<bool> = ["a", "b", "c"]
                .map(|name| storage.create_dir(&folder.path().join(name)).is_ok())
                .to_vec();
            seen.push(made);
        });
        assert_eq!(reached, 3);
        assert_eq!(
            seen,
            [
                [false, true, true],
                [false, false, false],
                [true, false, true],
                [true, false, false],
                [true, true, false],
                [true, true, false],
                [true, true, true],
            ]
        );
    }

    #[test]
    fn a_failing_write_leaves_half_of_its_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let storage = FaultyStorage::at_call(2, io::ErrorKind::StorageFull);
        let mut file = storage.create_new(&path).unwrap();
        file.write_all(b"four").unwrap_err();
        assert_eq!(std::fs::read(&path).unwrap(), b"fo");
    }
}
