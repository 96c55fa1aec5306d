//! What the caller's thread and the communication thread give each other.
#![expect(unsafe_code, reason = "implements Send for the pointer to the caller's slice")]

use std::sync::mpsc::Sender;

use super::{buffer::Buffer, reduction::Reduction};
use crate::{Call, CallPayload, CollectiveError, Element, Rank, SumOrder};

/// Where this process stands in the run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) rank: Rank,
    pub(super) world_size: u32,
    pub(super) local_rank: u32,
    pub(super) local_size: u32,
    pub(super) sum_order: SumOrder,
}

/// One call on its way to the communication thread.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) call: Call,
    pub(super) work: Work,
    pub(super) reply: Sender<Result<Reply, CollectiveError>>,
}

/// What is to be done on all ranks.
#[derive(Debug)]
pub(super) enum Work {
    Barrier,
    ReduceInPlace {
        slice: SliceOfCaller,
        reduction: Reduction,
    },
    ReduceCopy {
        copy: Copied,
        reduction: Reduction,
    },
    Broadcast {
        root: Rank,
        bytes: Vec<u8>,
    },
    AllGather {
        bytes: Vec<u8>,
    },
    AllToAll {
        parts: Vec<Vec<u8>>,
    },
    Abort(String),
    Finish,
}

impl Work {
    /// What has to be the same on every rank.
    pub(super) fn payload(&self) -> CallPayload {
        match *self {
            Self::ReduceInPlace {
                slice: SliceOfCaller(Buffer { count, element, .. }),
                ..
            }
            | Self::ReduceCopy {
                copy: Copied { count, element, .. },
                ..
            } => CallPayload::Numbers { element, count },
            Self::Broadcast { root, .. } => CallPayload::From(root),
            Self::Barrier
            | Self::AllGather { .. }
            | Self::AllToAll { .. }
            | Self::Abort(_)
            | Self::Finish => CallPayload::Anything,
        }
    }
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Reply {
    Done,
    Words(Vec<u64>),
    Bytes(Vec<u8>),
    Parts(Vec<Vec<u8>>),
}

/// Numbers of the caller's slice on their way to the communication thread.
#[derive(Debug)]
pub(super) struct SliceOfCaller(pub(super) Buffer);

// SAFETY: the pointer is used by the communication thread only while the caller, who holds
// the slice's exclusive borrow, waits in `Mpi::reduce` for the reply; the thread answers only
// when MPI has finished with the memory, and else ends the process (`Communication::reduce_in_place`).
// Sums through shared memory never give it away.
unsafe impl Send for SliceOfCaller {}

/// A copy of the caller's numbers, in words, which keep it aligned for every kind of them.
#[derive(Debug)]
pub(super) struct Copied {
    pub(super) words: Vec<u64>,
    pub(super) count: usize,
    pub(super) element: Element,
}
