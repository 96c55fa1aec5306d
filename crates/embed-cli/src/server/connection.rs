//! One open connection: who waits for whom, and since when.
//!
//! A connection goes from [`Phase::Head`] over [`Phase::Body`] to [`Phase::Working`], where the
//! server has the word, then over [`Phase::Writing`] to [`Phase::Idle`]. In all but `Working` the
//! server waits for its client, and may close the connection.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::options::Patience;

/// Slowest rate at which a client may take an answer over its whole length.
const MIN_BYTES_PER_SECOND: u64 = 256 << 10;
/// A body or an answer that began so short a time ago is not closed to make room.
const YOUNG: Duration = Duration::from_secs(1);

/// What a connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// The rest of a head.
    Head,
    /// The next request.
    Idle,
    /// The rest of a body.
    Body,
    /// The client to take its answer.
    Writing,
    /// The server.
    Working,
}

/// Why the server closed a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Closed {
    /// No whole head came in time.
    Head,
    /// No further request came in time.
    Idle,
    /// The answer was not taken in time.
    Write,
    /// Another connection needed the place.
    Room,
}

impl Closed {
    /// Its label among the metrics.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Head => "head",
            Self::Idle => "idle",
            Self::Write => "write",
            Self::Room => "room",
        }
    }
}

#[derive(Debug)]
struct State {
    phase: Phase,
    /// When the phase began.
    since: Instant,
    /// When the client last took a part of its answer.
    progress: Instant,
    answer_bytes: u64,
    is_closing: bool,
}

/// One open connection.
#[derive(Debug)]
pub(crate) struct Connection {
    state: Mutex<State>,
    closing: Notify,
}

impl Connection {
    pub(crate) fn new(now: Instant) -> Self {
        let state = State {
            phase: Phase::Head,
            since: now,
            progress: now,
            answer_bytes: 0,
            is_closing: false,
        };
        Self {
            state: Mutex::new(state),
            closing: Notify::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Whoever panicked left plain numbers.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, phase: Phase) {
        let mut state = self.state();
        state.phase = phase;
        state.since = Instant::now();
        state.progress = state.since;
    }

    pub(crate) fn phase(&self) -> Phase {
        self.state().phase
    }

    /// The body of a request is waited for.
    pub(crate) fn receiving(&self) {
        self.enter(Phase::Body);
    }

    /// The server has the word.
    pub(crate) fn working(&self) {
        self.enter(Phase::Working);
    }

    /// There is an answer of so many bytes.
    pub(crate) fn answering(&self, bytes: u64) {
        self.enter(Phase::Writing);
        self.state().answer_bytes = bytes;
    }

    /// The first bytes of another request came.
    pub(crate) fn received(&self) {
        if self.phase() == Phase::Idle {
            self.enter(Phase::Head);
        }
    }

    /// The client took something.
    pub(crate) fn wrote(&self) {
        self.state().progress = Instant::now();
    }

    /// Nothing is left to be written.
    pub(crate) fn flushed(&self) {
        if self.phase() == Phase::Writing {
            self.enter(Phase::Idle);
        }
    }

    /// Why it should be closed now, if it should.
    pub(crate) fn overdue(&self, now: Instant, patience: &Patience) -> Option<Closed> {
        let state = self.state();
        let waited = now.saturating_duration_since(state.since);
        match state.phase {
            Phase::Head => (waited > patience.head).then_some(Closed::Head),
            Phase::Idle => (waited > patience.idle).then_some(Closed::Idle),
            Phase::Writing => {
                let stalled = now.saturating_duration_since(state.progress);
                let whole = patience.write + Duration::from_secs(state.answer_bytes / MIN_BYTES_PER_SECOND);
                (stalled > patience.write || waited > whole).then_some(Closed::Write)
            }
            // Whoever reads a body has its own clock, because it can still answer.
            Phase::Body | Phase::Working => None,
        }
    }

    /// How soon it is closed where another one needs the place, the least first. None where it is not:
    /// the server has the word, it has only begun, or it is closing already.
    pub(crate) fn rank(&self, now: Instant) -> Option<(u8, Instant)> {
        let state = self.state();
        let is_young = now.saturating_duration_since(state.since) < YOUNG;
        let rank = match state.phase {
            _ if state.is_closing => return None,
            Phase::Head | Phase::Idle => 0,
            Phase::Body if !is_young => 1,
            Phase::Writing if !is_young => 2,
            _ => return None,
        };
        Some((rank, state.since))
    }

    /// Closes it, once whoever waits for [`Connection::closing`] hears of it. Whether it was open.
    pub(crate) fn close(&self) -> bool {
        let was_open = !std::mem::replace(&mut self.state().is_closing, true);
        self.closing.notify_one();
        was_open
    }

    /// Waits until somebody closes it.
    pub(crate) async fn closing(&self) {
        self.closing.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience {
        head: Duration::from_secs(1),
        idle: Duration::from_secs(5),
        body: Duration::from_secs(10),
        write: Duration::from_secs(20),
    };

    fn overdue_after(connection: &Connection, seconds: u64) -> Option<Closed> {
        connection.overdue(Instant::now() + Duration::from_secs(seconds), &PATIENCE)
    }

    #[test]
    fn every_phase_in_which_the_client_is_waited_for_has_its_time() {
        let connection = Connection::new(Instant::now());
        assert_eq!(overdue_after(&connection, 0), None);
        assert_eq!(overdue_after(&connection, 2), Some(Closed::Head));
        connection.working();
        assert_eq!(overdue_after(&connection, 1000), None);
        connection.answering(1 << 20);
        connection.received();
        assert_eq!(overdue_after(&connection, 19), None);
        assert_eq!(overdue_after(&connection, 21), Some(Closed::Write));
        connection.flushed();
        assert_eq!(overdue_after(&connection, 4), None);
        assert_eq!(overdue_after(&connection, 6), Some(Closed::Idle));
        connection.received();
        assert_eq!(overdue_after(&connection, 2), Some(Closed::Head));
    }

    #[test]
    fn a_client_that_takes_its_answer_drop_by_drop_is_closed_as_well() {
        let connection = Connection::new(Instant::now());
        connection.answering(10 << 20);
        let progress = |seconds| {
            let mut state = connection.state();
            state.progress = state.since + Duration::from_secs(seconds);
        };
        progress(55);
        assert_eq!(overdue_after(&connection, 59), None);
        progress(60);
        assert_eq!(overdue_after(&connection, 62), Some(Closed::Write));
    }

    #[test]
    fn place_is_made_by_who_has_sent_least_and_never_by_who_waits_for_the_model() {
        let later = Instant::now() + Duration::from_secs(3);
        let connection = Connection::new(Instant::now());
        let rank = |at| connection.rank(at).map(|(rank, _)| rank);
        assert_eq!(rank(Instant::now()), Some(0));
        connection.receiving();
        assert_eq!((rank(Instant::now()), rank(later)), (None, Some(1)));
        connection.working();
        assert_eq!(rank(later), None);
        connection.answering(1);
        assert_eq!((rank(Instant::now()), rank(later)), (None, Some(2)));
        assert!(connection.close() && !connection.close());
        assert_eq!(rank(later), None);
    }
}
