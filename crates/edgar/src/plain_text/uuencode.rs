//! Files in text clothes in the middle of a document: what stands from `begin 644 chart.gif` to
//! `end` is a picture or a program, not text.

use std::ops::Range;

use memchr::memmem;

/// What a line begins with that announces encoded data.
const BEGIN: &str = "begin ";
/// A line of data may have this many letters more than its length asks for: a checksum.
const MOST_EXTRA_LETTERS: usize = 2;

/// Where encoded data stands in a text: whole lines, ascending, apart from each other.
pub(super) fn encoded_ranges(text: &str) -> Vec<Range<usize>> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for start in memmem::find_iter(text.as_bytes(), BEGIN) {
        let begins_line = start == 0 || matches!(text.as_bytes()[start - 1], b'\n' | b'\r');
        let is_behind = ranges.last().is_none_or(|range| range.end <= start);
        if begins_line
            && is_behind
            && let Some(end) = end_of_data(text, start)
        {
            ranges.push(start..end);
        }
    }
    ranges
}

/// The end of the data that the line at `start` announces; `None` when none follows it.
///
/// Where the closing `end` is missing, the data ends with the last line that is as long as it says:
/// what follows may be text. No such walk passes a line that begins another, so all walks together
/// read the text once.
fn end_of_data(text: &str, start: usize) -> Option<usize> {
    let (first, mut at) = line_at(text, start);
    if !is_begin(first) {
        return None;
    }
    let mut certain_end = None;
    while at < text.len() {
        let (line, next) = line_at(text, at);
        match data_line(line) {
            _ if line == "end" && certain_end.is_some() => return Some(next),
            Some(true) => certain_end = Some(next),
            Some(false) if certain_end.is_some() => {}
            _ => break,
        }
        at = next;
    }
    certain_end
}

/// The line at a place, without its end, and where the next one begins.
fn line_at(text: &str, at: usize) -> (&str, usize) {
    let rest = &text[at..];
    let length = memchr::memchr2(b'\n', b'\r', rest.as_bytes()).unwrap_or(rest.len());
    let mut next = at + length;
    let ends = &rest.as_bytes()[length..];
    next += if ends.starts_with(b"\r\n") {
        2
    } else {
        ends.len().min(1)
    };
    (&rest[..length], next)
}

/// `begin 644 chart.gif`: the rights in octal digits, then a name.
fn is_begin(line: &str) -> bool {
    let Some((rights, name)) = line.strip_prefix(BEGIN).and_then(|rest| rest.split_once(' ')) else {
        return false;
    };
    (3..=4).contains(&rights.len())
        && rights.bytes().all(|byte| (b'0'..=b'7').contains(&byte))
        && !name.trim().is_empty()
}

/// Whether a line has the letters of encoded data, and if so whether it is as long as it says: blanks
/// at a line's end are lost on the way.
fn data_line(line: &str) -> Option<bool> {
    let Some(&length_letter) = line.as_bytes().first() else {
        return Some(false);
    };
    if !line.bytes().all(|byte| (b' '..=b'`').contains(&byte)) {
        return None;
    }
    let num_bytes = usize::from((length_letter - b' ') % 64);
    let expected = num_bytes.div_ceil(3) * 4;
    let letters = line.len() - 1;
    (letters <= expected + MOST_EXTRA_LETTERS).then_some(num_bytes > 0 && letters >= expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn without_data(text: &str) -> String {
        let mut kept = text.to_owned();
        for range in encoded_ranges(text).into_iter().rev() {
            kept.replace_range(range, "");
        }
        kept
    }

    fn data_of(length: usize) -> String {
        let letter = char::from(b' ' + u8::try_from(length).unwrap());
        format!("{letter}{}", "A".repeat(length.div_ceil(3) * 4))
    }

    #[test]
    fn data_goes_from_begin_to_end_with_every_line_end() {
        for end in ["\n", "\r\n", "\r"] {
            let lines = [
                "Oak.",
                "begin 644 a b.gif",
                &data_of(45),
                &data_of(7),
                "`",
                "end",
                "Pine.",
            ];
            assert_eq!(
                without_data(&lines.join(end)),
                ["Oak.", "Pine."].join(end),
                "{end:?}"
            );
        }
    }

    #[test]
    fn blanks_lost_at_a_line_s_end_and_blank_lines_are_data_where_the_end_is_marked() {
        let text = format!(
            "begin 644 a.gif\n{}\nMAA\n\n{}\nend\nPine.",
            data_of(45),
            data_of(45)
        );
        assert_eq!(without_data(&text), "Pine.");
    }

    #[test]
    fn without_an_end_the_data_stops_at_the_first_line_that_is_none() {
        let text = format!(
            "begin 644 a.gif\n{}\nITEM 2. PROPERTIES\nWe own a mill.",
            data_of(45)
        );
        assert_eq!(without_data(&text), "ITEM 2. PROPERTIES\nWe own a mill.");
    }

    #[test]
    fn sentences_that_begin_with_begin_are_text() {
        for text in [
            "begin 644 acres of oak\nin the north",
            "begin with oak\nend",
            "begin 999 a.gif\nMAA",
            "We begin 644 a.gif\n#86%A\nend",
            "begin 644 a.gif",
            "begin 644 a.gif\nend",
        ] {
            assert_eq!(without_data(text), text);
        }
    }

    #[test]
    fn two_files_in_a_row_both_go() {
        let file = format!("begin 644 a.gif\n{}\n`\nend\n", data_of(45));
        assert_eq!(without_data(&format!("{file}Oak.\n{file}{file}")), "Oak.\n");
    }
}
