//! Prepares the batches of coming steps on a thread of its own, a bounded number ahead.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use crate::error::LoaderError;
use crate::ids::Step;
use crate::load::Loader;
use crate::micro_batch::MicroBatch;

/// What one rank computes in one step.
#[derive(Debug, Clone, PartialEq)]
pub struct StepBatches {
    /// Steps that were finished when it is used.
    pub step: Step,
    /// The rank's micro-batches, in order.
    pub micro_batches: Vec<MicroBatch>,
    /// Wrapping sum of the digests of the rank's slots; summed over ranks, the step's digest.
    pub digest: u64,
}

/// The coming steps of one rank, in order, as what was made of them. Dropping it ends its thread.
#[derive(Debug)]
pub struct PrefetchedSteps<T = StepBatches, E = LoaderError> {
    receiver: Option<Receiver<Result<T, E>>>,
    worker: Option<JoinHandle<()>>,
}

impl Loader {
    /// What `rank` of `world_size` computes at `step`.
    ///
    /// # Errors
    /// Those of [`Loader::micro_batch`].
    pub fn step_batches(&self, step: Step, rank: u32, world_size: u32) -> Result<StepBatches, LoaderError> {
        let micro_batches = self
            .micro_batches_of_rank(rank, world_size)
            .map(|index| self.micro_batch(step, index))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(StepBatches {
            step,
            digest: micro_batches
                .iter()
                .fold(0, |sum, batch| sum.wrapping_add(batch.digest)),
            micro_batches,
        })
    }

    /// The steps from `first` up to but not including `until`, without those of
    /// [`LoaderConfig::skip_steps`](crate::LoaderConfig::skip_steps), prepared at most `depth`
    /// (at least one) steps ahead. An error ends the iteration.
    ///
    /// # Errors
    /// [`LoaderError::PrefetchSpawn`] if the thread cannot be started.
    pub fn steps(
        self: Arc<Self>,
        place: (u32, u32),
        range: (Step, Step),
        depth: usize,
    ) -> Result<PrefetchedSteps, LoaderError> {
        self.prepared_steps(place, range, depth, Ok)
    }

    /// As [`Loader::steps`], with what `prepare` makes of each step on the loader's thread.
    ///
    /// # Errors
    /// As [`Loader::steps`].
    pub fn prepared_steps<T, E>(
        self: Arc<Self>,
        (rank, world_size): (u32, u32),
        (first, until): (Step, Step),
        depth: usize,
        prepare: impl Fn(StepBatches) -> Result<T, E> + Send + 'static,
    ) -> Result<PrefetchedSteps<T, E>, LoaderError>
    where
        T: Send + 'static,
        E: From<LoaderError> + Send + 'static,
    {
        let (sender, receiver) = sync_channel(depth.max(1) - 1);
        let worker = std::thread::Builder::new()
            .name("loader".to_owned())
            .spawn(move || {
                let skipped = &self.config().skip_steps;
                let steps = (first.0..until.0).map(Step);
                let steps = steps.filter(|&step| !skipped.skips_batch_at(step));
                send_all(
                    steps.map(|step| prepare(self.step_batches(step, rank, world_size)?)),
                    &sender,
                );
            })
            .map_err(LoaderError::PrefetchSpawn)?;
        Ok(PrefetchedSteps {
            receiver: Some(receiver),
            worker: Some(worker),
        })
    }
}

/// Sends results until one is an error or nobody listens any more.
fn send_all<T, E>(results: impl Iterator<Item = Result<T, E>>, sender: &SyncSender<Result<T, E>>) {
    for result in results {
        let failed = result.is_err();
        if sender.send(result).is_err() || failed {
            return;
        }
    }
}

impl<T, E: From<LoaderError>> Iterator for PrefetchedSteps<T, E> {
    type Item = Result<T, E>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Ok(result) = self.receiver.as_ref()?.recv() {
            return Some(result);
        }
        self.receiver = None;
        let ended = self.worker.take()?.join();
        ended.is_err().then(|| Err(LoaderError::PrefetchStopped.into()))
    }
}

impl<T, E> Drop for PrefetchedSteps<T, E> {
    fn drop(&mut self) {
        // The worker's next send fails once the receiver is gone; a panic of the worker has
        // no reader left.
        self.receiver = None;
        if let Some(worker) = self.worker.take() {
            let _ = worker.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefetched(
        results: impl Iterator<Item = Result<StepBatches, LoaderError>> + Send + 'static,
    ) -> PrefetchedSteps {
        let (sender, receiver) = sync_channel(1);
        PrefetchedSteps {
            receiver: Some(receiver),
            worker: Some(std::thread::spawn(move || send_all(results, &sender))),
        }
    }

    fn batches(step: u64) -> StepBatches {
        StepBatches {
            step: Step(step),
            micro_batches: Vec::new(),
            digest: step,
        }
    }

    #[test]
    fn steps_come_in_order_and_end() {
        let steps: Vec<u64> = prefetched((3..40).map(|step| Ok(batches(step))))
            .map(|result| result.unwrap().step.0)
            .collect();
        assert_eq!(steps, (3..40).collect::<Vec<_>>());
    }

    #[test]
    fn an_error_is_handed_on_and_ends_the_iteration() {
        let results = [Ok(batches(0)), Err(LoaderError::EmptyBatch), Ok(batches(2))];
        let mut steps = prefetched(results.into_iter());
        assert!(steps.next().unwrap().is_ok());
        assert!(matches!(steps.next(), Some(Err(LoaderError::EmptyBatch))));
        assert!(steps.next().is_none());
        assert!(steps.next().is_none());
    }

    #[test]
    fn a_panic_of_the_thread_becomes_an_error() {
        let mut steps = prefetched((0..1).map(|_| panic!("on purpose")));
        assert!(matches!(steps.next(), Some(Err(LoaderError::PrefetchStopped))));
        assert!(steps.next().is_none());
    }

    #[test]
    fn dropping_the_steps_ends_the_thread() {
        let mut steps = prefetched((0..).map(|step| Ok(batches(step))));
        assert!(steps.next().is_some());
        drop(steps);
    }
}
