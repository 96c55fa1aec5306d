//! Which filing of which company, and the dates and numbers that follow from it.

use super::calendar::Date;
use super::company::Company;
use super::draw::Draw;
use super::figures::Figures;

/// Which filing of which company, and when.
#[derive(Debug, Clone)]
pub(super) struct FilingPlan {
    pub(super) company: Company,
    pub(super) year: i64,
    /// `None` for a 10-K, else the quarter that a 10-Q covers.
    pub(super) quarter: Option<u8>,
    /// Position of the filing in the sample.
    pub(super) index: u64,
    pub(super) seed: u64,
}

impl FilingPlan {
    /// The form type as filed.
    pub(super) fn form(&self) -> &'static str {
        if self.quarter.is_some() { "10-Q" } else { "10-K" }
    }

    /// Last day of the period.
    pub(super) fn period_end(&self) -> Date {
        let (month, day, _) = self.company.year_end;
        let Some(quarter) = self.quarter else {
            return Date {
                year: self.year,
                month,
                day,
            };
        };
        let month = month - 12 + i8::try_from(quarter).unwrap_or(1) * 3;
        let (year, month) = if month < 1 {
            (self.year - 1, month + 12)
        } else {
            (self.year, month)
        };
        let day = if matches!(month, 6 | 9) { 30 } else { 31 };
        Date { year, month, day }
    }

    /// The day of filing: in the second month after the period.
    pub(super) fn filed(&self) -> Date {
        let Date { year, month, .. } = self.period_end();
        let mut draw = Draw::new(self.seed, "filed", self.index);
        let day = i8::try_from(draw.between(1, 27)).unwrap_or(1);
        let (year, month) = if month > 10 {
            (year + 1, month - 10)
        } else {
            (year, month + 2)
        };
        Date { year, month, day }
    }

    /// The accession number.
    pub(super) fn accession(&self) -> String {
        let year = self.filed().year % 100;
        format!("{:010}-{year:02}-{:06}", self.company.cik, self.index + 1)
    }

    /// `fiscal 2019` or `the second quarter of fiscal 2019`.
    pub(super) fn period_name(&self, year: i64) -> String {
        match self.quarter {
            None => format!("fiscal {year}"),
            Some(quarter) => format!(
                "the {} quarter of fiscal {year}",
                ["first", "second", "third"][usize::from(quarter - 1) % 3]
            ),
        }
    }

    /// The figures of this filing's period and of the same period a year before.
    pub(super) fn figures(&self) -> (Figures, Figures) {
        let of = |year| match self.quarter {
            None => Figures::of_year(self.seed, &self.company, year),
            Some(quarter) => Figures::of_quarter(self.seed, &self.company, year, quarter),
        };
        (of(self.year), of(self.year - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(index: u64, quarter: Option<u8>) -> FilingPlan {
        FilingPlan {
            company: Company::new(1, index),
            year: 2_012,
            quarter,
            index,
            seed: 1,
        }
    }

    #[test]
    fn last_years_revenue_recurs_in_this_years_filing() {
        let this = plan(4, None);
        let last = FilingPlan {
            year: 2_011,
            ..this.clone()
        };
        assert_eq!(this.figures().1.revenue, last.figures().0.revenue);
    }

    #[test]
    fn periods_end_in_the_quarters_of_the_fiscal_year() {
        let mut first = plan(0, Some(1));
        first.company.year_end = (6, 30, "June");
        assert_eq!(first.period_end().compact(), "20110930");
        first.company.year_end = (12, 31, "December");
        assert_eq!(first.period_end().compact(), "20120331");
        first.quarter = None;
        assert_eq!(first.period_end().compact(), "20121231");
    }
}
