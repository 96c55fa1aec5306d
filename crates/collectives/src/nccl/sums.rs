//! Sums of gradients on the GPU, queued bucket by bucket and waited for together.

use super::{
    GpuNumbers, NcclTimes,
    communicator::{Communicator, Patience},
    error::{NcclError, Work},
    gpu::{Event, Gpu, Stream},
    library::NcclLibrary,
};
use crate::{Bucket, Collective, CollectiveError};

/// Sums numbers in GPU memory over all ranks. A failed call aborts NCCL on this rank, and every
/// later one is refused.
#[derive(Debug)]
pub struct GpuSums {
    communicator: Communicator,
    gpu: Gpu,
    /// Behind the gradients of the bucket that is queued.
    ready: Event,
    /// Behind the sums of the buckets, by their place in `queued`.
    done: Vec<Event>,
    queued: Vec<Work>,
}

impl GpuSums {
    /// Connects all ranks, whose library and GPU are open by now on all of them.
    ///
    /// # Errors
    /// Those of `collective`, over which the ranks meet, and [`NcclError`].
    pub fn connect(
        collective: &mut dyn Collective,
        library: NcclLibrary,
        gpu: Gpu,
        times: NcclTimes,
    ) -> Result<Self, CollectiveError> {
        // NCCL takes the calling thread's GPU.
        let ready = gpu.select().and_then(|()| gpu.event());
        let communicator = Communicator::connect(library, collective, times)?;
        Ok(Self {
            communicator,
            gpu,
            ready: ready?,
            done: Vec::new(),
            queued: Vec::new(),
        })
    }

    /// Queues the sum of `numbers`, in place: behind what libtorch's current stream was given so
    /// far, beside what it is given from now on. All ranks queue the same buckets in the same
    /// order. Until [`GpuSums::finish`] nothing else may use these numbers.
    ///
    /// # Errors
    /// [`NcclError`], which names the rank and the bucket.
    pub fn start(&mut self, numbers: GpuNumbers, bucket: Bucket) -> Result<(), CollectiveError> {
        let work = Work::Sum {
            bucket,
            count: numbers.count,
            element: numbers.element,
        };
        let result = self.queue(numbers, work);
        self.end_after_failure(result)
    }

    /// Waits until all queued sums are finished; libtorch's current stream goes on after them.
    ///
    /// # Errors
    /// [`NcclError`], which names the rank and the bucket.
    pub fn finish(&mut self) -> Result<(), CollectiveError> {
        let queued = std::mem::take(&mut self.queued);
        let result = self.wait_for(&queued);
        self.end_after_failure(result)
    }

    /// Leaves in order, together with all other ranks; without it dropping this aborts.
    ///
    /// # Errors
    /// [`NcclError`] where a rank does not come or NCCL fails.
    pub fn leave(self) -> Result<(), CollectiveError> {
        self.gpu.select()?;
        Ok(self.communicator.leave()?)
    }

    fn queue(&mut self, numbers: GpuNumbers, work: Work) -> Result<(), NcclError> {
        self.gpu.select()?;
        if !self.gpu.holds(&numbers) {
            return Err(NcclError::NotOnGpu {
                work,
                device: self.gpu.device(),
            });
        }
        self.gpu.record(&self.ready, Stream::Current)?;
        self.gpu.wait(Stream::Own, &self.ready)?;
        let stream = self.gpu.stream(Stream::Own);
        self.communicator.all_reduce(&numbers, stream, work)?;
        let index = self.queued.len();
        if index == self.done.len() {
            self.done.push(self.gpu.event()?);
        }
        self.gpu.record(&self.done[index], Stream::Own)?;
        self.queued.push(work);
        Ok(())
    }

    /// The host waits too, although the GPU would by itself: whatever reads the gradients next
    /// waits without a deadline.
    fn wait_for(&mut self, queued: &[Work]) -> Result<(), NcclError> {
        self.gpu.select()?;
        if let Some(last) = queued.len().checked_sub(1) {
            self.gpu.wait(Stream::Current, &self.done[last])?;
        }
        for (index, &work) in queued.iter().enumerate() {
            let patience = Patience::new(self.communicator.call_limit());
            while !self.gpu.is_reached(&self.done[index])? {
                self.communicator.check(work)?;
                let rank = self.communicator.rank();
                patience
                    .wait()
                    .map_err(|waited| NcclError::Deadline { rank, work, waited })?;
            }
        }
        Ok(())
    }

    fn end_after_failure(&mut self, result: Result<(), NcclError>) -> Result<(), CollectiveError> {
        if result.is_err() {
            self.communicator.abort();
        }
        Ok(result?)
    }
}
