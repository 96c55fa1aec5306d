//! A filing as every index lists it, and where it is kept.

use jiff::civil::Date;

/// A filing as an index lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListedFiling {
    pub(crate) cik: u64,
    pub(crate) company: String,
    pub(crate) form: String,
    pub(crate) filed: Date,
    /// The last part of `edgar/data/CIK/ACCESSION.txt`, without its ending.
    pub(crate) accession: String,
}

impl ListedFiling {
    /// Below `Archives/`.
    pub(crate) fn archive_path(&self) -> String {
        format!("edgar/data/{}/{}.txt", self.cik, self.accession)
    }

    /// Below the output folder; one folder a company keeps folders small.
    pub(crate) fn file(&self) -> String {
        format!("filings/{:010}/{}.txt", self.cik, self.accession)
    }
}
