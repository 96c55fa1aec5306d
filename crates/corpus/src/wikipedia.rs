//! Reads `MediaWiki` dumps (`*-pages-articles.xml.bz2`, of one stream or many, or plain `.xml`)
//! and text of `WikiExtractor` (`<doc>` files) into documents.
//!
//! A dump is streamed: one thread cuts pages out of its text, the workers decompress ahead of it
//! and read the pages behind it, and the results are handed on in the dump's order, so that they
//! do not depend on the number of threads. Articles (namespace 0) become documents; redirects,
//! other namespaces, disambiguation pages and empty pages are skipped with their reason.

mod batches;
mod cut;
mod divide;
mod export;
mod extract;
pub mod fetch;
mod find;
pub(crate) mod format;
mod marks;
mod page;
mod pending;
mod resume;
mod site;
mod source;
mod streams;
mod text;
mod wikitext;

use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use rayon::ThreadPool;

use crate::{CorpusError, Outcome};
use batches::{Batches, Sent};
use source::Source;
use text::{DumpText, unreadable};

pub(crate) use divide::divide;
pub(crate) use find::find_page;
pub use page::{PageResult, RawPage};
pub(crate) use resume::{DumpEvent, DumpPlace, Reading, text_place};
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
    mut sink: impl FnMut(T) -> ControlFlow<()>,
) -> Result<DumpReport, CorpusError> {
    read_dump_on(path, Reading::default(), pool, prepare, |event| match event {
        DumpEvent::Page(page) => sink(page),
        DumpEvent::Place(_) => ControlFlow::Continue(()),
    })
}

/// [`read_dump`] from any place on, to the next part or the end; `sink` gets such places, too.
///
/// # Errors
/// As [`read_dump`].
pub(crate) fn read_dump_on<T: Send>(
    path: &Path,
    reading: Reading,
    pool: &ThreadPool,
    prepare: impl Fn(PageResult) -> T + Sync,
    sink: impl FnMut(DumpEvent<T>) -> ControlFlow<()>,
) -> Result<DumpReport, CorpusError> {
    let open = || {
        let mut file = durable::open_file(path)?;
        file.seek(SeekFrom::Start(reading.from.offset))?;
        let until = reading.until.unwrap_or(u64::MAX);
        Ok(file.take(until.saturating_sub(reading.from.offset)))
    };
    let file = open().map_err(|error| unreadable(path, error))?;
    read_from(path, Box::new(file), reading, pool, prepare, sink)
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
    let reading = Reading::default();
    read_from(path, reader, reading, pool, prepare, |event| match event {
        DumpEvent::Page(page) => sink(page),
        DumpEvent::Place(_) => ControlFlow::Continue(()),
    })
}

fn read_from<T: Send>(
    path: &Path,
    reader: Box<dyn Read + Send>,
    reading: Reading,
    pool: &ThreadPool,
    prepare: impl Fn(PageResult) -> T + Sync,
    mut sink: impl FnMut(DumpEvent<T>) -> ControlFlow<()>,
) -> Result<DumpReport, CorpusError> {
    let num_threads = pool.current_num_threads();
    let prepare = &prepare;
    pool.in_place_scope(|scope| {
        let (sender, receiver) = sync_channel(2 * num_threads + 2);
        thread::scope(|threads| {
            let cutter = threads.spawn(move || {
                let mut source = Source::new(reader, reading.from.offset);
                source.is_part = reading.until.is_some();
                let text = DumpText::open(path, source, scope, num_threads)?;
                Batches::new(scope, sender, prepare, reading).cut(text)
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
    receiver: Receiver<Sent<T>>,
    sink: &mut impl FnMut(DumpEvent<T>) -> ControlFlow<()>,
) -> DumpReport {
    let mut report = DumpReport::default();
    for sent in receiver {
        let events = match sent {
            Sent::Place(place) => vec![DumpEvent::Place(place)],
            Sent::Batch(batch) => {
                let Some((results, counts)) = batch.wait() else {
                    return report;
                };
                report.add(counts);
                results.into_iter().map(DumpEvent::Page).collect()
            }
        };
        for event in events {
            if sink(event).is_break() {
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
