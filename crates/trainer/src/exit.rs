//! How a process of a run ends: its exit code, and `last_exit.json` for supervisors, because
//! launchers replace exit codes.

use std::path::Path;

use durable::{DISK, DurableError};
use serde::Serialize;

use crate::metrics::timestamp;

/// How a process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ExitStatus {
    /// All steps are finished, or the command did what it was asked.
    Done,
    /// Failed with a message.
    Failed,
    /// Wrong usage of the command line.
    Usage,
    /// Stopped on purpose; `--resume auto` goes on.
    Stopped,
}

impl ExitStatus {
    /// The process's exit code; 75 is `EX_TEMPFAIL` of `sysexits.h`.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Stopped => 75,
        }
    }
}

/// `last_exit.json`
#[derive(Debug, Serialize)]
struct LastExit<'a> {
    status: ExitStatus,
    code: u8,
    reason: &'a str,
    step: Option<u64>,
    rank: u32,
    time: String,
}

/// Writes `last_exit.json` into the run folder.
///
/// # Errors
/// When the folder cannot be written.
pub fn write_last_exit(
    run_dir: &Path,
    status: ExitStatus,
    reason: &str,
    rank: u32,
    step: Option<u64>,
) -> Result<(), DurableError> {
    let last = LastExit {
        status,
        code: status.code(),
        reason,
        step,
        rank,
        time: timestamp(),
    };
    durable::commit_file(&DISK, &run_dir.join("last_exit.json"), |file| {
        serde_json::to_writer_pretty(&mut *file, &last)?;
        file.write_all(b"\n")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_of_the_last_exit_is_kept_and_replaced() {
        let folder = tempfile::tempdir().unwrap();
        write_last_exit(folder.path(), ExitStatus::Failed, "rank 1 is lost", 0, Some(3)).unwrap();
        write_last_exit(folder.path(), ExitStatus::Stopped, "SIGUSR1", 0, Some(4)).unwrap();
        let text = std::fs::read_to_string(folder.path().join("last_exit.json")).unwrap();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (&value["status"], &value["code"], &value["step"]),
            (&"stopped".into(), &75.into(), &4.into())
        );
    }
}
