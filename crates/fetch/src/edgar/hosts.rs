//! The addresses that filings come from.

/// The addresses of the SEC, or the one that plays both.
#[derive(Debug, Clone)]
pub(crate) struct Hosts {
    /// Filings, indices, the list of tickers.
    pub(crate) www: String,
    /// Submissions of a company.
    pub(crate) data: String,
}

impl Hosts {
    pub(crate) fn new(base_url: Option<&str>) -> Self {
        let address = |official: &str| base_url.unwrap_or(official).trim_end_matches('/').to_owned();
        Self {
            www: address("https://www.sec.gov"),
            data: address("https://data.sec.gov"),
        }
    }
}
