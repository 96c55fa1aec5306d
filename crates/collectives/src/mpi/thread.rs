//! The communication thread: takes one job at a time, starts it, tests it until it is
//! finished or its deadline is over, answers.
//!
//! `MPI_Test` with short sleeps replaces MPI's own waiting, which spins on a core that a
//! rank needs for computing. Every call begins with the arrival of all ranks ([`Announced`]),
//! waited for asleep, and moves its data afterwards: a late, lost or differing rank is
//! met in the arrival, before the caller's memory is in MPI's hands. Where all ranks are on one
//! host, large sums then go through memory that they share ([`host`]), and else around a [`ring`].
#![expect(unsafe_code, reason = "starts MPI calls on buffers that outlive them")]

mod host;

use std::{
    ffi::c_void,
    mem,
    ops::Add,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, Sender},
    },
    thread,
    time::{Duration, Instant},
};

use bytemuck::Pod;

use super::{
    MpiOptions, SliceOfCaller,
    announced::{self, Announced},
    native::{self, Failure, Parts, Pending, Reduction, World},
    ring::{self, Stopped},
    shared_memory::SharedMemory,
};
use crate::{Brought, Call, CollectiveError, Element, Rank, SumOrder};

/// Waiting for the last rank: this long by testing and yielding, then asleep.
const AWAKE: Duration = Duration::from_micros(100);
/// Moving data: awake for as long as a slow transport may need for a byte.
const AWAKE_NANOSECONDS_PER_BYTE: u64 = 8;
/// Shortest and longest sleep between two tests.
const SLEEP: (Duration, Duration) = (Duration::from_micros(50), Duration::from_micros(500));

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

#[derive(Debug)]
pub(super) enum Work {
    Barrier,
    ReduceInPlace {
        slice: SliceOfCaller,
        count: usize,
        element: Element,
        reduction: Reduction,
    },
    ReduceCopy {
        words: Vec<u64>,
        count: usize,
        element: Element,
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
    fn brought(&self) -> Brought {
        match *self {
            Self::ReduceInPlace { count, element, .. } | Self::ReduceCopy { count, element, .. } => {
                Brought::Numbers { element, count }
            }
            Self::Broadcast { root, .. } => Brought::From(root),
            Self::Barrier
            | Self::AllGather { .. }
            | Self::AllToAll { .. }
            | Self::Abort(_)
            | Self::Finish => Brought::Anything,
        }
    }
}

#[derive(Debug)]
pub(super) enum Reply {
    Done,
    Words(Vec<u64>),
    Bytes(Vec<u8>),
    Parts(Vec<Vec<u8>>),
}

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
            sum_order: SumOrder::Ring,
        });
    let mut communication = Communication {
        world,
        timeout: options.timeout,
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
                Ok(_) => native::finalize(),
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

struct Communication {
    world: World,
    timeout: Duration,
    /// Memory that all ranks of the run share, where they are on one host.
    host: Option<SharedMemory>,
    /// Whether others want the cores.
    asleep: Arc<AtomicBool>,
}

impl Communication {
    fn perform(&mut self, call: Call, work: Work) -> Result<Reply, CollectiveError> {
        let deadline = Instant::now() + self.timeout;
        if let Work::Abort(message) = work {
            tracing::debug!(rank = self.world.rank(), "giving up: {message}");
            self.world.abort();
        }
        self.arrive(Announced::new(call, work.brought()), deadline)?;
        match work {
            Work::Barrier | Work::Finish | Work::Abort(_) => Ok(Reply::Done),
            Work::ReduceInPlace {
                slice,
                count,
                element,
                reduction,
            } => {
                let in_host = self.sum_in_host(call, (slice.0, count), (element, reduction));
                in_host.unwrap_or_else(|| {
                    self.reduce_in_place(call, (slice.0, count), (element, reduction));
                    Ok(())
                })?;
                Ok(Reply::Done)
            }
            Work::ReduceCopy {
                words,
                count,
                element,
                reduction,
            } => self
                .reduce_copy(call, deadline, (words, count), (element, reduction))
                .map(Reply::Words),
            Work::Broadcast { root, bytes } => self.broadcast(call, deadline, root, bytes).map(Reply::Bytes),
            Work::AllGather { bytes } => self.all_gather(call, deadline, bytes).map(Reply::Parts),
            Work::AllToAll { parts } => self.all_to_all(call, deadline, &parts).map(Reply::Parts),
        }
    }

    /// Waits until all ranks have arrived, and refuses a call that is not the same on all.
    fn arrive(&self, own: Announced, deadline: Instant) -> Result<(), CollectiveError> {
        let call = own.call;
        let mut largest = Box::new(own.to_be_maximised());
        let start: *mut c_void = largest.as_mut_ptr().cast();
        // SAFETY: `largest` lives until MPI has finished with it, or for ever (`keep`).
        let pending = unsafe {
            self.world
                .start_all_reduce(start, largest.len(), Element::U64, Reduction::Maximum)
        };
        largest = keep(self.finish(call, deadline, AWAKE, pending), largest)?;
        if announced::all_equal(&largest) {
            return Ok(());
        }
        // Every rank has come here; so all exchange what each of them announced.
        let mut all = vec![0_u64; self.world.size() as usize * announced::WORDS];
        let words = Box::new(own.words());
        let start: *mut c_void = all.as_mut_ptr().cast();
        // SAFETY: both buffers live until MPI has finished with them, or for ever (`keep`).
        let pending = unsafe {
            self.world
                .start_all_gather(words.as_ptr().cast(), start, size_of_val(&*words))
        };
        (all, _) = keep(self.finish(call, deadline, AWAKE, pending), (all, words))?;
        Err(announced::mismatch(&all).unwrap_or_else(|| {
            self.failed(call, "the ranks announced calls that no rank can make".to_owned())
        }))
    }

    /// Reduces in the caller's memory. Every rank has arrived, so only a rank that dies in this very
    /// moment, or a link that stops, can make it fail; the memory is then in MPI's hands and cannot be
    /// given back, so the process ends here, with the message.
    fn reduce_in_place(
        &self,
        call: Call,
        (start, count): (*mut c_void, usize),
        (element, reduction): (Element, Reduction),
    ) {
        let deadline = Instant::now() + self.timeout;
        let is_large = ring::is_worth_it(count * element.size_bytes(), self.world.size());
        let is_large_sum = is_large && matches!(reduction, Reduction::Sum);
        // SAFETY: `SliceOfCaller`: the caller waits, with its exclusive borrow, until this returns,
        // and this returns only after MPI has finished with the memory.
        let reduced = unsafe {
            match element {
                Element::F32 if is_large_sum => {
                    self.sum_in_ring::<f32>(call, deadline, (start.cast(), count))
                }
                Element::F64 if is_large_sum => {
                    self.sum_in_ring::<f64>(call, deadline, (start.cast(), count))
                }
                Element::F32 | Element::F64 | Element::U64 => {
                    self.reduce(call, deadline, (start, count), (element, reduction))
                }
            }
        };
        if let Err(error) = reduced {
            self.give_up(&error.to_string());
        }
    }

    fn reduce_copy(
        &self,
        call: Call,
        deadline: Instant,
        (mut words, count): (Vec<u64>, usize),
        (element, reduction): (Element, Reduction),
    ) -> Result<Vec<u64>, CollectiveError> {
        let numbers = (words.as_mut_ptr().cast(), count);
        // SAFETY: `words` lives until MPI has finished with it, or for ever (`keep`).
        let reduced = unsafe { self.reduce(call, deadline, numbers, (element, reduction)) };
        keep(reduced, words)
    }

    /// By MPI's own call.
    ///
    /// # Safety
    /// Nobody else touches the numbers from `start` on until this returns, and after an error
    /// nobody ever does.
    unsafe fn reduce(
        &self,
        call: Call,
        deadline: Instant,
        (start, count): (*mut c_void, usize),
        (element, reduction): (Element, Reduction),
    ) -> Result<(), CollectiveError> {
        for (offset, length) in pieces(count) {
            let piece = start.wrapping_byte_add(offset * element.size_bytes());
            // SAFETY: the caller's promise.
            let pending = unsafe { self.world.start_all_reduce(piece, length, element, reduction) };
            self.finish(call, deadline, awake_for(length * element.size_bytes()), pending)?;
        }
        Ok(())
    }

    /// # Safety
    /// As [`Communication::reduce`].
    unsafe fn sum_in_ring<T: Pod + Add<Output = T>>(
        &self,
        call: Call,
        deadline: Instant,
        numbers: (*mut T, usize),
    ) -> Result<(), CollectiveError> {
        let go_on = |pause| {
            thread::sleep(pause);
            Instant::now() < deadline
        };
        // SAFETY: the caller's promise.
        let summed = unsafe { ring::all_reduce_sum(&self.world, numbers, go_on) };
        summed.map_err(|stopped| match stopped {
            Stopped::Late => self.late(call, Vec::new()),
            Stopped::Failed(failure) => self.failed(call, failure.0),
        })
    }

    fn broadcast(
        &self,
        call: Call,
        deadline: Instant,
        root: Rank,
        mut bytes: Vec<u8>,
    ) -> Result<Vec<u8>, CollectiveError> {
        if root.0 >= self.world.size() {
            return Err(self.failed(
                call,
                format!("rank {root} is not one of {} ranks", self.world.size()),
            ));
        }
        let mut length = Box::new(bytes.len() as u64);
        let start: *mut c_void = std::ptr::from_mut(&mut *length).cast();
        // SAFETY: `length` lives until MPI has finished with it, or for ever (`keep`).
        let pending = unsafe { self.world.start_broadcast(start, 8, root.0) };
        length = keep(self.finish(call, deadline, AWAKE, pending), length)?;
        bytes.resize(usize::try_from(*length).unwrap_or(usize::MAX), 0);
        let start: *mut c_void = bytes.as_mut_ptr().cast();
        for (offset, length) in pieces(bytes.len()) {
            let piece = start.wrapping_byte_add(offset);
            // SAFETY: `bytes` lives until MPI has finished with it, or for ever (`keep`).
            let pending = unsafe { self.world.start_broadcast(piece, length, root.0) };
            bytes = keep(self.finish(call, deadline, awake_for(length), pending), bytes)?;
        }
        Ok(bytes)
    }

    /// Lengths first, then the bytes of all ranks one after the other.
    fn all_gather(
        &self,
        call: Call,
        deadline: Instant,
        bytes: Vec<u8>,
    ) -> Result<Vec<Vec<u8>>, CollectiveError> {
        let mut lengths = vec![0_u64; self.world.size() as usize];
        let own = Box::new(bytes.len() as u64);
        let start: *mut c_void = lengths.as_mut_ptr().cast();
        // SAFETY: both buffers live until MPI has finished with them, or for ever (`keep`).
        let pending = unsafe {
            self.world
                .start_all_gather(std::ptr::from_ref(&*own).cast(), start, 8)
        };
        (lengths, _) = keep(self.finish(call, deadline, AWAKE, pending), (lengths, own))?;

        let parts = Parts::new(&lengths).map_err(|failure| self.failed(call, failure.0))?;
        if parts.end == 0 {
            return Ok(vec![Vec::new(); lengths.len()]);
        }
        let mut all = vec![0_u8; parts.end];
        let start: *mut c_void = all.as_mut_ptr().cast();
        // SAFETY: all three buffers live until MPI has finished with them, or for ever (`keep`).
        let pending = unsafe { self.world.start_all_gather_parts(&bytes, start, &parts) };
        let result = self.finish(call, deadline, awake_for(all.len()), pending);
        let (all, ..) = keep(result, (all, bytes, parts))?;
        Ok(cut(&all, &lengths))
    }

    /// Lengths first, then the bytes.
    fn all_to_all(
        &self,
        call: Call,
        deadline: Instant,
        parts: &[Vec<u8>],
    ) -> Result<Vec<Vec<u8>>, CollectiveError> {
        let failed = |failure: Failure| self.failed(call, failure.0);
        let own: Vec<u64> = parts.iter().map(|part| part.len() as u64).collect();
        let mut lengths = vec![0_u64; own.len()];
        let start: *mut c_void = lengths.as_mut_ptr().cast();
        // SAFETY: both buffers live until MPI has finished with them, or for ever (`keep`).
        let pending = unsafe { self.world.start_all_to_all_words(own.as_ptr().cast(), start) };
        let (lengths, own) = keep(self.finish(call, deadline, AWAKE, pending), (lengths, own))?;
        let sent = Parts::new(&own).map_err(failed)?;
        let received = Parts::new(&lengths).map_err(failed)?;
        // One byte more: the pointer of an empty slice dangles at 1, Open MPI's `MPI_IN_PLACE`.
        let mut bytes = Vec::with_capacity(sent.end + 1);
        for part in parts {
            bytes.extend_from_slice(part);
        }
        let mut all = Vec::with_capacity(received.end + 1);
        all.resize(received.end, 0_u8);
        let start: *mut c_void = all.as_mut_ptr().cast();
        // SAFETY: all four buffers live until MPI has finished with them, or for ever (`keep`).
        let pending = unsafe {
            self.world
                .start_all_to_all_parts(bytes.as_ptr().cast(), &sent, start, &received)
        };
        let result = self.finish(call, deadline, awake_for(bytes.len() + all.len()), pending);
        let (all, ..) = keep(result, (all, bytes, sent, received))?;
        Ok(cut(&all, &lengths))
    }

    /// Tests a started call until it is finished or its deadline is over.
    fn finish(
        &self,
        call: Call,
        deadline: Instant,
        awake: Duration,
        pending: Result<Pending, Failure>,
    ) -> Result<(), CollectiveError> {
        let failed = |failure: Failure| self.failed(call, failure.0);
        let mut pending = pending.map_err(failed)?;
        let begun = Instant::now();
        while !pending.test().map_err(failed)? {
            if Instant::now() >= deadline {
                return Err(self.late(call, Vec::new()));
            }
            self.rest(begun, awake);
        }
        Ok(())
    }

    /// One rest of a wait that began then: it yields for as long as it is to stay awake, and sleeps
    /// longer and longer after that. Beside other work a yield costs as long as that may keep the core,
    /// so there it sleeps at once.
    fn rest(&self, begun: Instant, awake: Duration) {
        let is_awake = !self.asleep.load(Ordering::Relaxed);
        let elapsed = begun.elapsed();
        match elapsed.checked_sub(awake) {
            None if is_awake => thread::yield_now(),
            asleep => thread::sleep((asleep.unwrap_or(elapsed) / 8).clamp(SLEEP.0, SLEEP.1)),
        }
    }

    fn late(&self, call: Call, missing: Vec<Rank>) -> CollectiveError {
        CollectiveError::Deadline {
            rank: Rank(self.world.rank()),
            call,
            waited: self.timeout,
            missing,
        }
    }

    fn failed(&self, call: Call, message: String) -> CollectiveError {
        CollectiveError::Failed {
            rank: Rank(self.world.rank()),
            call,
            message,
        }
    }

    fn give_up(&self, message: &str) -> ! {
        tracing::error!(rank = self.world.rank(), "giving up: {message}");
        self.world.abort()
    }
}

/// Gives the buffer of a finished call back. That of an unfinished one is never freed,
/// because MPI may still write to it.
fn keep<T>(result: Result<(), CollectiveError>, buffer: T) -> Result<T, CollectiveError> {
    match result {
        Ok(()) => Ok(buffer),
        Err(error) => {
            mem::forget(buffer);
            Err(error)
        }
    }
}

/// Parts of these lengths, one after the other.
fn cut(all: &[u8], lengths: &[u64]) -> Vec<Vec<u8>> {
    let mut rest = all;
    let take = |length: &u64| {
        let (part, after) = rest.split_at(usize::try_from(*length).unwrap_or(usize::MAX));
        rest = after;
        part.to_vec()
    };
    lengths.iter().map(take).collect()
}

fn awake_for(num_bytes: usize) -> Duration {
    AWAKE + Duration::from_nanos(num_bytes as u64 * AWAKE_NANOSECONDS_PER_BYTE)
}

/// MPI counts are 32-bit: (offset, length) of pieces of at most 2^30 elements.
fn pieces(count: usize) -> impl Iterator<Item = (usize, usize)> {
    const LONGEST: usize = 1 << 30;
    (0..count)
        .step_by(LONGEST)
        .map(move |offset| (offset, LONGEST.min(count - offset)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_cover_every_count_once() {
        assert_eq!(pieces(0).count(), 0);
        assert_eq!(pieces(5).collect::<Vec<_>>(), [(0, 5)]);
        let longest = 1_usize << 30;
        assert_eq!(pieces(longest).count(), 1);
        assert_eq!(
            pieces(2 * longest + 1).collect::<Vec<_>>(),
            [(0, longest), (longest, longest), (2 * longest, 1)]
        );
    }
}
