//! The rows of figures of a table of data, and the column of each, as far as the table's size allows.

use super::columns::Columns;
use super::figures::{Figure, Figures};
use super::placing::Place;

/// A table whose rows keep more empty cells than this, and this many for each of its own cells, has
/// spans that only make it large: its empty cells go.
const FEW_EMPTY_CELLS: usize = 256;
const MOST_EMPTY_TO_A_CELL: usize = 4;

/// Figures in rows and columns.
#[derive(Debug)]
pub(super) struct Grid {
    figures: Figures,
    columns: Columns,
    keeps_empty: bool,
}

impl Grid {
    /// The grid of a table's figures and of the cells that stand alone in their rows, which were this
    /// many cells in the page.
    pub(super) fn new(figures: Figures, lone_cells: impl Iterator<Item = Place>, num_cells: usize) -> Self {
        let columns = Columns::of(&figures);
        let num_empty = |row: &[Figure]| row.last().map_or(0, |last| columns.column(last) + 1 - row.len());
        let in_rows: usize = figures.rows().map(num_empty).sum();
        let before_lone: usize = lone_cells.map(|place| columns.column_of_lone_cell(place)).sum();
        Self {
            // Cells that were never begun stand in no columns.
            keeps_empty: num_cells > 0
                && in_rows + before_lone <= FEW_EMPTY_CELLS + MOST_EMPTY_TO_A_CELL * num_cells,
            figures,
            columns,
        }
    }

    pub(super) fn row(&self, row: usize) -> &[Figure] {
        self.figures.row(row)
    }

    /// The column of a figure, where columns are kept.
    pub(super) fn column(&self, figure: &Figure) -> Option<usize> {
        self.keeps_empty.then(|| self.columns.column(figure))
    }

    /// The column of a cell that is alone in its row.
    pub(super) fn column_of_lone_cell(&self, place: Place) -> usize {
        if self.keeps_empty {
            self.columns.column_of_lone_cell(place)
        } else {
            0
        }
    }
}
