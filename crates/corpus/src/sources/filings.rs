//! Filings: a file each, whatever is in it, read whole.

use std::path::Path;

use documents::{Document, DocumentsError, InputFile, InputsReader, MOST_INPUT_BYTES, Outcome};
use durable::{read_file, sha256_hex};
use edgar::{Exhibits, read_hashed_filing};

use crate::error::CorpusError;
use crate::sources::raw_text::{RawText, has_changed};

/// Endings of files that may be filings.
const EXTENSIONS: [&str; 7] = ["txt", "nc", "htm", "html", "xhtml", "sgml", "sgm"];

/// What messages call them.
pub(super) const FILE_NAMES: &str = "a filing (.txt, .nc, .htm, .html)";

/// Whether a file of a folder is a filing, by its name. An accession number alone is a name, too.
pub(super) fn is_input_name(file_name: &str) -> bool {
    Path::new(file_name).extension().is_none_or(|extension| {
        EXTENSIONS
            .iter()
            .any(|known| extension.eq_ignore_ascii_case(known))
    })
}

/// What became of a file, by its name, its content and the SHA-256 of that.
pub(super) fn read(name: &str, bytes: &[u8], sha256: &str, exhibits: Exhibits) -> Vec<Outcome> {
    let results = read_hashed_filing(name, bytes, sha256, exhibits);
    results.into_iter().map(|result| result.outcome).collect()
}

/// The text that a document was read from, out of the input of its hash.
pub(super) fn raw_text(mut inputs: InputsReader, document: &Document) -> Result<RawText, CorpusError> {
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
