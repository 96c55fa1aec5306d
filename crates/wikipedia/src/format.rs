//! What kind of file a dump's text is, told from its beginning: by the reader, and before it by
//! the look at a dump's end. It reads no page.

use memchr::memmem;

/// The header and what tells the format come within this.
pub(crate) const MAX_HEADER_BYTES: usize = 64 << 10;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The kinds of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// What `MediaWiki` exports.
    Export,
    /// What `WikiExtractor` took out of an export.
    Extracted,
    /// Anything else.
    Unknown,
}

/// The format of text that begins with `head`; `None` when more of it may tell. `is_all`: no more
/// comes, or `head` has all that is looked at.
pub(crate) fn detect(head: &[u8], is_all: bool) -> Option<Format> {
    if head[blank_bytes(head)..].starts_with(b"<doc ") {
        Some(Format::Extracted)
    } else if memmem::find(head, b"<mediawiki").is_some() {
        Some(Format::Export)
    } else {
        is_all.then_some(Format::Unknown)
    }
}

/// How long the white space and byte order marks are that a text begins with.
pub(crate) fn blank_bytes(text: &[u8]) -> usize {
    let mut rest = text.trim_ascii_start();
    while let Some(marked) = rest.strip_prefix(BYTE_ORDER_MARK) {
        rest = marked.trim_ascii_start();
    }
    text.len() - rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_is_told_behind_byte_order_marks_and_blanks_and_not_before_its_sign_has_come() {
        let extract = "\u{feff} \n\u{feff}<doc id=\"1\">";
        let length = extract.find("<doc ").unwrap() + 5;
        for end in 0..extract.len() {
            let told = detect(&extract.as_bytes()[..end], false);
            assert_eq!(told, (end >= length).then_some(Format::Extracted), "{end}");
        }
        assert_eq!(
            detect("\u{feff}<mediawiki".as_bytes(), false),
            Some(Format::Export)
        );
        for other in ["", " \n", "<html>", "<doc", "a <doc id=\"1\">"] {
            assert_eq!(detect(other.as_bytes(), true), Some(Format::Unknown), "{other:?}");
        }
    }
}
