//! A request to stop: SIGUSR1, SIGTERM or SIGINT.
//!
//! The first one is remembered; the loop finishes its step, all ranks agree, a checkpoint is
//! written and the process exits 75. A second one exits at once, also with 75: what the last
//! checkpoint holds can be resumed.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use signal_hook::{
    consts::{SIGINT, SIGTERM, SIGUSR1},
    flag,
};

use crate::exit::ExitStatus;

/// Whether this process was asked to stop.
#[derive(Debug, Clone, Default)]
pub struct StopRequest(Arc<AtomicBool>);

impl StopRequest {
    /// A request that only [`StopRequest::ask`] makes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Listens to the signals. After MPI has started, which installs handlers of its own.
    ///
    /// # Errors
    /// When the system refuses a handler.
    pub fn on_signals() -> io::Result<Self> {
        let request = Self::default();
        for signal in [SIGUSR1, SIGTERM, SIGINT] {
            // In this order the first signal finds the flag down and only raises it.
            flag::register_conditional_shutdown(
                signal,
                i32::from(ExitStatus::Stopped.code()),
                Arc::clone(&request.0),
            )?;
            flag::register(signal, Arc::clone(&request.0))?;
        }
        Ok(request)
    }

    /// Asks to stop.
    pub fn ask(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether a stop was asked for.
    pub fn asked(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_signal_only_asks() {
        let request = StopRequest::on_signals().unwrap();
        assert!(!request.asked());
        signal_hook::low_level::raise(SIGUSR1).unwrap();
        assert!(request.asked());
    }
}
