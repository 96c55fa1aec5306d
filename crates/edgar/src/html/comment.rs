//! Comments of the programs that write filings.

/// How they mark where a page ends.
const PAGE_BREAKS: [&str; 3] = ["pagebreak", "page break", "field: page"];
/// A longer comment is no mark.
const LONGEST_MARK_BYTES: usize = 120;

/// Whether a comment says that a page ends here.
pub(super) fn is_page_break(comment: &[u8]) -> bool {
    if comment.len() > LONGEST_MARK_BYTES {
        return false;
    }
    let lower = comment.to_ascii_lowercase();
    PAGE_BREAKS
        .iter()
        .any(|mark| memchr::memmem::find(&lower, mark.as_bytes()).is_some())
}
