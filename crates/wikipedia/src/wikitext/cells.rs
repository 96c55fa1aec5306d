//! Cells of a line of a table, and the attributes that may stand before their text.

use super::work::looks_at;

/// A cell that reaches over more rows than this is taken for a mistake.
const MAX_SPANNED_ROWS: usize = 1_000;

/// Attributes of cells, rows and tables; at the start of a cell they are no text.
const ATTRIBUTES: [&str; 24] = [
    "abbr",
    "align",
    "axis",
    "bgcolor",
    "border",
    "bordercolor",
    "cellpadding",
    "cellspacing",
    "class",
    "colspan",
    "data-sort-type",
    "data-sort-value",
    "dir",
    "headers",
    "height",
    "id",
    "lang",
    "nowrap",
    "rowspan",
    "scope",
    "style",
    "summary",
    "valign",
    "width",
];

/// A cell of a row.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Cell {
    pub(super) text: String,
    /// How many columns it reaches over.
    pub(super) columns: usize,
    /// How many rows it reaches over.
    pub(super) rows: usize,
}

/// The cells of a line, parted by any of `marks`; at least one.
pub(super) fn cells_of(line: &str, marks: &[&str]) -> Vec<Cell> {
    let mut cells = Vec::new();
    let mut rest = line;
    loop {
        let bytes = rest.as_bytes();
        let is_mark = |at: &usize| marks.iter().any(|mark| bytes[*at..].starts_with(mark.as_bytes()));
        let next = memchr::memchr2_iter(b'|', b'!', bytes).find(is_mark);
        looks_at(next.unwrap_or(rest.len()) + 2);
        cells.push(cell_of(next.map_or(rest, |at| &rest[..at])));
        let Some(at) = next else { return cells };
        rest = &rest[at + 2..];
    }
}

/// A cell may begin with attributes and one `|`; without the `|` they are a mistake, and no text.
fn cell_of(written: &str) -> Cell {
    let (attributes, text) = written.split_once('|').unwrap_or_else(|| {
        let text = behind_attributes(written);
        (&written[..written.len() - text.len()], text)
    });
    let span = |name: &str, most: usize| number_of(attributes, name).unwrap_or(1).clamp(1, most);
    Cell {
        columns: span("colspan", MAX_SPANNED_ROWS),
        rows: span("rowspan", MAX_SPANNED_ROWS),
        text: text.to_owned(),
    }
}

/// Whether the line is nothing but attributes.
pub(super) fn are_attributes(line: &str) -> bool {
    !line.trim().is_empty() && behind_attributes(line).trim().is_empty()
}

/// The text behind attributes that begin it.
fn behind_attributes(text: &str) -> &str {
    let mut rest = text;
    while let Some(behind) = behind_attribute(rest.trim_start()) {
        rest = behind;
    }
    rest
}

fn behind_attribute(text: &str) -> Option<&str> {
    let length = text
        .bytes()
        .take(20)
        .take_while(|byte| byte.is_ascii_alphabetic() || *byte == b'-')
        .count();
    let is_known = ATTRIBUTES
        .iter()
        .any(|name| name.eq_ignore_ascii_case(&text[..length]));
    let value = text[length..].trim_start().strip_prefix('=')?.trim_start();
    if !is_known {
        return None;
    }
    let quote = value.chars().next().filter(|letter| matches!(letter, '"' | '\''));
    let end = match quote {
        // `''` begins italics, which no value has.
        Some('\'') if value.starts_with("''") => return None,
        Some(quote) => value[1..].find(quote)? + 2,
        None => value.find(char::is_whitespace).unwrap_or(value.len()),
    };
    looks_at(end);
    (end > 0).then(|| &value[end..])
}

/// The number that an attribute has: `colspan="2"`.
fn number_of(attributes: &str, name: &str) -> Option<usize> {
    looks_at(attributes.len());
    let at = attributes.to_ascii_lowercase().find(name)?;
    let value = attributes[at + name.len()..].trim_start().strip_prefix('=')?;
    let value = value.trim_start().trim_start_matches(['"', '\'']).trim_start();
    let length = value.bytes().take(5).take_while(u8::is_ascii_digit).count();
    value[..length].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(line: &str) -> Vec<String> {
        let cells = cells_of(line, &["||"]);
        cells
            .into_iter()
            .map(|cell| cell.text.trim().to_owned())
            .collect()
    }

    #[test]
    fn attributes_are_no_text_whether_a_pipe_ends_them_or_not() {
        for (line, expected) in [
            ("align=center|5||7", vec!["5", "7"]),
            ("align=center||5", vec!["", "5"]),
            (" style=\"color: red\" A || B", vec!["A", "B"]),
            (" style=\"a\" bgcolor = #fff | A", vec!["A"]),
            ("x = 5", vec!["x = 5"]),
            ("class ''a''", vec!["class ''a''"]),
            ("style=\"a", vec!["style=\"a"]),
        ] {
            assert_eq!(texts(line), expected, "{line}");
        }
    }

    #[test]
    fn cells_know_how_far_they_reach() {
        let cells = cells_of("colspan=\"2\" ROWSPAN = '3' | A || B", &["||"]);
        assert_eq!((cells[0].columns, cells[0].rows), (2, 3));
        assert_eq!((cells[1].columns, cells[1].rows), (1, 1));
    }
}
