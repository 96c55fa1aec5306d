//! Runs checks one after the other, tells each finding at once, and ends in time.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::mpsc::channel,
    thread,
    time::{Duration, Instant},
};

use super::finding::{Finding, Found};
use crate::error::chain;

/// A check that is still to be made.
pub(super) struct Check {
    what: String,
    run: Box<dyn FnOnce() -> Found + Send>,
}

impl Check {
    pub(super) fn new(what: &str, run: impl FnOnce() -> Found + Send + 'static) -> Self {
        Self {
            what: what.to_owned(),
            run: Box::new(run),
        }
    }

    /// An error, or a panic, is what was found.
    fn finding(self) -> Finding {
        let found = catch_unwind(AssertUnwindSafe(self.run)).unwrap_or_else(|_| {
            let what = "the check panicked; standard error says where".to_owned();
            Ok((false, what))
        });
        let (passed, found) = found.unwrap_or_else(|error| (false, chain(&error)));
        Finding {
            what: self.what,
            found,
            passed,
        }
    }
}

/// Makes all checks, on a thread of their own. Where `limit` is over, the check that still runs is a
/// finding that failed, those behind it are told as not made, and the thread is left to the end of the
/// process: nothing can stop a kernel that hangs.
pub(super) fn run_checks(checks: Vec<Check>, limit: Duration, report: &mut dyn FnMut(&Finding)) {
    let names: Vec<String> = checks.iter().map(|check| check.what.clone()).collect();
    let (sender, findings) = channel();
    let begun = Instant::now();
    let spawned = thread::Builder::new()
        .name("gpu-check".to_owned())
        .spawn(move || {
            for check in checks {
                if begun.elapsed() >= limit || sender.send(check.finding()).is_err() {
                    return;
                }
            }
        });
    let mut late = match spawned {
        Ok(_) => format!("did not end within {} s after the checks began", limit.as_secs()),
        Err(error) => format!("there is no thread for the checks: {error}"),
    };
    for what in names {
        let left = limit.saturating_sub(begun.elapsed());
        if let Ok(finding) = findings.recv_timeout(left) {
            report(&finding);
            continue;
        }
        report(&Finding {
            what,
            found: std::mem::replace(&mut late, "not made: no time was left".to_owned()),
            passed: false,
        });
    }
}
