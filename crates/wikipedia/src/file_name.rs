//! What dumps are called. It looks at names alone.

use std::path::Path;

/// Whether a file is a dump or extracted text by its name.
pub fn is_dump_name(path: &str) -> bool {
    let extension = Path::new(path).extension().unwrap_or_default();
    extension.eq_ignore_ascii_case("bz2") || extension.eq_ignore_ascii_case("xml") || is_extract_name(path)
}

/// `wiki_00`, as `WikiExtractor` names its files, with anything before it.
fn is_extract_name(file_name: &str) -> bool {
    let number = file_name.rsplit_once("wiki_").map(|(_, number)| number);
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}
