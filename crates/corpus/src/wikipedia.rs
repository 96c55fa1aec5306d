//! Reads `MediaWiki` dumps (`*-pages-articles.xml.bz2`, of one stream or many, or plain `.xml`)
//! and text of `WikiExtractor` (`<doc>` files) into documents.
//!
//! A dump is streamed: one thread cuts pages out of its text, the workers decompress ahead of it
//! and read the pages behind it, and the results are handed on in the dump's order, so that they
//! do not depend on the number of threads. Articles (namespace 0) become documents; redirects,
//! other namespaces, disambiguation pages and empty pages are skipped with their reason.

mod batches;
mod cut;
mod export;
mod extract;
pub mod fetch;
pub(crate) mod format;
mod page;
mod pending;
mod site;
mod source;
mod streams;
mod text;
mod wikitext;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use rayon::ThreadPool;

use crate::{CorpusError, Outcome};
use batches::{Batch, Batches};
use pending::Pending;
use source::Source;
use text::{DumpText, unreadable};

pub use page::{PageResult, RawPage};
pub use site::SiteInfo;
pub use wikitext::{Article, parse_wikitext};

/// What a dump held.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DumpReport {
    /// Pages of every kind, and damaged parts.
    pub pages: u64,
    /// Pages that became documents.
    pub documents: u64,
    /// Skipped pages by reason.
    pub skipped: BTreeMap<String, u64>,
    /// Rejected pages and damaged parts by reason.
    pub rejected: BTreeMap<String, u64>,
}

/// Reads the dump at `path` on the threads of `pool`: `prepare` is called on them for each page,
/// `sink` on the calling thread for what it gave, in the dump's order. `sink` may stop early by
/// `ControlFlow::Break`. Call it outside `pool`.
///
/// A page that cannot be read and a damaged stream of several are results themselves
/// ([`Outcome::Rejected`]), named by title or place.
///
/// # Errors
/// [`CorpusError::Read`] when the file cannot be read; [`CorpusError::TruncatedDump`] and
/// [`CorpusError::DamagedDump`], with the position, after the pages before it have been handed on.
pub fn read_dump<T: Send>(
    path: &Path,
    pool: &ThreadPool,
    prepare: impl Fn(PageResult) -> T + Sync,
    sink: impl FnMut(T) -> ControlFlow<()>,
) -> Result<DumpReport, CorpusError> {
    let file = File::open(path).map_err(|error| unreadable(path, error))?;
    read_dump_from(path, Box::new(file), pool, prepare, sink)
}

/// [`read_dump`] of any bytes; `path` names them in errors.
///
/// # Errors
/// As [`read_dump`].
pub fn read_dump_from<T: Send>(
    path: &Path,
    reader: Box<dyn Read + Send>,
    pool: &ThreadPool,
    prepare: impl Fn(PageResult) -> T + Sync,
    mut sink: impl FnMut(T) -> ControlFlow<()>,
) -> Result<DumpReport, CorpusError> {
    let num_threads = pool.current_num_threads();
    let prepare = &prepare;
    pool.in_place_scope(|scope| {
        let (sender, receiver) = sync_channel(2 * num_threads + 2);
        thread::scope(|threads| {
            let cutter = threads.spawn(move || {
                let text = DumpText::open(path, Source::new(reader), scope, num_threads)?;
                Batches::new(scope, sender, prepare).cut(text)
            });
            let report = take_batches(receiver, &mut sink);
            let cut = cutter
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            cut.map(|()| report)
        })
    })
}

fn take_batches<T: Send>(
    receiver: Receiver<Pending<Batch<T>>>,
    sink: &mut impl FnMut(T) -> ControlFlow<()>,
) -> DumpReport {
    let mut report = DumpReport::default();
    for batch in receiver {
        let Some((results, counts)) = batch.wait() else {
            return report;
        };
        report.add(counts);
        for result in results {
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

    fn add(&mut self, other: Self) {
        self.pages += other.pages;
        self.documents += other.documents;
        for (reason, count) in other.skipped {
            *self.skipped.entry(reason).or_default() += count;
        }
        for (reason, count) in other.rejected {
            *self.rejected.entry(reason).or_default() += count;
        }
    }
}

#[cfg(test)]
mod tests;
