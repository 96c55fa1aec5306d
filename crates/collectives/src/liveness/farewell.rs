//! The last word of a rank, and how any thread says it.

use std::{
    convert::Infallible,
    sync::{
        Weak,
        mpsc::{self, Sender},
    },
    time::Duration,
};

/// The last word of a rank; after `Waited` it listens for whom rank 0 names.
#[derive(Debug)]
pub(super) enum Farewell {
    Done,
    Failed(String),
    Waited(String),
    /// Of a process that is told to end at once; `ended` is dropped when the others can hear it.
    Ended {
        message: String,
        ended: Sender<Infallible>,
    },
}

/// For the last word of a process that is told to end at once.
pub(super) const LAST_WORD: Duration = Duration::from_secs(1);

/// By which any thread ends this process's part in the channel.
#[derive(Debug, Clone)]
pub struct EndNotice(pub(super) Weak<Sender<Farewell>>);

impl EndNotice {
    /// Tells the other ranks that this process was told to end at once, by `message`, so that they do
    /// not take its end for a failure. Returns when they can hear it, after a second at the latest.
    pub fn tell(&self, message: &str) {
        let Some(farewell) = self.0.upgrade() else {
            return;
        };
        let (ended, told) = mpsc::channel();
        let message = message.to_owned();
        // Where its thread has ended, a failure was reported or a farewell said.
        if farewell.send(Farewell::Ended { message, ended }).is_ok() {
            let _ = told.recv_timeout(LAST_WORD);
        }
    }
}
