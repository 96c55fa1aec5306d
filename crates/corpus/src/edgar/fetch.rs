//! Fetches filings from EDGAR: lists, selects, downloads, keeps account in `filings.tsv`.
//!
//! A filing is stored as its full submission, whole or not at all. A killed run is continued by
//! the same command: what is there is not fetched again. It does not read what the filings say.

mod companies;
mod download;
mod envelope;
mod index;
mod ledger;
mod listing;
mod quarters;
mod selection;
mod submissions;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use durable::{DISK, DurableError, FolderLock, Operation, Storage};
/// A calendar day.
pub use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;

use crate::progress::Progress;
use crate::web::{Client, Clock, Connection, FetchError, SystemClock};
use companies::Companies;
pub use companies::{CompanyChoice, read_cik_list, read_list};
use ledger::Ledger;
pub use listing::Listing;
use selection::Selection;

/// EDGAR's first quarter.
const FIRST_FILED: Date = Date::constant(1993, 1, 1);
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

/// The addresses of the SEC, or the one that plays both.
#[derive(Debug, Clone)]
pub(crate) struct Hosts {
    /// Filings, indices, the list of tickers.
    pub(crate) www: String,
    /// Submissions of a company.
    pub(crate) data: String,
}

impl Hosts {
    fn new(base_url: Option<&str>) -> Self {
        let address = |official: &str| base_url.unwrap_or(official).trim_end_matches('/').to_owned();
        Self {
            www: address("https://www.sec.gov"),
            data: address("https://data.sec.gov"),
        }
    }
}

/// Fetches the filings that the options select, as far as they are not there yet.
///
/// # Errors
/// [`FetchError::Options`] and [`FetchError::List`] for options that cannot be followed;
/// [`FetchError::GivenUp`] when a listing cannot be had, [`FetchError::OutOfReach`] when filing
/// after filing fails; [`FetchError::Ledger`] and [`FetchError::Durable`] for the output folder.
/// A filing that cannot be had is no error: the report lists it.
pub fn fetch_filings(options: &FetchOptions, progress: &dyn Progress) -> Result<FetchReport, FetchError> {
    fetch_filings_by(options, Arc::new(SystemClock::default()), progress)
}

/// [`fetch_filings`] on another clock.
pub(crate) fn fetch_filings_by(
    options: &FetchOptions,
    clock: Arc<dyn Clock>,
    progress: &dyn Progress,
) -> Result<FetchReport, FetchError> {
    let today = TimeZone::UTC.to_datetime(clock.now()).date();
    let filed = (
        options.filed_from.unwrap_or(FIRST_FILED).max(FIRST_FILED),
        options.filed_to.unwrap_or(today).min(today),
    );
    refuse_impossible(options, filed)?;
    let client = Client::new(&options.connection, clock)?;
    let filings = options.out.join("filings");
    DISK.create_dir_all(&filings)
        .map_err(|source| DurableError::new(Operation::Create, &filings, source))?;
    let _lock = FolderLock::acquire(&options.out, "fetch")?;
    let mut ledger = Ledger::open(&options.out.join("filings.tsv"))?;

    let hosts = Hosts::new(options.connection.base_url.as_deref());
    let companies = companies::resolve(&options.companies, &client, &hosts)?;
    let selection = Selection::new(&options.forms, filed, companies.spans.clone());
    let listed = listing::list(
        &listing::Source {
            options,
            client: &client,
            hosts: &hosts,
            today,
        },
        &selection,
        progress,
    )?;

    let mut report = report_of_listing(&listed, companies);
    let job = download::Job {
        out: &options.out,
        client: &client,
        hosts: &hosts,
        threads: options.threads,
    };
    let (missing, damaged) = job.without_stored(&mut ledger, listed.into_values().collect(), progress)?;
    report.damaged = damaged;
    report.already_there = report.selected - missing.len() as u64;
    let downloaded = job.run(missing, ledger, progress)?;
    report.fetched = downloaded.fetched;
    report.fetched_bytes = downloaded.bytes;
    report.not_fetched = downloaded.not_fetched;
    (report.requests, report.retries) = client.counts();
    Ok(report)
}

fn refuse_impossible(options: &FetchOptions, filed: (Date, Date)) -> Result<(), FetchError> {
    let refuse = |reason: String| Err(FetchError::Options { reason });
    if filed.0 > filed.1 {
        return refuse(format!(
            "no day lies between {} and {} (EDGAR begins on {FIRST_FILED} and ends today); change --filed-from or --filed-to",
            filed.0, filed.1
        ));
    }
    if options.forms.is_empty() {
        return refuse("no form type is given; name some with --form, such as --form 10-K".to_owned());
    }
    if options.listing == Listing::Submissions && options.companies.is_everybody() {
        return refuse(
            "--listing submissions goes company by company; name some with --cik, --ticker or --members, \
             or use --listing master.gz"
                .to_owned(),
        );
    }
    Ok(())
}

fn report_of_listing(listed: &BTreeMap<String, ListedFiling>, companies: Companies) -> FetchReport {
    let mut forms = BTreeMap::new();
    for filing in listed.values() {
        *forms.entry(filing.form.clone()).or_insert(0) += 1;
    }
    let with_filings: BTreeSet<u64> = listed.values().map(|filing| filing.cik).collect();
    let without = companies.spans.iter().flatten().map(|(cik, _)| *cik);
    let named = |cik: u64| match companies.names.get(&cik) {
        Some(name) => format!("{name} (CIK {cik})"),
        None => format!("CIK {cik}"),
    };
    FetchReport {
        selected: listed.len() as u64,
        forms,
        companies_without_filings: without
            .filter(|cik| !with_filings.contains(cik))
            .map(named)
            .collect(),
        tickers_not_found: companies.tickers_not_found,
        former_members_by_todays_ticker: companies.former_members_by_todays_ticker,
        ..FetchReport::default()
    }
}
