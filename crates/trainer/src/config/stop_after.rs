//! `run.stop_after`: a time after which a launch stops by itself.

use std::time::Duration;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

/// `run.stop_after`: a time as people write it, `11h50m`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct StopAfter {
    text: String,
    duration: Duration,
}

impl StopAfter {
    /// The time.
    pub(crate) fn duration(&self) -> Duration {
        self.duration
    }
}

impl TryFrom<String> for StopAfter {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let parsed: Option<SignedDuration> = text.parse().ok();
        let duration = parsed.and_then(|duration| Duration::try_from(duration).ok());
        match duration {
            Some(duration) if !duration.is_zero() => Ok(Self { text, duration }),
            _ => Err(format!(
                "{text:?} is no time above 0; write hours, minutes and seconds as \"11h50m\" or \"90s\""
            )),
        }
    }
}

impl From<StopAfter> for String {
    fn from(stop_after: StopAfter) -> Self {
        stop_after.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        let read = |text: &str| StopAfter::try_from(text.to_owned()).map(|after| after.duration().as_secs());
        assert_eq!(read("11h50m"), Ok(11 * 3600 + 50 * 60));
        assert_eq!(read("90s"), Ok(90));
        assert_eq!(read("PT2H"), Ok(7200));
        for wrong in ["", "11", "0s", "-1h", "soon", "1 day"] {
            assert!(read(wrong).unwrap_err().contains("11h50m"), "{wrong}");
        }
    }
}
