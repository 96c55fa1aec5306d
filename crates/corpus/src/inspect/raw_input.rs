//! The raw text of a document, out of the input that its documents folder was made from.

use std::path::Path;

use documents::{DocsManifest, Document, DocumentsError, InputFile, InputsReader, MOST_INPUT_BYTES};
use durable::{open_file, read_file, sha256_hex};
use wikipedia::{find_page, is_dump_name};

use crate::error::CorpusError;
use crate::work::threads::worker_threads;

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
/// [`DocumentsError::NotDocs`] when `docs` is no documents folder. An input that is gone or has
/// changed is no error, but [`RawText::Missing`].
pub fn raw_text(docs: &Path, document: &Document) -> Result<RawText, CorpusError> {
    DocsManifest::open(docs)?;
    let inputs = InputsReader::open(docs)?;
    if document.id.starts_with("wiki:") {
        raw_page(inputs, document)
    } else {
        raw_filing(inputs, document)
    }
}

fn raw_filing(mut inputs: InputsReader, document: &Document) -> Result<RawText, CorpusError> {
    let is_it = |input: &Result<InputFile, DocumentsError>| match input {
        Ok(input) => input.sha256 == document.sha256,
        Err(_) => true,
    };
    let missing = |reason: String| Ok(RawText::Missing(reason));
    let Some(input) = inputs.find(is_it).transpose()? else {
        return missing("no input has the hash of the document".to_owned());
    };
    let bytes = match read_file(Path::new(&input.path), input.bytes.min(MOST_INPUT_BYTES)) {
        Ok(bytes) => bytes,
        Err(error) => return missing(format!("{}: {error}", input.path)),
    };
    if sha256_hex(&bytes) != document.sha256 {
        return missing(has_changed(&input));
    }
    match edgar::raw_text(&bytes, &document.id) {
        Some(text) => Ok(RawText::Found(text)),
        None => missing(format!("{} has no such document", input.path)),
    }
}

fn has_changed(input: &InputFile) -> String {
    format!("{} has changed since it was read", input.path)
}

fn raw_page(inputs: InputsReader, document: &Document) -> Result<RawText, CorpusError> {
    let pool = worker_threads(0)?;
    let mut missing = "no dump among the inputs has this revision of the page".to_owned();
    for input in inputs {
        let input = input?;
        if !is_dump_name(&input.path) {
            continue;
        }
        let opened = open_file(Path::new(&input.path)).and_then(|file| Ok((file.metadata()?.len(), file)));
        let file = match opened {
            Ok((bytes, file)) if bytes == input.bytes => file,
            Ok(_) => {
                missing = has_changed(&input);
                continue;
            }
            Err(error) => {
                missing = format!("{}: {error}", input.path);
                continue;
            }
        };
        match find_page((Path::new(&input.path), file), &pool, &document.id) {
            Ok(Some(text)) => return Ok(RawText::Found(text)),
            Ok(None) => {}
            Err(error) => missing = error.to_string(),
        }
    }
    Ok(RawText::Missing(missing))
}

#[cfg(test)]
mod tests;
