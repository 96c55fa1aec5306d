//! The communication thread's end of MPI, and how it waits for what it has begun.
//!
//! `MPI_Test` with short sleeps replaces MPI's own waiting, which spins on a core that a
//! rank needs for computing.

use std::{
    mem,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::{
    library::Failure,
    native::{Pending, World},
    shared_memory::SharedMemory,
};
use crate::{Call, CollectiveError, Rank};

/// Waiting for the last rank: this long by testing and yielding, then asleep.
pub(super) const AWAKE: Duration = Duration::from_micros(100);
/// Moving data: awake for as long as a slow transport may need for a byte.
const AWAKE_NANOSECONDS_PER_BYTE: u64 = 8;
/// Shortest and longest sleep between two tests.
const SLEEP: (Duration, Duration) = (Duration::from_micros(50), Duration::from_micros(500));

/// This process's end of MPI, in the hands of the communication thread.
pub(super) struct Communication {
    pub(super) world: World,
    pub(super) timeout: Duration,
    /// Large sums over several hosts go around our own ring.
    pub(super) own_ring: bool,
    /// Memory that all ranks of the run share, where they are on one host.
    pub(super) host: Option<SharedMemory>,
    /// Whether others want the cores.
    pub(super) asleep: Arc<AtomicBool>,
}

impl Communication {
    /// Tests a started call until it is finished or its deadline is over.
    pub(super) fn finish(
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
    pub(super) fn rest(&self, begun: Instant, awake: Duration) {
        let is_awake = !self.asleep.load(Ordering::Relaxed);
        let elapsed = begun.elapsed();
        match elapsed.checked_sub(awake) {
            None if is_awake => thread::yield_now(),
            asleep => thread::sleep((asleep.unwrap_or(elapsed) / 8).clamp(SLEEP.0, SLEEP.1)),
        }
    }

    pub(super) fn late(&self, call: Call, missing: Vec<Rank>) -> CollectiveError {
        CollectiveError::Deadline {
            rank: Rank(self.world.rank()),
            call,
            waited: self.timeout,
            missing,
        }
    }

    pub(super) fn failed(&self, call: Call, message: String) -> CollectiveError {
        CollectiveError::Failed {
            rank: Rank(self.world.rank()),
            call,
            message,
        }
    }

    pub(super) fn give_up(&self, message: &str) -> ! {
        tracing::error!(rank = self.world.rank(), "giving up: {message}");
        self.world.abort()
    }
}

/// Gives the buffer of a finished call back. That of an unfinished one is never freed,
/// because MPI may still write to it.
pub(super) fn keep<T>(result: Result<(), CollectiveError>, buffer: T) -> Result<T, CollectiveError> {
    match result {
        Ok(()) => Ok(buffer),
        Err(error) => {
            mem::forget(buffer);
            Err(error)
        }
    }
}

pub(super) fn awake_for(num_bytes: usize) -> Duration {
    AWAKE + Duration::from_nanos(num_bytes as u64 * AWAKE_NANOSECONDS_PER_BYTE)
}

/// MPI counts are 32-bit: (offset, length) of pieces of at most 2^30 elements.
pub(super) fn pieces(count: usize) -> impl Iterator<Item = (usize, usize)> {
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
