//! Reads a dump from one end to the other, or a part of it: a thread that cuts pages out of its
//! text, workers that read them, and their results in the dump's order.

use std::io::{Read, Seek, SeekFrom};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use rayon::ThreadPool;

use crate::batches::{Batches, Sent};
use crate::error::DumpError;
use crate::page::PageResult;
use crate::report::DumpReport;
use crate::resume::{DumpEvent, Reading};
use crate::source::Source;
use crate::text::{DumpText, unreadable};

/// Reads the dump at `path` on the threads of `pool`: `prepare` is called on them for each page,
/// `sink` on the calling thread for what it gave, in the dump's order. `sink` may stop early by
/// `ControlFlow::Break`. Call it outside `pool`.
///
/// A page that cannot be read and a damaged stream of several are results themselves
/// ([`Outcome::Rejected`](documents::Outcome)), named by title or place.
///
/// # Errors
/// [`DumpError::Read`] when the file cannot be read; [`DumpError::Truncated`] and
/// [`DumpError::Damaged`], with the position, after the pages before it have been handed on.
pub fn read_dump<T: Send>(
    path: &Path,
    pool: &ThreadPool,
    prepare: impl Fn(PageResult) -> T + Sync,
    mut sink: impl FnMut(T) -> ControlFlow<()>,
) -> Result<DumpReport, DumpError> {
    read_dump_on(path, Reading::default(), pool, prepare, |event| match event {
        DumpEvent::Page(page) => sink(page),
        DumpEvent::Place(_) => ControlFlow::Continue(()),
    })
}

/// [`read_dump`] from any place on, to the next part or the end; `sink` gets such places, too.
///
/// # Errors
/// As [`read_dump`].
pub fn read_dump_on<T: Send>(
    path: &Path,
    reading: Reading,
    pool: &ThreadPool,
    prepare: impl Fn(PageResult) -> T + Sync,
    sink: impl FnMut(DumpEvent<T>) -> ControlFlow<()>,
) -> Result<DumpReport, DumpError> {
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
) -> Result<DumpReport, DumpError> {
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
) -> Result<DumpReport, DumpError> {
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
