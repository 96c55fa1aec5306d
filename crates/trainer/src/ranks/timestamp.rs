//! The time as the files of a run have it.

use jiff::Timestamp;

/// Now, RFC 3339 in UTC with milliseconds.
pub(crate) fn timestamp() -> String {
    format!("{:.3}", Timestamp::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_stamps_have_milliseconds_and_the_zone() {
        let time = timestamp();
        assert!(time.parse::<Timestamp>().is_ok(), "{time}");
        assert_eq!((time.len(), &time[19..20]), (24, "."), "{time}");
    }
}
