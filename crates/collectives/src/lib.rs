//! Sum, broadcast, gather and barrier over ranks, with deadlines.
//!
//! One trait, [`Collective`], and three backends: [`Single`] (one process), [`Threads`]
//! (several ranks as threads of one process, for tests) and `Mpi` (feature `mpi`). Every
//! call has a sequence number and a deadline, so that a late or lost rank ends in a message
//! that names the call, never in a hang. Nothing here knows what is being summed.

pub mod canonical;
mod collective;
mod connect;
mod error;
mod liveness;
#[cfg(feature = "mpi")]
mod mpi;
mod single;
mod threads;

pub use collective::{Brought, Call, Collective, Element, Operation, Rank};
pub use connect::{Backend, Launch, connect};
pub use error::CollectiveError;
pub use liveness::{Cause, Liveness, LivenessOptions, Loss, Position, Process, Watched};
#[cfg(feature = "mpi")]
pub use mpi::{Mpi, MpiOptions};
pub use single::Single;
pub use threads::Threads;
