//! What can go wrong between ranks.

use std::{fmt, time::Duration};

use crate::{Call, CallPayload, NcclError, Rank};

/// An error of a collective call or of the connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CollectiveError {
    /// A rank did not arrive before the deadline.
    #[error(
        "rank {rank}: {call} did not finish within {} s{}; another rank is late, stopped or lost (see the logs of the other ranks; if they are only slow, raise parallel.timeout_s)",
        waited.as_secs_f64(),
        MissingRanks(missing)
    )]
    Deadline {
        /// The rank that waited.
        rank: Rank,
        /// The call that it waited in.
        call: Call,
        /// How long it waited.
        waited: Duration,
        /// The ranks that had not arrived, where the backend knows them.
        missing: Vec<Rank>,
    },
    /// Ranks made different calls.
    #[error(
        "rank {rank} made {call}{payload} while rank {other} made {other_call}{other_payload}: the ranks do not run the same program on the same configuration"
    )]
    Mismatch {
        /// The lower rank.
        rank: Rank,
        /// Its call.
        call: Call,
        /// What it brought.
        payload: CallPayload,
        /// A rank that differs from it.
        other: Rank,
        /// That rank's call.
        other_call: Call,
        /// What that rank brought.
        other_payload: CallPayload,
    },
    /// A rank gave up.
    #[error("rank {by} gave up during {call} of rank {rank}: {message}")]
    Aborted {
        /// The rank that sees it.
        rank: Rank,
        /// The call in which it sees it.
        call: Call,
        /// The rank that gave up.
        by: Rank,
        /// Its reason.
        message: String,
    },
    /// The transport reported a failure.
    #[error("rank {rank}: {call} failed: {message}")]
    Failed {
        /// The rank that sees it.
        rank: Rank,
        /// The call that failed.
        call: Call,
        /// The transport's own words.
        message: String,
    },
    /// An earlier call failed, so this one was not tried.
    #[error("rank {rank}: {call} was not tried, because {earlier} had failed before")]
    Unusable {
        /// The rank that called.
        rank: Rank,
        /// The call that was not tried.
        call: Call,
        /// The call that failed first.
        earlier: Call,
    },
    /// Gradients could not be summed on GPUs.
    #[error(transparent)]
    Nccl(#[from] NcclError),
    /// The side channel that notices lost ranks could not be opened.
    #[error("rank {rank}: the liveness channel did not open: {message}")]
    Liveness {
        /// The rank that failed.
        rank: Rank,
        /// What happened.
        message: String,
    },
    /// MPI could not be started.
    #[error(
        "MPI did not start: {message}; start the ranks with `mpirun` or `srun --mpi=pmix`, or set parallel.backend = \"single\" for one process"
    )]
    Start {
        /// What happened.
        message: String,
    },
    /// A launcher started several ranks, but the configuration asks for one process.
    #[error(
        "{by} started {world_size} ranks, but parallel.backend is \"single\": each would train alone into the same folder; set parallel.backend = \"auto\" or start one process"
    )]
    SingleUnderLauncher {
        /// The launcher.
        by: &'static str,
        /// How many ranks it started.
        world_size: u32,
    },
    /// The launcher and the MPI library disagree about the number of ranks.
    #[error(
        "{by} started {launched} ranks, but the MPI library of this program sees {seen}: the launcher belongs to another MPI family (or `srun` needs `--mpi=pmix`)"
    )]
    OtherFamily {
        /// The launcher.
        by: &'static str,
        /// How many ranks it started.
        launched: u32,
        /// How many this library sees.
        seen: u32,
    },
    /// The program was built without MPI.
    #[error("this program was built without MPI{}; build it with the feature `mpi`, or start one process with parallel.backend = \"single\"", Launcher(*.by))]
    NotBuiltWithMpi {
        /// The launcher that started it, if any.
        by: Option<&'static str>,
    },
}

impl CollectiveError {
    /// Whether it is that other ranks did not come in time.
    pub fn is_deadline(&self) -> bool {
        matches!(
            self,
            Self::Deadline { .. } | Self::Nccl(NcclError::Deadline { .. })
        )
    }
}

struct MissingRanks<'a>(&'a [Rank]);

impl fmt::Display for MissingRanks<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, rank) in self.0.iter().enumerate() {
            let separator = if position == 0 { ", missing rank " } else { ", " };
            write!(formatter, "{separator}{rank}")?;
        }
        Ok(())
    }
}

struct Launcher(Option<&'static str>);

impl fmt::Display for Launcher {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(by) => write!(formatter, " but started by {by}"),
            None => Ok(()),
        }
    }
}
