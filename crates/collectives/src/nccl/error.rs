//! What can go wrong when gradients are summed on GPUs.

use std::{fmt, time::Duration};

use super::abi::NcclVersion;
use crate::{Bucket, DeviceElement, Rank};

/// Why gradients could not be summed on GPUs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NcclError {
    /// The library could not be opened.
    #[error(
        "cannot open NCCL as {library}: {message}; name its file with parallel.nccl_library, put its folder on LD_LIBRARY_PATH (a CUDA build of libtorch brings libnccl.so.2), or sum in host memory with parallel.backend = \"mpi\""
    )]
    NotFound {
        /// The path or name that was tried.
        library: String,
        /// What the loader said.
        message: String,
    },
    /// The library is of a version without communicators that do not block.
    #[error(
        "{library} is NCCL {version}, but {} or newer is needed; name a newer one with parallel.nccl_library, or sum in host memory with parallel.backend = \"mpi\"",
        NcclVersion::LEAST
    )]
    TooOld {
        /// The library.
        library: String,
        /// Its version.
        version: NcclVersion,
    },
    /// The library lacks a function.
    #[error(
        "{library}{} has no function {symbol}, which every NCCL from {} on has ({message}); name another library with parallel.nccl_library, or sum in host memory with parallel.backend = \"mpi\"",
        version.map(|version| format!(" (NCCL {version})")).unwrap_or_default(),
        NcclVersion::LEAST
    )]
    MissingSymbol {
        /// The library.
        library: String,
        /// Its version, where it tells one.
        version: Option<NcclVersion>,
        /// The function.
        symbol: &'static str,
        /// What the loader said.
        message: String,
    },
    /// NCCL could not make the id by which ranks find each other.
    #[error(
        "{library} could not create the id by which the ranks meet: {message}; set NCCL_SOCKET_IFNAME to a network interface of this host, or see NCCL_DEBUG=INFO"
    )]
    NoUniqueId {
        /// The library.
        library: String,
        /// NCCL's own words.
        message: String,
    },
    /// Rank 0 sent no id.
    #[error(
        "rank {rank}: rank 0 could not create the id by which the ranks meet; the message of rank 0 says why"
    )]
    NoMeeting {
        /// The rank that was not told.
        rank: Rank,
    },
    /// The process has no CUDA runtime, or a libtorch without CUDA.
    #[error(
        "this process has no {symbol}, which a CUDA build of libtorch 2.11 brings ({message}); put the folder of one first on LD_LIBRARY_PATH"
    )]
    NoGpuRuntime {
        /// The function that is missing.
        symbol: &'static str,
        /// What the loader said.
        message: String,
    },
    /// A function of the CUDA runtime or of libtorch failed.
    #[error("GPU {device}: {function} failed: {message}")]
    Gpu {
        /// The GPU's number on its host.
        device: usize,
        /// The function.
        function: &'static str,
        /// The runtime's own words.
        message: String,
    },
    /// Numbers that are to be summed do not lie on the rank's GPU.
    #[error("{work} was refused: its numbers are not in the memory of GPU {device}; this is a bug in tenk")]
    NotOnGpu {
        /// What they were to be part of.
        work: NcclWork,
        /// The rank's GPU.
        device: usize,
    },
    /// NCCL reported a failure.
    #[error(
        "rank {rank}: {work} over NCCL failed in {function}: {message}; the logs of the other ranks may say more, NCCL_DEBUG=INFO makes NCCL tell what it does"
    )]
    Failed {
        /// The rank that saw it.
        rank: Rank,
        /// What was done.
        work: NcclWork,
        /// The function that reported it.
        function: &'static str,
        /// NCCL's own words.
        message: String,
    },
    /// Something was not through in time.
    #[error(
        "rank {rank}: {work} over NCCL did not finish within {} s; a rank is late, stopped or lost, or the hosts do not reach each other over the interface that NCCL chose (NCCL_DEBUG=INFO tells which, NCCL_SOCKET_IFNAME sets another); if they are only slow, raise parallel.timeout_s",
        waited.as_secs_f64()
    )]
    Deadline {
        /// The rank that waited.
        rank: Rank,
        /// What it waited for.
        work: NcclWork,
        /// How long.
        waited: Duration,
    },
    /// A call did not come back, so that its thread can say nothing.
    #[error(
        "rank {rank}: a call of {work} has not come back from NCCL or the CUDA driver for {} s; the GPU or its driver hangs: `dmesg` may name the fault (Xid) and `nvidia-smi` the GPU; take its host out, or restart it",
        waited.as_secs_f64()
    )]
    NotBack {
        /// The rank.
        rank: Rank,
        /// What it was called for.
        work: NcclWork,
        /// Since when.
        waited: Duration,
    },
    /// The system gives no thread.
    #[error(
        "the thread that looks after NCCL did not start: {message}; raise the limit of threads (`ulimit -u`, pids.max of the control group)"
    )]
    NoThread {
        /// The system's own words.
        message: String,
    },
    /// An earlier failure has ended the communicator.
    #[error("rank {rank}: {work} over NCCL was not tried, because an earlier call had failed")]
    Unusable {
        /// The rank.
        rank: Rank,
        /// What was not tried.
        work: NcclWork,
    },
}

impl NcclError {
    /// What NCCL reported, as a failure of `work`.
    pub(super) fn of(self, work: NcclWork) -> Self {
        match self {
            Self::Failed {
                rank,
                function,
                message,
                ..
            } => Self::Failed {
                rank,
                work,
                function,
                message,
            },
            other => other,
        }
    }
}

/// What NCCL was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NcclWork {
    /// Ranks find each other.
    SetUp,
    /// The sum of a bucket of gradients.
    Sum {
        /// Which.
        bucket: Bucket,
        /// How many numbers it has.
        count: usize,
        /// Their kind.
        element: DeviceElement,
    },
    /// The end of the sums that are under way.
    Wait,
    /// Ranks leave.
    Finish,
}

impl fmt::Display for NcclWork {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SetUp => formatter.write_str("the set-up"),
            Self::Sum {
                bucket,
                count,
                element,
            } => write!(formatter, "the all-reduce (sum) of {bucket} ({count} {element})"),
            Self::Wait => formatter.write_str("waiting for sums"),
            Self::Finish => formatter.write_str("leaving"),
        }
    }
}
