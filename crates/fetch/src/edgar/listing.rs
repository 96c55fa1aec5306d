//! The filings that are wanted, looked up in the full index or company by company.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use documents::Progress;
use durable::{DISK, DurableError, Operation, Storage, commit_bytes};
use jiff::civil::Date;

use super::hosts::Hosts;
use super::index::read_index;
use super::listed_filing::ListedFiling;
use super::options::{FetchOptions, Listing};
use super::quarters::Quarter;
use super::selection::Selection;
use super::submissions;
use crate::web::{Client, Fault, FetchError, PAGE_BYTES};

/// What a lookup works with.
pub(crate) struct Source<'a> {
    pub(crate) options: &'a FetchOptions,
    pub(crate) client: &'a Client,
    pub(crate) hosts: &'a Hosts,
    pub(crate) today: Date,
}

/// The wanted filings by accession number. A filing of several companies is listed once, under
/// the smallest CIK that is wanted.
///
/// # Errors
/// [`FetchError::GivenUp`] when a listing cannot be had.
pub(crate) fn list(
    source: &Source<'_>,
    selection: &Selection,
    progress: &dyn Progress,
) -> Result<BTreeMap<String, ListedFiling>, FetchError> {
    let mut listed = BTreeMap::new();
    if source.options.listing == Listing::Submissions {
        let ciks: Vec<u64> = selection.ciks().collect();
        progress.start("looking up companies", Some(ciks.len() as u64));
        for cik in ciks {
            let filings = submissions::list_company(cik, selection, source.client, source.hosts)?;
            keep_all(&mut listed, filings.unwrap_or_default());
            progress.advance(1);
        }
    } else {
        let quarters = Quarter::between(selection.filed.0, selection.filed.1);
        progress.start("reading index files", Some(quarters.len() as u64));
        for quarter in quarters {
            source.list_quarter(quarter, selection, &mut listed)?;
            progress.advance(1);
        }
    }
    progress.finish();
    Ok(listed)
}

fn keep_all(listed: &mut BTreeMap<String, ListedFiling>, filings: Vec<ListedFiling>) {
    for filing in filings {
        let is_first = listed
            .get(&filing.accession)
            .is_none_or(|known| filing.cik < known.cik);
        if is_first {
            listed.insert(filing.accession.clone(), filing);
        }
    }
}

fn wanted_rows(index: &[u8], selection: &Selection) -> Result<Vec<ListedFiling>, Fault> {
    let mut wanted = Vec::new();
    read_index(index, |filing| {
        if selection.wants(&filing) {
            wanted.push(filing);
        }
    })?;
    Ok(wanted)
}

impl Source<'_> {
    fn list_quarter(
        &self,
        quarter: Quarter,
        selection: &Selection,
        listed: &mut BTreeMap<String, ListedFiling>,
    ) -> Result<(), FetchError> {
        let path = self.kept_index(quarter);
        let kept = durable::read_file(&path, PAGE_BYTES).ok();
        // An index that cannot be read any more is fetched again.
        if let Some(wanted) = kept.and_then(|bytes| wanted_rows(&bytes, selection).ok()) {
            keep_all(listed, wanted);
            return Ok(());
        }
        let url = format!(
            "{}/Archives/edgar/full-index/{}/{}",
            self.hosts.www,
            quarter.folder(),
            self.options.listing
        );
        let fetched = self.client.fetch_bytes(&url, |bytes| {
            let wanted = wanted_rows(&bytes, selection)?;
            Ok((bytes, wanted))
        });
        let is_over = Quarter::of(self.today) != quarter;
        match fetched {
            // On its first days a quarter has no index yet.
            Err(FetchError::GivenUp {
                fault: Fault::Missing { .. },
                ..
            }) if !is_over => Ok(()),
            Err(error) => Err(error),
            Ok((bytes, wanted)) => {
                keep_all(listed, wanted);
                if is_over {
                    self.keep_index(&path, &bytes)?;
                }
                Ok(())
            }
        }
    }

    fn kept_index(&self, quarter: Quarter) -> PathBuf {
        self.options
            .out
            .join("index")
            .join(format!("{quarter}-{}", self.options.listing))
    }

    /// The index of a quarter that is over stays: the next run need not fetch it.
    fn keep_index(&self, path: &Path, bytes: &[u8]) -> Result<(), FetchError> {
        let folder = self.options.out.join("index");
        DISK.create_dir_all(&folder)
            .map_err(|source| DurableError::new(Operation::Create, &folder, source))?;
        Ok(commit_bytes(&DISK, path, bytes)?)
    }
}
