//! Days as filings write them.

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// A day of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Date {
    pub(super) year: i64,
    /// From 1 to 12.
    pub(super) month: i8,
    pub(super) day: i8,
}

impl Date {
    /// `March 31, 2019`.
    pub(super) fn long(self) -> String {
        let month = MONTHS[usize::try_from(self.month - 1).unwrap_or(0) % 12];
        format!("{month} {}, {}", self.day, self.year)
    }

    /// `20190331`.
    pub(super) fn compact(self) -> String {
        format!("{}{:02}{:02}", self.year, self.month, self.day)
    }
}
