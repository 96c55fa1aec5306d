//! Texts that somebody else took out of filings, or out of anything: a JSON object a line, packed
//! with zstd or not. Read as a stream; what one line means is `line.rs`'s.

mod field;
mod line;
mod lines;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};

use documents::{Document, InputsReader, Outcome};
use rayon::ThreadPool;
use rayon::prelude::*;

use crate::error::CorpusError;
use crate::sources::raw_text::{RawText, open_unchanged};
use crate::sources::stream::{Stream, StreamEvent, StreamItem};
pub(super) use line::ID_PREFIX;
use line::{is_of, outcome_of, text_of};
pub(crate) use lines::TextsPlace;
use lines::{Line, Lines};

/// The version of what these readers make of an input; raised with every change to it.
pub(super) const READER_VERSION: u32 = 1;

/// Endings of files of a folder that are texts.
const ENDINGS: [&str; 2] = [".jsonl", ".jsonl.zst"];

/// Values of `source` that the texts of one ingest may have: each has at least one filer held out, a
/// line in reports and a place in manifests.
pub(super) const MOST_SOURCES: usize = 256;

/// Lines of a window, the last one of which may be longer. Three windows are in memory: one is looked at,
/// one waits, one is being read.
const WINDOW_BYTES: u64 = 8 << 20;
const WINDOW_LINES: usize = 4096;

/// What messages call them.
pub(super) const FILE_NAMES: &str = "texts (.jsonl, .jsonl.zst)";

/// Whether a file of a folder is a file of texts, by its name.
pub(super) fn is_input_name(file_name: &str) -> bool {
    let lower = file_name.to_ascii_lowercase();
    ENDINGS.iter().any(|ending| lower.ends_with(ending))
}

/// In what two texts of one id must agree besides what documents of all sources do.
pub(super) fn further_facts(document: &Document) -> Vec<String> {
    let company = document.company.clone().unwrap_or_default();
    let ticker = document.tickers.first().cloned().unwrap_or_default();
    let year = document
        .fiscal_year
        .map_or_else(String::new, |year| year.to_string());
    let section = document.sections.first().map(|section| section.item.clone());
    vec![company, ticker, year, section.unwrap_or_default()]
}

/// Refuses a file that cannot be opened, or that another program packed.
pub(super) fn check(path: &Path) -> Result<(), CorpusError> {
    Lines::open(path, &TextsPlace::default())?;
    Ok(())
}

/// Lines that follow each other, and the place behind them.
struct Window {
    lines: Vec<(u64, Line)>,
    end: TextsPlace,
}

/// Reads the lines of a file from a place on; the next ones are read while these are looked at.
pub(super) fn read<T: Send>(
    stream: &Stream<'_>,
    from: &TextsPlace,
    pool: &ThreadPool,
    prepare: impl Fn(StreamItem) -> T + Sync,
    mut sink: impl FnMut(StreamEvent<T, TextsPlace>) -> ControlFlow<()>,
) -> Result<(), CorpusError> {
    let lines = Lines::open(stream.path, from)?;
    let read = |(number, line): (u64, Line)| {
        prepare(StreamItem {
            part: Some(format!("line {number}")),
            outcome: outcome_of(&line, stream.name),
            markup_left_out: BTreeMap::new(),
        })
    };
    std::thread::scope(|scope| {
        let (send, receive) = sync_channel(1);
        scope.spawn(move || read_windows(lines, &send));
        let (mut told, mut end) = (from.offset(), None::<TextsPlace>);
        for window in receive {
            let Window { lines, end: behind } = window?;
            if lines.is_empty() {
                break;
            }
            // A place is told when more follows: a piece that begins at the end would be empty.
            if let Some(end) = end
                .take()
                .filter(|end| end.offset() - told >= stream.places_every)
            {
                told = end.offset();
                if sink(StreamEvent::Place(end)).is_break() {
                    return Ok(());
                }
            }
            let items: Vec<T> = pool.install(|| lines.into_par_iter().map(&read).collect());
            for item in items {
                if sink(StreamEvent::Item(item)).is_break() {
                    return Ok(());
                }
            }
            end = Some(behind);
        }
        if end.is_none() && from.offset() == 0 {
            let reason = "the file has no lines".to_owned();
            let item = StreamItem {
                part: None,
                outcome: Outcome::Rejected { reason },
                markup_left_out: BTreeMap::new(),
            };
            // What the receiver says does not matter: nothing follows.
            let _ = sink(StreamEvent::Item(prepare(item)));
        }
        Ok(())
    })
}

fn read_windows(mut lines: Lines, send: &SyncSender<Result<Window, CorpusError>>) {
    loop {
        let window = next_window(&mut lines);
        let is_last = window.as_ref().map_or(true, |window| window.lines.is_empty());
        // A failed send means that the other side has ended.
        if send.send(window).is_err() || is_last {
            return;
        }
    }
}

/// The next lines; none at the end.
fn next_window(lines: &mut Lines) -> Result<Window, CorpusError> {
    let (mut window, first) = (Vec::new(), lines.place().offset());
    while window.len() < WINDOW_LINES && lines.place().offset() - first < WINDOW_BYTES {
        match lines.next()? {
            Some(line) => window.push(line),
            None => break,
        }
    }
    Ok(Window {
        lines: window,
        end: lines.place().clone(),
    })
}

/// The text as its line has it, out of the file that it was read from.
pub(super) fn raw_text(inputs: InputsReader, document: &Document) -> Result<RawText, CorpusError> {
    let name = document.path.as_deref().unwrap_or_default();
    let mut missing = "no input of this name has the line".to_owned();
    for input in inputs {
        let input = input?;
        let path = Path::new(&input.path);
        if !path.ends_with(name) {
            continue;
        }
        let found =
            open_unchanged(&input).and_then(|_| find_text(path, document).map_err(|error| error.to_string()));
        match found {
            Ok(Some(text)) => return Ok(RawText::Found(text)),
            Ok(None) => {}
            Err(reason) => missing = reason,
        }
    }
    Ok(RawText::Missing(missing))
}

fn find_text(path: &Path, document: &Document) -> Result<Option<String>, CorpusError> {
    let mut lines = Lines::open(path, &TextsPlace::default())?;
    while let Some((_, line)) = lines.next()? {
        if let Line::Text(line) = line
            && is_of(&line, document)
        {
            return Ok(text_of(&line));
        }
    }
    Ok(None)
}
