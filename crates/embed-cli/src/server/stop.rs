//! When and how a server ends: the first signal lets it answer what it has accepted, the second ends
//! it at once.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use super::batching::Queue;
use super::connection::Phase;
use super::connections::Connections;

/// How long, after the last answer, a connection may take to send the rest of a request before it is
/// closed.
const GRACE: Duration = Duration::from_secs(5);
/// How long, after the last request has been worked on, clients may take their answers.
const TAKE: Duration = Duration::from_secs(20);
/// How often it is looked whether all is answered.
const LOOK: Duration = Duration::from_millis(50);

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

/// Waits for a signal, says so by `stopping`, and returns when every connection has its answer or keeps
/// the server waiting.
///
/// # Errors
/// On a second signal.
pub(crate) async fn stop_in_time(
    mut signals: Signals,
    stopping: watch::Sender<bool>,
    queue: &Queue,
    connections: &Connections,
) -> Result<()> {
    signals.next().await;
    tracing::info!(
        "stopping: {} tokens are still to be embedded",
        queue.queued_tokens()
    );
    // Nobody listens any more only where the server has ended already.
    let _ = stopping.send(true);
    tokio::select! {
        () = answered(connections) => Ok(()),
        () = signals.next() => bail!(
            "stopped by a second signal: accepted texts of {} tokens were not answered",
            queue.queued_tokens()
        ),
    }
}

/// Waits until no connection is open, or those that are keep the server waiting: no request has been
/// whole and unanswered for [`GRACE`], or all are worked on and their answers not taken for [`TAKE`].
async fn answered(connections: &Connections) {
    let (mut last_worked, mut last_wrote) = (Instant::now(), Instant::now());
    while connections.num_open() > 0 {
        let now = Instant::now();
        if connections.any_in(&[Phase::Working]) {
            (last_worked, last_wrote) = (now, now);
        } else if connections.any_in(&[Phase::Writing]) {
            last_wrote = now;
        }
        if now - last_wrote > GRACE {
            tracing::warn!("connections that sent no whole request were closed");
            return;
        }
        if now - last_worked > TAKE {
            tracing::warn!(
                "connections that did not take their answers in {} s were closed",
                TAKE.as_secs()
            );
            return;
        }
        tokio::time::sleep(LOOK).await;
    }
}
