//! Notices a call into NCCL or the CUDA runtime that does not come back.
//!
//! What fails or is late in an orderly way is an error of the call itself. A thread that hangs inside
//! of a library can report nothing, so another one looks whether it has moved on.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::{
    error::{NcclError, NcclWork},
    times::NcclTimes,
};
use crate::Rank;

/// What is done once, with the first failure after the set-up: by the thread that fails, before NCCL
/// is aborted, or by another one where that thread does not come back.
pub type OnFailure = Box<dyn Fn(&NcclError) + Send + Sync>;

/// The calls of one rank, and the thread that looks after them.
#[derive(Debug, Clone)]
pub(super) struct Lookout(Arc<Shared>);

struct Shared {
    rank: Rank,
    limit: Duration,
    under_way: Mutex<Option<(Instant, NcclWork)>>,
    reported: AtomicBool,
    on_failure: OnFailure,
}

impl fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Lookout {
    /// A call is given its own deadline, the time that an abort takes, and as long again.
    ///
    /// # Errors
    /// [`NcclError::NoThread`] where the system refuses one.
    pub(super) fn start(rank: Rank, times: NcclTimes, on_failure: OnFailure) -> Result<Self, NcclError> {
        let shared = Arc::new(Shared {
            rank,
            limit: times.call + times.abort * 2,
            under_way: Mutex::default(),
            reported: AtomicBool::new(false),
            on_failure,
        });
        let pause = (shared.limit / 8).clamp(Duration::from_millis(10), Duration::from_secs(1));
        let watched = Arc::downgrade(&shared);
        thread::Builder::new()
            .name("nccl-lookout".to_owned())
            .spawn(move || look_after(&watched, pause))
            .map_err(|error| NcclError::NoThread {
                message: error.to_string(),
            })?;
        Ok(Self(shared))
    }

    /// `work` is under way until the answer is dropped.
    #[must_use]
    pub(super) fn watch(&self, work: NcclWork) -> UnderWay {
        self.moves_on(work);
        UnderWay(self.clone())
    }

    /// The calls for `work` do come back.
    pub(super) fn moves_on(&self, work: NcclWork) {
        *self.0.under_way() = Some((Instant::now(), work));
    }

    /// Tells of a failure, the first one only.
    pub(super) fn report(&self, error: &NcclError) {
        self.0.report(error);
    }
}

/// Work that is looked after.
#[derive(Debug)]
pub(super) struct UnderWay(Lookout);

impl Drop for UnderWay {
    fn drop(&mut self) {
        *self.0.0.under_way() = None;
    }
}

impl Shared {
    fn under_way(&self) -> MutexGuard<'_, Option<(Instant, NcclWork)>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn report(&self, error: &NcclError) {
        if !self.reported.swap(true, Ordering::SeqCst) {
            (self.on_failure)(error);
        }
    }

    fn look(&self) {
        let overdue = self.under_way().filter(|(since, _)| since.elapsed() > self.limit);
        if let Some((since, work)) = overdue {
            self.report(&NcclError::NotBack {
                rank: self.rank,
                work,
                waited: since.elapsed(),
            });
        }
    }
}

/// Until nobody makes calls any more.
fn look_after(watched: &Weak<Shared>, pause: Duration) {
    loop {
        thread::sleep(pause);
        let Some(shared) = watched.upgrade() else { return };
        shared.look();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const TIMES: NcclTimes = NcclTimes {
        call: Duration::from_millis(100),
        abort: Duration::from_millis(50),
    };

    fn lookout() -> (Lookout, mpsc::Receiver<String>) {
        let (tell, told) = mpsc::channel();
        let tell = Mutex::new(tell);
        let on_failure = move |error: &NcclError| tell.lock().unwrap().send(error.to_string()).unwrap();
        let lookout = Lookout::start(Rank(3), TIMES, Box::new(on_failure)).unwrap();
        (lookout, told)
    }

    #[test]
    fn a_call_that_does_not_come_back_is_told_once() {
        let (lookout, told) = lookout();
        let under_way = lookout.watch(NcclWork::SetUp);
        let said = told.recv_timeout(Duration::from_mins(1)).unwrap();
        assert!(
            said.starts_with("rank 3: a call of the set-up has not come back"),
            "{said}"
        );
        lookout.report(&NcclError::NoMeeting { rank: Rank(3) });
        drop((under_way, lookout));
        assert!(told.recv_timeout(Duration::from_mins(1)).is_err(), "told twice");
    }

    #[test]
    fn calls_that_come_back_are_no_failure_however_many_they_are() {
        let (lookout, told) = lookout();
        let under_way = lookout.watch(NcclWork::SetUp);
        for _ in 0..6 {
            thread::sleep(TIMES.call / 2);
            lookout.moves_on(NcclWork::SetUp);
        }
        drop(under_way);
        thread::sleep(TIMES.call * 3);
        drop(lookout);
        assert!(told.recv_timeout(Duration::from_mins(1)).is_err());
    }
}
