//! The raw text of a document, where it is still there.

use std::fs::File;
use std::path::Path;

use documents::InputFile;
use durable::open_file;

/// What a document was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RawText {
    /// Its text as it came, markup included.
    Found(String),
    /// It is not there any more; why, in words.
    Missing(String),
}

/// Opens an input that is as long as it was when it was read; otherwise why not, in words.
pub(super) fn open_unchanged(input: &InputFile) -> Result<File, String> {
    let opened = open_file(Path::new(&input.path)).and_then(|file| Ok((file.metadata()?.len(), file)));
    match opened {
        Ok((bytes, file)) if bytes == input.bytes => Ok(file),
        Ok(_) => Err(has_changed(input)),
        Err(error) => Err(format!("{}: {error}", input.path)),
    }
}

/// Of an input that is not the one that was read.
pub(super) fn has_changed(input: &InputFile) -> String {
    format!("{} has changed since it was read", input.path)
}
