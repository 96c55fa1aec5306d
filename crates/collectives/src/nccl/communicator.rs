//! The ranks' connection over NCCL: set up without blocking, asked for its state with a
//! deadline after every call, aborted after the first failure and never used again.
#![expect(unsafe_code, reason = "calls NCCL")]

use std::{
    ffi::{c_int, c_void},
    ptr,
    sync::atomic::{AtomicPtr, Ordering},
    thread,
    time::{Duration, Instant},
};

use super::{
    abi::{self, Code, Config, Handle, IN_PROGRESS, SUCCESS, UNIQUE_ID_BYTES, UniqueId},
    aside::aside,
    error::{NcclError, NcclWork},
    library::NcclLibrary,
    lookout::{Lookout, OnFailure},
    times::NcclTimes,
};
use crate::{Collective, CollectiveError, DeviceBuffer, Rank};

/// Between two looks at a state: awake for this long, then asleep for that long.
const AWAKE: Duration = Duration::from_micros(100);
const SLEEP: Duration = Duration::from_micros(50);

/// A communicator of all ranks.
#[derive(Debug)]
pub(super) struct Communicator {
    library: NcclLibrary,
    /// `None` once it is aborted or destroyed.
    live: Option<Live>,
    rank: Rank,
    times: NcclTimes,
    lookout: Lookout,
}

/// The handle of a communicator that is neither destroyed nor aborted.
#[derive(Debug, Clone, Copy)]
struct Live(Handle);

// SAFETY: NCCL allows a communicator to be used by any thread, by one at a time; `Communicator`
// takes `&mut self` for every call, and gives its handle away when it aborts.
unsafe impl Send for Live {}

/// How long something has been waited for, and how long it may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    begun: Instant,
    limit: Duration,
}

impl Patience {
    pub(super) fn new(limit: Duration) -> Self {
        Self {
            begun: Instant::now(),
            limit,
        }
    }

    /// `Err` has the limit once that is over.
    pub(super) fn check(self) -> Result<(), Duration> {
        if self.begun.elapsed() < self.limit {
            Ok(())
        } else {
            Err(self.limit)
        }
    }

    /// Waits a little.
    pub(super) fn rest(self) {
        if self.begun.elapsed() < AWAKE {
            thread::yield_now();
        } else {
            thread::sleep(SLEEP);
        }
    }
}

impl Communicator {
    /// Brings all ranks together, each with its own GPU selected in this thread. The id by which
    /// they meet goes over `collective`.
    ///
    /// # Errors
    /// Those of `collective`, and [`NcclError`] where NCCL fails or is not through within half
    /// the time of a call: a rank that fails earlier waits for the others in a call.
    pub(super) fn connect(
        library: NcclLibrary,
        collective: &mut dyn Collective,
        times: NcclTimes,
        on_failure: OnFailure,
    ) -> Result<Self, CollectiveError> {
        // What fails on one rank alone is told where the others come to hear of it.
        let lookout = Lookout::start(collective.rank(), times, on_failure);
        let id = meeting_point(&library, collective, lookout.as_ref().ok())?;
        let lookout = lookout?;
        let _under_way = lookout.watch(NcclWork::SetUp);
        let number = |value: u32| c_int::try_from(value).unwrap_or(c_int::MAX);
        let (ranks, rank) = (number(collective.world_size()), number(collective.rank().0));
        let mut config = Config::not_blocking();
        // NCCL writes the handle during the call and, from a thread of its own, once more when the
        // set-up ends, which may be after this has given up: so its place is never freed.
        let place: &'static AtomicPtr<_> = Box::leak(Box::new(AtomicPtr::new(ptr::null_mut())));
        // SAFETY: NCCL copies id and configuration, which live through the call; the handle's place
        // lives for ever, and is read and written as an atomic on both sides.
        let code = unsafe {
            (library.functions.comm_init_rank_config)(place.as_ptr(), ranks, id, rank, &raw mut config)
        };
        let handle = place.load(Ordering::Acquire);
        let mut communicator = Self {
            library,
            live: (!handle.is_null()).then_some(Live(handle)),
            rank: collective.rank(),
            times,
            lookout,
        };
        let patience = Patience::new(times.call / 2);
        communicator.settle(code, "ncclCommInitRankConfig", NcclWork::SetUp, patience)?;
        Ok(communicator)
    }

    /// Queues the sum of `buffer`, in place, on `stream`. One sum is one group: NCCL tunes a
    /// group of several as one message, which may add in another order than each alone, and the
    /// bits must not depend on `parallel.overlap`.
    pub(super) fn all_reduce(
        &mut self,
        buffer: &DeviceBuffer,
        stream: *mut c_void,
        work: NcclWork,
    ) -> Result<(), NcclError> {
        let handle = self.handle(work)?;
        let functions = self.library.functions;
        let memory: *mut c_void = ptr::without_provenance_mut(buffer.address);
        let patience = Patience::new(self.times.call);
        // SAFETY: no arguments.
        let code = unsafe { (functions.group_start)() };
        self.settle(code, "ncclGroupStart", work, patience)?;
        // SAFETY: the communicator and the stream are live. The memory is a GPU's (`Gpu::holds`),
        // to which no Rust reference leads.
        let code = unsafe {
            (functions.all_reduce)(
                memory,
                memory,
                buffer.count,
                abi::data_type(buffer.element),
                abi::SUM,
                handle,
                stream,
            )
        };
        self.settle(code, "ncclAllReduce", work, patience)?;
        // SAFETY: no arguments.
        let code = unsafe { (functions.group_end)() };
        self.settle(code, "ncclGroupEnd", work, patience)
    }

    /// Asks NCCL for an error that happened since; not being through is none.
    pub(super) fn check(&mut self, work: NcclWork) -> Result<(), NcclError> {
        let handle = self.handle(work)?;
        match self.state(handle) {
            SUCCESS | IN_PROGRESS => Ok(()),
            code => Err(self.failed(code, "ncclCommGetAsyncError", work)),
        }
    }

    /// Waits for outstanding work of all ranks and gives everything back, within half the time of a
    /// call: the others wait in one meanwhile. For a thread of its own, which may not come back.
    pub(super) fn leave(mut self) -> Result<(), NcclError> {
        let handle = self.handle(NcclWork::Finish)?;
        let patience = Patience::new(self.times.call / 2);
        // SAFETY: the communicator is live.
        let code = unsafe { (self.library.functions.comm_finalize)(handle) };
        self.settle(code, "ncclCommFinalize", NcclWork::Finish, patience)?;
        self.live = None;
        // SAFETY: the communicator is finalized, and its handle is gone from here on.
        let code = unsafe { (self.library.functions.comm_destroy)(handle) };
        if code == SUCCESS {
            return Ok(());
        }
        Err(self.failed(code, "ncclCommDestroy", NcclWork::Finish))
    }

    /// Ends everything that goes on over NCCL. NCCL waits in it for threads and kernels that may
    /// hang; the process does not wait longer than it may.
    pub(super) fn abort(&mut self) {
        let Some(live) = self.live.take() else { return };
        let abort = self.library.functions.comm_abort;
        let ended = aside("nccl-abort", self.times.abort, move || {
            let Live(handle) = { live };
            // SAFETY: the handle was taken out of the communicator: nobody uses it any more.
            unsafe { abort(handle) };
        });
        if ended.is_none() {
            tracing::warn!(
                rank = self.rank.0,
                "NCCL did not abort within {} s",
                self.times.abort.as_secs_f64()
            );
        }
    }

    pub(super) fn rank(&self) -> Rank {
        self.rank
    }

    pub(super) fn times(&self) -> NcclTimes {
        self.times
    }

    pub(super) fn lookout(&self) -> &Lookout {
        &self.lookout
    }

    /// # Errors
    /// [`NcclError::Unusable`] once an earlier call has failed.
    pub(super) fn check_usable(&self, work: NcclWork) -> Result<(), NcclError> {
        self.handle(work).map(drop)
    }

    fn handle(&self, work: NcclWork) -> Result<Handle, NcclError> {
        let rank = self.rank;
        self.live
            .map(|Live(handle)| handle)
            .ok_or(NcclError::Unusable { rank, work })
    }

    fn state(&self, handle: Handle) -> Code {
        let mut state = SUCCESS;
        // SAFETY: the communicator is live; NCCL writes one integer.
        let code = unsafe { (self.library.functions.comm_get_async_error)(handle, &raw mut state) };
        if code == SUCCESS { state } else { code }
    }

    /// Waits until the call that returned `code` is through; a failure ends the communicator.
    fn settle(
        &mut self,
        mut code: Code,
        function: &'static str,
        work: NcclWork,
        patience: Patience,
    ) -> Result<(), NcclError> {
        while code == IN_PROGRESS {
            if let Err(waited) = patience.check() {
                self.abort();
                let rank = self.rank;
                return Err(NcclError::Deadline { rank, work, waited });
            }
            patience.rest();
            code = self.state(self.handle(work)?);
        }
        if code == SUCCESS {
            return Ok(());
        }
        let error = self.failed(code, function, work);
        self.abort();
        Err(error)
    }

    fn failed(&self, code: Code, function: &'static str, work: NcclWork) -> NcclError {
        NcclError::Failed {
            rank: self.rank,
            work,
            function,
            message: self.library.words_for(code),
        }
    }
}

impl Drop for Communicator {
    /// Whoever leaves in order has called [`Communicator::leave`]; this is a failure's end.
    fn drop(&mut self) {
        self.abort();
    }
}

/// An id of rank 0 on all ranks.
fn meeting_point(
    library: &NcclLibrary,
    collective: &mut dyn Collective,
    lookout: Option<&Lookout>,
) -> Result<UniqueId, CollectiveError> {
    // The id opens a port on rank 0's host, so it is made when all ranks are there.
    collective.barrier()?;
    let made = match collective.rank() {
        Rank(0) => {
            let _under_way = lookout.map(|lookout| lookout.watch(NcclWork::SetUp));
            library.unique_id().map(Some)
        }
        _ => Ok(None),
    };
    let mut bytes = made.clone().ok().flatten().unwrap_or_default();
    collective.broadcast(Rank(0), &mut bytes)?;
    made?;
    let id: [u8; UNIQUE_ID_BYTES] = bytes.try_into().map_err(|_| NcclError::NoMeeting {
        rank: collective.rank(),
    })?;
    Ok(UniqueId(id))
}
