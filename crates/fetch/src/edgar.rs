//! Fetches filings from EDGAR: lists, selects, downloads, keeps account in `filings.tsv`.
//!
//! A filing is stored as its full submission, whole or not at all. A killed run is continued by
//! the same command: what is there is not fetched again. It does not read what the filings say.

mod companies;
mod download;
mod envelope;
mod hosts;
mod index;
mod ledger;
mod listed_filing;
mod listing;
mod options;
mod quarters;
mod report;
mod selection;
mod submissions;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use documents::Progress;
use durable::{DISK, DurableError, FolderLock, Operation, Storage};
/// A calendar day.
pub use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::web::{Client, Clock, FetchError, SystemClock};
use companies::Companies;
pub use companies::{read_cik_list, read_list};
use hosts::Hosts;
use ledger::Ledger;
use listed_filing::ListedFiling;
pub use options::{CompanyChoice, DEFAULT_FORMS, FetchOptions, Listing};
pub use report::{FetchReport, NotFetched};
use selection::Selection;

/// EDGAR's first quarter.
const FIRST_FILED: Date = Date::constant(1993, 1, 1);
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
