//! Finds one page of a dump as it stands there, for people to look at.

use std::fs::File;
use std::path::Path;

use documents::Outcome;
use rayon::ThreadPool;

use super::cut::{Cutter, Piece};
use super::export::parse_page;
use super::extract::read_extract;
use super::resume::DumpPlace;
use super::source::Source;
use super::streams::Chunk;
use super::text::DumpText;
use crate::error::DumpError;

/// The wikitext of the page that became the document of this id, or the extracted text, out of an open
/// dump; `path` names it in errors.
///
/// # Errors
/// When the file cannot be read, or is damaged before the page.
pub fn find_page(
    (path, file): (&Path, File),
    pool: &ThreadPool,
    id: &str,
) -> Result<Option<String>, DumpError> {
    pool.in_place_scope(|scope| {
        let source = Source::new(Box::new(file), 0);
        let mut text = DumpText::open(path, source, scope, pool.current_num_threads())?;
        let mut cutter = Cutter::default();
        loop {
            let chunk = text.next_chunk().map_err(|error| match error {
                DumpError::Truncated { .. } => text.cut(&DumpPlace::default(), cutter.num_bytes),
                error => error,
            })?;
            let is_last = chunk.is_none();
            match chunk {
                Some(Chunk::Text(text)) => cutter.push(&text),
                Some(Chunk::Lost(_)) => drop(cutter.skip_lost()),
                None => {}
            }
            while let Some(piece) = cutter.next_piece(is_last) {
                if let Some(raw) = raw_of(piece, id) {
                    return Ok(Some(raw));
                }
            }
            if is_last {
                return Ok(None);
            }
        }
    })
}

fn raw_of(piece: Piece, id: &str) -> Option<String> {
    match piece {
        Piece::Page { xml, .. } => {
            let page = parse_page(&xml).ok()?;
            (format!("wiki:{}:{}", page.page_id?, page.revision_id?) == id).then_some(page.wikitext)
        }
        Piece::Extract { position, text } => match read_extract(&text, position).outcome {
            Outcome::Document(document) if document.id == id => String::from_utf8(text).ok(),
            _ => None,
        },
        Piece::Header(_) | Piece::Unusable { .. } => None,
    }
}
