//! The tags around a full submission as EDGAR sends it. One that does not end with the tag that
//! its first tag asks for was cut on its way.

/// First tag and last tag. The privacy frame of the 1990s goes around the others, so the first that
/// a text begins with counts.
pub const SUBMISSION_FRAMES: [(&str, &str); 4] = [
    (
        "-----BEGIN PRIVACY-ENHANCED MESSAGE-----",
        "-----END PRIVACY-ENHANCED MESSAGE-----",
    ),
    ("<SEC-DOCUMENT>", "</SEC-DOCUMENT>"),
    ("<IMS-DOCUMENT>", "</IMS-DOCUMENT>"),
    ("<SUBMISSION>", "</SUBMISSION>"),
];

/// The first tag of a submission and the one that it has to end with; `None` for a text that begins
/// as none. White space and a byte-order mark may stand before.
pub fn submission_frame(text: &[u8]) -> Option<(&'static str, &'static str)> {
    let text = text
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(text)
        .trim_ascii_start();
    SUBMISSION_FRAMES
        .into_iter()
        .find(|(first, _)| text.starts_with(first.as_bytes()))
}

/// Whether a text ends with this tag, white space behind it or not.
pub fn ends_with_tag(text: &[u8], last: &str) -> bool {
    text.trim_ascii_end().ends_with(last.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_submission_is_known_by_its_first_tag_and_whole_by_its_last() {
        for (first, last) in SUBMISSION_FRAMES {
            let text = format!("\u{feff}\r\n{first}\noak\n{last}\n\n");
            assert_eq!(submission_frame(text.as_bytes()), Some((first, last)));
            assert!(ends_with_tag(text.as_bytes(), last));
            let cut = &text[..text.trim_end().len() - 1];
            assert!(!ends_with_tag(cut.as_bytes(), last));
        }
        assert_eq!(submission_frame(b"<html>"), None);
        assert_eq!(submission_frame(b""), None);
    }
}
