//! At most so many requests a second, over all threads.
//!
//! Requests are spaced evenly, without bursts: the archive counts in windows that we do not know.

use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::clock::Clock;
use super::error::FetchError;

/// The default, under the archive's limit so that another reader beside does not reach it.
pub const REQUESTS_PER_SECOND: f64 = 8.0;
/// The limit that the SEC states for one user, all machines together
/// (sec.gov, "Accessing EDGAR data").
pub const MAX_REQUESTS_PER_SECOND: f64 = 10.0;

/// A number of requests a second that the archives allow.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RequestRate {
    per_second: f64,
}

impl RequestRate {
    /// # Errors
    /// [`FetchError::RequestRate`] when it is not above 0 and at most 10.
    pub fn new(per_second: f64) -> Result<Self, FetchError> {
        if per_second > 0.0 && per_second <= MAX_REQUESTS_PER_SECOND {
            Ok(Self { per_second })
        } else {
            Err(FetchError::RequestRate { found: per_second })
        }
    }
}

impl Default for RequestRate {
    fn default() -> Self {
        Self {
            per_second: REQUESTS_PER_SECOND,
        }
    }
}

impl fmt::Display for RequestRate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.per_second.fmt(formatter)
    }
}

impl FromStr for RequestRate {
    type Err = FetchError;

    fn from_str(text: &str) -> Result<Self, FetchError> {
        Self::new(text.parse().unwrap_or(f64::NAN))
    }
}

/// Gives every request its moment.
#[derive(Debug)]
pub(super) struct Pacer {
    interval: Duration,
    state: Mutex<PacerState>,
}

#[derive(Debug, Default)]
struct PacerState {
    next: Duration,
    held_until: Duration,
}

impl Pacer {
    pub(super) fn new(rate: RequestRate) -> Self {
        Self {
            interval: Duration::from_secs_f64(1.0 / rate.per_second),
            state: Mutex::default(),
        }
    }

    /// Returns when it is this thread's turn.
    pub(super) fn wait(&self, clock: &dyn Clock) {
        loop {
            let turn = self.take_turn(clock.elapsed());
            let wait = turn.saturating_sub(clock.elapsed());
            if !wait.is_zero() {
                clock.sleep(wait);
            }
            // Another thread may have been told to stop meanwhile.
            if self.lock().held_until <= clock.elapsed() {
                return;
            }
        }
    }

    /// Nobody sends anything for `duration`.
    pub(super) fn hold(&self, clock: &dyn Clock, duration: Duration) {
        let mut state = self.lock();
        state.held_until = state.held_until.max(clock.elapsed() + duration);
    }

    fn take_turn(&self, now: Duration) -> Duration {
        let mut state = self.lock();
        let turn = state.next.max(now).max(state.held_until);
        state.next = turn + self.interval;
        turn
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, PacerState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::TestClock;

    #[test]
    fn a_rate_of_zero_or_above_ten_is_refused() {
        for refused in ["0", "-1", "10.5", "nan", "inf", "fast"] {
            let error = refused.parse::<RequestRate>().unwrap_err();
            assert!(error.to_string().contains("at most 10"), "{error}");
        }
        assert_eq!("10".parse::<RequestRate>().unwrap().to_string(), "10");
        assert_eq!(RequestRate::default().to_string(), "8");
    }

    #[test]
    fn turns_are_an_interval_apart_and_an_idle_time_saves_up_nothing() {
        let pacer = Pacer::new(RequestRate::default());
        let turn = |now| pacer.take_turn(Duration::from_millis(now)).as_millis();
        assert_eq!([turn(0), turn(0), turn(10)], [0, 125, 250]);
        assert_eq!([turn(5000), turn(5000)], [5000, 5125]);
    }

    #[test]
    fn any_second_sees_at_most_the_rate_over_all_threads() {
        let pacer = Pacer::new(RequestRate::default());
        let mut turns: Vec<Duration> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        (0..50)
                            .map(|_| pacer.take_turn(Duration::ZERO))
                            .collect::<Vec<_>>()
                    })
                })
                .collect();
            threads
                .into_iter()
                .flat_map(|thread| thread.join().unwrap())
                .collect()
        });
        turns.sort();
        for pair in turns.windows(9) {
            assert!(pair[8] >= pair[0] + Duration::from_secs(1), "{pair:?}");
        }
    }

    #[test]
    fn a_hold_stops_everybody() {
        let clock = TestClock::default();
        let pacer = Pacer::new(RequestRate::default());
        pacer.wait(&clock);
        pacer.hold(&clock, Duration::from_secs(30));
        pacer.wait(&clock);
        assert!(clock.elapsed() >= Duration::from_secs(30));
    }
}
