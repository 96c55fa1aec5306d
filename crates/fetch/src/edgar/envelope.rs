//! Whether a body is a whole full submission: it opens as one, names the filing that was asked
//! for, and ends where it must. Looks at both ends only, so that a filing of any size streams by.

use documents::{ends_with_tag, submission_frame};

use crate::web::{Fault, short_line};

/// What is kept of both ends: the header of a submission, and white space after its last tag.
const END_BYTES: usize = 8 << 10;

/// Both ends of a body that passes by.
#[derive(Debug, Default)]
pub(crate) struct Envelope {
    head: Vec<u8>,
    tail: Vec<u8>,
}

impl Envelope {
    pub(crate) fn push(&mut self, chunk: &[u8]) {
        let room = END_BYTES - self.head.len();
        self.head.extend_from_slice(&chunk[..chunk.len().min(room)]);
        let last = &chunk[chunk.len().saturating_sub(END_BYTES)..];
        let surplus = (self.tail.len() + last.len()).saturating_sub(END_BYTES);
        self.tail.drain(..surplus);
        self.tail.extend_from_slice(last);
    }

    /// Judges the body once it has passed.
    ///
    /// # Errors
    /// [`Fault::Unsound`] says what it is instead; [`Fault::Throttled`] for the archive's complaint.
    pub(crate) fn check(&self, accession: &str) -> Result<(), Fault> {
        let head = String::from_utf8_lossy(&self.head);
        let opening = head.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']);
        if opening.is_empty() {
            return Err(Fault::unsound("empty"));
        }
        if is_page(opening) {
            return Err(Fault::of_page(&head).unwrap_or_else(|| Fault::unsound(page_kind(opening))));
        }
        let Some((_, last)) = submission_frame(opening.as_bytes()) else {
            return Err(Fault::unsound(
                "no full submission: it opens with none of the tags of one",
            ));
        };
        if !ends_with_tag(&self.tail, last) {
            return Err(Fault::unsound(format!("cut: it does not end with {last}")));
        }
        match stated_accession(&head) {
            Some(stated) if stated != accession => Err(Fault::unsound(format!(
                "the filing {stated}, which is another one"
            ))),
            _ => Ok(()),
        }
    }
}

fn is_page(opening: &str) -> bool {
    let start: String = opening.chars().take(16).collect::<String>().to_ascii_lowercase();
    ["<!doctype", "<html", "<?xml", "<error", "{"]
        .iter()
        .any(|page| start.starts_with(page))
}

fn page_kind(opening: &str) -> String {
    let title = opening
        .split_once("<title>")
        .and_then(|(_, rest)| Some(rest.split_once("</title>")?.0.trim()));
    match title {
        Some(title) => format!("a page ({}), no full submission", short_line(title)),
        None => "a page, no full submission".to_owned(),
    }
}

/// What the header says, where it says it within reach.
fn stated_accession(head: &str) -> Option<&str> {
    let after = ["ACCESSION NUMBER:", "<ACCESSION-NUMBER>"]
        .iter()
        .find_map(|label| Some(head.split_once(label)?.1))?;
    let stated = after.trim_start().get(..20)?;
    super::index::is_accession(stated).then_some(stated)
}

#[cfg(test)]
mod tests {
    use documents::SUBMISSION_FRAMES;

    use super::*;

    const ACCESSION: &str = "0000000001-15-000001";

    fn check(text: &str, chunk_bytes: usize) -> Result<(), String> {
        let mut envelope = Envelope::default();
        text.as_bytes()
            .chunks(chunk_bytes)
            .for_each(|chunk| envelope.push(chunk));
        envelope.check(ACCESSION).map_err(|fault| fault.to_string())
    }

    fn submission(start: &str, length: usize, end: &str) -> String {
        format!(
            "{start}\nACCESSION NUMBER:\t\t{ACCESSION}\n{}\n{end}",
            "oak and ash ".repeat(length)
        )
    }

    #[test]
    fn every_frame_is_known_in_any_chunks_and_with_white_space_behind() {
        for (start, end) in SUBMISSION_FRAMES {
            for length in [0, 10_000] {
                for chunk_bytes in [7, 8192, 1 << 20] {
                    for behind in ["", "\n", "\r\n\r\n  "] {
                        let text = submission(start, length, end) + behind;
                        assert_eq!(
                            check(&text, chunk_bytes),
                            Ok(()),
                            "{start} {length} {chunk_bytes}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn a_submission_cut_anywhere_is_refused() {
        let text = submission("<SEC-DOCUMENT>", 50, "</SEC-DOCUMENT>");
        for length in 0..text.len() {
            assert!(check(&text[..length], 64).is_err(), "cut after {length} bytes");
        }
    }

    #[test]
    fn another_filing_and_what_is_no_filing_are_refused_by_what_they_are() {
        let other = submission("<SEC-DOCUMENT>", 5, "</SEC-DOCUMENT>").replace("15-000001", "15-000002");
        for (text, says) in [
            (other.as_str(), "0000000001-15-000002, which is another one"),
            (
                "<!DOCTYPE html>\n<title> File Unavailable </title>",
                "a page (File Unavailable)",
            ),
            ("\n<HTML><body>Request Rate Threshold Exceeded", "throttles"),
            (
                "<html>an Undeclared Automated Tool</html>",
                "undeclared automated tool",
            ),
            ("a letter to the editor", "none of the tags"),
            ("  \n", "empty"),
        ] {
            let reason = check(text, 64).unwrap_err();
            assert!(reason.contains(says), "{reason}");
        }
    }
}
