//! Wikipedia: dumps of any length, read as a stream of pages.

use std::ops::ControlFlow;
use std::path::Path;

use documents::{Document, InputsReader};
use rayon::ThreadPool;
use wikipedia::{DumpEvent, DumpPlace, PageResult, Reading, find_page, is_dump_name, read_dump_on};

use crate::error::CorpusError;
use crate::sources::raw_text::{RawText, open_unchanged};
use crate::sources::stream::{Stream, StreamEvent, StreamItem};
use crate::work::threads::worker_threads;

/// What ids of pages begin with: `wiki:PAGEID:REVID`.
pub(super) const ID_PREFIX: &str = "wiki";

/// What messages call files of dumps.
pub(super) const FILE_NAMES: &str = "a dump (.xml, .xml.bz2) or extracted text (wiki_00)";

/// The page of an id, whatever its revision.
pub(super) fn page_of(id: &str) -> &str {
    id.split(':').nth(1).unwrap_or(id)
}

/// Reads a part of a dump.
pub(super) fn read<T: Send>(
    stream: &Stream<'_>,
    from: DumpPlace,
    pool: &ThreadPool,
    prepare: impl Fn(StreamItem) -> T + Sync,
    mut sink: impl FnMut(StreamEvent<T, DumpPlace>) -> ControlFlow<()>,
) -> Result<(), CorpusError> {
    let reading = Reading {
        from,
        until: stream.until,
        places_every: stream.places_every,
    };
    let prepare = |page: PageResult| {
        prepare(StreamItem {
            part: Some(page.title),
            outcome: page.outcome,
            markup_left_out: page.templates_left_out,
        })
    };
    read_dump_on(stream.path, reading, pool, prepare, |event| {
        sink(match event {
            DumpEvent::Page(page) => StreamEvent::Item(page),
            DumpEvent::Place(place) => StreamEvent::Place(place),
        })
    })?;
    Ok(())
}

/// The wikitext of a page, which costs decompressing its dump up to it.
pub(super) fn raw_text(inputs: InputsReader, document: &Document) -> Result<RawText, CorpusError> {
    let pool = worker_threads(0)?;
    let mut missing = "no dump among the inputs has this revision of the page".to_owned();
    for input in inputs {
        let input = input?;
        if !is_dump_name(&input.path) {
            continue;
        }
        let found = open_unchanged(&input).and_then(|file| {
            let found = find_page((Path::new(&input.path), file), &pool, &document.id);
            found.map_err(|error| error.to_string())
        });
        match found {
            Ok(Some(text)) => return Ok(RawText::Found(text)),
            Ok(None) => {}
            Err(reason) => missing = reason,
        }
    }
    Ok(RawText::Missing(missing))
}
