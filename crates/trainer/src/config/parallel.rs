//! `[parallel]`: ranks and threads, and how ranks sum their gradients.

use std::path::PathBuf;

use collectives::Backend;
use model::Precision;
use serde::{Deserialize, Serialize};

/// `[parallel]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ParallelSection {
    /// How ranks talk to each other.
    pub backend: BackendChoice,
    /// NCCL's file, where it is not the one that libtorch brings or the loader finds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nccl_library: Option<PathBuf>,
    /// What ranks compute on.
    pub device: DeviceChoice,
    /// Whether libtorch may use only algorithms that give equal bits for equal inputs. Those of
    /// the CPU always do; some of a GPU's are slower.
    pub deterministic: bool,
    /// Computing threads of a rank; by default the cores that it may use, shared fairly with
    /// the other ranks on them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<usize>,
    /// How gradients are summed over micro-batches and ranks.
    pub reduction: Reduction,
    /// What gradients travel as between ranks.
    pub reduce_dtype: ReduceDtype,
    /// Whether gradients are summed over ranks while the backward pass still runs. The bits are
    /// the same either way.
    pub overlap: bool,
    /// The parameters of all ranks are compared after every so many steps; 0: never. As often
    /// as checkpoints are written: a replica that has drifted must not fill all that are kept.
    pub check_every: u64,
    /// Whether ranks may take shares of the micro-batches that differ by one. Off, because a
    /// step takes as long as its largest share: who starts a run wants to know.
    pub allow_uneven: bool,
    /// Seconds after which a rank that waits for others gives up. Ten minutes: longer than the
    /// first step of a large model takes, shorter than anybody waits for a hanging job.
    pub timeout_s: u64,
    /// Seconds without a sign of life after which a rank counts as stopped or cut off.
    pub silence_s: u64,
    /// Seconds within which every rank has ended once one is lost.
    pub abort_s: u64,
}

impl Default for ParallelSection {
    fn default() -> Self {
        Self {
            backend: BackendChoice::default(),
            nccl_library: None,
            device: DeviceChoice::default(),
            deterministic: false,
            threads: None,
            reduction: Reduction::default(),
            reduce_dtype: ReduceDtype::default(),
            overlap: true,
            check_every: 1000,
            allow_uneven: false,
            timeout_s: 600,
            silence_s: 15,
            abort_s: 5,
        }
    }
}

/// `parallel.device`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DeviceChoice {
    /// A GPU for every rank where libtorch finds one, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// A GPU for every rank.
    Cuda,
}

/// `parallel.backend`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum BackendChoice {
    /// MPI under `mpirun` or `srun`, else one process; gradients of several ranks on GPUs by NCCL.
    #[default]
    Auto,
    /// One process.
    Single,
    /// MPI, also for gradients on GPUs, which go through host memory.
    Mpi,
    /// As `auto`, and gradients by NCCL in any case; needs a GPU for every rank.
    Nccl,
}

impl From<BackendChoice> for Backend {
    fn from(choice: BackendChoice) -> Self {
        match choice {
            BackendChoice::Auto | BackendChoice::Nccl => Self::Auto,
            BackendChoice::Single => Self::Single,
            BackendChoice::Mpi => Self::Mpi,
        }
    }
}

/// `parallel.reduction`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Reduction {
    /// One after the other on each rank, then as the transport likes: equal to rounding at any
    /// number of ranks.
    #[default]
    Fast,
    /// In one fixed tree over the micro-batches of the step: the same bits at any number of
    /// ranks.
    Canonical,
}

/// `parallel.reduce_dtype`: what gradients travel as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ReduceDtype {
    /// As they are: f32, or f64 where the model is.
    #[default]
    F32,
    /// Half of the bytes of f32, rounded to 8 bits of precision on the way.
    Bf16,
}

impl ReduceDtype {
    /// Bytes of a number on the wire; the gradients of a run in f64 stay what they are.
    pub(crate) fn bytes(self, precision: Precision) -> f64 {
        match (self, precision) {
            (_, Precision::F64) => 8.0,
            (Self::F32, _) => 4.0,
            (Self::Bf16, _) => 2.0,
        }
    }
}
