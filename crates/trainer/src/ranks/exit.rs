//! How a process of a run ends: its exit code, and `last_exit.json` for supervisors, because
//! launchers replace exit codes.
//!
//! A launch that enters a run folder removes the file of the launch before (`forget`), so
//! that a process that was killed leaves none instead of an old one. Of several failures the
//! first one stays: what follows in other ranks is its consequence. So it is with a rank that was told
//! to end at once, without a last step: what the others meet then is no failure of the run.

use std::path::Path;

use std::io::{self, Write};

use durable::{DISK, DurableError, Operation, Storage};
use serde::{Deserialize, Serialize};

use crate::ranks::timestamp::timestamp;

/// How a process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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

/// Ends the process, without the handlers that libraries have registered for its exit: those of the CUDA
/// runtime wait for what still goes on on a GPU, and a sum that hangs never ends.
pub fn end(status: ExitStatus) -> ! {
    // A reader that has left early is no failure.
    let _ = io::stdout().flush();
    signal_hook::low_level::exit(i32::from(status.code()))
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

/// Name of the file.
const LAST_EXIT: &str = "last_exit.json";

/// Removes what an earlier launch left. For the one process that holds the run folder.
///
/// # Errors
/// When the file is there and stays.
pub(crate) fn forget(run_dir: &Path) -> Result<(), DurableError> {
    let path = run_dir.join(LAST_EXIT);
    match DISK.remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(DurableError::new(Operation::Remove, &path, error))
        }
        _ => Ok(()),
    }
}

/// Writes `last_exit.json` into the run folder, unless another rank of this launch has written how
/// it ended; a failure takes the place of a finished or resumable end with its last step.
///
/// # Errors
/// When the folder cannot be written.
pub(crate) fn write_last_exit(
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
    let path = run_dir.join(LAST_EXIT);
    let fill = |file: &mut dyn Write| {
        serde_json::to_writer_pretty(&mut *file, &last)?;
        file.write_all(b"\n")
    };
    match durable::commit_new_file(&DISK, &path, fill) {
        Err(DurableError::AlreadyExists { .. })
            if status == ExitStatus::Failed && !explains_failures(&path) =>
        {
            // Of several ranks that fail after a success, one wins here and the others stay out.
            forget(run_dir)?;
            match durable::commit_new_file(&DISK, &path, fill) {
                Err(DurableError::AlreadyExists { .. }) => Ok(()),
                result => result,
            }
        }
        Err(DurableError::AlreadyExists { .. }) => Ok(()),
        result => result,
    }
}

/// Whether a file says what other ranks then fail of: a failure, or an end at once. One that cannot
/// be understood says nothing.
fn explains_failures(path: &Path) -> bool {
    #[derive(Deserialize)]
    struct Ended {
        status: ExitStatus,
        step: Option<u64>,
    }
    let read = durable::read_file(path, durable::MOST_JSON_BYTES).ok();
    let read: Option<Ended> = read.and_then(|text| serde_json::from_slice(&text).ok());
    read.is_some_and(|ended| match ended.status {
        ExitStatus::Failed => true,
        ExitStatus::Stopped => ended.step.is_none(),
        ExitStatus::Done | ExitStatus::Usage => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last_exit(folder: &Path) -> serde_json::Value {
        let text = std::fs::read_to_string(folder.join("last_exit.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn a_pipe_in_the_place_of_the_last_exit_is_replaced_and_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        durable::testing::lay_pipe(&folder.path().join(LAST_EXIT)).unwrap();
        let run_dir = folder.path().to_owned();
        durable::testing::within_a_minute(move || {
            write_last_exit(&run_dir, ExitStatus::Failed, "the disk is full", 1, Some(3))
        })
        .unwrap();
        assert_eq!(last_exit(folder.path())["reason"], "the disk is full");
    }

    #[test]
    fn the_first_failure_of_a_launch_stays_and_the_next_launch_forgets_it() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        forget(folder).unwrap();
        write_last_exit(folder, ExitStatus::Failed, "the disk is full", 1, Some(3)).unwrap();
        write_last_exit(folder, ExitStatus::Failed, "rank 1 is lost", 0, Some(3)).unwrap();
        write_last_exit(folder, ExitStatus::Stopped, "SIGTERM", 0, Some(3)).unwrap();
        let value = last_exit(folder);
        assert_eq!(
            (&value["reason"], &value["rank"]),
            (&"the disk is full".into(), &1.into())
        );
        forget(folder).unwrap();
        write_last_exit(folder, ExitStatus::Stopped, "SIGUSR1", 0, Some(4)).unwrap();
        let value = last_exit(folder);
        assert_eq!(
            (&value["status"], &value["code"], &value["step"]),
            (&"stopped".into(), &75.into(), &4.into())
        );
    }

    #[test]
    fn what_follows_a_rank_that_was_told_to_end_at_once_is_no_failure() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        write_last_exit(folder, ExitStatus::Stopped, "SIGTERM came twice", 1, None).unwrap();
        write_last_exit(folder, ExitStatus::Failed, "rank 1 is gone", 0, Some(3)).unwrap();
        assert_eq!(last_exit(folder)["reason"], "SIGTERM came twice");
        // After a stop in good order a failure is one.
        forget(folder).unwrap();
        write_last_exit(folder, ExitStatus::Stopped, "asked to stop", 0, Some(3)).unwrap();
        write_last_exit(folder, ExitStatus::Failed, "the disk is full", 1, None).unwrap();
        assert_eq!(last_exit(folder)["reason"], "the disk is full");
    }

    #[test]
    fn a_failure_takes_the_place_of_a_success_of_another_rank() {
        let folder = tempfile::tempdir().unwrap();
        write_last_exit(folder.path(), ExitStatus::Done, "all steps", 0, Some(9)).unwrap();
        write_last_exit(folder.path(), ExitStatus::Failed, "the disk is full", 1, None).unwrap();
        assert_eq!(last_exit(folder.path())["reason"], "the disk is full");
    }
}
