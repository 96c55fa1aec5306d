//! Sum, broadcast, gather and barrier over ranks, with deadlines.
//!
//! One trait, [`Collective`], and its backends: [`Single`] (one process), [`Threads`]
//! (several ranks as threads of one process, for tests), `Mpi` (feature `mpi`), and two that lie
//! over another one: [`Nccl`], which sums gradients in the memory of GPUs, and [`Faulty`], for tests. Every call has a number
//! and a deadline, so that a late or lost rank ends in a message that names the call, never in a
//! hang. Nothing here knows what is being summed.

mod bf16_sum;
pub mod canonical;
mod collective;
mod connect;
mod error;
mod faulty;
mod layer;
mod liveness;
#[cfg(feature = "mpi")]
mod mpi;
mod nccl;
mod single;
mod threads;

pub use bf16_sum::all_reduce_sum_bf16;
pub use collective::{Brought, Bucket, Call, Collective, Element, Operation, Rank, SumOrder};
pub use connect::{Backend, Launch, connect};
pub use error::CollectiveError;
pub use faulty::{Fault, Faulty};
pub use liveness::{Cause, EndNotice, Liveness, LivenessOptions, Loss, Position, Process, Watched};
#[cfg(feature = "mpi")]
pub use mpi::{Mpi, MpiOptions};
pub use nccl::{
    Gpu, GpuElement, GpuNumbers, GpuRuntime, GpuSums, GpuUuid, Nccl, NcclError, NcclLibrary, NcclTimes,
    OnFailure, Version as NcclVersion, Work as NcclWork,
};
pub use single::Single;
pub use threads::Threads;
