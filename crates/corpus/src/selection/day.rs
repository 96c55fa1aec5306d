//! Which date a document has. It does not read documents.

use std::fmt;
use std::str::FromStr;

use documents::Document;
use jiff::civil::Date;

/// A day of the calendar, written `YYYY-MM-DD`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(pub(super) Date);

impl FromStr for Day {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // The parser of dates takes signs and blanks in place of digits.
        let is_plain = |(at, byte): (usize, u8)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        };
        let is_written_so = text.len() == 10 && text.bytes().enumerate().all(is_plain);
        let date = is_written_so.then(|| Date::strptime("%Y-%m-%d", text));
        date.and_then(Result::ok)
            .map(Self)
            .ok_or_else(|| format!("{text} is not a date; write it as 2019-12-31"))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl Day {
    /// The day on which the world could read a document: its filing date; without one, as for a
    /// wiki page, the day on which this text was accepted or saved.
    pub fn of(document: &Document) -> Option<Self> {
        Self::of_dates(document.filed.as_deref(), document.accepted_at.as_deref())
    }

    pub(crate) fn of_dates(filed: Option<&str>, accepted_at: Option<&str>) -> Option<Self> {
        let accepted = accepted_at.and_then(|time| time.get(..10));
        let filed = filed.and_then(|filed| filed.parse().ok());
        filed.or_else(|| accepted.and_then(|day| day.parse().ok()))
    }

    /// A number that grows with the day: 20191231.
    pub(crate) fn number(self) -> u32 {
        let (year, month, day) = (self.0.year(), self.0.month(), self.0.day());
        // Four digits of text make a year from 0 to 9999.
        10_000 * u32::from(year.unsigned_abs())
            + 100 * u32::from(month.unsigned_abs())
            + u32::from(day.unsigned_abs())
    }

    /// The day of a [`number`](Self::number).
    pub(crate) fn from_number(number: u32) -> Option<Self> {
        let (year, month, day) = (number / 10_000, number / 100 % 100, number % 100);
        let (year, month, day) = (i16::try_from(year), i8::try_from(month), i8::try_from(day));
        Date::new(year.ok()?, month.ok()?, day.ok()?).ok().map(Self)
    }

    pub(super) fn before(self) -> Option<Self> {
        self.0.yesterday().ok().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_four_two_and_two_digits_between_dashes() {
        for text in ["2019-01-01", "0001-12-31", "2020-02-29"] {
            assert_eq!(text.parse::<Day>().unwrap().to_string(), text);
        }
        for text in [
            "-2019-1-01",
            "2019- 1- 1",
            "+2019-1-01",
            " 2019-1-01",
            "2019-1-001",
            "2019/01/01",
            "2019-02-29",
            "2019-01-0\u{661}",
        ] {
            assert!(text.parse::<Day>().is_err(), "{text}");
        }
    }
}
