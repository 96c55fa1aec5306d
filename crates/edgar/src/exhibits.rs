//! Which exhibits of a report become documents of their own. By default the annual report to
//! shareholders alone (`EX-13`): many 10-Ks of before 2005 hold little else than references to it.

use std::fmt;
use std::str::FromStr;

/// Exhibits that are data for machines: financial data schedules and XBRL.
const DATA: [&str; 4] = ["EX-27", "EX-100", "EX-101", "EX-104"];

/// Which exhibits are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Exhibits {
    /// No exhibit.
    None,
    /// Annual reports to shareholders: `EX-13`, `EX-13.1` and so on.
    #[default]
    AnnualReports,
    /// Every exhibit that is text; not financial data schedules and XBRL.
    All,
}

impl Exhibits {
    /// Whether a document of this type is kept.
    pub(crate) fn keep(self, form: &str) -> bool {
        match self {
            Self::None => false,
            Self::AnnualReports => is_exhibit(form, "EX-13"),
            Self::All => form.starts_with("EX-") && !DATA.iter().any(|data| is_exhibit(form, data)),
        }
    }
}

/// Whether `form` is the exhibit of that number, or a part of it (`EX-13.2`, `EX-13 A`).
fn is_exhibit(form: &str, number: &str) -> bool {
    form.strip_prefix(number)
        .is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
}

impl fmt::Display for Exhibits {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::None => "none",
            Self::AnnualReports => "annual-reports",
            Self::All => "all",
        })
    }
}

/// A word that names no choice of exhibits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{word} is not a choice of exhibits; give none, annual-reports or all")]
pub struct UnknownExhibits {
    /// The word.
    pub word: String,
}

impl FromStr for Exhibits {
    type Err = UnknownExhibits;

    fn from_str(word: &str) -> Result<Self, UnknownExhibits> {
        let choices = [Self::None, Self::AnnualReports, Self::All];
        choices
            .into_iter()
            .find(|choice| choice.to_string() == word)
            .ok_or_else(|| UnknownExhibits {
                word: word.to_owned(),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn annual_reports_alone_are_kept_unless_others_are_asked_for() {
        for form in ["EX-13", "EX-13.1", "EX-13 A"] {
            assert!(
                Exhibits::default().keep(form) && Exhibits::All.keep(form),
                "{form}"
            );
            assert!(!Exhibits::None.keep(form), "{form}");
        }
        for form in ["EX-21", "EX-99.1", "EX-10"] {
            assert!(
                !Exhibits::default().keep(form) && Exhibits::All.keep(form),
                "{form}"
            );
        }
        for form in ["EX-27", "EX-101.INS", "GRAPHIC", "EX-130", ""] {
            assert!(!Exhibits::default().keep(form), "{form}");
        }
        assert!(!Exhibits::All.keep("EX-27.1") && !Exhibits::All.keep("EX-101.SCH"));
    }

    #[test]
    fn choices_are_named_as_they_are_printed() {
        for choice in [Exhibits::None, Exhibits::AnnualReports, Exhibits::All] {
            assert_eq!(choice.to_string().parse(), Ok(choice));
        }
        assert!("some".parse::<Exhibits>().is_err());
    }
}
