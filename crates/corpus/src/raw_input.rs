//! The raw text of a document, out of the input that its documents folder was made from.

use std::path::Path;

use durable::sha256_hex;

use crate::docs_manifest::{DocsManifest, INPUTS_LIST, InputFile};
use crate::document::Document;
use crate::edgar;
use crate::error::CorpusError;
use crate::inputs::is_dump_name;
use crate::wikipedia::find_page;
use crate::workplace::worker_threads;

/// What a document was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RawText {
    /// Its text as it came, markup included.
    Found(String),
    /// It is not there any more; why, in words.
    Missing(String),
}

/// Looks the raw text of a document up in the inputs that the documents folder lists. A page of a
/// dump costs decompressing the dump up to it.
///
/// # Errors
/// [`CorpusError::NotDocs`] when `docs` is no documents folder. An input that is gone or has
/// changed is no error, but [`RawText::Missing`].
pub fn raw_text(docs: &Path, document: &Document) -> Result<RawText, CorpusError> {
    DocsManifest::open(docs)?;
    let inputs = list_of_inputs(docs)?;
    if document.id.starts_with("wiki:") {
        raw_page(&inputs, document)
    } else {
        Ok(raw_filing(&inputs, document))
    }
}

fn list_of_inputs(docs: &Path) -> Result<Vec<InputFile>, CorpusError> {
    let not_docs = |reason: String| CorpusError::NotDocs {
        path: docs.to_path_buf(),
        reason: format!("{INPUTS_LIST}: {reason}"),
    };
    let list =
        std::fs::read_to_string(docs.join(INPUTS_LIST)).map_err(|error| not_docs(error.to_string()))?;
    let lines = list.lines().map(serde_json::from_str);
    lines
        .collect::<Result<_, _>>()
        .map_err(|error| not_docs(error.to_string()))
}

fn raw_filing(inputs: &[InputFile], document: &Document) -> RawText {
    let input = inputs.iter().find(|input| input.sha256 == document.sha256);
    let Some(input) = input else {
        return RawText::Missing("no input has the hash of the document".to_owned());
    };
    let bytes = match std::fs::read(&input.path) {
        Ok(bytes) => bytes,
        Err(error) => return RawText::Missing(format!("{}: {error}", input.path)),
    };
    if sha256_hex(&bytes) != document.sha256 {
        return RawText::Missing(format!("{} has changed since it was read", input.path));
    }
    match edgar::raw_text(&bytes, &document.id) {
        Some(text) => RawText::Found(text),
        None => RawText::Missing(format!("{} has no such document", input.path)),
    }
}

fn raw_page(inputs: &[InputFile], document: &Document) -> Result<RawText, CorpusError> {
    let pool = worker_threads(0)?;
    let mut missing = "no dump among the inputs has this revision of the page".to_owned();
    for input in inputs.iter().filter(|input| is_dump_name(&input.path)) {
        match find_page(Path::new(&input.path), &pool, &document.id) {
            Ok(Some(text)) => return Ok(RawText::Found(text)),
            Ok(None) => {}
            Err(error) => missing = error.to_string(),
        }
    }
    Ok(RawText::Missing(missing))
}
