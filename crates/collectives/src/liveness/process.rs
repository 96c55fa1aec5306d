//! A rank's process, and whether it is stopped.

use std::fmt;

use crate::Rank;

/// A rank's process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its rank.
    pub rank: Rank,
    /// The host that it runs on.
    pub host: String,
    /// Its process id there.
    pub pid: u32,
}

impl fmt::Display for Process {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "rank {} (host {}, pid {})",
            self.rank, self.host, self.pid
        )
    }
}

/// Whether the process on this host is stopped by a signal or a debugger
/// (state `T` or `t` in `/proc/PID/stat`, proc(5)).
pub(super) fn is_stopped(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat
        .rsplit_once(')')
        .and_then(|(_, rest)| rest.trim_start().chars().next());
    matches!(state, Some('T' | 't'))
}
