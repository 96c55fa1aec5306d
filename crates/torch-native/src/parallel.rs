//! Loops in Rust on libtorch's own intra-op threads, and that number of threads.
//!
//! Work is cut by element index, never by thread, so results do not depend on the number of
//! threads. It is cut into more pieces than there are threads, and a thread takes the next one when it
//! is done with its last: one whose core others use takes fewer, and the rest do not wait for its half.
//! Pieces are disjoint slices.

#![expect(unsafe_code, reason = "hands disjoint parts of a slice to libtorch's threads")]

use std::any::Any;
use std::ffi::{CStr, c_void};
use std::marker::PhantomData;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::TorchError;
use crate::ffi::{check, tenk_libtorch_version, tenk_parallel_for};

/// Least number of elements a thread takes of work that is little more than reading and writing them.
pub(crate) const GRAIN: usize = 1 << 15;

/// Pieces for each thread. A thread that the system takes off its core in the middle of one keeps the
/// others waiting for that piece alone.
const PIECES_PER_THREAD: usize = 4;

/// Sets the number of intra-op threads that libtorch and this crate's kernels use.
///
/// # Errors
/// [`TorchError::OutOfRange`] when `threads` is 0 or more than `i32` holds.
pub fn set_num_threads(threads: usize) -> Result<(), TorchError> {
    match i32::try_from(threads) {
        Ok(count) if count > 0 => {
            tch::set_num_threads(count);
            Ok(())
        }
        _ => Err(TorchError::OutOfRange {
            name: "threads",
            value: threads as f64,
            expected: "at least 1",
        }),
    }
}

/// The number of intra-op threads that libtorch and this crate's kernels use.
pub fn num_threads() -> usize {
    usize::try_from(tch::get_num_threads()).unwrap_or(1)
}

/// Version of the libtorch headers that the program was built with, as `2.11.0`.
pub fn libtorch_version() -> &'static str {
    // SAFETY: the shim returns a string literal.
    let text = unsafe { CStr::from_ptr(tenk_libtorch_version()) };
    text.to_str().unwrap_or("unknown")
}

struct Job<'a> {
    body: &'a (dyn Fn(Range<usize>) + Sync),
    count: usize,
    num_pieces: usize,
    next_piece: AtomicUsize,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

impl Job<'_> {
    /// Takes piece after piece until none is left.
    fn take_pieces(&self) {
        let start = |piece| piece * self.count / self.num_pieces;
        loop {
            let piece = self.next_piece.fetch_add(1, Ordering::Relaxed);
            if piece >= self.num_pieces {
                return;
            }
            (self.body)(start(piece)..start(piece + 1));
        }
    }
}

/// Once a thread: its indices are only how libtorch starts it.
///
/// # Safety
/// `state` is the [`Job`] of a loop that has not returned.
unsafe extern "C" fn run_pieces(state: *const c_void, _begin: i64, _end: i64) {
    // SAFETY: `state` is the `Job` that `parallel_for` keeps alive until all threads are done.
    let job = unsafe { &*state.cast::<Job<'_>>() };
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| job.take_pieces())) {
        *job.panic.lock().unwrap_or_else(PoisonError::into_inner) = Some(payload);
    }
}

/// Calls `body` on disjoint ranges that cover `0..count`, some for each thread, or fewer where they would
/// have less than `grain` indices.
pub(crate) fn parallel_for(
    count: usize,
    grain: usize,
    body: &(dyn Fn(Range<usize>) + Sync),
) -> Result<(), TorchError> {
    let num_threads = num_threads();
    let most = if num_threads == 1 {
        1
    } else {
        PIECES_PER_THREAD * num_threads
    };
    let num_pieces = count.div_ceil(grain.max(1)).min(most);
    let job = Job {
        body,
        count,
        num_pieces,
        next_piece: AtomicUsize::new(0),
        panic: Mutex::new(None),
    };
    let threads = i64::try_from(num_pieces.min(num_threads)).unwrap_or(1);
    // SAFETY: the shim returns only after every thread has left `run_pieces`, and `job` lives here.
    let message = unsafe { tenk_parallel_for(threads, 1, run_pieces, (&raw const job).cast()) };
    if let Some(payload) = job.panic.into_inner().unwrap_or_else(PoisonError::into_inner) {
        resume_unwind(payload);
    }
    check("parallel_for", message)
}

/// A mutable slice that several threads may take disjoint parts of.
pub(crate) struct SharedSlice<'a, T> {
    start: *mut T,
    len: usize,
    lifetime: PhantomData<&'a mut [T]>,
}

// SAFETY: parts are handed out by `part`, whose caller keeps them disjoint.
unsafe impl<T: Send> Sync for SharedSlice<'_, T> {}

impl<'a, T> SharedSlice<'a, T> {
    pub(crate) fn new(slice: &'a mut [T]) -> Self {
        Self {
            start: slice.as_mut_ptr(),
            len: slice.len(),
            lifetime: PhantomData,
        }
    }

    /// The elements of `range`.
    ///
    /// # Safety
    /// No two parts that live at the same time may overlap.
    #[expect(clippy::mut_from_ref, reason = "disjointness is the caller's promise")]
    pub(crate) unsafe fn part(&self, range: Range<usize>) -> &mut [T] {
        assert!(
            range.start <= range.end && range.end <= self.len,
            "a part lies inside its slice"
        );
        // SAFETY: in bounds by the assertion; not aliased by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(range.start), range.len()) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn every_index_is_visited_once() {
        for count in [0, 1, 63, 64, 65, 10_000] {
            let mut visits = vec![0u8; count];
            let shared = SharedSlice::new(&mut visits);
            parallel_for(count, 64, &|range| {
                // SAFETY: parallel_for's ranges are disjoint.
                for visit in unsafe { shared.part(range) } {
                    *visit += 1;
                }
            })
            .unwrap();
            assert!(visits.iter().all(|&visit| visit == 1), "{count} indices");
        }
    }

    /// With a half for each thread it would wait for ever.
    #[test]
    fn what_a_thread_is_held_up_from_others_take() {
        const COUNT: usize = 64;
        let before = num_threads();
        set_num_threads(2).unwrap();
        let done = AtomicUsize::new(0);
        let by_others = AtomicUsize::new(0);
        let deadline = Instant::now() + Duration::from_mins(1);
        parallel_for(COUNT, 1, &|range| {
            let own = range.len();
            if range.start == 0 {
                while done.load(Ordering::Relaxed) < COUNT - own && Instant::now() < deadline {
                    std::thread::yield_now();
                }
                by_others.store(done.load(Ordering::Relaxed), Ordering::Relaxed);
            }
            done.fetch_add(own, Ordering::Relaxed);
        })
        .unwrap();
        set_num_threads(before).unwrap();
        assert_eq!(done.into_inner(), COUNT);
        assert_eq!(by_others.into_inner(), COUNT - COUNT / (2 * PIECES_PER_THREAD));
    }

    #[test]
    fn a_panic_in_a_range_reaches_the_caller_without_crossing_cpp() {
        let caught = catch_unwind(|| parallel_for(10, 1, &|_| panic!("inside")));
        assert_eq!(caught.unwrap_err().downcast_ref::<&str>(), Some(&"inside"));
    }

    #[test]
    fn zero_threads_are_refused() {
        assert!(matches!(set_num_threads(0), Err(TorchError::OutOfRange { .. })));
        assert!(num_threads() >= 1);
        assert!(libtorch_version().starts_with("2."));
    }
}
