//! Which rank was lost, how and where, in words for people.

use std::{fmt, time::Duration};

use super::{
    position::Position,
    process::{Process, is_stopped},
};
use crate::Rank;

/// How a rank was lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// Its connection closed without a goodbye.
    Closed,
    /// No sign of life; its process is there, but stopped.
    Stopped {
        /// Since when.
        silent: Duration,
    },
    /// No sign of life.
    Silent {
        /// Since when.
        silent: Duration,
        /// The other ranks of its host that are silent too.
        others: Vec<Rank>,
    },
    /// It lives, but others waited for it beyond their deadline.
    Late {
        /// The other ranks that had not come as far as the one that waited.
        others: Vec<Rank>,
        /// What that one said.
        waited: String,
    },
    /// It waited for others beyond its deadline, and none of them is behind it.
    Stuck {
        /// What it said.
        waited: String,
    },
    /// It lives, but the launcher that started it is gone, and with it all that ends the ranks.
    Orphaned,
    /// It said that it gives up.
    Failed {
        /// Its reason.
        message: String,
    },
    /// It was told to end at once, which is no failure.
    Ended {
        /// By what.
        message: String,
    },
}

impl Cause {
    /// Why `process` is `silent`, as a process on `own_host` can tell.
    pub(super) fn of_silence(process: &Process, own_host: &str, silent: Duration) -> Self {
        if process.host == own_host && is_stopped(process.pid) {
            Self::Stopped { silent }
        } else {
            let others = Vec::new();
            Self::Silent { silent, others }
        }
    }
}

/// A lost rank: which, how and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RankFailure {
    /// The rank's process.
    pub process: Process,
    /// How it was lost.
    pub cause: Cause,
    /// Where it was, by its last sign of life.
    pub position: Position,
}

impl fmt::Display for RankFailure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (process, position) = (&self.process, &self.position);
        match &self.cause {
            Cause::Closed => write!(
                formatter,
                "{process} is gone: its connection closed {position}; look for the end of its log, for the kernel's out-of-memory killer (`dmesg`) and for its node's health"
            ),
            Cause::Stopped { silent } => write!(
                formatter,
                "{process} is stopped (SIGSTOP or a debugger) and silent for {:.1} s, {position}",
                silent.as_secs_f64()
            ),
            Cause::Silent { silent, others } => write!(
                formatter,
                "{process} has been silent for {:.1} s{}{}, {position}: {} stopped, or {} off the network",
                silent.as_secs_f64(),
                like(others),
                if others.is_empty() { "" } else { " of its host" },
                if others.is_empty() {
                    "its process is"
                } else {
                    "these processes are"
                },
                // Of rank 0 the others say it, and which side of a cut they are on nobody can tell.
                if process.rank == Rank(0) {
                    "its host or the one that misses it is"
                } else {
                    "its host is"
                }
            ),
            Cause::Late { others, waited } => {
                write!(
                    formatter,
                    "{process} is late{}, {position}: {waited}",
                    like(others)
                )
            }
            Cause::Stuck { waited } => write!(
                formatter,
                "{process} waited in vain {position}, and no rank is behind it: {waited}"
            ),
            Cause::Orphaned => write!(
                formatter,
                "the launcher is gone: the process that started {process} has ended while its ranks were {position}; look for the end of mpirun's (or srun's) own output"
            ),
            Cause::Failed { message } => write!(formatter, "{process} failed {position}: {message}"),
            Cause::Ended { message } => write!(formatter, "{process} ended {position}: {message}"),
        }
    }
}

/// To which other ranks the same happened, in words.
fn like(others: &[Rank]) -> String {
    let numbers: Vec<String> = others.iter().map(ToString::to_string).collect();
    match &numbers[..] {
        [] => String::new(),
        [one] => format!(", like rank {one}"),
        [first @ .., last] => format!(", like ranks {} and {last}", first.join(", ")),
    }
}

/// What a process does when it hears of a lost rank; called once, by the channel's thread.
pub(super) type OnRankFailure = Box<dyn Fn(&RankFailure) + Send>;
