//! One table while it is read, and its rows as blocks when it ends: rows of data as rows of
//! cells, tables that only lay out paragraphs and bullets as what they show.

use documents::{BlockKind, CELL_SEPARATOR, has_word};

use super::lines::{Looks, is_item_heading, is_marker, kind_of_line};
use crate::page::Page;

/// A lone cell in a table of data that is longer than this is running text.
const LONGEST_ROW_LABEL_BYTES: usize = 300;

#[derive(Debug, Clone, Copy)]
struct Line {
    end: usize,
    looks: Looks,
}

/// A table's text in one buffer, and where its lines, cells and rows end in it.
#[derive(Debug, Default)]
pub(crate) struct Table {
    text: String,
    lines: Vec<Line>,
    /// For each cell, the number of lines up to its end.
    cell_ends: Vec<usize>,
    /// For each row, the number of cells up to its end.
    row_ends: Vec<usize>,
    /// Whether text goes into a cell now.
    pub(crate) in_cell: bool,
}

/// What a table gives its blocks to.
pub(crate) trait BlockSink {
    fn block(&mut self, kind: BlockKind, text: &str, page_break_before: bool);
}

impl BlockSink for Page {
    fn block(&mut self, kind: BlockKind, text: &str, page_break_before: bool) {
        self.push(kind, text, page_break_before);
    }
}

impl Table {
    pub(crate) fn push_line(&mut self, text: &str, looks: Looks) {
        self.text.push_str(text);
        self.lines.push(Line {
            end: self.text.len(),
            looks,
        });
    }

    pub(crate) fn end_cell(&mut self) {
        self.in_cell = false;
        if self.cell_ends.last().copied().unwrap_or(0) < self.lines.len() {
            self.cell_ends.push(self.lines.len());
        }
    }

    pub(crate) fn end_row(&mut self) {
        if self.row_ends.last().copied().unwrap_or(0) < self.cell_ends.len() {
            self.row_ends.push(self.cell_ends.len());
        }
    }

    /// Gives everything so far to `sink` and forgets it; the table goes on.
    pub(crate) fn spill(&mut self, sink: &mut impl BlockSink) {
        let in_cell = self.in_cell;
        self.end_cell();
        self.end_row();
        self.in_cell = in_cell;
        self.emit(sink);
        self.text.clear();
        self.lines.clear();
        self.cell_ends.clear();
        self.row_ends.clear();
    }

    fn emit(&self, sink: &mut impl BlockSink) {
        let is_data = (0..self.row_ends.len()).any(|row| {
            let cells = self.cells(row);
            cells.len() > 2 || cells.len() == 2 && !is_marker(self.first_line(cells.start))
        });
        let mut row_text = String::new();
        for row in 0..self.row_ends.len() {
            let cells = self.cells(row);
            if cells.len() == 1 {
                self.emit_lone_cell(cells.start, is_data, sink);
            } else if cells.len() == 2 && self.is_list_row(cells.start) {
                self.emit_list_row(cells.start, &mut row_text, sink);
            } else if cells.len() == 2
                && self.row_ends.len() <= 2
                && is_item_heading(&self.joined(cells.clone()))
            {
                let break_before = self.breaks_page(cells.clone());
                sink.block(BlockKind::Heading, &self.joined(cells), break_before);
            } else {
                self.write_row(cells.clone(), &mut row_text);
                sink.block(BlockKind::TableRow, &row_text, self.breaks_page(cells));
            }
        }
    }

    fn emit_lone_cell(&self, cell: usize, is_data: bool, sink: &mut impl BlockSink) {
        let lines = self.lines_of(cell);
        let is_label = is_data && lines.len() == 1;
        for line in lines {
            let (text, looks) = (self.line(line), self.lines[line].looks);
            let kind = if is_label && text.len() <= LONGEST_ROW_LABEL_BYTES {
                BlockKind::TableRow
            } else {
                kind_of_line(text, looks)
            };
            if has_word(text) {
                sink.block(kind, text, looks.page_break_before);
            }
        }
    }

    fn is_list_row(&self, cell: usize) -> bool {
        let marker = self.lines_of(cell);
        marker.len() == 1 && is_marker(self.line(marker.start))
            // A number in front of a short cell is a row of data.
            && has_word(self.first_line(cell + 1))
            && self.first_line(cell + 1).contains(' ')
    }

    fn emit_list_row(&self, cell: usize, buffer: &mut String, sink: &mut impl BlockSink) {
        let break_before = self.breaks_page(cell..cell + 2);
        let body = self.lines_of(cell + 1);
        buffer.clear();
        buffer.push_str(self.first_line(cell));
        buffer.push(' ');
        buffer.push_str(self.line(body.start));
        sink.block(BlockKind::ListItem, buffer, break_before);
        for line in body.skip(1).filter(|&line| has_word(self.line(line))) {
            let looks = self.lines[line].looks;
            sink.block(
                kind_of_line(self.line(line), looks),
                self.line(line),
                looks.page_break_before,
            );
        }
    }

    /// The row's cells with the separator between, currency signs joined to the number after
    /// them, closing brackets and per cent signs to the number before.
    fn write_row(&self, cells: std::ops::Range<usize>, row: &mut String) {
        row.clear();
        let mut joins_next = true;
        for cell in cells {
            let start = row.len();
            for line in self.lines_of(cell) {
                if row.len() > start {
                    row.push(' ');
                }
                row.push_str(self.line(line));
            }
            let text = row[start..].to_owned();
            let separator = match &text[..] {
                _ if start == 0 => "",
                _ if joins_next => " ",
                text if is_closing(text) => "",
                _ => CELL_SEPARATOR,
            };
            row.truncate(start);
            row.push_str(separator);
            push_tight(row, &text);
            joins_next = is_opening(&text);
        }
    }

    fn joined(&self, cells: std::ops::Range<usize>) -> String {
        let lines: Vec<&str> = cells
            .flat_map(|cell| self.lines_of(cell))
            .map(|line| self.line(line))
            .collect();
        lines.join(" ")
    }

    fn breaks_page(&self, mut cells: std::ops::Range<usize>) -> bool {
        cells.any(|cell| {
            self.lines_of(cell)
                .any(|line| self.lines[line].looks.page_break_before)
        })
    }

    fn cells(&self, row: usize) -> std::ops::Range<usize> {
        start(&self.row_ends, row)..self.row_ends[row]
    }

    fn lines_of(&self, cell: usize) -> std::ops::Range<usize> {
        start(&self.cell_ends, cell)..self.cell_ends[cell]
    }

    fn first_line(&self, cell: usize) -> &str {
        self.line(self.lines_of(cell).start)
    }

    fn line(&self, line: usize) -> &str {
        let start = line.checked_sub(1).map_or(0, |before| self.lines[before].end);
        &self.text[start..self.lines[line].end]
    }
}

fn start(ends: &[usize], index: usize) -> usize {
    index.checked_sub(1).map_or(0, |before| ends[before])
}

/// Whether a cell belongs to the number in the next cell.
fn is_opening(text: &str) -> bool {
    matches!(
        text,
        "$" | "\u{20ac}" | "\u{a3}" | "\u{a5}" | "(" | "$(" | "$ (" | "US$" | "C$" | "\u{20ac}(" | "\u{a3}("
    )
}

/// Whether a cell belongs to the number in the cell before.
fn is_closing(text: &str) -> bool {
    matches!(text, ")" | "%" | ")%" | ") %" | "%)" | "% )")
}

/// Appends a cell with the spaces inside brackets taken out: `( 1,234 )` as `(1,234)`.
fn push_tight(row: &mut String, text: &str) {
    if !text.contains(' ') && !row.ends_with("( ") {
        row.push_str(text);
        return;
    }
    for (index, character) in text.char_indices() {
        let (before, after) = (&text[..index], &text[index + character.len_utf8()..]);
        let is_inner_space = character == ' '
            && (before.ends_with('(')
                || after.starts_with([')', '%'])
                    && before.ends_with(|c: char| c.is_ascii_digit() || c == ')'));
        if !is_inner_space {
            // A bracket that ended the cell before: "$ (" and "1".
            if row.ends_with("( ") {
                row.pop();
            }
            row.push(character);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Blocks(Vec<(BlockKind, String)>);

    impl BlockSink for Blocks {
        fn block(&mut self, kind: BlockKind, text: &str, _: bool) {
            self.0.push((kind, text.to_owned()));
        }
    }

    fn blocks_of(rows: &[&[&str]]) -> Vec<(BlockKind, String)> {
        let mut table = Table::default();
        for row in rows {
            for cell in *row {
                for line in cell.split('/').filter(|line| !line.is_empty()) {
                    table.push_line(line, Looks::default());
                }
                table.end_cell();
            }
            table.end_row();
        }
        let mut blocks = Blocks::default();
        table.spill(&mut blocks);
        blocks.0
    }

    fn row(cells: &[&str]) -> String {
        blocks_of(&[cells]).remove(0).1
    }

    #[test]
    fn units_and_brackets_are_joined_to_their_number() {
        assert_eq!(
            row(&["Sales", "$", "1,234", "", "$", "(56", ")"]),
            "Sales | $ 1,234 | $ (56)"
        );
        assert_eq!(row(&["Tax", "21.0", "%", "(3", ")%"]), "Tax | 21.0% | (3)%");
        assert_eq!(row(&["Loss", "$ (", "1,234", ")"]), "Loss | $ (1,234)");
        assert_eq!(row(&["Loss", "$ (1,234 )", "12 %"]), "Loss | $ (1,234) | 12%");
    }

    #[test]
    fn tables_that_lay_out_bullets_and_paragraphs_give_list_items_and_paragraphs() {
        use BlockKind::{Heading, ListItem, Paragraph, TableRow};
        let kinds = |rows| {
            blocks_of(rows)
                .into_iter()
                .map(|block| block.0)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            kinds(&[&["", "\u{2022}", "pine and oak"], &["\u{2022}", "ash trees"]]),
            [ListItem, ListItem]
        );
        assert_eq!(
            blocks_of(&[&["(1)", "pine and oak/and more"]])[0].1,
            "(1) pine and oak"
        );
        assert_eq!(kinds(&[&["a first line/a second"]]), [Paragraph, Paragraph]);
        assert_eq!(kinds(&[&["ASSETS"], &["Cash", "1"]]), [TableRow, TableRow]);
        assert_eq!(
            blocks_of(&[&["Item 1.", "Business"]]),
            [(Heading, "Item 1. Business".to_owned())]
        );
    }

    #[test]
    fn a_table_without_words_gives_nothing() {
        assert!(blocks_of(&[&[], &["", ""], &["\u{2014}"]]).is_empty());
    }
}
