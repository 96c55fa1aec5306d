//! The raw text of a document, where it is still there.

use documents::InputFile;

/// What a document was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RawText {
    /// Its text as it came, markup included.
    Found(String),
    /// It is not there any more; why, in words.
    Missing(String),
}

/// Of an input that is not the one that was read.
pub(crate) fn has_changed(input: &InputFile) -> String {
    format!("{} has changed since it was read", input.path)
}
