//! Reads `MediaWiki` dumps (`*-pages-articles.xml.bz2`, or plain `.xml`) into documents.
//!
//! A dump is streamed: pages are decompressed and cut out on one thread, read in batches on the
//! others, and handed on in the dump's order. Articles (namespace 0) become documents; redirects,
//! other namespaces, disambiguation pages and empty pages are skipped with their reason.

mod dump;
pub mod fetch;
mod page;
mod site;
mod utf16;
mod wikitext;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use rayon::prelude::*;

use crate::{CorpusError, Outcome};
use dump::DumpPages;

pub use page::{PageResult, RawPage};
pub use site::SiteInfo;
pub use wikitext::{Article, parse_wikitext};

/// Pages are handed from thread to thread in batches of about this many bytes of wikitext.
const BATCH_BYTES: usize = 4 << 20;
/// Batches that may wait: with the two being read and written, memory stays under 20 MB.
const WAITING_BATCHES: usize = 2;

/// What a dump held.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DumpReport {
    /// Pages of every kind.
    pub pages: u64,
    /// Pages that became documents.
    pub documents: u64,
    /// Skipped pages by reason.
    pub skipped: BTreeMap<String, u64>,
    /// Rejected pages by reason.
    pub rejected: BTreeMap<String, u64>,
    /// Bytes of wikitext.
    pub wikitext_bytes: u64,
}

struct Batch {
    site: SiteInfo,
    pages: Vec<RawPage>,
}

/// Reads the dump at `path` and hands each page to `sink`, in the dump's order. `sink` may stop
/// early by `ControlFlow::Break`.
///
/// # Errors
/// [`CorpusError::Read`] when the file cannot be opened; [`CorpusError::TruncatedDump`] and
/// [`CorpusError::DamagedDump`], with the position, after the pages before it have been handed on.
pub fn read_dump(
    path: &Path,
    mut sink: impl FnMut(PageResult) -> ControlFlow<()>,
) -> Result<DumpReport, CorpusError> {
    let pages = DumpPages::open(path)?;
    let (sender, receiver) = sync_channel(WAITING_BATCHES);
    thread::scope(|scope| {
        let cutter = scope.spawn(move || send_batches(pages, &sender));
        let report = read_batches(receiver, &mut sink);
        let cut = cutter
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        cut.map(|()| report)
    })
}

/// Cuts pages out of the dump until it ends, fails, or nobody listens.
fn send_batches(mut pages: DumpPages<'_>, sender: &SyncSender<Batch>) -> Result<(), CorpusError> {
    loop {
        let (batch, end) = next_batch(&mut pages);
        let is_heard = batch.pages.is_empty() || sender.send(batch).is_ok();
        match end {
            Some(result) => return result,
            None if !is_heard => return Ok(()),
            None => {}
        }
    }
}

/// The next pages and, when the dump is over, how it ended.
fn next_batch(pages: &mut DumpPages<'_>) -> (Batch, Option<Result<(), CorpusError>>) {
    let mut batch = Batch {
        site: SiteInfo::default(),
        pages: Vec::new(),
    };
    let mut num_bytes = 0;
    let mut end = None;
    while num_bytes < BATCH_BYTES && end.is_none() {
        match pages.next_page() {
            Ok(Some(page)) => {
                num_bytes += page.wikitext.len() + 256;
                batch.pages.push(page);
            }
            Ok(None) => end = Some(Ok(())),
            Err(error) => end = Some(Err(error)),
        }
    }
    batch.site = pages.site.clone();
    (batch, end)
}

fn read_batches(
    receiver: Receiver<Batch>,
    sink: &mut impl FnMut(PageResult) -> ControlFlow<()>,
) -> DumpReport {
    let mut report = DumpReport::default();
    for batch in receiver {
        report.wikitext_bytes += batch
            .pages
            .iter()
            .map(|page| page.wikitext.len() as u64)
            .sum::<u64>();
        let site = &batch.site;
        let results: Vec<PageResult> = batch
            .pages
            .into_par_iter()
            .map(|page| page.into_result(site))
            .collect();
        for result in results {
            report.count(&result.outcome);
            if sink(result).is_break() {
                return report;
            }
        }
    }
    report
}

impl DumpReport {
    fn count(&mut self, outcome: &Outcome) {
        self.pages += 1;
        match outcome {
            Outcome::Document(_) => self.documents += 1,
            Outcome::Skipped { reason, .. } => *self.skipped.entry(reason.clone()).or_default() += 1,
            Outcome::Rejected { reason } => *self.rejected.entry(reason.clone()).or_default() += 1,
        }
    }
}

#[cfg(test)]
mod tests;
