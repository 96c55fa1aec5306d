//! A table of a document as a grid of cells, with what its headings and the lines before it say of
//! its numbers. Everything comes from the text of the blocks.

mod caption;
mod headings;
mod number;
mod scale;
#[cfg(test)]
mod tests;

use crate::document::{BlockKind, Document, TableRange};
use crate::split_cells;
use caption::lines_before;
use headings::Headings;
pub use number::CellNumber;
use scale::{RowLabel, Scale};

/// A table: its cells in rows and columns.
#[derive(Debug, Clone, PartialEq)]
pub struct TableGrid {
    /// What the table is, outermost first: the lines before it, and the rows of one cell at its top.
    pub caption: Vec<String>,
    rows: Vec<Vec<String>>,
    num_columns: usize,
    headings: Headings,
    /// What the caption says of all numbers.
    scale: Scale,
    /// What the heading of each column says of the numbers in it.
    column_scales: Vec<Scale>,
    labels: Vec<RowLabel>,
}

impl TableGrid {
    /// The grid of one of the document's tables. A range that reaches out of the document is cut.
    ///
    /// ```
    /// use documents::{Block, BlockKind, Document, TableGrid, TableRange};
    ///
    /// let row = |text| Block::new(BlockKind::TableRow, text);
    /// let document = Document {
    ///     blocks: vec![
    ///         Block::new(BlockKind::Paragraph, "(In millions)"),
    ///         row("| 2023 | 2022"),
    ///         row("Impairment |  | (17)"),
    ///     ],
    ///     ..Document::default()
    /// };
    /// let grid = TableGrid::of(&document, TableRange { first_block: 1, end_block: 3 });
    /// assert_eq!(grid.column_header(2), "2022");
    /// let number = grid.number(1, 2).unwrap();
    /// assert_eq!((number.value, number.scale), (-17.0, Some(6)));
    /// ```
    pub fn of(document: &Document, range: TableRange) -> Self {
        let end = document.blocks.len().min(range.end_block as usize);
        let first = end.min(range.first_block as usize);
        let (before, blocks) = (&document.blocks[..first], &document.blocks[first..end]);
        let of_table = blocks
            .iter()
            .filter(|block| block.kind != BlockKind::PageFurniture);
        let rows = of_table.map(|block| match block.kind {
            BlockKind::TableRow => split_cells(&block.text).map(str::to_owned).collect(),
            _ => vec![block.text.clone()],
        });
        Self::new(lines_before(before), rows.collect())
    }

    fn new(mut caption: Vec<String>, rows: Vec<Vec<String>>) -> Self {
        let headings = Headings::of(&rows);
        caption.extend(rows[..headings.first_row].iter().flatten().cloned());
        let num_columns = rows.iter().map(Vec::len).max().unwrap_or(0);
        let column_scale = |column| Scale::stated_in(headings.of_column(column));
        let column_scales: Vec<Scale> = (0..num_columns).map(column_scale).collect();
        // Remarks like "(In millions)" stand under the headings too, and above the labels.
        let remarks = rows[headings.end_row..].iter().take_while(|row| row.len() == 1);
        let remarks = remarks.flatten().map(|remark| Scale::stated_in(remark));
        let above_labels = column_scales.first().copied();
        let in_caption = caption.iter().rev().map(|line| Scale::stated_in(line));
        let mut scales = remarks.chain(above_labels).chain(in_caption);
        Self {
            scale: scales.find(Scale::is_stated).unwrap_or_default(),
            column_scales,
            labels: RowLabel::of_rows(&rows),
            num_columns,
            headings,
            caption,
            rows,
        }
    }

    /// How many rows it has.
    pub fn num_rows(&self) -> usize {
        self.rows.len()
    }

    /// How many columns its widest row has; shorter ones end with empty cells.
    pub fn num_columns(&self) -> usize {
        self.num_columns
    }

    /// How many rows come before the first with a figure: those of the caption and the headings of
    /// columns. None where no row has a figure, for nothing tells headings then.
    pub fn header_rows(&self) -> usize {
        self.headings.end_row
    }

    /// The text of a cell, empty where there is none.
    pub fn cell(&self, row: usize, column: usize) -> &str {
        self.row(row).get(column).map_or("", String::as_str)
    }

    /// The cells of a row up to the last with text.
    pub fn row(&self, row: usize) -> &[String] {
        self.rows.get(row).map_or(&[], Vec::as_slice)
    }

    /// The headings of a column, from top to bottom. One that spans columns stands in the first of
    /// them, and goes with those to its right up to the next in its row that have one of their own
    /// below.
    pub fn column_header(&self, column: usize) -> &str {
        self.headings.of_column(column)
    }

    /// The number in a cell below the headings, with the scale and the unit that the cell, the
    /// row's label, the column's heading or the caption states. One that is none of an amount, per
    /// share or a rate, has no scale of the caption.
    pub fn number(&self, row: usize, column: usize) -> Option<CellNumber> {
        if row < self.header_rows() {
            return None;
        }
        let text = self.cell(row, column);
        let mut number = number::parse(text)?;
        let (Some(label), Some(of_column)) = (self.labels.get(row), self.column_scales.get(column)) else {
            return Some(number);
        };
        if column == 0 {
            return Some(number);
        }
        if number.unit.is_none() && of_column.is_percent {
            number.unit = Some("%".to_owned());
        }
        let scales = [&label.scale, of_column, &self.scale];
        let stated = scales.into_iter().find(|scale| scale.is_stated());
        let Some(scale) = stated.filter(|scale| label.has_amounts(scale, text)) else {
            return Some(number);
        };
        if number.scale.is_none() && number.is_amount() {
            number.scale = scale.power_of_ten;
            number.unit = number.unit.or_else(|| scale.currency.map(str::to_owned));
        }
        Some(number)
    }
}
