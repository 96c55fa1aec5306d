//! How libtorch's threads wait for the next loop: for some milliseconds awake, or asleep at once.
//!
//! libtorch's threads are libgomp's. One that has nothing to do looks at a word 300,000 times, some
//! milliseconds, before it sleeps: where nobody else wants its core, that is the fastest way. Where
//! somebody does, it burns the core that the thread it waits for should have. libgomp reads other
//! settings (`GOMP_SPINCOUNT`, `OMP_WAIT_POLICY`) only when it is loaded, before a program's first line;
//! but while a process has more of its threads than cores, it looks 100 times and then sleeps (GCC,
//! "GNU libgomp", `GOMP_SPINCOUNT`). So a team of threads that never do anything makes all others sleep
//! while they wait, for as long as it lives.

#![expect(unsafe_code, reason = "calls the C++ shim")]

use std::{
    ffi::c_int,
    io,
    sync::mpsc::{self, Receiver, Sender},
    thread::{self, JoinHandle},
};

use crate::{
    TorchError,
    ffi::{tenk_num_processors, tenk_open_team},
    num_threads,
};

/// Most threads of the team. Ranks that are not bound to cores need many: their loops have a part of
/// the cores that they may use.
const LARGEST_TEAM: usize = 512;

/// While it lives, threads of libtorch that wait for the next loop fall asleep within microseconds. A
/// user's `GOMP_SPINCOUNT` or `OMP_WAIT_POLICY` that asks for less stays in force.
#[derive(Debug)]
pub struct WaitAsleep {
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl WaitAsleep {
    /// From now on.
    ///
    /// # Errors
    /// [`TorchError::IdleTeam`] where the system does not let this process have the threads.
    pub fn begin() -> Result<Self, TorchError> {
        // SAFETY: has no arguments and only asks the system.
        let processors = usize::try_from(unsafe { tenk_num_processors() }).unwrap_or(1);
        // More threads than cores, together with those that compute; whoever opens a team is in it.
        let size = (processors + 2).saturating_sub(num_threads()).max(2);
        Self::with_team(size).map_err(|reason| TorchError::IdleTeam { size, reason })
    }

    fn with_team(size: usize) -> Result<Self, String> {
        if size > LARGEST_TEAM {
            return Err(format!("{LARGEST_TEAM} are the most that are taken for it"));
        }
        // libgomp ends the process where it cannot have a thread, so they are asked for before.
        try_threads(size).map_err(|error| error.to_string())?;
        let (end, ended) = mpsc::channel();
        let (opened, team) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("waiting".to_owned())
            .spawn(move || keep_team(size, &opened, &ended))
            .map_err(|error| error.to_string())?;
        let guard = Self {
            end: Some(end),
            thread: Some(thread),
        };
        match team.recv() {
            Ok(threads) if threads == size => Ok(guard),
            Ok(threads) => Err(format!("OpenMP gave {threads}")),
            Err(_) => Err("their thread ended".to_owned()),
        }
    }
}

impl Drop for WaitAsleep {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Whether the system lets this process have so many more threads at once.
fn try_threads(count: usize) -> io::Result<()> {
    thread::scope(|scope| {
        let mut held = Vec::with_capacity(count);
        for _ in 0..count {
            let (hold, until) = mpsc::channel::<()>();
            held.push(hold);
            thread::Builder::new().spawn_scoped(scope, move || until.recv())?;
        }
        Ok(())
    })
}

/// The team is its opener's, and ends with it.
fn keep_team(size: usize, opened: &Sender<usize>, ended: &Receiver<()>) {
    // SAFETY: opens a team, whose threads do nothing.
    let threads = unsafe { tenk_open_team(c_int::try_from(size).unwrap_or(1)) };
    let _ = opened.send(usize::try_from(threads).unwrap_or(0));
    let _ = ended.recv();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_team_that_is_too_large_is_refused_and_ends_nothing() {
        let reason = WaitAsleep::with_team(LARGEST_TEAM + 1).unwrap_err();
        assert!(reason.contains("512"), "{reason}");
    }
}
