//! What an answer means: which faults pass, which stay, and how long to wait. Pure.

use std::io;
use std::time::Duration;

use jiff::Timestamp;

/// Doubles from here after a cut connection or an outage ...
const FIRST_DELAY: Duration = Duration::from_secs(1);
/// ... up to here.
const LONGEST_DELAY: Duration = Duration::from_mins(1);
/// The SEC lifts a block ten minutes after the last request too many, so throttling waits longer.
const FIRST_THROTTLED_DELAY: Duration = Duration::from_secs(30);
const LONGEST_THROTTLED_DELAY: Duration = Duration::from_mins(10);
/// A server that asks for more patience than this is taken at its word another day.
const LONGEST_RETRY_AFTER: Duration = Duration::from_hours(1);
/// Characters that are shown of what a server says.
const LONGEST_LINE: usize = 200;
/// A body that is not what was asked for is mostly the same the next time.
const UNSOUND_RETRIES: u32 = 2;

/// Why an answer was of no use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// There is no such file.
    #[error("the archive has no such file (status {status})")]
    Missing {
        /// 404, 410, or the 403 of a storage that does not tell what is missing.
        status: u16,
    },
    /// Asked too fast, or asked by somebody who did not say who they are.
    #[error("{}", if *undeclared {
        "the archive takes this for an undeclared automated tool; check that --user-agent has your name and e-mail \
         address, and lower --requests-per-second"
    } else {
        "the archive throttles these requests; lower --requests-per-second, and check that nobody else behind \
         your address asks it"
    })]
    Throttled {
        /// The page says that the user agent declares nobody.
        undeclared: bool,
        /// How long the server asks to wait.
        retry_after: Option<Duration>,
    },
    /// The server is down or overloaded.
    #[error("the server cannot answer now (status {status})")]
    Unavailable {
        /// 5xx or 408.
        status: u16,
        /// How long the server asks to wait.
        retry_after: Option<Duration>,
    },
    /// The server will not answer this request.
    #[error("the server refuses the request (status {status})")]
    Refused {
        /// The status.
        status: u16,
    },
    /// The answer leads to another address, which is not followed.
    #[error("the answer leads to {to}, {why}")]
    Redirect {
        /// The address, on one line.
        to: String,
        /// Why it is not followed.
        why: &'static str,
    },
    /// The connection could not be made, broke, or fell silent.
    #[error("the connection failed: {reason}")]
    Cut {
        /// What the system or the client says.
        reason: String,
    },
    /// A whole answer that is not what was asked for.
    #[error("the answer is {what}")]
    Unsound {
        /// What it is instead.
        what: String,
    },
}

impl Fault {
    pub(crate) fn cut(error: &io::Error) -> Self {
        Self::Cut {
            reason: short_line(&error.to_string()),
        }
    }

    /// `what` may quote the server.
    pub(crate) fn unsound(what: impl AsRef<str>) -> Self {
        Self::Unsound {
            what: short_line(what.as_ref()),
        }
    }

    pub(super) fn redirect(to: &str, why: &'static str) -> Self {
        Self::Redirect {
            to: short_line(to),
            why,
        }
    }

    pub(super) fn from_call(error: &ureq::Error) -> Self {
        match error {
            ureq::Error::BadUri(_) | ureq::Error::Http(_) => Self::unsound(format!("impossible: {error}")),
            error => Self::Cut {
                reason: short_line(&error.to_string()),
            },
        }
    }

    /// Judges an answer that is not a success by its status and the beginning of its page.
    pub(super) fn of_answer(status: u16, retry_after: Option<Duration>, page: &str) -> Self {
        match status {
            404 | 410 => Self::Missing { status },
            403 if page.contains("<Code>AccessDenied</Code>") => Self::Missing { status },
            403 | 429 => Self::Throttled {
                undeclared: page.contains("Undeclared Automated Tool"),
                retry_after,
            },
            408 | 500.. => Self::Unavailable { status, retry_after },
            _ => Self::Refused { status },
        }
    }

    /// Whether a page is the archive's complaint about too many requests, whatever its status.
    pub(crate) fn of_page(page: &str) -> Option<Self> {
        let undeclared = page.contains("Undeclared Automated Tool");
        (undeclared || page.contains("Request Rate Threshold Exceeded")).then_some(Self::Throttled {
            undeclared,
            retry_after: None,
        })
    }

    /// How long to wait before attempt `attempt + 1` (from 0); `None` when it is of no use.
    pub(super) fn delay(&self, attempt: u32) -> Option<Duration> {
        let (asked, first, longest) = match self {
            Self::Missing { .. } | Self::Refused { .. } | Self::Redirect { .. } => return None,
            Self::Unsound { .. } if attempt >= UNSOUND_RETRIES => return None,
            Self::Throttled { retry_after, .. } => {
                (*retry_after, FIRST_THROTTLED_DELAY, LONGEST_THROTTLED_DELAY)
            }
            Self::Unavailable { retry_after, .. } => (*retry_after, FIRST_DELAY, LONGEST_DELAY),
            Self::Cut { .. } | Self::Unsound { .. } => (None, FIRST_DELAY, LONGEST_DELAY),
        };
        match asked {
            Some(asked) => (asked <= LONGEST_RETRY_AFTER).then_some(asked),
            None => Some(first.saturating_mul(2_u32.saturating_pow(attempt)).min(longest)),
        }
    }

    /// Whether all threads must wait, not only the one that was told.
    pub(super) fn concerns_everybody(&self) -> bool {
        match self {
            Self::Throttled { .. } => true,
            Self::Unavailable { retry_after, .. } => retry_after.is_some(),
            _ => false,
        }
    }

    /// Whether it says something about the connection rather than about the file.
    pub(crate) fn is_outage(&self) -> bool {
        matches!(
            self,
            Self::Throttled { .. } | Self::Unavailable { .. } | Self::Cut { .. }
        )
    }
}

/// What a server says, as a row of a table or a terminal takes it: on one line, without characters that
/// steer a terminal or turn text around, and cut.
pub(crate) fn short_line(text: &str) -> String {
    let is_dropped = |character: char| {
        character.is_control()
            || matches!(character, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    let blanks = text.replace(is_dropped, " ");
    let line = blanks.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST_LINE) {
        Some((end, _)) => format!("{} ...", &line[..end]),
        None => line,
    }
}

/// `Retry-After` in either of its forms: seconds, or a date.
pub(super) fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::parse(value).ok()?.timestamp();
    Some(Duration::try_from(date.duration_since(now)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_that_stay_are_not_tried_again() {
        let storage = "<Error><Code>AccessDenied</Code></Error>";
        for (status, page) in [
            (404, ""),
            (410, ""),
            (403, storage),
            (400, ""),
            (401, ""),
            (301, ""),
        ] {
            assert_eq!(Fault::of_answer(status, None, page).delay(0), None, "{status}");
        }
    }

    #[test]
    fn outages_wait_twice_as_long_each_time_and_throttling_longer() {
        let delays = |fault: Fault| -> Vec<u64> {
            (0..8)
                .filter_map(|attempt| Some(fault.delay(attempt)?.as_secs()))
                .collect()
        };
        assert_eq!(
            delays(Fault::of_answer(503, None, "")),
            [1, 2, 4, 8, 16, 32, 60, 60]
        );
        assert_eq!(
            delays(Fault::cut(&io::ErrorKind::TimedOut.into())),
            [1, 2, 4, 8, 16, 32, 60, 60]
        );
        let throttled = [30, 60, 120, 240, 480, 600, 600, 600];
        assert_eq!(delays(Fault::of_answer(429, None, "")), throttled);
        assert_eq!(
            delays(Fault::of_answer(403, None, "<html>slow down</html>")),
            throttled
        );
        assert_eq!(delays(Fault::unsound("an HTML page")), [1, 2]);
    }

    #[test]
    fn what_a_server_says_becomes_one_short_line_that_steers_no_terminal() {
        assert_eq!(short_line(" a\tb\r\nc \u{1b}[31md\u{202e}e\0 "), "a b c [31md e");
        assert_eq!(short_line(&"é".repeat(200)), "é".repeat(200));
        assert_eq!(short_line(&"é".repeat(201)), format!("{} ...", "é".repeat(200)));
        assert_eq!(short_line("\n\t"), "");
        let fault = Fault::unsound("a page (one\ttwo\nthree)");
        assert_eq!(fault.to_string(), "the answer is a page (one two three)");
    }

    #[test]
    fn retry_after_is_obeyed_in_seconds_and_as_a_date_up_to_an_hour() {
        let now: Timestamp = "2015-10-21T07:28:00Z".parse().unwrap();
        let seconds = |value| retry_after(value, now).map(|wait| wait.as_secs());
        assert_eq!(seconds(" 17 "), Some(17));
        assert_eq!(seconds("Wed, 21 Oct 2015 07:29:30 GMT"), Some(90));
        assert_eq!(seconds("Wed, 21 Oct 2015 07:00:00 GMT"), Some(0));
        assert_eq!(seconds("soon"), None);
        let fault = |wait| Fault::of_answer(503, Some(Duration::from_secs(wait)), "");
        assert_eq!(fault(17).delay(5), Some(Duration::from_secs(17)));
        assert_eq!(fault(3601).delay(0), None);
    }
}
