//! Where log lines go: standard error for people, `logs/rank-N.jsonl` for programs.

use std::{
    fs::{File, OpenOptions},
    io::{self, IsTerminal, Write},
    path::Path,
    sync::{Arc, OnceLock},
};

use tracing::Level;
use tracing_subscriber::{
    EnvFilter, Layer, filter::LevelFilter, fmt::MakeWriter, layer::SubscriberExt, util::SubscriberInitExt,
};

use crate::error::TrainError;

/// The log file of this rank, once the run folder is known; lines before are not kept.
#[derive(Debug, Clone, Default)]
pub struct LogFile(Arc<OnceLock<File>>);

impl LogFile {
    /// A log file that is never opened.
    pub fn none() -> Self {
        Self::default()
    }

    /// Starts logging for this process. Rank 0 tells people everything, the others only what
    /// is wrong; `RUST_LOG` overrides both.
    pub fn init(rank: u32) -> Self {
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
    pub fn open(&self, path: &Path) -> Result<(), TrainError> {
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .map_err(|source| TrainError::Io {
                operation: "open",
                path: path.to_owned(),
                source,
            })?;
        let _ = self.0.set(file);
        Ok(())
    }
}

/// Appends whole lines; a line that cannot be written must not end a run.
#[derive(Debug)]
pub struct Lines(LogFile);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.0.get() {
            Some(mut file) => file.write(bytes),
            None => Ok(bytes.len()),
        }
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
    }
}
