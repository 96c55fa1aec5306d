//! When and how a server ends: the first signal lets it answer what it has accepted, the second ends
//! it at once.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use super::batching::Queue;

/// How long, after the last answer, a connection may take to send the rest of a request or to read
/// its answer before it is closed.
const GRACE: Duration = Duration::from_secs(5);

/// SIGTERM, SIGINT, and SIGHUP unless the process was started with it ignored, as by nohup(1).
#[derive(Debug)]
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Option<Signal>,
}

impl Signals {
    pub(crate) fn new() -> Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen for signals");
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hangup: (!ignores_hangup())
                .then(|| listen(SignalKind::hangup()))
                .transpose()?,
        })
    }

    async fn next(&mut self) {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.terminate.recv() => (),
            _ = self.interrupt.recv() => (),
            _ = hangup => (),
        }
    }
}

/// By `SigIgn` in `/proc/PID/status` (proc(5): signal n is bit n - 1; SIGHUP is 1).
fn ignores_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & 1 == 1)
}

/// Waits for a signal, says so by `stopping`, and returns when nothing has been asked or answered for
/// [`GRACE`]: what is still connected then sends no whole request.
///
/// # Errors
/// On a second signal.
pub(crate) async fn stop_in_time(
    mut signals: Signals,
    stopping: watch::Sender<bool>,
    queue: Queue,
) -> Result<()> {
    signals.next().await;
    tracing::info!(
        "stopping: {} tokens are still to be embedded",
        queue.queued_tokens()
    );
    // Nobody listens any more only where the server has ended already.
    let _ = stopping.send(true);
    tokio::select! {
        () = quiet(&queue) => {
            tracing::warn!("connections that sent no whole request were closed");
            Ok(())
        }
        () = signals.next() => bail!(
            "stopped by a second signal: accepted texts of {} tokens were not answered",
            queue.queued_tokens()
        ),
    }
}

async fn quiet(queue: &Queue) {
    loop {
        let before = queue.num_accepted();
        let was_empty = queue.queued_tokens() == 0;
        tokio::time::sleep(GRACE).await;
        if was_empty && queue.queued_tokens() == 0 && queue.num_accepted() == before {
            return;
        }
    }
}
