//! The headings of a table's columns.

use super::number;

/// More rows than this are no headings.
const MOST_ROWS: usize = 16;
/// A longer heading goes with its own column alone, and none with more columns than this.
const LONGEST_SPANNING_BYTES: usize = 200;
const MOST_SPANNED: usize = 64;

/// Which rows are headings, and those of each column.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Headings {
    /// Index of the first row of headings; those before are part of the caption.
    pub(super) first_row: usize,
    /// Index of the row after them.
    pub(super) end_row: usize,
    of_columns: Vec<String>,
}

impl Headings {
    /// The headings of rows of cells.
    pub(super) fn of(rows: &[Vec<String>]) -> Self {
        let is_lone = |row: &Vec<String>| row.len() == 1;
        let Some(num_above) = rows.iter().take(MOST_ROWS + 1).position(|row| has_figure(row)) else {
            return Self::default();
        };
        let above = &rows[..num_above];
        let first_row = above.iter().take_while(|row| is_lone(row)).count();
        // Labels of groups of rows may stand between.
        let num_headings = above[first_row..].iter().take_while(|row| !is_lone(row)).count();
        let end_row = first_row + num_headings;
        Self {
            first_row,
            end_row,
            of_columns: of_columns(&rows[first_row..end_row]),
        }
    }

    /// The headings of a column, from top to bottom.
    pub(super) fn of_column(&self, column: usize) -> &str {
        self.of_columns.get(column).map_or("", String::as_str)
    }
}

/// Whether a row has a number that is no year, or after its label a sign that there is none.
fn has_figure(row: &[String]) -> bool {
    let is_number = |cell: &String| number::parse(cell).is_some() && !number::is_year(cell);
    let has_label = row.first().is_some_and(|label| !label.is_empty());
    row.iter().any(is_number) || has_label && row[1..].iter().any(|cell| number::is_missing(cell))
}

fn of_columns(rows: &[Vec<String>]) -> Vec<String> {
    let mut columns = vec![String::new(); rows.iter().map(Vec::len).max().unwrap_or(0)];
    // For each column, whether it has a heading below the row.
    let mut has_below = vec![false; columns.len()];
    let mut spanning: Vec<Vec<usize>> = Vec::with_capacity(rows.len());
    for (index, row) in rows.iter().enumerate().rev() {
        let below = rows.get(index + 1).map_or(&[][..], Vec::as_slice);
        spanning.push(sources(row, below, &has_below));
        for (has_below, _) in has_below.iter_mut().zip(row).filter(|(_, cell)| !cell.is_empty()) {
            *has_below = true;
        }
    }
    for (row, sources) in rows.iter().zip(spanning.iter().rev()) {
        for (column, &source) in columns.iter_mut().zip(sources) {
            let heading = row.get(source).map_or("", String::as_str);
            if !heading.is_empty() && !column.is_empty() {
                column.push(' ');
            }
            column.push_str(heading);
        }
    }
    columns
}

/// For each column, the one whose cell in the row is its heading: its own, or for an empty one with
/// headings below that to its left.
fn sources(row: &[String], below: &[String], has_below: &[bool]) -> Vec<usize> {
    let is_empty = |column: usize| row.get(column).is_none_or(String::is_empty);
    let mut left = None;
    let mut sources: Vec<usize> = (0..has_below.len()).collect();
    for column in 1..has_below.len() {
        if !is_empty(column) {
            // A heading set over several lines, a row for each, goes on in small letters.
            let next_line = below.get(column).map_or("", String::as_str);
            let goes_on = next_line.starts_with(|c: char| c.is_lowercase() || c == '(');
            let spans = has_below[column] && !goes_on && row[column].len() <= LONGEST_SPANNING_BYTES;
            left = spans.then_some(column);
        } else if has_below[column]
            && let Some(left) = left.filter(|left| column - left < MOST_SPANNED)
        {
            sources[column] = left;
        }
    }
    sources
}
