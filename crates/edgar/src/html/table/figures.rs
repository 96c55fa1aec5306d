//! Cells that are one to the eye: a currency sign with the number after it, closing brackets and
//! per cent signs with the number before.

use std::ops::Range;

use super::placing::Place;

/// A cell, or the cells that are one figure, in a row.
#[derive(Debug, Clone)]
pub(super) struct Figure {
    /// Its cells by their index.
    pub(super) cells: Range<usize>,
    /// The columns of all of them.
    pub(super) place: Place,
    /// The columns of the number among them.
    pub(super) number: Place,
}

/// The figures of a table's rows.
#[derive(Debug, Default)]
pub(super) struct Figures {
    all: Vec<Figure>,
    /// For each row, the number of figures up to its end.
    row_ends: Vec<usize>,
    /// Whether the next cell of the row belongs to the figure before.
    joins_next: bool,
}

impl Figures {
    /// Appends the row's next cell.
    pub(super) fn push_cell(&mut self, cell: usize, place: Place, text: &str) {
        let joins_before = self.joins_next || is_closing(text);
        let row_start = self.row_ends.last().copied().unwrap_or(0);
        match self.all[row_start..].last_mut().filter(|_| joins_before) {
            Some(figure) => {
                figure.cells.end = cell + 1;
                figure.place.end = place.end;
                if self.joins_next {
                    figure.number = place;
                }
            }
            None => self.all.push(Figure {
                cells: cell..cell + 1,
                place,
                number: place,
            }),
        }
        self.joins_next = is_opening(text);
    }

    pub(super) fn end_row(&mut self) {
        self.row_ends.push(self.all.len());
        self.joins_next = false;
    }

    pub(super) fn row(&self, row: usize) -> &[Figure] {
        let start = row.checked_sub(1).map_or(0, |before| self.row_ends[before]);
        &self.all[start..self.row_ends[row]]
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = &[Figure]> + Clone {
        (0..self.row_ends.len()).map(|row| self.row(row))
    }

    pub(super) fn all(&self) -> &[Figure] {
        &self.all
    }
}

/// Signs of currency that stand in a cell of their own.
const CURRENCIES: [&str; 12] = [
    "$", "\u{20ac}", "\u{a3}", "\u{a5}", "US$", "C$", "A$", "HK$", "NT$", "R$", "CAD$", "RMB",
];
/// Openings and closings are no longer than this.
const LONGEST_SIGN_BYTES: usize = 7;

/// Whether a cell belongs to the number in the next cell: a currency, an opening bracket, or both.
fn is_opening(text: &str) -> bool {
    if text.len() > LONGEST_SIGN_BYTES || text.ends_with(|c: char| c.is_ascii_digit() || c == ')') {
        return false;
    }
    let without_bracket = text.strip_prefix('(').or_else(|| text.strip_suffix('('));
    let currency = without_bracket.map_or(text, str::trim);
    CURRENCIES.contains(&currency) || without_bracket.is_some() && currency.is_empty()
}

/// Whether a cell belongs to the number in the cell before.
fn is_closing(text: &str) -> bool {
    matches!(text, ")" | "%" | ")%" | ") %" | "%)" | "% )")
}

/// Appends the next cell of a figure: a space after an opening, nothing before a closing.
pub(super) fn push_joined(figure: &mut String, text: &str) {
    if is_opening(figure) || !figure.is_empty() && !is_closing(text) {
        figure.push(' ');
    }
    push_tight(figure, text);
}

/// Appends a cell with the spaces inside brackets taken out: `( 1,234 )` as `(1,234)`.
fn push_tight(figure: &mut String, text: &str) {
    if !text.contains(' ') && !figure.ends_with("( ") {
        figure.push_str(text);
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
            if figure.ends_with("( ") {
                figure.pop();
            }
            figure.push(character);
        }
    }
}
