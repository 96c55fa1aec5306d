//! What a run of `fetch` says that it did.

use std::collections::BTreeMap;

use serde::Serialize;

/// What a run found and did.
#[derive(Debug, Clone, Default, Serialize)]
pub struct FetchReport {
    /// Filings that the options select.
    pub selected: u64,
    /// The same by form type.
    pub forms: BTreeMap<String, u64>,
    /// Of them, stored by a former run.
    pub already_there: u64,
    /// Of them, stored by a former run and no longer what its ledger row says; fetched again.
    pub damaged: u64,
    /// Of them, stored by this run.
    pub fetched: u64,
    /// Bytes of the filings that this run stored.
    pub fetched_bytes: u64,
    /// Of them, not to be had; also in `not_fetched.tsv`.
    pub not_fetched: Vec<NotFetched>,
    /// Tickers that neither the SEC lists now nor the members file gives a CIK for.
    pub tickers_not_found: Vec<String>,
    /// Former members found by who has their ticker today, which may be another company.
    pub former_members_by_todays_ticker: Vec<String>,
    /// Companies that were asked for and have no filing of these forms and dates.
    pub companies_without_filings: Vec<String>,
    /// Requests sent, repeated ones included.
    pub requests: u64,
    /// Requests that repeated a failed one.
    pub retries: u64,
}

/// A filing that could not be had.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct NotFetched {
    /// Its accession number.
    pub accession: String,
    /// Where it was asked for.
    pub url: String,
    /// Why there is none.
    pub reason: String,
}
