//! Ends a process that a failed sum on a GPU keeps from ending by itself.
//!
//! Behind a sum that hangs nearly every call about the GPU may wait without end: that of the backward
//! pass that wants memory, that of the loader that wants pinned memory, that which gives memory back.
//! So from the first failure of NCCL on a time runs out, by a thread that calls none of them.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use signal_hook::low_level;

use crate::{
    error::chain,
    ranks::exit::{ExitStatus, write_last_exit},
};

/// For a rank whose training has come back with the failure: to tell the others over the liveness
/// channel and hear whom they name (some 2 s), to write why it ends, and to end.
const FAREWELL: Duration = Duration::from_secs(10);

/// What becomes of this process after a failure.
#[derive(Debug, Clone)]
pub(crate) struct LastResort(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    rank: u32,
    /// Where `last_exit.json` is to be written.
    run_dir: Option<PathBuf>,
    /// For the training to come back after a failure.
    within: Duration,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Clone)]
enum State {
    /// Nothing has failed.
    Quiet,
    /// This has failed, and the process has to be gone by then.
    Failed { reason: String, until: Instant },
    /// NCCL is left, and nothing waits for it any more.
    Over,
}

impl LastResort {
    /// For rank `rank` of the run in `run_dir`; a dry run has none.
    pub(crate) fn new(rank: u32, run_dir: Option<&Path>, within: Duration) -> Self {
        Self(Arc::new(Shared {
            rank,
            run_dir: run_dir.map(Path::to_path_buf),
            within,
            state: Mutex::new(State::Quiet),
            changed: Condvar::new(),
        }))
    }

    /// Something has failed, and the training has to come back with it.
    pub(crate) fn failed(&self, reason: &str) {
        let mut state = self.0.state();
        if !matches!(*state, State::Quiet) {
            return;
        }
        *state = State::Failed {
            reason: reason.to_owned(),
            until: Instant::now() + self.0.within,
        };
        let shared = Arc::clone(&self.0);
        let thread = thread::Builder::new().name("last-resort".to_owned());
        if let Err(error) = thread.spawn(move || shared.end_in_time()) {
            tracing::warn!("the thread that would end this process if it hangs did not start: {error}");
        }
    }

    /// The training has come back with the failure: what is left to do gets a time of its own.
    pub(crate) fn is_back(&self) {
        if let State::Failed { until, .. } = &mut *self.0.state() {
            *until = Instant::now() + FAREWELL;
        }
    }

    /// Nothing of the run depends on NCCL any more.
    pub(crate) fn over(&self) {
        *self.0.state() = State::Over;
        self.0.changed.notify_all();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Holds the state while it ends the process, so that nothing goes on meanwhile that asks for it.
    fn end_in_time(&self) {
        let mut state = self.state();
        while let State::Failed { reason, until } = &*state {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                self.end(reason);
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn end(&self, reason: &str) -> ! {
        let rank = self.rank;
        tracing::error!("{reason}");
        tracing::error!("rank {rank}: the GPU keeps this process from ending by itself, so it is ended");
        if let Some(run_dir) = &self.run_dir
            && let Err(error) = write_last_exit(run_dir, ExitStatus::Failed, reason, rank, None)
        {
            tracing::warn!("last_exit.json was not written: {}", chain(&error));
        }
        low_level::exit(i32::from(ExitStatus::Failed.code()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A process that should not end would end this test.
    #[test]
    fn a_process_whose_training_comes_back_or_that_has_left_nccl_is_not_ended() {
        let within = Duration::from_millis(50);
        let run_dir = tempfile::tempdir().unwrap();
        let resorts = [(); 2].map(|()| LastResort::new(0, Some(run_dir.path()), within));
        for resort in &resorts {
            resort.failed("rank 0: a sum hangs");
            resort.failed("rank 0: and again");
        }
        resorts[0].is_back();
        resorts[1].over();
        let never_failed = LastResort::new(0, Some(run_dir.path()), within);
        never_failed.is_back();
        never_failed.over();
        never_failed.failed("rank 0: too late to matter");
        thread::sleep(within * 4);
        resorts[0].over();
        assert!(!run_dir.path().join("last_exit.json").exists());
    }
}
