//! Where log lines go: standard error for people, `logs/rank-N.jsonl` for programs.

use std::{
    fs::{File, OpenOptions},
    io::{self, IsTerminal, Write},
    path::Path,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use durable::{DurableError, Operation};
use tracing::Level;
use tracing_subscriber::{
    EnvFilter, Layer, filter::LevelFilter, fmt::MakeWriter, layer::SubscriberExt, util::SubscriberInitExt,
};

use crate::error::TrainError;

/// The log file of this rank, once the run folder is known; lines before are not kept.
#[derive(Debug, Clone, Default)]
pub(crate) struct LogFile(Arc<LogState>);

#[derive(Debug, Default)]
struct LogState {
    file: OnceLock<File>,
    has_lost_lines: AtomicBool,
}

impl LogFile {
    /// A log file that is never opened.
    #[cfg(test)]
    pub(crate) fn none() -> Self {
        Self::default()
    }

    /// Starts logging for this process. Rank 0 tells people everything, the others only what
    /// is wrong; `RUST_LOG` overrides both.
    pub(crate) fn init(rank: u32) -> Self {
        let log_file = Self::default();
        let level = if rank == 0 { Level::INFO } else { Level::WARN };
        let filter = EnvFilter::builder()
            .with_default_directive(level.into())
            .from_env_lossy();
        let people = tracing_subscriber::fmt::layer()
            .with_writer(io::stderr)
            .with_ansi(io::stderr().is_terminal())
            .with_target(false)
            .with_filter(filter);
        let programs = tracing_subscriber::fmt::layer()
            .json()
            .with_writer(log_file.clone())
            .with_filter(LevelFilter::INFO);
        // Fails only where a logger is set already, which then goes on.
        let _ = tracing_subscriber::registry()
            .with(people)
            .with(programs)
            .try_init();
        log_file
    }

    /// Opens the file for appending; the first one stays.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub(crate) fn open(&self, path: &Path) -> Result<(), TrainError> {
        // Another user may have laid a link or a pipe in a shared run folder.
        let file = durable::open_own(OpenOptions::new().create(true).append(true), path)
            .map_err(|source| DurableError::new(Operation::Write, path, source))?;
        let _ = self.0.file.set(file);
        Ok(())
    }

    /// Whether a line could not be written.
    pub(crate) fn has_lost_lines(&self) -> bool {
        self.0.has_lost_lines.load(Ordering::Relaxed)
    }
}

/// Appends whole lines. One that cannot be written must not end a run, nor add its own failure
/// to the message that a full disk gets anyway: it is only remembered.
#[derive(Debug)]
pub(crate) struct Lines(LogFile);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let inner = &self.0.0;
        if inner
            .file
            .get()
            .is_some_and(|mut file| file.write_all(bytes).is_err())
        {
            inner.has_lost_lines.store(true, Ordering::Relaxed);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for LogFile {
    type Writer = Lines;

    fn make_writer(&self) -> Lines {
        Lines(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_before_the_file_is_open_are_let_go() {
        let folder = tempfile::tempdir().unwrap();
        let (log, path) = (LogFile::none(), folder.path().join("rank-0.jsonl"));
        log.make_writer().write_all(b"early\n").unwrap();
        log.open(&path).unwrap();
        log.make_writer().write_all(b"late\n").unwrap();
        assert_eq!(std::fs::read_to_string(path).unwrap(), "late\n");
        assert!(!log.has_lost_lines());
    }

    #[test]
    fn a_pipe_in_the_place_of_the_file_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rank-0.jsonl");
        durable::testing::lay_pipe(&path).unwrap();
        let open = move || LogFile::none().open(&path);
        let error = durable::testing::within_a_minute(open).unwrap_err();
        let said = crate::error::chain(&error);
        assert!(said.contains("rank-0.jsonl") && said.contains("pipe"), "{said}");
    }

    #[test]
    fn a_line_that_is_lost_is_remembered_and_ends_nothing() {
        let log = LogFile::none();
        let full = OpenOptions::new().append(true).open("/dev/full").unwrap();
        log.0.file.set(full).unwrap();
        log.make_writer().write_all(b"lost\n").unwrap();
        assert!(log.has_lost_lines());
    }
}
