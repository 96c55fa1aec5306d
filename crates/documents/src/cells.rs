//! The text of a table's row: its cells with [`CELL_SEPARATOR`] between. An empty cell keeps its
//! place, so that a number says which column it stands in (`Impairment |  | 17`); empty cells at
//! the end go, and a row that begins with one begins with a bar (`| 2023 | 2022`).
//!
//! [`split_cells`] gives back what [`join_cells`] was given. For that no cell may hold a bar that
//! stands alone: such a bar is joined to the word before it.

use std::borrow::Cow;

/// What stands between two cells of a table row in a block's text.
pub const CELL_SEPARATOR: &str = " | ";

/// The bar of the separator.
const BAR: &str = "|";

/// The text of a row of clean cells; empty when all of them are.
///
/// ```
/// use documents::{join_cells, split_cells};
///
/// let row = join_cells(["Impairment", "", "17", ""]);
/// assert_eq!(row, "Impairment |  | 17");
/// assert_eq!(split_cells(&row).collect::<Vec<_>>(), ["Impairment", "", "17"]);
/// assert_eq!(join_cells(["", "2023", "2022"]), "| 2023 | 2022");
/// ```
pub fn join_cells<C: AsRef<str>>(cells: impl IntoIterator<Item = C>) -> String {
    let mut row = RowBuffer::default();
    for cell in cells {
        row.push(cell.as_ref());
    }
    row.text
}

/// The text of a row in the making, which is used again for the next row.
#[derive(Debug, Default)]
pub struct RowBuffer {
    text: String,
    /// Empty cells since the last one with text.
    num_empty: usize,
}

impl RowBuffer {
    /// Appends the next cell.
    pub fn push(&mut self, cell: &str) {
        let cell = without_lone_bars(cell);
        if cell.is_empty() {
            self.num_empty += 1;
            return;
        }
        if self.text.is_empty() {
            // The row's own first blank goes: a block begins with ink.
            self.text
                .push_str(CELL_SEPARATOR.repeat(self.num_empty).trim_start());
        } else {
            for _ in 0..=self.num_empty {
                self.text.push_str(CELL_SEPARATOR);
            }
        }
        self.num_empty = 0;
        self.text.push_str(&cell);
    }

    /// Appends empty cells.
    pub fn push_empty(&mut self, num_cells: usize) {
        self.num_empty += num_cells;
    }

    /// The row so far.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Begins a new row.
    pub fn clear(&mut self) {
        self.text.clear();
        self.num_empty = 0;
    }
}

/// The cells of a row's text, in order; none where it is empty.
pub fn split_cells(row: &str) -> impl Iterator<Item = &str> + Clone {
    // A row that begins with an empty cell has lost the first blank of its first separator.
    let rest = row.strip_prefix(&CELL_SEPARATOR[1..]);
    let empty = rest.is_some().then_some("");
    let cells = rest.unwrap_or(row).split(CELL_SEPARATOR);
    empty.into_iter().chain(cells.skip(usize::from(row.is_empty())))
}

/// The cell without bars that stand alone, which would part it: each is joined to what stands
/// before it, the first to what follows. A cell of nothing but bars is a rule, and empty.
fn without_lone_bars(cell: &str) -> Cow<'_, str> {
    if !cell.contains('|') || !cell.split(' ').any(|word| word == BAR) {
        return Cow::Borrowed(cell);
    }
    let mut joined = String::with_capacity(cell.len());
    let mut is_after_opening_bars = true;
    for word in cell.split(' ') {
        if word != BAR && !is_after_opening_bars {
            joined.push(' ');
        }
        joined.push_str(word);
        is_after_opening_bars &= word == BAR;
    }
    if joined.bytes().all(|byte| byte == b'|') {
        joined.clear();
    }
    Cow::Owned(joined)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn empty_cells_keep_their_place_but_at_the_end() {
        for (cells, row) in [
            (&["a", "b"][..], "a | b"),
            (&["a", "", "b"], "a |  | b"),
            (&["", "a", ""], "| a"),
            (&["", "", "a", "", "", "b", ""], "|  | a |  |  | b"),
            (&["", ""], ""),
            (&[], ""),
        ] {
            assert_eq!(join_cells(cells), row);
        }
    }

    #[test]
    fn a_bar_inside_a_cell_parts_nothing() {
        assert_eq!(join_cells(["a | b", "c"]), "a| b | c");
        assert_eq!(join_cells(["| a |", "|", "c|d"]), "|a| |  | c|d");
    }

    proptest! {
        #[test]
        fn split_cells_gives_back_what_join_cells_was_given(
            cells in prop::collection::vec("|[a-z0-9(),.|$-]{1,3}( [a-z|]{1,2}){0,3}", 0..7),
        ) {
            let row = join_cells(&cells);
            prop_assert_eq!(row.trim(), &row[..]);
            let mut expected: Vec<String> = cells.iter().map(|cell| without_lone_bars(cell).into_owned()).collect();
            while expected.last().is_some_and(String::is_empty) {
                expected.pop();
            }
            let back: Vec<&str> = split_cells(&row).collect();
            prop_assert_eq!(&back, &expected);
            prop_assert_eq!(&join_cells(&back), &row);
            let letters = |text: &str| text.replace(['|', ' '], "");
            prop_assert_eq!(letters(&cells.concat()), letters(&back.concat()));
        }
    }
}
