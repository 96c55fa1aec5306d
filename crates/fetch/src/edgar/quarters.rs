//! Calendar quarters, the unit of EDGAR's full index. Pure.

use std::fmt;

use jiff::civil::Date;

/// A calendar quarter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quarter {
    year: i16,
    /// From 1 to 4.
    number: i8,
}

impl Quarter {
    pub(crate) fn of(date: Date) -> Self {
        Self {
            year: date.year(),
            number: (date.month() + 2) / 3,
        }
    }

    fn next(self) -> Self {
        if self.number == 4 {
            Self {
                year: self.year + 1,
                number: 1,
            }
        } else {
            Self {
                number: self.number + 1,
                ..self
            }
        }
    }

    /// The quarters that hold a day from `from` to `to`.
    pub(crate) fn between(from: Date, to: Date) -> Vec<Self> {
        let last = Self::of(to);
        let end = last.next();
        std::iter::successors(Some(Self::of(from)), |quarter| Some(quarter.next()))
            .take_while(|quarter| from <= to && *quarter != end)
            .collect()
    }

    /// The folder of the full index.
    pub(crate) fn folder(self) -> String {
        format!("{}/QTR{}", self.year, self.number)
    }
}

impl fmt::Display for Quarter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-QTR{}", self.year, self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn between(from: &str, to: &str) -> Vec<String> {
        let quarters = Quarter::between(from.parse().unwrap(), to.parse().unwrap());
        quarters.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_quarter_that_holds_a_day_of_the_range_is_listed_once() {
        assert_eq!(between("2019-12-31", "2020-01-01"), ["2019-QTR4", "2020-QTR1"]);
        assert_eq!(between("2018-03-31", "2018-03-31"), ["2018-QTR1"]);
        assert_eq!(between("2010-01-01", "2019-12-31").len(), 40);
        assert!(between("2018-03-31", "2018-03-30").is_empty());
        assert_eq!(Quarter::of("2018-09-30".parse().unwrap()).folder(), "2018/QTR3");
    }
}
