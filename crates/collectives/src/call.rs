//! A call and what names it: ranks, operations, what a rank brings, buckets of gradients.
//!
//! All ranks must make the same calls in the same order; the sequence number in every error
//! is the position in that order, equal on all ranks.

use std::fmt;

/// The number of a process among all processes of a run, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rank(pub u32);

impl fmt::Display for Rank {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// What a collective call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Joining the run.
    Start,
    /// Wait for all ranks.
    Barrier,
    /// Element-wise sum over ranks.
    AllReduceSum,
    /// Element-wise minimum over ranks.
    AllReduceMin,
    /// Element-wise maximum over ranks.
    AllReduceMax,
    /// One rank's bytes to all.
    Broadcast,
    /// Every rank's bytes to all.
    AllGather,
    /// Leaving the run.
    Finish,
    /// A part of every rank's bytes to each.
    AllToAll,
}

impl Operation {
    const ALL: [Self; 9] = [
        Self::Start,
        Self::Barrier,
        Self::AllReduceSum,
        Self::AllReduceMin,
        Self::AllReduceMax,
        Self::Broadcast,
        Self::AllGather,
        Self::Finish,
        Self::AllToAll,
    ];

    /// The number by which ranks tell each other their operation.
    pub(crate) fn code(self) -> u64 {
        self as u64
    }

    /// The operation with this number.
    pub(crate) fn from_code(code: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|operation| operation.code() == code)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Start => "start",
            Self::Barrier => "barrier",
            Self::AllReduceSum => "all-reduce (sum)",
            Self::AllReduceMin => "all-reduce (minimum)",
            Self::AllReduceMax => "all-reduce (maximum)",
            Self::Broadcast => "broadcast",
            Self::AllGather => "all-gather",
            Self::Finish => "finish",
            Self::AllToAll => "all-to-all",
        })
    }
}

/// One collective call: what it does and its place in the order of all calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Call {
    /// What the call does.
    pub operation: Operation,
    /// Its number among this rank's calls, from 1.
    pub sequence: u64,
}

impl fmt::Display for Call {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} number {}", self.operation, self.sequence)
    }
}

/// The numbers that a reduction combines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Element {
    /// 32-bit floating point.
    F32,
    /// 64-bit floating point.
    F64,
    /// 64-bit unsigned.
    U64,
}

impl Element {
    /// Bytes of one number.
    pub fn size_bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F64 | Self::U64 => 8,
        }
    }
}

impl fmt::Display for Element {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::F32 => "f32",
            Self::F64 => "f64",
            Self::U64 => "u64",
        })
    }
}

/// What a rank brings to a call, as far as it has to be the same on all ranks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CallPayload {
    /// Nothing, or bytes of which each rank has as many as it likes.
    Anything,
    /// Numbers, each of which is combined with those of the other ranks.
    Numbers {
        /// Their kind.
        element: Element,
        /// How many.
        count: usize,
    },
    /// What this rank sends.
    From(Rank),
}

impl fmt::Display for CallPayload {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anything => Ok(()),
            Self::Numbers { element, count } => {
                let bytes = count * element.size_bytes();
                write!(formatter, " of {count} {element} ({bytes} bytes)")
            }
            Self::From(root) => write!(formatter, " from rank {root}"),
        }
    }
}

/// One of the parts that gradients are summed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    /// Its number, from 1.
    pub number: u32,
    /// How many there are.
    pub of: u32,
}

impl Bucket {
    /// Both numbers in one word.
    pub(crate) fn to_u64(self) -> u64 {
        u64::from(self.number) << 32 | u64::from(self.of)
    }

    /// `None` for 0, which is no bucket.
    pub(crate) fn from_u64(word: u64) -> Option<Self> {
        let [number, of] = [word >> 32, word & 0xffff_ffff].map(|half| u32::try_from(half).unwrap_or(0));
        (word > 0).then_some(Self { number, of })
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "bucket {} of {}", self.number, self.of)
    }
}

/// In which order the numbers of several ranks are added up, which decides the last bits of a sum of
/// more than two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SumOrder {
    /// From rank 0 on.
    RankOrder,
    /// Around a ring, each part of the vector from another rank on.
    Ring,
    /// As MPI's own call does it, which nobody but MPI knows.
    Library,
}

/// Hands out the calls of one rank in order.
#[derive(Debug, Default)]
pub(crate) struct Sequence(u64);

impl Sequence {
    pub(crate) fn next(&mut self, operation: Operation) -> Call {
        self.0 += 1;
        Call {
            operation,
            sequence: self.0,
        }
    }

    /// How many calls it has handed out.
    pub(crate) fn made(&self) -> u64 {
        self.0
    }
}
