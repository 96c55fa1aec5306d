//! Where a rank is: its optimizer step and its last collective call.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::{Call, Collective, CollectiveError, Operation, Rank};

/// Where a rank is in its run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Position {
    /// The optimizer step that it works on, from 1; 0 before the first.
    pub step: u64,
    /// The collective call that it made last.
    pub call: Option<Call>,
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.step {
            0 => formatter.write_str("before the first step")?,
            step => write!(formatter, "in step {step}")?,
        }
        match self.call {
            Some(call) => write!(formatter, ", in or after {call}"),
            None => Ok(()),
        }
    }
}

/// A [`Position`] that one thread writes and another reads; a reader may see the step of one
/// moment and the call of the next, which is as good as any for a message.
#[derive(Debug, Default)]
pub(super) struct PositionCell {
    step: AtomicU64,
    /// Of the last call; 0 before the first.
    sequence: AtomicU64,
    operation: AtomicU64,
    /// How often it was read.
    #[cfg(test)]
    reads: AtomicU64,
}

impl PositionCell {
    pub(super) fn set_step(&self, step: u64) {
        self.step.store(step, Ordering::Relaxed);
    }

    fn set_call(&self, call: Call) {
        self.sequence.store(call.sequence, Ordering::Relaxed);
        self.operation.store(call.operation.code(), Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> Position {
        #[cfg(test)]
        self.reads.fetch_add(1, Ordering::SeqCst);
        let sequence = self.sequence.load(Ordering::Relaxed);
        Position {
            step: self.step.load(Ordering::Relaxed),
            call: Operation::from_code(self.operation.load(Ordering::Relaxed))
                .filter(|_| sequence > 0)
                .map(|operation| Call { operation, sequence }),
        }
    }
}

#[cfg(test)]
impl PositionCell {
    /// Waits until the channel has sent the position that it has now: it has read it, and comes
    /// to read it again.
    pub(super) fn wait_until_told(&self) {
        let reads = self.reads.load(Ordering::SeqCst);
        while self.reads.load(Ordering::SeqCst) < reads + 2 {
            std::thread::yield_now();
        }
    }
}

/// A backend whose calls a [`super::Liveness`] reports.
#[derive(Debug)]
pub struct Watched<'a> {
    inner: &'a mut dyn Collective,
    position: Arc<PositionCell>,
}

impl<'a> Watched<'a> {
    pub(super) fn new(inner: &'a mut dyn Collective, position: Arc<PositionCell>) -> Self {
        Self { inner, position }
    }

    /// The call that is about to be made.
    fn call(&self, operation: Operation) {
        let sequence = self.inner.calls_made() + 1;
        self.position.set_call(Call { operation, sequence });
    }
}

impl Collective for Watched<'_> {
    fn calls_made(&self) -> u64 {
        self.inner.calls_made()
    }
    fn at_step(&mut self, step: u64) {
        self.position.set_step(step);
        self.inner.at_step(step);
    }
    fn rank(&self) -> Rank {
        self.inner.rank()
    }
    fn world_size(&self) -> u32 {
        self.inner.world_size()
    }
    fn local_rank(&self) -> u32 {
        self.inner.local_rank()
    }
    fn local_size(&self) -> u32 {
        self.inner.local_size()
    }
    fn barrier(&mut self) -> Result<(), CollectiveError> {
        self.call(Operation::Barrier);
        self.inner.barrier()
    }
    fn all_reduce_sum_f32(&mut self, values: &mut [f32]) -> Result<(), CollectiveError> {
        self.call(Operation::AllReduceSum);
        self.inner.all_reduce_sum_f32(values)
    }
    fn all_reduce_sum_f64(&mut self, values: &mut [f64]) -> Result<(), CollectiveError> {
        self.call(Operation::AllReduceSum);
        self.inner.all_reduce_sum_f64(values)
    }
    fn all_reduce_sum_u64(&mut self, values: &mut [u64]) -> Result<(), CollectiveError> {
        self.call(Operation::AllReduceSum);
        self.inner.all_reduce_sum_u64(values)
    }
    fn all_reduce_min_f64(&mut self, values: &mut [f64]) -> Result<(), CollectiveError> {
        self.call(Operation::AllReduceMin);
        self.inner.all_reduce_min_f64(values)
    }
    fn all_reduce_max_f64(&mut self, values: &mut [f64]) -> Result<(), CollectiveError> {
        self.call(Operation::AllReduceMax);
        self.inner.all_reduce_max_f64(values)
    }
    fn broadcast(&mut self, root: Rank, bytes: &mut Vec<u8>) -> Result<(), CollectiveError> {
        self.call(Operation::Broadcast);
        self.inner.broadcast(root, bytes)
    }
    fn all_gather(&mut self, bytes: &[u8]) -> Result<Vec<Vec<u8>>, CollectiveError> {
        self.call(Operation::AllGather);
        self.inner.all_gather(bytes)
    }
    fn all_to_all(&mut self, parts: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, CollectiveError> {
        self.call(Operation::AllToAll);
        self.inner.all_to_all(parts)
    }
    fn abort(&mut self, message: &str) {
        self.inner.abort(message);
    }
}
