//! Sum, broadcast, gather and barrier over ranks, with deadlines.
//!
//! One trait, [`Collective`], and its backends: [`Single`] (one process), [`Threads`]
//! (several ranks as threads of one process, for tests), `Mpi` (feature `mpi`), and two that lie
//! over another one: [`Nccl`], which sums gradients in the memory of GPUs, and [`Faulty`], for tests. Every call has a number
//! and a deadline, so that a late or lost rank ends in a message that names the call, never in a
//! hang. Nothing here knows what is being summed.

mod bf16_sum;
mod call;
pub mod canonical;
mod collective;
mod connect;
mod device_buffer;
mod device_reduce;
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
pub use call::{Bucket, Call, CallPayload, Element, Operation, Rank, SumOrder};
pub use collective::Collective;
pub use connect::{Backend, Launch, connect};
pub use device_buffer::{DeviceBuffer, DeviceElement};
pub use device_reduce::DeviceReduce;
pub use error::CollectiveError;
pub use faulty::{Fault, Faulty};
pub use liveness::{Cause, EndNotice, Liveness, LivenessOptions, Position, Process, RankFailure, Watched};
#[cfg(feature = "mpi")]
pub use mpi::{Mpi, MpiOptions};
pub use nccl::{
    Gpu, GpuRuntime, GpuUuid, Nccl, NcclError, NcclLibrary, NcclReduce, NcclTimes, NcclVersion, NcclWork,
    OnFailure,
};
pub use single::Single;
pub use threads::Threads;
