//! Filings of the 1990s: text set on a typewriter's grid, with `<PAGE>` between pages and
//! `<TABLE>`, `<S>`, `<C>` around tables. Paragraphs are reflowed, tables become rows of cells.
//! Every word is kept, in order.

use documents::{has_word, one_line};

use super::html::lines::{Looks, is_item_heading, kind_of_line, starts_with_marker};
use super::html::table::Table;
use super::page::Page;

/// This many spaces in a row part two columns in running text; two may follow a full stop.
const COLUMN_GAP: usize = 3;
/// The grid that these filings were set on.
const PAGE_WIDTH: usize = 80;
/// How far a line's middle may lie from the page's, and how far in it must begin, to be centered.
const CENTER_TOLERANCE: usize = 8;
const SMALLEST_CENTERED_INDENT: usize = 10;
/// A line of its own that is longer than this is a paragraph.
const LONGEST_HEADING_BYTES: usize = 100;
/// A line of its own that begins with a capital and ends without a stop, up to this length.
const LONGEST_SENTENCE_CASE_HEADING_BYTES: usize = 60;
/// Dots that lead the eye to the next column, at least this many.
const DOT_LEADER: &str = "....";
/// A longer word in angle brackets is no tag.
const LONGEST_TAG_BYTES: usize = 24;

/// The blocks of a plain-text document.
pub(crate) fn read_plain_text(text: &str) -> Page {
    let mut page = Page::default();
    read_into(&htmlize::unescape(text), &mut page);
    page
}

/// Appends the blocks of text whose entities are decoded already.
pub(crate) fn read_into(text: &str, page: &mut Page) {
    let mut reader = Reader {
        page,
        group: Vec::new(),
        table: None,
        page_break_pending: false,
    };
    for line in text.split('\n') {
        // A carriage return ends a line too, but not a second one before a line feed.
        let line = line.strip_suffix('\r').unwrap_or(line);
        line.split('\r').for_each(|line| reader.line(line));
    }
    reader.end_table();
    reader.end_group();
}

struct Reader<'p> {
    page: &'p mut Page,
    /// Lines of text since the last blank one.
    group: Vec<GridLine>,
    /// The table between `<TABLE>` and `</TABLE>`.
    table: Option<Table>,
    page_break_pending: bool,
}

/// One line with its tabs set and its tags taken out.
struct GridLine {
    text: String,
    indent: usize,
    has_gap: bool,
}

impl GridLine {
    fn new(text: String) -> Self {
        let indent = text.len() - text.trim_start().len();
        let has_gap = text.trim().split(' ').scan(0, |gap, word| {
            *gap = if word.is_empty() { *gap + 1 } else { 0 };
            Some(*gap + 1 >= COLUMN_GAP)
        });
        let has_gap = has_gap.into_iter().any(|is_wide| is_wide);
        Self {
            text,
            indent,
            has_gap,
        }
    }

    fn trimmed(&self) -> &str {
        self.text.trim()
    }

    fn is_centered(&self) -> bool {
        let end = self.indent + self.trimmed().chars().count();
        self.indent >= SMALLEST_CENTERED_INDENT
            && !self.trimmed().starts_with(|c: char| c.is_lowercase())
            && (self.indent + end).abs_diff(PAGE_WIDTH) <= 2 * CENTER_TOLERANCE
    }
}

impl Reader<'_> {
    fn line(&mut self, line: &str) {
        let mut rest = line;
        let mut text = String::new();
        while let Some((before, tag, after)) = split_at_tag(rest) {
            text.push_str(before);
            match tag {
                "PAGE" => {
                    self.text_line(&std::mem::take(&mut text));
                    self.page_break();
                }
                "TABLE" => {
                    self.text_line(&std::mem::take(&mut text));
                    self.end_group();
                    self.end_table();
                    self.table = Some(Table::default());
                }
                "/TABLE" => {
                    self.text_line(&std::mem::take(&mut text));
                    self.end_table();
                }
                // Column marks keep their width so that what follows stays in its column.
                _ => text.extend(std::iter::repeat_n(' ', tag.len() + 2)),
            }
            rest = after;
        }
        for (index, part) in rest.split('\x0c').enumerate() {
            if index > 0 {
                self.text_line(&std::mem::take(&mut text));
                self.page_break();
            }
            text.push_str(part);
        }
        self.text_line(&text);
    }

    fn page_break(&mut self) {
        self.end_group();
        if let Some(table) = &mut self.table {
            table.spill(self.page);
        }
        self.page_break_pending = true;
    }

    fn text_line(&mut self, line: &str) {
        if !has_word(line) {
            self.end_group();
        } else if self.page_break_pending {
            // The first line of a page stands alone: most often it is a page number or a header.
            self.page_break_pending = false;
            self.page.mark_page_break();
            self.grid_line(line);
            if line.trim().len() < LONGEST_HEADING_BYTES
                && !line.trim_end().ends_with(|c: char| c.is_ascii_lowercase())
            {
                self.end_group();
            }
        } else {
            self.grid_line(line);
        }
    }

    fn grid_line(&mut self, line: &str) {
        let line = set_tabs(line);
        match &mut self.table {
            Some(table) => push_row(table, &line),
            None => self.group.push(GridLine::new(line)),
        }
    }

    fn end_table(&mut self) {
        if let Some(mut table) = self.table.take() {
            table.spill(self.page);
        }
    }

    /// Decides what the lines since the last blank one are, and writes them out.
    fn end_group(&mut self) {
        let group = std::mem::take(&mut self.group);
        let is_list = group
            .first()
            .is_some_and(|line| starts_with_marker(line.trimmed()));
        let with_gap = group.iter().filter(|line| line.has_gap).count();
        if group.len() == 1 {
            self.single_line(&group[0]);
        } else if with_gap * 2 > group.len() && !is_list {
            let mut table = Table::default();
            for line in &group {
                push_row(&mut table, &line.text);
            }
            table.spill(self.page);
        } else {
            self.paragraphs(&group);
        }
    }

    fn single_line(&mut self, line: &GridLine) {
        let text = one_line(&line.text);
        if line.has_gap && !is_item_heading(&text) && !starts_with_marker(&text) {
            let mut table = Table::default();
            push_row(&mut table, &line.text);
            table.spill(self.page);
            return;
        }
        let looks = Looks {
            centered: line.is_centered(),
            bold: looks_like_heading(&text),
            ..Looks::default()
        };
        self.page.push(kind_of_line(&text, looks), &text, false);
    }

    fn paragraphs(&mut self, group: &[GridLine]) {
        let mut start = 0;
        for index in 1..=group.len() {
            if index == group.len() || begins_paragraph(&group[index - 1], &group[index]) {
                self.paragraph(&group[start..index]);
                start = index;
            }
        }
    }

    fn paragraph(&mut self, lines: &[GridLine]) {
        let Some(first) = lines.first() else {
            return;
        };
        let text = join_lines(lines);
        let looks = Looks {
            centered: lines.len() == 1 && first.is_centered(),
            bold: lines.len() == 1 && is_upper_case(&text),
            ..Looks::default()
        };
        self.page.push(kind_of_line(&text, looks), &text, false);
    }
}

/// Whether a line starts a paragraph although no blank line stands before it.
fn begins_paragraph(before: &GridLine, line: &GridLine) -> bool {
    let text = line.trimmed();
    if before.is_centered() || line.is_centered() {
        // Lines of a long centered sentence belong together.
        return !(before.is_centered()
            && line.is_centered()
            && line.trimmed().starts_with(|c: char| c.is_lowercase()));
    }
    if is_item_heading(text) || starts_with_marker(text) {
        return true;
    }
    let before_text = before.trimmed();
    let before_ends = before_text.ends_with(['.', ':', ';']) || before_text.len() < PAGE_WIDTH / 2;
    line.indent >= before.indent + 2 && before_ends && !starts_with_marker(before_text)
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

/// One line of a table: cells stand two or more spaces apart, or have a leader of dots between.
fn push_row(table: &mut Table, line: &str) {
    let columns = line.split("  ").flat_map(|column| column.split(DOT_LEADER));
    let cells = columns
        .enumerate()
        .map(|(index, cell)| one_line(if index > 0 { without_leader(cell) } else { cell }));
    for cell in cells.filter(|cell| !cell.is_empty()) {
        table.push_line(&cell, Looks::default());
        table.end_cell();
    }
    table.end_row();
}

/// The rest of a leader whose length is no multiple of four; `.5` stays.
fn without_leader(cell: &str) -> &str {
    let rest = cell.trim_start_matches('.');
    if cell.len() - rest.len() == 1 && rest.starts_with(|c: char| c.is_ascii_digit()) {
        cell
    } else {
        rest
    }
}

/// Tabs as spaces up to the next multiple of eight.
fn set_tabs(line: &str) -> String {
    let mut set = String::with_capacity(line.len());
    let mut column = 0;
    for character in line.chars() {
        let width = if character == '\t' { 8 - column % 8 } else { 1 };
        if character == '\t' {
            set.extend(std::iter::repeat_n(' ', width));
        } else {
            set.push(character);
        }
        column += width;
    }
    set
}

/// The text before the first SGML tag, the tag's name and the text after it.
fn split_at_tag(line: &str) -> Option<(&str, &str, &str)> {
    let mut from = 0;
    while let Some(open) = line[from..].find('<').map(|at| from + at) {
        let rest = &line[open + 1..];
        let length = rest.bytes().take(LONGEST_TAG_BYTES).position(|byte| byte == b'>');
        if let Some(name) = length
            .map(|length| &rest[..length])
            .filter(|name| is_tag_name(name))
        {
            return Some((&line[..open], name, &rest[name.len() + 1..]));
        }
        from = open + 1;
    }
    None
}

fn is_tag_name(name: &str) -> bool {
    let name = name.strip_prefix('/').unwrap_or(name);
    name.starts_with(|c: char| c.is_ascii_uppercase())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use documents::BlockKind::{self, Heading, ListItem, Paragraph, TableRow};

    fn blocks(text: &str) -> Vec<(BlockKind, String)> {
        read_plain_text(text)
            .blocks
            .into_iter()
            .map(|block| (block.kind, block.text))
            .collect()
    }

    fn block(kind: BlockKind, text: &str) -> (BlockKind, String) {
        (kind, text.to_owned())
    }

    #[test]
    fn paragraphs_are_reflowed_and_a_hyphen_at_a_line_end_is_kept() {
        let text = "     The mill bought timber on an as-\nneeded basis from three long-\r\nterm suppliers.\n\nIt paid -\nin cash.";
        assert_eq!(
            blocks(text),
            [
                block(
                    Paragraph,
                    "The mill bought timber on an as-needed basis from three long-term suppliers."
                ),
                block(Paragraph, "It paid - in cash."),
            ]
        );
    }

    #[test]
    fn carriage_returns_alone_end_lines() {
        assert_eq!(
            blocks("ONE THING\r\rThe other\rthing."),
            [block(Heading, "ONE THING"), block(Paragraph, "The other thing.")]
        );
    }

    #[test]
    fn tables_become_rows_of_cells() {
        let text = "<TABLE>\n<CAPTION>\n                  1997      1996\n<S>               <C>       <C>\nNet sales        $  1,234  $(  56)\n  Less: returns       12%     --\n</TABLE>\nText after.";
        assert_eq!(
            blocks(text),
            [
                block(TableRow, "1997 | 1996"),
                block(TableRow, "Net sales | $ 1,234 | $(56)"),
                block(TableRow, "Less: returns | 12% | --"),
                block(Paragraph, "Text after."),
            ]
        );
    }

    #[test]
    fn leaders_of_dots_part_cells() {
        let text = "<TABLE>\nTrucks.......................  5.7   .6\nAll........ 100.0%\n</TABLE>";
        assert_eq!(
            blocks(text),
            [
                block(TableRow, "Trucks | 5.7 | .6"),
                block(TableRow, "All | 100.0%")
            ]
        );
    }

    #[test]
    fn columns_without_table_tags_are_rows_too() {
        let text = "Class                Outstanding\nCommon stock         1,000,000";
        assert_eq!(
            blocks(text),
            [
                block(TableRow, "Class | Outstanding"),
                block(TableRow, "Common stock | 1,000,000")
            ]
        );
    }

    #[test]
    fn centered_lines_capitals_and_items_are_headings_and_bullets_list_items() {
        let text = "                         ALDER MILLS, INC.\n                     NOTES TO THE STATEMENTS\n\nITEM 2.  PROPERTIES\n\nGross Margin\n\n  - pine from\n    the north\n  - oak";
        assert_eq!(
            blocks(text),
            [
                block(Heading, "ALDER MILLS, INC."),
                block(Heading, "NOTES TO THE STATEMENTS"),
                block(Heading, "ITEM 2. PROPERTIES"),
                block(Heading, "Gross Margin"),
                block(ListItem, "- pine from the north"),
                block(ListItem, "- oak"),
            ]
        );
    }

    #[test]
    fn pages_are_marked_where_they_end() {
        let page = read_plain_text("One.\n\n   3\n<PAGE>   4\n\nTwo.\n\x0cThree.\n<PAGE>");
        assert_eq!(page.breaks, [2, 4]);
        assert_eq!(page.blocks[2].text, "4");
    }

    #[test]
    fn angle_brackets_that_are_no_tags_are_text() {
        assert_eq!(
            blocks("if a <b and c> d or x<5 &lt; y"),
            [block(Paragraph, "if a <b and c> d or x<5 < y")]
        );
    }
}
