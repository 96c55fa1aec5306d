//! Lines of running text as blocks: paragraphs are reflowed, headings and items of lists told from
//! them.

use documents::one_line;

use super::line::{GridLine, PAGE_WIDTH};
use super::lists;
use crate::html::lines::{Looks, is_item_heading, kind_of_line};
use crate::page::Page;

/// A line of its own that is longer than this is a paragraph.
pub(super) const LONGEST_HEADING_BYTES: usize = 100;
/// A line of its own that begins with a capital and ends without a stop, up to this length.
const LONGEST_SENTENCE_CASE_HEADING_BYTES: usize = 60;

/// Writes a line that stands alone.
pub(super) fn write_single(line: &GridLine, page: &mut Page) {
    let text = one_line(&line.text);
    let is_item = lists::is_item(line.trimmed());
    let looks = Looks {
        centered: line.is_centered() && !is_item,
        bold: looks_like_heading(&text) && !is_item,
        ..looks_of(line)
    };
    page.push(kind_of_line(&text, looks), &text, false);
}

/// Writes lines without a blank one between.
pub(super) fn write(lines: &[GridLine], page: &mut Page) {
    if let [line] = lines {
        return write_single(line, page);
    }
    let mut start = 0;
    for index in 1..=lines.len() {
        if index == lines.len() || begins_paragraph(&lines[start], &lines[index - 1], &lines[index]) {
            write_paragraph(&lines[start..index], page);
            start = index;
        }
    }
}

fn write_paragraph(lines: &[GridLine], page: &mut Page) {
    let (Some(first), Some(last)) = (lines.first(), lines.last()) else {
        return;
    };
    let text = join_lines(lines);
    let looks = Looks {
        centered: lines.len() == 1 && first.is_centered(),
        bold: lines.len() == 1 && is_upper_case(&text),
        emphasized: last.is_underlined(),
        ..looks_of(first)
    };
    page.push(kind_of_line(&text, looks), &text, false);
}

/// What a line's first word and its rule say about it.
fn looks_of(line: &GridLine) -> Looks {
    Looks {
        list_item: lists::has_letter_bullet(line.trimmed()),
        emphasized: line.is_underlined(),
        ..Looks::default()
    }
}

/// Whether a line starts a paragraph although no blank line stands before it; `first` is the first
/// line of the paragraph so far.
fn begins_paragraph(first: &GridLine, before: &GridLine, line: &GridLine) -> bool {
    let text = line.trimmed();
    if is_item_heading(text) {
        return true;
    }
    if lists::is_item(text) {
        return !is_wrapped_before_marker(first, before, line);
    }
    if before.is_underlined() {
        // A heading of several lines may have a rule below each.
        return !line.starts_in_lower_case();
    }
    if let Some(is_of_item) = is_of_item(first, before, line) {
        return !is_of_item;
    }
    if before.is_centered() || line.is_centered() {
        // Lines of a long centered sentence belong together.
        return !(before.is_centered() && line.is_centered() && line.starts_in_lower_case());
    }
    line.indent >= before.indent + 2 && ends_paragraph(before) && !lists::is_item(before.trimmed())
}

/// Whether a sentence goes on with what looks like the number of an item: `(age` and `55) joined`.
fn is_wrapped_before_marker(first: &GridLine, before: &GridLine, line: &GridLine) -> bool {
    let text = line.trimmed();
    let behind = &text[lists::marker_bytes(text)..];
    let is_number = text.starts_with(|c: char| c.is_ascii_digit() || c == '(');
    let marker = lists::marker_bytes(first.trimmed());
    // Items of one list begin below each other.
    let is_below_marker = marker > 0 && line.indent < first.indent + 2;
    is_number
        && behind.starts_with(char::is_lowercase)
        && !ends_paragraph(before)
        && !before.trimmed().ends_with([',', ')'])
        && line.indent.abs_diff(before.indent) <= marker
        && !is_below_marker
}

/// Whether a line goes on with the item of a list that its paragraph is, by where it begins; `None`
/// where that does not say.
fn is_of_item(first: &GridLine, before: &GridLine, line: &GridLine) -> Option<bool> {
    let marker = lists::marker_bytes(first.trimmed());
    if marker == 0 {
        return None;
    }
    let text_column = first.indent + first.trimmed()[..marker].chars().count();
    if line.indent.abs_diff(text_column) <= 1 {
        return Some(true);
    }
    let is_outside = line.indent < first.indent && !line.starts_in_lower_case();
    (is_outside && ends_paragraph(before)).then_some(false)
}

fn ends_paragraph(line: &GridLine) -> bool {
    let text = line.trimmed();
    text.ends_with(['.', ':', ';']) || text.len() < PAGE_WIDTH / 2
}

/// A line of its own in capitals, or short with every long word capitalised, and no full stop.
fn looks_like_heading(text: &str) -> bool {
    if text.len() > LONGEST_HEADING_BYTES || text.ends_with(['.', ',', ';', ':']) || text.starts_with('(') {
        return false;
    }
    let mut words = text.split(' ').filter(|word| word.len() > 3).peekable();
    let is_title = words.peek().is_some() && words.all(|word| word.starts_with(|c: char| c.is_uppercase()));
    let is_short =
        text.len() <= LONGEST_SENTENCE_CASE_HEADING_BYTES && text.starts_with(|c: char| c.is_uppercase());
    is_upper_case(text) || is_title || is_short
}

fn is_upper_case(text: &str) -> bool {
    text.len() <= LONGEST_HEADING_BYTES
        && text.bytes().filter(u8::is_ascii_uppercase).count() >= 3
        && !text.bytes().any(|byte| byte.is_ascii_lowercase())
}

/// Lines as running text: joined by a space, after a hyphen inside a word by nothing.
fn join_lines(lines: &[GridLine]) -> String {
    let mut text = String::new();
    for line in lines {
        let line = one_line(&line.text);
        let mut end = text.chars().rev();
        let after_hyphen = end.next() == Some('-') && end.next().is_some_and(char::is_alphanumeric);
        let goes_on_after_hyphen = after_hyphen && line.starts_with(char::is_alphanumeric);
        if !text.is_empty() && !goes_on_after_hyphen {
            text.push(' ');
        }
        text.push_str(&line);
    }
    text
}
