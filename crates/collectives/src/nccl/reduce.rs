//! Sums of gradients on the GPU, queued bucket by bucket and waited for together.

use super::{
    aside::aside,
    communicator::{Communicator, Patience},
    error::{NcclError, NcclWork},
    gpu::{Event, Gpu, Stream},
    library::NcclLibrary,
    lookout::OnFailure,
    times::NcclTimes,
};
use crate::{Bucket, Collective, CollectiveError, DeviceBuffer, DeviceReduce};

/// Sums numbers in the memory of GPUs over all ranks. A failed call aborts NCCL on this rank, and every
/// later one is refused.
#[derive(Debug)]
pub struct NcclReduce {
    communicator: Communicator,
    gpu: Gpu,
    /// Behind the gradients of the bucket that is queued.
    ready: Event,
    /// Behind the sums of the buckets, by their place in `queued`.
    done: Vec<Event>,
    queued: Vec<NcclWork>,
    /// How many of them are summed.
    reached: usize,
    /// With the first that is not.
    patience: Patience,
}

impl NcclReduce {
    /// Connects all ranks, whose library and GPU are open by now on all of them. `on_failure` hears of
    /// what fails afterwards, and of a call that does not come back, the set-up's included.
    ///
    /// # Errors
    /// Those of `collective`, over which the ranks meet, and [`NcclError`].
    pub fn connect(
        collective: &mut dyn Collective,
        library: NcclLibrary,
        gpu: Gpu,
        times: NcclTimes,
        on_failure: OnFailure,
    ) -> Result<Self, CollectiveError> {
        // NCCL takes the calling thread's GPU.
        let ready = gpu.select().and_then(|()| gpu.event());
        let communicator = Communicator::connect(library, collective, times, on_failure)
            .inspect_err(|_| gpu.forget_error())?;
        Ok(Self {
            communicator,
            gpu,
            ready: ready?,
            done: Vec::new(),
            queued: Vec::new(),
            reached: 0,
            patience: Patience::new(times.call),
        })
    }

    /// Leaves in order, together with all other ranks; without it dropping this aborts. A library
    /// that does not come back is left alone.
    ///
    /// # Errors
    /// [`NcclError`] where a rank does not come or NCCL fails.
    pub fn leave(self) -> Result<(), CollectiveError> {
        let Self {
            communicator, gpu, ..
        } = self;
        let (rank, times) = (communicator.rank(), communicator.times());
        let limit = times.call / 2 + times.abort * 2;
        let left = aside("nccl-leave", limit, move || {
            communicator.check_usable(NcclWork::Finish)?;
            gpu.select()?;
            communicator.leave()
        });
        Ok(left.unwrap_or(Err(NcclError::NotBack {
            rank,
            work: NcclWork::Finish,
            waited: limit,
        }))?)
    }

    /// Does `step` where nothing has failed yet. Where it fails NCCL is aborted and nothing is asked of
    /// the GPU any more, because any call may wait for a sum that hangs.
    fn all_or_nothing(
        &mut self,
        work: NcclWork,
        step: impl FnOnce(&mut Self) -> Result<(), NcclError>,
    ) -> Result<(), CollectiveError> {
        self.communicator.check_usable(work)?;
        let _under_way = self.communicator.lookout().watch(work);
        if let Err(error) = step(self) {
            self.communicator.lookout().report(&error);
            // NCCL's own calls of the runtime leave theirs too.
            self.gpu.forget_error();
            self.communicator.abort();
            return Err(error.into());
        }
        Ok(())
    }

    fn queue(&mut self, buffer: DeviceBuffer, work: NcclWork) -> Result<(), NcclError> {
        self.gpu.select()?;
        if !self.gpu.holds(&buffer) {
            return Err(NcclError::NotOnGpu {
                work,
                device: self.gpu.device(),
            });
        }
        self.gpu.record(&self.ready, Stream::Current)?;
        self.gpu.wait(Stream::Own, &self.ready)?;
        let stream = self.gpu.stream(Stream::Own);
        self.communicator.all_reduce(&buffer, stream, work)?;
        let index = self.queued.len();
        if index == self.done.len() {
            self.done.push(self.gpu.event()?);
        }
        self.gpu.record(&self.done[index], Stream::Own)?;
        if self.reached == index {
            self.patience = Patience::new(self.communicator.times().call);
        }
        self.queued.push(work);
        Ok(())
    }

    /// The host waits too, although the GPU would by itself: whatever reads the gradients next
    /// waits without a deadline. So libtorch's stream is given nothing to wait for before the sums
    /// are there.
    fn wait_for_all(&mut self) -> Result<(), NcclError> {
        self.gpu.select()?;
        while !self.all_reached()? {
            self.patience.rest();
        }
        if let Some(last) = self.queued.len().checked_sub(1) {
            self.gpu.wait(Stream::Current, &self.done[last])?;
        }
        self.queued.clear();
        self.reached = 0;
        Ok(())
    }

    /// Whether all queued sums are there. Each has the time of a call since it was queued, or since
    /// the one before it was there.
    fn all_reached(&mut self) -> Result<bool, NcclError> {
        while let Some(&work) = self.queued.get(self.reached) {
            self.communicator.lookout().moves_on(work);
            if !self.gpu.is_reached(&self.done[self.reached])? {
                if let Err(error) = self.communicator.check(work) {
                    return Err(error.of(self.first_missing(work)));
                }
                let rank = self.communicator.rank();
                let late = |waited| NcclError::Deadline { rank, work, waited };
                return self.patience.check().map(|()| false).map_err(late);
            }
            self.reached += 1;
            self.patience = Patience::new(self.communicator.times().call);
        }
        Ok(true)
    }

    /// The first sum that is not there, after NCCL was found broken at `work`: those before it may have
    /// come between the two questions.
    fn first_missing(&mut self, work: NcclWork) -> NcclWork {
        while let Some(event) = self.done.get(self.reached)
            && self.reached + 1 < self.queued.len()
            && self.gpu.is_reached(event).is_ok_and(|is_reached| is_reached)
        {
            self.reached += 1;
        }
        self.queued.get(self.reached).copied().unwrap_or(work)
    }
}

impl DeviceReduce for NcclReduce {
    /// Behind what libtorch's current stream was given so far.
    fn start(&mut self, buffer: DeviceBuffer, bucket: Bucket) -> Result<(), CollectiveError> {
        let work = NcclWork::Sum {
            bucket,
            count: buffer.count,
            element: buffer.element,
        };
        self.all_or_nothing(work, |reduce| reduce.queue(buffer, work))
    }

    fn look(&mut self) -> Result<(), CollectiveError> {
        self.all_or_nothing(NcclWork::Wait, |reduce| {
            reduce.gpu.select()?;
            reduce.all_reached().map(drop)
        })
    }

    /// libtorch's current stream goes on after the sums.
    fn finish(&mut self) -> Result<(), CollectiveError> {
        self.all_or_nothing(NcclWork::Wait, Self::wait_for_all)
    }
}
