//! What `fetch` of filings is asked for. It asks nobody.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use jiff::civil::Date;

use crate::web::{Connection, FetchError};

/// The forms of the corpus.
pub const DEFAULT_FORMS: [&str; 2] = ["10-K", "10-Q"];

/// What to fetch and where to.
#[derive(Debug, Clone)]
pub struct FetchOptions {
    /// The folder that gets `filings/`, `filings.tsv` and `index/`; may exist from a former run.
    pub out: PathBuf,
    /// Who asks, how fast, and where.
    pub connection: Connection,
    /// Whose filings; nobody named means everybody's.
    pub companies: CompanyChoice,
    /// Form types as EDGAR writes them, `/A` included.
    pub forms: Vec<String>,
    /// Filed on this day or later; `None` from the beginning.
    pub filed_from: Option<Date>,
    /// Filed on this day or earlier; `None` until today.
    pub filed_to: Option<Date>,
    /// Where the filings are looked up.
    pub listing: Listing,
    /// Downloads at a time, at least one.
    pub threads: usize,
}

/// The companies that are asked for. All empty means every company.
#[derive(Debug, Clone, Default)]
pub struct CompanyChoice {
    /// By number.
    pub ciks: Vec<u64>,
    /// By ticker.
    pub tickers: Vec<String>,
    /// A table (CSV or TSV) with a column `ticker` (or `symbol`), and of `cik`, `start_date` (or
    /// `start`) and `end_date` (or `end`) those that are known. A row without an end is a member
    /// still. With tickers it says who they were; without, all its rows are asked for.
    pub members: Option<PathBuf>,
}

impl CompanyChoice {
    /// Whether nobody is named.
    pub fn is_everybody(&self) -> bool {
        self.ciks.is_empty() && self.tickers.is_empty() && self.members.is_none()
    }
}

/// Where filings are looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Listing {
    /// `master.idx` of each quarter.
    MasterPlain,
    /// `master.gz` of each quarter.
    #[default]
    MasterGzip,
    /// `form.idx` of each quarter.
    FormPlain,
    /// `form.gz` of each quarter.
    FormGzip,
    /// The submissions of each company: fewer bytes for few companies and many years.
    Submissions,
}

impl Listing {
    const NAMES: [(&'static str, Self); 5] = [
        ("master.idx", Self::MasterPlain),
        ("master.gz", Self::MasterGzip),
        ("form.idx", Self::FormPlain),
        ("form.gz", Self::FormGzip),
        ("submissions", Self::Submissions),
    ];
}

impl fmt::Display for Listing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::NAMES.iter().find(|(_, listing)| listing == self);
        formatter.write_str(name.map_or("", |(name, _)| name))
    }
}

impl FromStr for Listing {
    type Err = FetchError;

    fn from_str(text: &str) -> Result<Self, FetchError> {
        let named = Self::NAMES.iter().find(|(name, _)| *name == text);
        named
            .map(|(_, listing)| *listing)
            .ok_or_else(|| FetchError::Options {
                reason: format!(
                    "there is no listing {text:?}; give one of {}",
                    Self::NAMES.map(|(name, _)| name).join(", ")
                ),
            })
    }
}
