//! The dates between which documents are taken. It does not read documents.

use shards::Window;

use crate::error::CorpusError;
use crate::selection::day::Day;
use crate::selection::drop_reason::DropReason;

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
    use documents::Document;
    use jiff::civil::Date;
    use proptest::prelude::*;

    use super::*;

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
