//! Which date a document has, and the dates between which documents are taken. It does not read
//! documents.

use std::fmt;
use std::str::FromStr;

use documents::Document;
use jiff::civil::Date;
use shards::Window;

use crate::dropped::DropReason;
use crate::error::CorpusError;

/// A day of the calendar, written `YYYY-MM-DD`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(Date);

/// Which days documents may have to be taken, and from which on they are held out; all ends may
/// be open. A document without a date is not taken where one is given: it may be of any day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DateWindow {
    /// The first day.
    pub from: Option<Day>,
    /// The last day.
    pub to: Option<Day>,
    /// From this day on documents are held out, whoever filed them.
    pub held_out_from: Option<Day>,
}

impl FromStr for Day {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let date = (text.len() == 10).then(|| Date::strptime("%Y-%m-%d", text));
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

    fn before(self) -> Option<Self> {
        self.0.yesterday().ok().map(Self)
    }
}

impl DateWindow {
    /// Refuses a window that holds no day to train on.
    pub(crate) fn check(&self) -> Result<(), CorpusError> {
        match (self.from, self.last_training_day()) {
            (Some(from), Some(to)) if from > to => Err(CorpusError::EmptyWindow { from, to }),
            _ => Ok(()),
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        *self == Self::default()
    }

    /// Why a document of this day is not taken; `None` when it is.
    pub(crate) fn refusal(&self, day: Option<Day>) -> Option<DropReason> {
        match day {
            _ if self.is_open() => None,
            None => Some(DropReason::NoDate),
            Some(day) if self.from.is_some_and(|from| day < from) => Some(DropReason::BeforeWindow),
            Some(day) if self.to.is_some_and(|to| day > to) => Some(DropReason::AfterWindow),
            Some(_) => None,
        }
    }

    /// Whether a document of this day is held out whoever filed it.
    pub(crate) fn is_later(&self, day: Option<Day>) -> bool {
        day.zip(self.held_out_from).is_some_and(|(day, from)| day >= from)
    }

    /// The last day of what is trained on; `None` if it is open.
    pub(crate) fn last_training_day(&self) -> Option<Day> {
        let before = self.held_out_from.and_then(Day::before);
        self.to.into_iter().chain(before).min()
    }

    /// As manifests say it.
    pub(crate) fn described(&self) -> Option<Window> {
        let text = |day: Option<Day>| day.map(|day| day.to_string());
        (!self.is_open()).then(|| Window {
            from: text(self.from),
            to: text(self.to),
            held_out_from: text(self.held_out_from),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn document(filed: Option<&str>, accepted_at: Option<&str>) -> Document {
        Document {
            filed: filed.map(String::from),
            accepted_at: accepted_at.map(String::from),
            ..Document::default()
        }
    }

    fn day(text: &str) -> Option<Day> {
        let day = text.parse().ok();
        assert!(day.is_some(), "{text}");
        day
    }

    #[test]
    fn the_filing_date_counts_before_the_time_of_acceptance() {
        let day = |filed, accepted_at| Day::of(&document(filed, accepted_at)).map(|day| day.to_string());
        let late = Some("2018-11-02T19:31:05-04:00");
        assert_eq!(day(Some("2018-11-05"), late).as_deref(), Some("2018-11-05"));
        assert_eq!(day(None, late).as_deref(), Some("2018-11-02"));
        assert_eq!(
            day(None, Some("2024-02-29T23:59:59Z")).as_deref(),
            Some("2024-02-29")
        );
        assert_eq!(
            day(Some("2018-02-30"), None),
            None,
            "a day that does not exist is no date"
        );
        assert_eq!(day(None, Some("é")), None);
    }

    #[test]
    fn only_a_whole_date_is_read() {
        for wrong in ["", "2019", "2019-1-1", "2019-02-29", "20190101", "2019-01-01T"] {
            assert!(wrong.parse::<Day>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn without_a_window_a_document_needs_no_date_and_with_one_it_does() {
        let to = DateWindow {
            to: day("2019-12-31"),
            ..DateWindow::default()
        };
        assert_eq!(DateWindow::default().refusal(None), None);
        assert_eq!(to.refusal(None), Some(DropReason::NoDate));
        let later = DateWindow {
            held_out_from: day("2019-12-31"),
            ..DateWindow::default()
        };
        assert_eq!(
            later.refusal(None),
            Some(DropReason::NoDate),
            "it may be of a later day"
        );
    }

    #[test]
    fn a_window_without_a_day_to_train_on_is_refused() {
        let window = |from, to, held_out_from| DateWindow {
            from: day(from),
            to: day(to),
            held_out_from: day(held_out_from),
        };
        assert!(matches!(
            window("2012-01-01", "2011-12-31", "2020-01-01").check(),
            Err(CorpusError::EmptyWindow { .. })
        ));
        assert!(matches!(
            window("2012-01-01", "2015-12-31", "2012-01-01").check(),
            Err(CorpusError::EmptyWindow { .. })
        ));
        assert!(
            window("2012-01-01", "2012-01-01", "2012-01-02").check().is_ok(),
            "one day"
        );
    }

    #[test]
    fn the_last_day_of_training_is_the_window_s_or_the_one_before_the_later_set() {
        let mut window = DateWindow::default();
        assert_eq!(window.last_training_day(), None);
        window.held_out_from = day("2019-03-01");
        assert_eq!(window.last_training_day(), day("2019-02-28"));
        assert!(window.is_later(day("2019-03-01")) && !window.is_later(day("2019-02-28")));
        assert!(!window.is_later(None));
        window.to = day("2018-12-31");
        assert_eq!(window.last_training_day(), day("2018-12-31"));
    }

    proptest! {
        #[test]
        fn both_ends_belong_to_the_window_and_numbers_grow_with_days(
            days in proptest::collection::vec((1993_i16..2030, 1_i8..13, 1_i8..29), 3)
        ) {
            let mut days: Vec<Day> = days.iter().map(|(y, m, d)| Day(Date::new(*y, *m, *d).unwrap())).collect();
            days.sort();
            let window = DateWindow { from: Some(days[0]), to: Some(days[2]), held_out_from: None };
            for day in &days {
                prop_assert_eq!(window.refusal(Some(*day)), None);
                prop_assert_eq!(day.to_string().parse::<Day>().unwrap(), *day);
                prop_assert_eq!(Day::from_number(day.number()), Some(*day));
            }
            let inner = DateWindow { from: Some(days[1]), to: Some(days[1]), held_out_from: None };
            let before = (days[0] < days[1]).then_some(DropReason::BeforeWindow);
            let after = (days[2] > days[1]).then_some(DropReason::AfterWindow);
            prop_assert_eq!(inner.refusal(Some(days[0])), before);
            prop_assert_eq!(inner.refusal(Some(days[2])), after);
            prop_assert_eq!(days[0].number() < days[2].number(), days[0] < days[2]);
        }
    }
}
