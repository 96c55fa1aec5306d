//! Where a rank is: its optimizer step, the part of the gradients that it sums, its last collective
//! call.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::layer::Layer;
use crate::{Bucket, Call, Collective, CollectiveError, Operation};

/// Where a rank is in its run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Position {
    /// The optimizer step that it works on, from 1; 0 before the first.
    pub step: u64,
    /// The part of this step's gradients that it has begun to sum last. NCCL's sums are no
    /// [`Position::call`].
    pub bucket: Option<Bucket>,
    /// The collective call that it made last.
    pub call: Option<Call>,
}

impl Position {
    /// How far it is: of two ranks of one program the one with less is behind.
    pub(super) fn progress(&self) -> impl Ord + use<> {
        let calls = self.call.map_or(0, |call| call.sequence);
        (self.step, calls, self.bucket.map_or(0, |bucket| bucket.number))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.step {
            0 => formatter.write_str("before the first step")?,
            step => write!(formatter, "in step {step}")?,
        }
        if let Some(bucket) = self.bucket {
            write!(formatter, ", in or after {bucket} of its gradients")?;
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
    /// Number and count, 32 bits each; 0 before the first of a step.
    bucket: AtomicU64,
    /// Of the last call; 0 before the first.
    sequence: AtomicU64,
    operation: AtomicU64,
    /// How often it was read.
    #[cfg(test)]
    reads: AtomicU64,
}

impl PositionCell {
    pub(super) fn set_step(&self, step: u64) {
        // A reader must not find a bucket of the step before.
        self.bucket.store(0, Ordering::Relaxed);
        self.step.store(step, Ordering::Release);
    }

    fn set_bucket(&self, bucket: Bucket) {
        self.bucket.store(bucket.to_u64(), Ordering::Relaxed);
    }

    fn set_call(&self, call: Call) {
        self.sequence.store(call.sequence, Ordering::Relaxed);
        self.operation.store(call.operation.code(), Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> Position {
        #[cfg(test)]
        self.reads.fetch_add(1, Ordering::SeqCst);
        let step = self.step.load(Ordering::Acquire);
        let sequence = self.sequence.load(Ordering::Relaxed);
        Position {
            step,
            bucket: Bucket::from_u64(self.bucket.load(Ordering::Relaxed)),
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
}

impl Layer for Watched<'_> {
    fn below(&self) -> &dyn Collective {
        self.inner
    }

    fn below_mut(&mut self) -> &mut dyn Collective {
        self.inner
    }

    /// The call that is about to be made.
    fn before(&mut self, operation: Operation) -> Result<(), CollectiveError> {
        let sequence = self.inner.calls_made() + 1;
        self.position.set_call(Call { operation, sequence });
        Ok(())
    }

    fn before_step(&mut self, step: u64) {
        self.position.set_step(step);
    }

    fn before_bucket(&mut self, bucket: Bucket) {
        self.position.set_bucket(bucket);
    }
}
