//! The list of a company's filings in EDGAR's submissions JSON, with its pages of older ones.

use documents::form_type;
use jiff::civil::Date;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::hosts::Hosts;
use super::index::is_accession;
use super::listed_filing::ListedFiling;
use super::selection::Selection;
use crate::web::{Client, Fault, FetchError};

#[derive(Debug, Deserialize)]
struct Submissions {
    name: String,
    filings: Filings,
}

#[derive(Debug, Deserialize)]
struct Filings {
    recent: SubmissionColumns,
    #[serde(default)]
    files: Vec<OlderPage>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct OlderPage {
    name: String,
    filing_from: Date,
    filing_to: Date,
}

/// A list a column, as EDGAR gives it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SubmissionColumns {
    accession_number: Vec<String>,
    filing_date: Vec<Date>,
    form: Vec<String>,
}

/// The company's filings that are wanted; `None` when EDGAR knows no such company.
///
/// # Errors
/// [`FetchError::GivenUp`] when a page cannot be had or is not one.
pub(crate) fn list_company(
    cik: u64,
    selection: &Selection,
    client: &Client,
    hosts: &Hosts,
) -> Result<Option<Vec<ListedFiling>>, FetchError> {
    let url = |name: &str| format!("{}/submissions/{name}", hosts.data);
    let first: Submissions =
        match client.fetch_bytes(&url(&format!("CIK{cik:010}.json")), |bytes| parse(&bytes)) {
            Err(FetchError::GivenUp {
                fault: Fault::Missing { .. },
                ..
            }) => return Ok(None),
            page => page?,
        };
    let overlaps = |page: &&OlderPage| {
        page.filing_from <= selection.filed.1
            && selection.filed.0 <= page.filing_to
            && is_page_name(&page.name)
    };
    let mut filings = first.filings.recent.rows(cik, &first.name);
    for page in first.filings.files.iter().filter(overlaps) {
        let columns: SubmissionColumns = client.fetch_bytes(&url(&page.name), |bytes| parse(&bytes))?;
        filings.extend(columns.rows(cik, &first.name));
    }
    filings.retain(|filing| selection.wants(filing));
    Ok(Some(filings))
}

/// A name, not a path to somewhere else.
fn is_page_name(name: &str) -> bool {
    name.starts_with("CIK") && !name.contains(['/', '\\', '?', '#'])
}

/// Parsed and with columns of one length.
fn parse<T: DeserializeOwned + Even>(bytes: &[u8]) -> Result<T, Fault> {
    let page: T = serde_json::from_slice(bytes).map_err(|error| {
        let head = String::from_utf8_lossy(&bytes[..bytes.len().min(1 << 16)]);
        Fault::of_page(&head).unwrap_or_else(|| Fault::unsound(format!("no list of submissions ({error})")))
    })?;
    if page.is_even() {
        Ok(page)
    } else {
        Err(Fault::unsound(
            "a list of submissions whose columns differ in length",
        ))
    }
}

trait Even {
    fn is_even(&self) -> bool;
}

impl Even for Submissions {
    fn is_even(&self) -> bool {
        self.filings.recent.is_even()
    }
}

impl Even for SubmissionColumns {
    fn is_even(&self) -> bool {
        let length = self.accession_number.len();
        self.filing_date.len() == length && self.form.len() == length
    }
}

impl SubmissionColumns {
    fn rows(self, cik: u64, company: &str) -> Vec<ListedFiling> {
        let columns = self
            .accession_number
            .into_iter()
            .zip(self.filing_date)
            .zip(self.form);
        columns
            .filter(|((accession, _), _)| is_accession(accession))
            .map(|((accession, filed), form)| ListedFiling {
                cik,
                company: documents::one_line(company),
                form: form_type::normalize(&form),
                filed,
                accession,
            })
            .collect()
    }
}
