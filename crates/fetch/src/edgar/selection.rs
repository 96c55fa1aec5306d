//! Which listed filings are wanted: by company, form type and day. Pure.

use std::collections::{BTreeMap, BTreeSet};

use documents::form_type;
use jiff::civil::Date;

use super::listed_filing::ListedFiling;

/// Days from and to, both included.
pub(crate) type Days = (Date, Date);

/// What is wanted.
#[derive(Debug, Clone)]
pub(crate) struct Selection {
    forms: BTreeSet<String>,
    pub(crate) filed: Days,
    /// The days of each company; `None` for every company.
    companies: Option<BTreeMap<u64, Vec<Days>>>,
}

impl Selection {
    pub(crate) fn new(forms: &[String], filed: Days, companies: Option<BTreeMap<u64, Vec<Days>>>) -> Self {
        Self {
            forms: forms.iter().map(|form| form_type::normalize(form)).collect(),
            filed,
            companies,
        }
    }

    pub(crate) fn wants(&self, filing: &ListedFiling) -> bool {
        let lies_in = |days: &Days| days.0 <= filing.filed && filing.filed <= days.1;
        lies_in(&self.filed)
            && self.forms.contains(&filing.form)
            && match &self.companies {
                None => true,
                Some(companies) => companies
                    .get(&filing.cik)
                    .is_some_and(|spans| spans.iter().any(lies_in)),
            }
    }

    /// The companies asked for, where some are.
    pub(crate) fn ciks(&self) -> impl Iterator<Item = u64> {
        self.companies.iter().flatten().map(|(cik, _)| *cik)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filing(cik: u64, form: &str, filed: &str) -> ListedFiling {
        ListedFiling {
            cik,
            company: "Example Mills Inc.".to_owned(),
            form: form.to_owned(),
            filed: filed.parse().unwrap(),
            accession: "0000000001-15-000001".to_owned(),
        }
    }

    fn days(from: &str, to: &str) -> Days {
        (from.parse().unwrap(), to.parse().unwrap())
    }

    #[test]
    fn forms_are_exact_so_amendments_and_variants_are_asked_for_by_name() {
        let forms = [
            "10-K405", "10-KSB", "10-KT", "10-K/A", "8-K", "20-F", "40-F", "def 14a",
        ];
        let wanted: Vec<String> = forms.map(str::to_owned).to_vec();
        let selection = Selection::new(&wanted, days("2010-01-01", "2019-12-31"), None);
        for form in [
            "10-K405", "10-KSB", "10-KT", "10-K/A", "8-K", "20-F", "40-F", "DEF 14A",
        ] {
            assert!(selection.wants(&filing(1, form, "2015-01-01")), "{form}");
        }
        for form in ["10-K", "10-K405/A", "NT 10-K", "8-K/A", "DEFA14A"] {
            assert!(!selection.wants(&filing(1, form, "2015-01-01")), "{form}");
        }
    }

    #[test]
    fn first_and_last_day_are_included_for_the_range_and_for_a_membership() {
        let spans = vec![days("2012-03-01", "2012-06-30"), days("2015-01-01", "9999-12-31")];
        let companies = Some(BTreeMap::from([(7, spans)]));
        let selection = Selection::new(&["10-Q".to_owned()], days("2010-01-01", "2016-12-31"), companies);
        for (cik, filed, wanted) in [
            (7, "2012-02-29", false),
            (7, "2012-03-01", true),
            (7, "2012-06-30", true),
            (7, "2012-07-01", false),
            (7, "2016-12-31", true),
            (7, "2017-01-01", false),
            (8, "2012-03-01", false),
        ] {
            assert_eq!(
                selection.wants(&filing(cik, "10-Q", filed)),
                wanted,
                "{cik} {filed}"
            );
        }
    }
}
