//! How a folder of many files is flushed: all files at once, and once each. It decides nothing of
//! names.
//!
//! A flush mostly waits for the disk, and a file system writes what several threads wait for in
//! one go: 512 files of 150 KB took 1.2 s one after the other and 0.2 s on 16 threads (ext4 on a
//! virtual disk, 2 cores).

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Threads that wait; they take next to no processor time.
const THREADS: usize = 16;
const STACK_BYTES: usize = 128 << 10;

/// Calls `flush` with every path on several threads; the error of the first path that has one.
pub(crate) fn at_once(
    paths: &[PathBuf],
    flush: impl Fn(&Path) -> io::Result<()> + Sync,
) -> Result<(), (usize, io::Error)> {
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(None::<(usize, io::Error)>);
    let work = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(path) = paths.get(index) else { return };
            if let Err(error) = flush(path) {
                next.store(paths.len(), Ordering::Relaxed);
                let mut failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
                if failed.as_ref().is_none_or(|(first, _)| index < *first) {
                    *failed = Some((index, error));
                }
            }
        }
    };
    thread::scope(|scope| {
        for _ in 1..THREADS.min(paths.len()) {
            // One that cannot be started is not needed: this thread does what is left.
            let _ = thread::Builder::new()
                .stack_size(STACK_BYTES)
                .spawn_scoped(scope, work);
        }
        work();
    });
    match failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(failed) => Err(failed),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_flushed_once_whatever_their_number() {
        for num_files in [0, 1, 2, 15, 16, 17, 500] {
            let paths: Vec<PathBuf> = (0..num_files).map(|n| PathBuf::from(n.to_string())).collect();
            let flushed = Mutex::new(Vec::new());
            let noted = at_once(&paths, |path| {
                flushed.lock().unwrap().push(path.to_path_buf());
                Ok(())
            });
            assert!(noted.is_ok());
            let mut flushed = flushed.into_inner().unwrap();
            flushed.sort_by_key(|path| path.to_str().unwrap().parse::<usize>().unwrap());
            assert_eq!(flushed, paths);
        }
    }

    #[test]
    fn a_file_that_cannot_be_flushed_is_told_and_ends_the_rest() {
        let paths: Vec<PathBuf> = (0..100_000).map(|n| PathBuf::from(n.to_string())).collect();
        let num_tried = AtomicUsize::new(0);
        let failed = at_once(&paths, |path| {
            num_tried.fetch_add(1, Ordering::Relaxed);
            if path == Path::new("7") {
                Err(io::ErrorKind::StorageFull.into())
            } else {
                thread::yield_now();
                Ok(())
            }
        });
        assert!(matches!(failed, Err((7, error)) if error.kind() == io::ErrorKind::StorageFull));
        assert!(num_tried.into_inner() < paths.len());
    }
}
