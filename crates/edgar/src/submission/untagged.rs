//! Submissions that somebody stored without their tags. The header is whole, and each document still
//! begins with its type and its sequence number in lines of their own (`10-K`, `1`; `EX-21`, `2`).

use documents::form_type;

const LONGEST_TYPE_BYTES: usize = 20;

/// A document without its tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct UntaggedPart<'t> {
    /// Where its type stands in the submission.
    pub(super) start: usize,
    pub(super) form: &'t str,
    pub(super) sequence: &'t str,
    pub(super) bytes: &'t [u8],
}

/// The documents of a submission of this form without tags, in order.
///
/// None where the first document was a page of HTML: without its tags nobody knows its paragraphs.
pub(super) fn untagged_parts<'t>(bytes: &'t [u8], form: &str) -> Vec<UntaggedPart<'t>> {
    let form = form_type::normalize(form);
    let mut parts: Vec<UntaggedPart<'t>> = Vec::new();
    let mut kind: Option<(usize, &str)> = None;
    let mut end = 0;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let start = end;
        end += line.len();
        let line = line.trim_ascii();
        let line = if line.len() <= LONGEST_TYPE_BYTES {
            line
        } else {
            &[]
        };
        let line = std::str::from_utf8(line).unwrap_or_default();
        let is_number = line.parse() == Ok(parts.len() + 1);
        if let Some((start, form)) = kind.take().filter(|_| is_number) {
            if let Some(before) = parts.last_mut() {
                before.bytes = &before.bytes[..before.bytes.len() - (bytes.len() - start)];
            }
            parts.push(UntaggedPart {
                start,
                form,
                sequence: line,
                bytes: &bytes[end..],
            });
        } else {
            let is_report = parts.is_empty() && form_type::normalize(line) == form;
            kind = Some((start, line)).filter(|_| is_report || is_exhibit(line));
        }
    }
    let is_report = |first: &UntaggedPart<'_>| form_type::normalize(first.form) == form;
    if !parts
        .first()
        .is_some_and(|first| is_report(first) && !is_html_name(first.bytes))
    {
        parts.clear();
    }
    parts
}

fn is_exhibit(line: &str) -> bool {
    line.strip_prefix("EX-").is_some_and(|rest| {
        let is_of_number =
            |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-');
        !rest.is_empty() && rest.bytes().all(is_of_number)
    })
}

/// Whether a document's text begins with the name of a page.
fn is_html_name(text: &[u8]) -> bool {
    let name = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let name = name.trim_ascii().to_ascii_lowercase();
    [&b".htm"[..], b".html"]
        .iter()
        .any(|ending| name.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_begin_with_their_type_and_their_number() {
        let text = "TYPE:\t10-K\n10-K\n1\nFORM 10-K\n\nOak.\n10-K\n2\nPine.\nEX-10.A-8\r\n2\r\nA lease.\nEX-21\n4\nEX-27\n3\nAsh.\n";
        let expected = [
            ("10-K", "1", "FORM 10-K\n\nOak.\n10-K\n2\nPine.\n"),
            ("EX-10.A-8", "2", "A lease.\nEX-21\n4\n"),
            ("EX-27", "3", "Ash.\n"),
        ];
        let parts = untagged_parts(text.as_bytes(), "10-K");
        let found: Vec<_> = parts
            .iter()
            .map(|part| (part.form, part.sequence, std::str::from_utf8(part.bytes).unwrap()))
            .collect();
        assert_eq!(found, expected);
        assert!(parts.iter().all(|part| text[part.start..].starts_with(part.form)));
    }

    #[test]
    fn without_the_type_and_number_of_the_report_there_are_no_documents() {
        for text in [
            "",
            "FORM 10-K\nOak.",
            "10-K\nOak.",
            "10-Q\n1\nOak.",
            "EX-21\n1\nOak.",
            "10-K\n1\na.htm\nOak.",
        ] {
            assert_eq!(untagged_parts(text.as_bytes(), "10-K"), [], "{text}");
        }
    }
}
