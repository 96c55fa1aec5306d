//! Time as the client sees it, so that tests need not wait.

use std::fmt;
use std::time::{Duration, Instant};

use jiff::Timestamp;

/// Tells the time and lets it pass.
pub(crate) trait Clock: fmt::Debug + Send + Sync {
    /// Time since some fixed moment; never goes back.
    fn elapsed(&self) -> Duration;
    /// The date and time.
    fn now(&self) -> Timestamp;
    /// Returns after `duration`.
    fn sleep(&self, duration: Duration);
}

/// The machine's clock.
#[derive(Debug)]
pub(crate) struct SystemClock {
    start: Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self {
            start: Instant::now(),
        }
    }
}

impl Clock for SystemClock {
    fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn sleep(&self, duration: Duration) {
        std::thread::sleep(duration);
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use std::sync::Mutex;

    use super::*;

    /// Sleeping moves its hands and takes no time; it keeps what was slept.
    #[derive(Debug, Default)]
    pub(crate) struct TestClock {
        elapsed: Mutex<Duration>,
        slept: Mutex<Vec<Duration>>,
    }

    impl TestClock {
        /// The pauses of at least a second: back-off, not pacing.
        pub(crate) fn pauses(&self) -> Vec<u64> {
            let slept = self.slept.lock().unwrap();
            slept
                .iter()
                .map(Duration::as_secs)
                .filter(|seconds| *seconds > 0)
                .collect()
        }
    }

    impl Clock for TestClock {
        fn elapsed(&self) -> Duration {
            *self.elapsed.lock().unwrap()
        }

        fn now(&self) -> Timestamp {
            "2024-05-01T12:00:00Z".parse::<Timestamp>().unwrap() + self.elapsed()
        }

        fn sleep(&self, duration: Duration) {
            *self.elapsed.lock().unwrap() += duration;
            self.slept.lock().unwrap().push(duration);
        }
    }
}
