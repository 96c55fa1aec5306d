//! One table while it is read, and its rows as blocks when it ends: rows of data as rows of
//! cells, each figure in its column; tables that only lay out paragraphs and bullets as what they
//! show.

mod columns;
mod figures;
mod grid;
mod placing;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::ops::Range;

use documents::{BlockKind, RowBuffer, has_word};

use super::lines::{Looks, is_item_heading, is_marker, kind_of_line};
use crate::page::Page;
use figures::{Figures, push_joined};
use grid::Grid;
pub(crate) use placing::Spans;
use placing::{Place, Placer};

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
    /// For each cell with text, the number of lines up to its end.
    cell_ends: Vec<usize>,
    /// For each cell with text, where it stands.
    places: Vec<Place>,
    /// For each row with text, the number of cells with text up to its end.
    row_ends: Vec<usize>,
    /// Cells with text and without since the last block, of those that were begun in their columns.
    num_cells: usize,
    placer: Placer,
    /// Where the cell stands that is open.
    open_cell: Option<Place>,
    /// Whether text goes into a cell now.
    pub(crate) in_cell: bool,
}

/// What becomes of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// Its lines, one by one.
    Lines,
    /// A list item: a marker and what follows it.
    ListItem,
    Heading,
    /// A cell alone in a row of data.
    LoneCell,
    Cells,
}

impl Table {
    pub(crate) fn begin_cell(&mut self, spans: Spans) {
        self.open_cell = Some(self.placer.place(spans));
        self.in_cell = true;
    }

    pub(crate) fn push_line(&mut self, text: &str, looks: Looks) {
        self.text.push_str(text);
        self.lines.push(Line {
            end: self.text.len(),
            looks,
        });
    }

    pub(crate) fn end_cell(&mut self) {
        self.in_cell = false;
        let open = self.open_cell.take();
        self.num_cells += usize::from(open.is_some());
        let place = open.unwrap_or_else(|| self.placer.place(Spans::ONE));
        self.keep_cell(place);
    }

    fn keep_cell(&mut self, place: Place) {
        if start(&self.cell_ends, self.cell_ends.len()) < self.lines.len() {
            self.cell_ends.push(self.lines.len());
            self.places.push(place);
        }
    }

    /// Ends the row that stray cells began without one, and before a section what reaches down
    /// from the cells above.
    pub(crate) fn begin_row(&mut self, begins_section: bool) {
        if self.placer.is_in_row() {
            self.end_row();
        }
        if begins_section {
            self.placer.end_section();
        }
    }

    pub(crate) fn end_row(&mut self) {
        self.placer.end_row();
        self.keep_row();
    }

    fn keep_row(&mut self) {
        if start(&self.row_ends, self.row_ends.len()) < self.cell_ends.len() {
            self.row_ends.push(self.cell_ends.len());
        }
    }

    /// Gives everything so far to `page` and forgets it; the table goes on, and a cell that is open.
    pub(crate) fn spill(&mut self, page: &mut Page) {
        if let Some(place) = self.open_cell {
            self.keep_cell(place);
        }
        self.keep_row();
        self.emit(page);
        self.text.clear();
        self.lines.clear();
        self.cell_ends.clear();
        self.places.clear();
        self.row_ends.clear();
        self.num_cells = 0;
    }

    fn emit(&self, page: &mut Page) {
        let first_block = page.blocks.len();
        let first_column = self.first_column_of_data();
        let num_rows = self.row_ends.len();
        let shapes: Vec<Shape> = (0..num_rows).map(|row| self.shape(row, first_column)).collect();
        let is_lone = |row: &usize| shapes[*row] == Shape::LoneCell;
        let lone_cells = (0..num_rows)
            .filter(is_lone)
            .map(|row| self.places[self.cells(row).start]);
        let grid = Grid::new(self.figures(&shapes), lone_cells, self.num_cells);
        let mut row_text = RowBuffer::default();
        for (row, shape) in shapes.into_iter().enumerate() {
            let cells = self.cells(row);
            row_text.clear();
            match shape {
                Shape::Lines => self.emit_lines(self.lines_of(cells.start), page),
                Shape::ListItem => self.emit_list_item(cells.start, page),
                Shape::Heading => {
                    page.push(
                        BlockKind::Heading,
                        &self.joined(cells.clone()),
                        self.breaks_page(cells),
                    );
                }
                Shape::LoneCell => {
                    row_text.push_empty(grid.column_of_lone_cell(self.places[cells.start]));
                    row_text.push(&self.cell_text(cells.start));
                    page.push(BlockKind::TableRow, row_text.as_str(), self.breaks_page(cells));
                }
                Shape::Cells => {
                    self.write_row(row, &grid, &mut row_text);
                    page.push(BlockKind::TableRow, row_text.as_str(), self.breaks_page(cells));
                }
            }
        }
        page.mark_table(first_block);
    }

    /// The first column that has text, in a table of data; none in one that only lays out.
    fn first_column_of_data(&self) -> Option<u32> {
        let is_data = (0..self.row_ends.len()).any(|row| {
            let cells = self.cells(row);
            cells.len() > 2 || cells.len() == 2 && !is_marker(self.first_line(cells.start))
        });
        let first = || self.places.iter().map(|place| place.start).min();
        is_data.then(first)?
    }

    fn shape(&self, row: usize, first_column: Option<u32>) -> Shape {
        let cells = self.cells(row);
        let is_short_table = self.row_ends.len() <= 2;
        match cells.len() {
            1 if first_column.is_some_and(|first| self.is_label(cells.start, first)) => Shape::LoneCell,
            1 => Shape::Lines,
            2 if self.is_list_row(cells.start) => Shape::ListItem,
            2 if is_short_table && is_item_heading(&self.joined(cells.clone())) => Shape::Heading,
            _ => Shape::Cells,
        }
    }

    /// Whether a cell alone in its row is a label or, above the figures, a heading of several lines.
    fn is_label(&self, cell: usize, first_column: u32) -> bool {
        let lines = self.lines_of(cell);
        let num_bytes: usize = lines.clone().map(|line| self.line(line).len()).sum();
        num_bytes <= LONGEST_ROW_LABEL_BYTES && (lines.len() == 1 || self.places[cell].start > first_column)
    }

    fn is_list_row(&self, cell: usize) -> bool {
        let marker = self.lines_of(cell);
        marker.len() == 1 && is_marker(self.line(marker.start))
            // A number in front of a short cell is a row of data.
            && has_word(self.first_line(cell + 1))
            && self.first_line(cell + 1).contains(' ')
    }

    /// The figures of each row that is one of cells; a rule gives no column.
    fn figures(&self, shapes: &[Shape]) -> Figures {
        let mut figures = Figures::default();
        for (row, &shape) in shapes.iter().enumerate() {
            let cells = self.cells(row);
            if shape == Shape::Cells && cells.clone().any(|cell| self.has_word(cell)) {
                for cell in cells {
                    figures.push_cell(cell, self.places[cell], &self.cell_text(cell));
                }
            }
            figures.end_row();
        }
        figures
    }

    fn write_row(&self, row: usize, grid: &Grid, row_text: &mut RowBuffer) {
        let mut text = String::new();
        let mut next_column = 0;
        for figure in grid.row(row) {
            let column = grid.column(figure).unwrap_or(next_column);
            row_text.push_empty(column - next_column);
            next_column = column + 1;
            text.clear();
            for cell in figure.cells.clone() {
                push_joined(&mut text, &self.cell_text(cell));
            }
            row_text.push(&text);
        }
    }

    fn emit_lines(&self, lines: Range<usize>, page: &mut Page) {
        for line in lines.filter(|&line| has_word(self.line(line))) {
            let (text, looks) = (self.line(line), self.lines[line].looks);
            page.push(kind_of_line(text, looks), text, looks.page_break_before);
        }
    }

    fn emit_list_item(&self, cell: usize, page: &mut Page) {
        let body = self.lines_of(cell + 1);
        let item = format!("{} {}", self.first_line(cell), self.line(body.start));
        page.push(BlockKind::ListItem, &item, self.breaks_page(cell..cell + 2));
        self.emit_lines(body.start + 1..body.end, page);
    }

    fn joined(&self, cells: Range<usize>) -> String {
        let texts: Vec<Cow<'_, str>> = cells.map(|cell| self.cell_text(cell)).collect();
        texts.join(" ")
    }

    fn breaks_page(&self, cells: Range<usize>) -> bool {
        let mut lines = start(&self.cell_ends, cells.start)..start(&self.cell_ends, cells.end);
        lines.any(|line| self.lines[line].looks.page_break_before)
    }

    fn has_word(&self, cell: usize) -> bool {
        self.lines_of(cell).any(|line| has_word(self.line(line)))
    }

    fn cells(&self, row: usize) -> Range<usize> {
        start(&self.row_ends, row)..self.row_ends[row]
    }

    fn lines_of(&self, cell: usize) -> Range<usize> {
        start(&self.cell_ends, cell)..self.cell_ends[cell]
    }

    fn first_line(&self, cell: usize) -> &str {
        self.line(self.lines_of(cell).start)
    }

    /// The lines of a cell as one.
    fn cell_text(&self, cell: usize) -> Cow<'_, str> {
        let lines = self.lines_of(cell);
        if lines.len() == 1 {
            return Cow::Borrowed(self.line(lines.start));
        }
        let lines: Vec<&str> = lines.map(|line| self.line(line)).collect();
        Cow::Owned(lines.join(" "))
    }

    fn line(&self, line: usize) -> &str {
        let start = line.checked_sub(1).map_or(0, |before| self.lines[before].end);
        &self.text[start..self.lines[line].end]
    }
}

fn start(ends: &[usize], index: usize) -> usize {
    index.checked_sub(1).map_or(0, |before| ends[before])
}
