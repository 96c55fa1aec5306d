//! The raw text of a document, out of the input that its documents folder was made from.

use std::path::Path;

use documents::{DocsManifest, Document, InputsReader};

use crate::error::CorpusError;
use crate::sources::Source;
use crate::sources::raw_text::RawText;

/// Looks the raw text of a document up in the inputs that the documents folder lists. A page of a
/// dump costs decompressing the dump up to it.
///
/// # Errors
/// [`CorpusError::Documents`] when `docs` is no documents folder. An input that is gone or has
/// changed is no error, but [`RawText::Missing`].
pub fn raw_text(docs: &Path, document: &Document) -> Result<RawText, CorpusError> {
    DocsManifest::open(docs)?;
    let inputs = InputsReader::open(docs)?;
    Source::of_id(&document.id).raw_text(inputs, document)
}

#[cfg(test)]
mod tests;
