//! One table of plain text while it is read, and its rows as blocks when it ends. What stands
//! between `<TABLE>` and `</TABLE>` may be running text, and becomes paragraphs.

#[cfg(test)]
mod tests;

use documents::{BlockKind, join_cells, one_line};

use super::columns::{Columns, MOST_ROWS};
use super::footers::page_number;
use super::line::{GridLine, is_rule};
use super::lists;
use super::paragraphs;
use super::pieces::{Piece, is_figure, pieces, rule_pieces};
use super::running_text::{is_running_text, is_without_columns};
use crate::html::lines::{Looks, is_item_heading, is_marker, kind_of_line};
use crate::page::Page;

/// Lines that are kept before a table is written at the next blank one: each may have a rule below.
const MOST_LINES: usize = MOST_ROWS / 4;
/// A lone cell in a table of data that is longer than this is running text.
const LONGEST_ROW_LABEL_BYTES: usize = 300;
/// A rule among the cells of a row; fewer dashes stand for a figure.
const SHORTEST_RULE: usize = 4;

/// Lines of a table that belong together.
#[derive(Debug)]
enum Section {
    Rows(Vec<GridLine>),
    Text(Vec<GridLine>),
    /// Rules, which show where columns are.
    Rule(String),
    Footer(GridLine),
    PageBreak,
}

/// The lines of a table so far.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// Whether it began with `<TABLE>`, and so ends with `</TABLE>`.
    pub(super) is_marked: bool,
    sections: Vec<Section>,
    /// Lines since the last blank one.
    group: Vec<GridLine>,
    num_rows: usize,
    /// Where `<S>` and `<C>` stand.
    marks: Vec<usize>,
}

impl Table {
    /// A table that begins with `<TABLE>`.
    pub(super) fn marked() -> Self {
        Self {
            is_marked: true,
            ..Self::default()
        }
    }

    pub(super) fn line(&mut self, line: GridLine) {
        self.num_rows += 1;
        self.group.push(line);
    }

    /// A line without words: blank, or rules.
    pub(super) fn line_without_words(&mut self, line: String) {
        if !is_rule(&line) {
            self.end_group();
            return;
        }
        let rule = match self.group.last_mut() {
            Some(last) => last.underline(line),
            None => Some(line),
        };
        if let Some(rule) = rule {
            self.end_group();
            // Of several rules in a row one says it all.
            if !matches!(self.sections.last(), Some(Section::Rule(_))) {
                self.sections.push(Section::Rule(rule));
            }
        }
    }

    pub(super) fn footer(&mut self, line: GridLine) {
        self.end_group();
        self.num_rows += 1;
        self.sections.push(Section::Footer(line));
    }

    pub(super) fn page_break(&mut self) {
        self.end_group();
        self.sections.push(Section::PageBreak);
    }

    /// The places of column marks; those of the first line with marks count.
    pub(super) fn mark_columns(&mut self, marks: Vec<usize>) {
        if self.marks.is_empty() {
            self.marks = marks;
        }
    }

    /// Whether it holds as many rows as columns are looked for in, and no line goes on with the last.
    pub(super) fn is_full(&self) -> bool {
        self.num_rows >= MOST_LINES && (self.group.is_empty() || self.group.len() >= MOST_LINES)
    }

    pub(super) fn end_group(&mut self) {
        let group = std::mem::take(&mut self.group);
        if self.is_marked && is_running_text(&group) {
            self.sections.push(Section::Text(group));
            return;
        }
        let mut lines: Vec<GridLine> = Vec::new();
        let mut is_in_text = false;
        for line in group {
            // A stretched line begins running text, which goes on as long as there are no columns.
            let is_text = line.words.is_stretched() || is_in_text && is_without_columns(&line);
            if is_text != is_in_text {
                self.push_lines(std::mem::take(&mut lines), is_in_text);
            }
            is_in_text = is_text;
            lines.push(line);
        }
        self.push_lines(lines, is_in_text);
    }

    fn push_lines(&mut self, lines: Vec<GridLine>, is_text: bool) {
        if lines.is_empty() {
            return;
        }
        self.sections.push(if is_text {
            Section::Text(lines)
        } else {
            Section::Rows(lines)
        });
    }

    /// Writes everything so far and forgets it; the table goes on.
    pub(super) fn spill(&mut self, page: &mut Page) {
        self.end_group();
        self.num_rows = 0;
        let mut sections = std::mem::take(&mut self.sections);
        headings_of_text(&mut sections);
        let rows: Vec<Row<'_>> = sections.iter().flat_map(rows_of).collect();
        let columns = Columns::find(rows.iter().map(|row| &row.pieces[..]), &self.marks);
        let rows: Vec<Vec<String>> = rows.iter().filter_map(|row| row.cells(&columns)).collect();
        let mut writer = Writer::new(page, &rows);
        for section in &sections {
            writer.section(section);
        }
        writer.end_rows();
    }
}

/// A line of cells or of rules.
struct Row<'l> {
    /// None where it is of rules.
    line: Option<&'l str>,
    pieces: Vec<Piece>,
}

impl<'l> Row<'l> {
    fn new(line: &'l GridLine) -> Self {
        let mut pieces = pieces(&line.text);
        // Rules beside words.
        pieces.retain(|piece| piece.width() < SHORTEST_RULE || !is_rule(piece.text(&line.text)));
        Self {
            line: Some(&line.text),
            pieces,
        }
    }

    fn of_rules(rules: &str) -> Self {
        Self {
            line: None,
            pieces: rule_pieces(rules),
        }
    }

    /// The cells, empty ones included.
    fn cells(&self, columns: &Columns) -> Option<Vec<String>> {
        let line = self.line?;
        let mut pieces = self.pieces.clone();
        columns.part_long_label(&mut pieces, line);
        let mut cells: Vec<String> = Vec::new();
        let last = pieces.len().saturating_sub(1);
        for (index, (piece, column)) in pieces.iter().zip(columns.of_row(&pieces, line)).enumerate() {
            if cells.len() <= column {
                cells.resize(column + 1, String::new());
            }
            let cell = &mut cells[column];
            if !cell.is_empty() {
                cell.push(' ');
            }
            let text = piece.text(line);
            // The last dots of a leader that is too short to be one.
            let without_dots = text.trim_end_matches('.');
            let is_leader = index < last && text.len() > without_dots.len() + 1;
            cell.push_str(&tight(&one_line(if is_leader { without_dots } else { text })));
        }
        Some(cells)
    }
}

fn rows_of(section: &Section) -> Vec<Row<'_>> {
    match section {
        Section::Rows(lines) => lines
            .iter()
            .flat_map(|line| {
                let rules = line.rule.as_ref().map(|(rules, _)| Row::of_rules(rules));
                std::iter::once(Row::new(line)).chain(rules)
            })
            .collect(),
        Section::Rule(rules) => vec![Row::of_rules(rules)],
        _ => Vec::new(),
    }
}

/// A line alone beside running text is its heading.
fn headings_of_text(sections: &mut [Section]) {
    let mut is_behind_text = false;
    for index in 0..sections.len() {
        let (until, behind) = sections.split_at_mut(index + 1);
        match &mut until[index] {
            Section::Rows(lines) if is_heading_of_text(lines, is_behind_text, behind) => {
                let lines = std::mem::take(lines);
                until[index] = Section::Text(lines);
                is_behind_text = false;
            }
            Section::PageBreak | Section::Footer(_) => {}
            section => is_behind_text = matches!(section, Section::Text(_)),
        }
    }
}

fn begin_with_text(sections: &[Section]) -> bool {
    let mut sections = sections.iter();
    let next = sections.find(|section| !matches!(section, Section::PageBreak | Section::Footer(_)));
    matches!(next, Some(Section::Text(_)))
}

/// Whether lines are one line with one piece and stand beside text; a number behind text is a page's.
fn is_heading_of_text(lines: &[GridLine], is_behind_text: bool, behind: &[Section]) -> bool {
    let [line] = lines else { return false };
    let is_beside_text = is_behind_text || begin_with_text(behind);
    is_beside_text && pieces(&line.text).len() == 1 && (is_behind_text || !is_figure(line.trimmed()))
}

/// Rows without running text between.
struct Run {
    first_block: usize,
    has_data: bool,
}

struct Writer<'p, 'r> {
    page: &'p mut Page,
    rows: &'r [Vec<String>],
    next_row: usize,
    /// Whether some row has cells of data, not only a bullet and its text.
    are_data: bool,
    /// The rows that are being written.
    run: Option<Run>,
}

impl<'p, 'r> Writer<'p, 'r> {
    fn new(page: &'p mut Page, rows: &'r [Vec<String>]) -> Self {
        Self {
            page,
            rows,
            next_row: 0,
            are_data: rows.iter().any(|cells| is_data(cells)),
            run: None,
        }
    }
}

/// Whether cells are more than a label, or a bullet and its text.
fn is_data(cells: &[String]) -> bool {
    let mut filled = cells.iter().filter(|cell| !cell.is_empty());
    let is_bullet = |first: &String| is_marker(first) || first == "o";
    let begins_with_bullet = filled.next().is_none_or(is_bullet);
    filled.count() > usize::from(begins_with_bullet)
}

impl Writer<'_, '_> {
    fn section(&mut self, section: &Section) {
        match section {
            Section::Rows(lines) => {
                let end = self.next_row + lines.len();
                let rows = &self.rows[self.next_row..end];
                let run = self.run.get_or_insert(Run {
                    first_block: self.page.blocks.len(),
                    has_data: false,
                });
                run.has_data |= rows.iter().any(|cells| is_data(cells));
                for cells in rows {
                    self.row(cells);
                }
                self.next_row = end;
            }
            Section::Text(lines) => {
                self.end_rows();
                paragraphs::write(lines, self.page);
            }
            Section::Footer(line) => {
                self.end_rows();
                write_footer(line, self.page);
            }
            Section::PageBreak => self.page.mark_page_break(),
            Section::Rule(_) => {}
        }
    }

    /// Ends a run of rows, which is a table if it has data.
    fn end_rows(&mut self) {
        if let Some(run) = self.run.take().filter(|run| run.has_data) {
            self.page.mark_table(run.first_block);
        }
    }

    fn row(&mut self, cells: &[String]) {
        let filled: Vec<&str> = cells
            .iter()
            .map(String::as_str)
            .filter(|cell| !cell.is_empty())
            .collect();
        match filled[..] {
            [] => {}
            [cell] if !self.are_data || cell.len() > LONGEST_ROW_LABEL_BYTES => {
                self.page.push(kind_of_line(cell, Looks::default()), cell, false);
            }
            // A number in front of a short cell is a row of data.
            [marker, text]
                if is_marker(marker) && text.contains(' ') || lists::is_letter_bullet(marker, text) =>
            {
                self.page.push(BlockKind::ListItem, &filled.join(" "), false);
            }
            [_, _] if self.rows.len() <= 2 && is_item_heading(&filled.join(" ")) => {
                self.page.push(BlockKind::Heading, &filled.join(" "), false);
            }
            _ => self.page.push(BlockKind::TableRow, &join_cells(cells), false),
        }
    }
}

/// Writes the last line of a page, as one block if its number begins or ends it.
pub(super) fn write_footer(line: &GridLine, page: &mut Page) {
    let pieces = pieces(&line.text);
    let is_number = |piece: &Piece| page_number(piece.text(&line.text)).is_some();
    if let [first, .., last] = &pieces[..]
        && !is_number(first)
        && !is_number(last)
        && pieces.iter().any(is_number)
    {
        for piece in &pieces {
            page.push(BlockKind::Paragraph, &one_line(piece.text(&line.text)), false);
        }
    } else {
        page.push(BlockKind::Paragraph, &one_line(&line.text), false);
    }
    page.mark_page_break();
}

/// A cell without the spaces inside brackets: `( 1,234 )` as `(1,234)`, `12 %` as `12%`.
fn tight(text: &str) -> String {
    let mut tight = String::with_capacity(text.len());
    for (at, character) in text.char_indices() {
        let behind = &text[at + character.len_utf8()..];
        let is_inner = character == ' '
            && (tight.ends_with('(')
                || behind.starts_with([')', '%'])
                    && tight.ends_with(|c: char| c.is_ascii_digit() || c == ')'));
        if !is_inner {
            tight.push(character);
        }
    }
    tight
}
