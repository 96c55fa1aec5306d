//! Rows of a table out of its lines: cells without their attributes, in their columns.

use super::cells::{Cell, cells_of};
use super::sentinel::DROPPED;
use super::tidy::{tidied, without_residue};
use super::work::looks_at;

/// Cells that reach over more rows or columns than this are taken for mistakes.
const MAX_SPANNED_COLUMNS: usize = 64;

/// What becomes of a line inside of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    /// The table has taken it.
    Taken,
    /// It is text, behind the rows that the table has by now.
    Text,
    /// It ends the table, which it is no part of.
    Ends,
}

/// Where in a table a line goes on that begins no cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Place {
    /// Nothing has begun.
    #[default]
    Start,
    Caption,
    Cell,
    /// In text that is as long as an article's.
    Text,
}

/// A table whose lines are being read.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// The page has its end.
    is_closed: bool,
    place: Place,
    follows_empty_line: bool,
    caption: Option<String>,
    rows: Vec<Vec<Cell>>,
    row: Vec<Cell>,
}

impl Table {
    /// A table that has its own end, or has none.
    pub(super) fn new(is_closed: bool) -> Self {
        Self {
            is_closed,
            ..Self::default()
        }
    }

    /// Takes a line, or says whose it is. A heading is text inside of a table that has an end, and
    /// ends one that has none; so does a paragraph of its own.
    pub(super) fn line(&mut self, line: &str, is_heading: bool) -> Line {
        let follows_empty_line = std::mem::replace(&mut self.follows_empty_line, line.is_empty());
        if is_heading {
            return self.text_or_end();
        }
        if let Some(caption) = line.strip_prefix("|+") {
            self.end_row();
            self.caption = Some(cells_of(caption, &[]).swap_remove(0).text);
            self.place = Place::Caption;
        } else if line.starts_with("|-") {
            self.end_row();
            self.place = Place::Start;
        } else if let Some(cells) = line.strip_prefix('|') {
            self.push_cells(cells, &["||"]);
        } else if let Some(cells) = line.strip_prefix('!').filter(|_| self.place != Place::Text) {
            self.push_cells(cells, &["!!", "||"]);
        } else {
            return self.further_line(line, follows_empty_line);
        }
        Line::Taken
    }

    fn text_or_end(&mut self) -> Line {
        if !self.is_closed {
            return Line::Ends;
        }
        self.place = Place::Text;
        Line::Text
    }

    fn push_cells(&mut self, cells: &str, marks: &[&str]) {
        self.row.extend(cells_of(cells, marks));
        self.place = Place::Cell;
    }

    /// A line that begins nothing.
    fn further_line(&mut self, line: &str, follows_empty_line: bool) -> Line {
        if self.place == Place::Text {
            return Line::Text;
        }
        if line.is_empty() {
            return Line::Taken;
        }
        if !self.is_closed && follows_empty_line && self.place != Place::Start {
            return Line::Ends;
        }
        let text = match self.place {
            Place::Caption => self.caption.as_mut(),
            Place::Cell => self.row.last_mut().map(|cell| &mut cell.text),
            Place::Start | Place::Text => None,
        };
        match text {
            Some(text) => {
                text.push(' ');
                text.push_str(line.trim_start_matches(['*', '#', ':', ';']));
                Line::Taken
            }
            // Attributes that go on over several lines are no text.
            None if super::cells::are_attributes(line) => Line::Taken,
            None => Line::Text,
        }
    }

    fn end_row(&mut self) {
        if !self.row.is_empty() {
            let row = std::mem::take(&mut self.row);
            self.rows.push(row);
        }
    }

    /// The caption and the rows so far, which the table then has no more.
    pub(super) fn take(&mut self) -> (Option<String>, Vec<String>) {
        self.end_row();
        if self.place != Place::Text {
            self.place = Place::Start;
        }
        let rows = std::mem::take(&mut self.rows);
        (self.caption.take(), in_columns(&rows))
    }
}

/// Rows with their cells under each other: cells that reach over several rows or columns leave
/// empty ones, and columns in which no row has a text go.
fn in_columns(rows: &[Vec<Cell>]) -> Vec<String> {
    // For each column, how many further rows the cell above reaches into.
    let mut reaching: Vec<usize> = Vec::new();
    let grid: Vec<Vec<String>> = rows.iter().map(|row| grid_row(row, &mut reaching)).collect();
    let num_columns = grid.iter().map(Vec::len).max().unwrap_or(0);
    let mut has_text = vec![false; num_columns];
    for row in &grid {
        for (column, cell) in row.iter().enumerate() {
            has_text[column] |= !cell.is_empty();
        }
    }
    let kept = |row: &Vec<String>| -> Vec<String> {
        let cells = row.iter().zip(&has_text).filter(|(_, has_text)| **has_text);
        cells.map(|(cell, _)| cell.clone()).collect()
    };
    grid.iter()
        .filter(|row| row.iter().any(|cell| !cell.is_empty()))
        .map(|row| without_residue(documents::join_cells(kept(row))))
        .collect()
}

fn grid_row(cells: &[Cell], reaching: &mut Vec<usize>) -> Vec<String> {
    let mut row: Vec<String> = Vec::with_capacity(cells.len());
    looks_at(reaching.len() + cells.len());
    for cell in cells {
        skip_reached(&mut row, reaching);
        let text = tidied(&cell.text);
        // What a template left empty is not there; what is written empty is an empty cell.
        if text.is_empty() && cell.text.contains(DROPPED) {
            continue;
        }
        let first = row.len();
        row.push(text);
        let columns = cell.columns.min(MAX_SPANNED_COLUMNS.saturating_sub(first)).max(1);
        row.resize(first + columns, String::new());
        if cell.rows > 1 && first + columns <= MAX_SPANNED_COLUMNS {
            reaching.resize(reaching.len().max(first + columns), 0);
            reaching[first..first + columns].fill(cell.rows);
        }
    }
    skip_reached(&mut row, reaching);
    // One row less to reach into.
    for rows in reaching.iter_mut() {
        *rows = rows.saturating_sub(1);
    }
    row
}

/// Empty cells where cells of rows above reach into the row.
fn skip_reached(row: &mut Vec<String>, reaching: &[usize]) {
    while reaching.get(row.len()).is_some_and(|rows| *rows > 0) {
        row.push(String::new());
    }
}
