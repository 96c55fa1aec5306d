//! Results that worker threads are making: asked for in one order, taken in the same.

use std::sync::mpsc::{Receiver, sync_channel};

use rayon::Scope;

/// The result of a job on a worker thread.
pub(super) struct Pending<T>(Receiver<T>);

impl<T: Send> Pending<T> {
    /// Starts `job` on the next free worker of `scope`.
    pub(super) fn start<'scope>(scope: &Scope<'scope>, job: impl FnOnce() -> T + Send + 'scope) -> Self
    where
        T: 'scope,
    {
        let (sender, receiver) = sync_channel(1);
        scope.spawn(move |_| {
            // Nobody listens once the reader has stopped.
            let _ = sender.send(job());
        });
        Self(receiver)
    }

    /// Waits for the result; `None` only when the job panicked, which its scope passes on.
    pub(super) fn wait(self) -> Option<T> {
        self.0.recv().ok()
    }
}
