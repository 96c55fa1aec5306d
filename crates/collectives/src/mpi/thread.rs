//! The communication thread: takes one job at a time, starts it, tests it until it is
//! finished or its deadline is over, answers.
//!
//! Every call begins with the arrival of all ranks ([`CollectiveFingerprint`]), waited for asleep,
//! and moves its data afterwards: a late, lost or differing rank is met in the arrival, before the
//! caller's memory is in MPI's hands. Where all ranks are on one host, large sums then go through
//! memory that they share (`host`), and else around a ring (`reduce`).
#![expect(unsafe_code, reason = "starts MPI calls on buffers that outlive them")]

use std::{
    ffi::c_void,
    sync::{
        Arc,
        atomic::AtomicBool,
        mpsc::{Receiver, Sender},
    },
    thread,
    time::Instant,
};

use super::{
    buffer::Buffer,
    communication::{AWAKE, Communication, keep},
    fingerprint::{self, CollectiveFingerprint},
    job::{Job, Place, Reply, SliceOfCaller, Work},
    library::{self, Failure},
    native::World,
    options::MpiOptions,
    reduction::Reduction,
};
use crate::{Call, CollectiveError, Element, Rank, SumOrder};

/// The thread's main: start MPI, serve jobs until `Finish`.
pub(super) fn run(
    jobs: &Receiver<Job>,
    started: &Sender<Result<Place, CollectiveError>>,
    options: MpiOptions,
    asleep: Arc<AtomicBool>,
) {
    let _guard = EndTheProcessOnPanic;
    let start_error = |failure: Failure| CollectiveError::Start { message: failure.0 };
    let world = match World::initialize() {
        Ok(world) => world,
        Err(failure) => {
            let _ = started.send(Err(start_error(failure)));
            return;
        }
    };
    let place = world
        .local()
        .map_err(start_error)
        .map(|(local_rank, local_size)| Place {
            rank: Rank(world.rank()),
            world_size: world.size(),
            local_rank,
            local_size,
            sum_order: options.order_over_hosts(),
        });
    let mut communication = Communication {
        world,
        timeout: options.timeout,
        own_ring: options.own_ring,
        host: None,
        asleep,
    };
    let place = place.and_then(|mut place| {
        if options.zero_copy && options.shared_memory && place.local_size == place.world_size {
            communication.host = communication.join_host()?;
        }
        if communication.host.is_some() || place.world_size == 1 {
            place.sum_order = SumOrder::RankOrder;
        }
        Ok(place)
    });
    let _ = started.send(place);
    while let Ok(Job { call, work, reply }) = jobs.recv() {
        let last = matches!(work, Work::Finish);
        let result = communication.perform(call, work);
        if last {
            match &result {
                Ok(_) => library::finalize(),
                Err(error) => communication.give_up(&error.to_string()),
            }
        }
        let _ = reply.send(result);
        if last {
            return;
        }
    }
}

/// A panic here would let a waiting caller go on while MPI still has its memory.
struct EndTheProcessOnPanic;

impl Drop for EndTheProcessOnPanic {
    fn drop(&mut self) {
        if thread::panicking() {
            std::process::abort();
        }
    }
}

impl Communication {
    fn perform(&mut self, call: Call, work: Work) -> Result<Reply, CollectiveError> {
        let deadline = Instant::now() + self.timeout;
        if let Work::Abort(message) = work {
            tracing::debug!(rank = self.world.rank(), "giving up: {message}");
            self.world.abort();
        }
        self.arrive(CollectiveFingerprint::new(call, work.payload()), deadline)?;
        match work {
            Work::Barrier | Work::Finish | Work::Abort(_) => Ok(Reply::Done),
            Work::ReduceInPlace { slice, reduction } => {
                let SliceOfCaller(buffer) = slice;
                let in_host = self.sum_in_host(call, buffer, reduction);
                in_host.unwrap_or_else(|| {
                    self.reduce_in_place(call, buffer, reduction);
                    Ok(())
                })?;
                Ok(Reply::Done)
            }
            Work::ReduceCopy { copy, reduction } => self
                .reduce_copy(call, deadline, copy, reduction)
                .map(Reply::Words),
            Work::Broadcast { root, bytes } => self.broadcast(call, deadline, root, bytes).map(Reply::Bytes),
            Work::AllGather { bytes } => self.all_gather(call, deadline, bytes).map(Reply::Parts),
            Work::AllToAll { parts } => self.all_to_all(call, deadline, &parts).map(Reply::Parts),
        }
    }

    /// Waits until all ranks have arrived, and refuses a call that is not the same on all.
    fn arrive(&self, own: CollectiveFingerprint, deadline: Instant) -> Result<(), CollectiveError> {
        let call = own.call;
        let mut largest = Box::new(own.to_be_maximized());
        let buffer = Buffer {
            start: largest.as_mut_ptr().cast(),
            count: largest.len(),
            element: Element::U64,
        };
        // SAFETY: `largest` lives until MPI has finished with it, or for ever (`keep`).
        let pending = unsafe { self.world.start_all_reduce(buffer, Reduction::Maximum) };
        largest = keep(self.finish(call, deadline, AWAKE, pending), largest)?;
        if fingerprint::all_equal(&largest) {
            return Ok(());
        }
        // Every rank has come here; so all exchange what each of them announced.
        let mut all = vec![0_u64; self.world.size() as usize * fingerprint::WORDS];
        let words = Box::new(own.words());
        let start: *mut c_void = all.as_mut_ptr().cast();
        // SAFETY: both buffers live until MPI has finished with them, or for ever (`keep`).
        let pending = unsafe {
            self.world
                .start_all_gather(words.as_ptr().cast(), start, size_of_val(&*words))
        };
        (all, _) = keep(self.finish(call, deadline, AWAKE, pending), (all, words))?;
        Err(fingerprint::mismatch(&all).unwrap_or_else(|| {
            self.failed(call, "the ranks announced calls that no rank can make".to_owned())
        }))
    }
}
