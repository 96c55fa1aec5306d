//! The columns of a table, from how the pieces of its rows stand above each other.
//!
//! Narrow pieces say where columns are; a wider one that stands over two of them, both of which some
//! row fills, is a head over several columns and says nothing. Two columns that no row fills both are
//! one, if a piece or the zone of a `<C>` mark joins them.

use std::ops::Range;

use super::pieces::{PIECE_GAP, Piece, is_figure};

/// Rows that columns are looked for in together.
pub(super) const MOST_ROWS: usize = 512;
/// A row with more pieces is no row of a table, and a table with more columns no table.
const MOST_COLUMNS: usize = 64;
/// Pieces over two neighboring columns join them when there are at least so many, and so many times
/// the rows that fill both.
const FEWEST_BRIDGES: usize = 3;
const BRIDGES_FOR_A_ROW: usize = 2;
/// A column of one row that lies no farther from its neighbor, which has so many rows, is a slip.
const FARTHEST_STRAY: usize = 4;
const FEWEST_ROWS_BESIDE_STRAY: usize = 3;
/// Labels begin no farther from the page's left edge.
const FARTHEST_LABEL: usize = 10;

/// The rows that fill a column, as bits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct RowSet([u64; MOST_ROWS / 64]);

impl RowSet {
    fn insert(&mut self, row: usize) {
        self.0[row / 64 % self.0.len()] |= 1 << (row % 64);
    }

    fn add(&mut self, other: &Self) {
        self.0
            .iter_mut()
            .zip(other.0)
            .for_each(|(own, other)| *own |= other);
    }

    fn len(&self) -> usize {
        self.0.iter().map(|bits| bits.count_ones() as usize).sum()
    }

    fn num_common(&self, other: &Self) -> usize {
        let common = self.0.iter().zip(other.0).map(|(own, other)| own & other);
        common.map(|bits| bits.count_ones() as usize).sum()
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Column {
    place: Range<usize>,
    rows: RowSet,
}

impl Column {
    fn add(&mut self, other: &Self) {
        self.place = self.place.start.min(other.place.start)..self.place.end.max(other.place.end);
        self.rows.add(&other.rows);
    }
}

/// The columns of some rows, from left to right.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Columns {
    columns: Vec<Column>,
    /// Pieces that stand over several columns.
    heads: Vec<Range<usize>>,
}

impl Columns {
    /// The columns of at most [`MOST_ROWS`] rows; `marks` are the places of `<S>` and `<C>`.
    pub(super) fn find<'r>(rows: impl Iterator<Item = &'r [Piece]>, marks: &[usize]) -> Self {
        let mut placed: Vec<(usize, &Piece)> = Vec::new();
        for (row, pieces) in rows.enumerate().take(MOST_ROWS) {
            if (2..=MOST_COLUMNS).contains(&pieces.len()) {
                placed.extend(pieces.iter().map(|piece| (row, piece)));
            }
        }
        placed.sort_by_key(|(_, piece)| (piece.width(), piece.columns.start));
        let mut columns = Self::default();
        for (row, piece) in placed {
            let mut rows = RowSet::default();
            rows.insert(row);
            let place = piece.columns.clone();
            columns.add(Column { place, rows });
            if columns.columns.len() > MOST_COLUMNS {
                return Self::default();
            }
        }
        columns
            .columns
            .sort_by_key(|column| column.place.start + column.place.end);
        columns.join_bridged();
        columns.join_in_zones(marks);
        columns.join_strays();
        columns
    }

    /// Adds a piece to the columns that it stands over, as long as no row fills two of them.
    fn add(&mut self, piece: Column) {
        let mut joined = piece.clone();
        let stands_over = |column: &&Column| overlap(&column.place, &piece.place) > 0;
        for column in self.columns.iter().filter(stands_over) {
            if joined.rows.num_common(&column.rows) > 0 {
                self.heads.push(piece.place);
                return;
            }
            joined.add(column);
        }
        self.columns
            .retain(|column| overlap(&column.place, &piece.place) == 0);
        self.columns.push(joined);
    }

    /// Joins neighbors that many pieces stand over and few rows fill both of: words of one column
    /// with a wide gap between.
    fn join_bridged(&mut self) {
        let heads = std::mem::take(&mut self.heads);
        let bridges = |left: &Column, right: &Column| {
            let is_bridge =
                |head: &&Range<usize>| overlap(head, &left.place) > 0 && overlap(head, &right.place) > 0;
            heads.iter().filter(is_bridge).count()
        };
        self.join_neighbors(|left, right| {
            let num_bridges = bridges(left, right);
            num_bridges >= FEWEST_BRIDGES
                && num_bridges > BRIDGES_FOR_A_ROW * left.rows.num_common(&right.rows)
        });
    }

    /// Joins neighbors in the zone of one mark of which no row fills both: a head and its figures
    /// that do not stand below it.
    fn join_in_zones(&mut self, marks: &[usize]) {
        let zone = |column: &Column| {
            let middle = usize::midpoint(column.place.start, column.place.end);
            marks.iter().filter(|&&mark| mark <= middle).count()
        };
        if marks.len() > 1 {
            self.join_neighbors(|left, right| {
                zone(left) == zone(right) && left.rows.num_common(&right.rows) == 0
            });
        }
    }

    /// Joins what stands beside its column in one row alone.
    fn join_strays(&mut self) {
        self.join_neighbors(|left, right| {
            let rows = [left.rows.len(), right.rows.len()];
            let gap = right.place.start.saturating_sub(left.place.end);
            // The end of a label behind two blanks.
            let ends_label = left.place.start <= FARTHEST_LABEL
                && rows[1] == 1
                && gap <= PIECE_GAP
                && rows[0] >= FEWEST_ROWS_BESIDE_STRAY;
            ends_label
                || rows.contains(&1)
                    && rows.iter().any(|&rows| rows >= FEWEST_ROWS_BESIDE_STRAY)
                    && gap <= FARTHEST_STRAY
                    && left.rows.num_common(&right.rows) == 0
        });
    }

    fn join_neighbors(&mut self, is_one: impl Fn(&Column, &Column) -> bool) {
        let mut joined: Vec<Column> = Vec::with_capacity(self.columns.len());
        for column in self.columns.drain(..) {
            match joined.last_mut() {
                Some(last) if is_one(last, &column) => last.add(&column),
                _ => joined.push(column),
            }
        }
        self.columns = joined;
    }

    /// Parts the last figure from a label that reaches into its column, if the row lacks nothing but
    /// that figure.
    pub(super) fn part_long_label(&self, pieces: &mut Vec<Piece>, line: &str) {
        if let [label, figure, ..] = &self.columns[..]
            && pieces.len() > 1
            && pieces.len() + 1 == self.columns.len()
            && pieces[0].overlap(&label.place) > 0
            && let Some(behind) = pieces[0].cut_last_figure(line, &figure.place)
        {
            pieces.insert(1, behind);
        }
    }

    /// The column of each piece of a row, ascending; pieces of one column come one after the other.
    pub(super) fn of_row(&self, pieces: &[Piece], line: &str) -> Vec<usize> {
        if self.columns.is_empty() || pieces.len() > MOST_COLUMNS {
            return (0..pieces.len()).collect();
        }
        if let [piece] = pieces {
            return vec![self.of_lone_piece(piece, line)];
        }
        let mut found: Vec<usize> = Vec::with_capacity(pieces.len());
        for (index, piece) in pieces.iter().enumerate() {
            let first = found.last().map_or(0, |last| last + 1);
            // Each piece that follows needs a column, too.
            let num_following = pieces.len() - index - 1;
            let behind = self.columns.len().saturating_sub(num_following);
            let best = self.best(piece, line);
            let is_more_of_the_same = found.last() == best.as_ref() && !is_figure(piece.text(line));
            found.push(match best {
                Some(column) if (first..behind).contains(&column) || is_more_of_the_same => column,
                _ if first >= self.columns.len() => self.columns.len() - 1,
                _ => self.nearest(piece, first..behind.max(first + 1)),
            });
        }
        found
    }

    /// A label or figure alone in its row has its column; what stands over several is a caption or
    /// a head, and begins the row.
    fn of_lone_piece(&self, piece: &Piece, line: &str) -> usize {
        let mut below = (0..self.columns.len()).filter(|&column| self.overlap(piece, column) > 0);
        let column = match (below.next(), below.next()) {
            (Some(column), None) => column,
            (Some(_), Some(_)) => return 0,
            (None, _) => self.nearest(piece, 0..self.columns.len()),
        };
        let place = &self.columns[column].place;
        let is_aligned = place.start.abs_diff(piece.columns.start) <= 1;
        if is_aligned || is_figure(piece.text(line)) {
            column
        } else {
            0
        }
    }

    /// The column that a piece stands in most. Words over several columns belong to the first.
    fn best(&self, piece: &Piece, line: &str) -> Option<usize> {
        let overlaps = || (0..self.columns.len()).map(|column| self.overlap(piece, column));
        let most = overlaps().max().filter(|&most| most > 0)?;
        if is_figure(piece.text(line)) {
            overlaps().position(|overlap| overlap == most)
        } else {
            // A column that it just touches is not the first.
            overlaps().position(|overlap| overlap * 3 >= most)
        }
    }

    /// The nearest of some columns; `among` is not empty.
    fn nearest(&self, piece: &Piece, among: Range<usize>) -> usize {
        let distance = |&column: &usize| {
            let place = &self.columns[column].place;
            let right = place.start.saturating_sub(piece.columns.end);
            let left = piece.columns.start.saturating_sub(place.end);
            (right.max(left), self.overlap(piece, column) == 0)
        };
        let first = among.start;
        among.min_by_key(distance).unwrap_or(first)
    }

    fn overlap(&self, piece: &Piece, column: usize) -> usize {
        piece.overlap(&self.columns[column].place)
    }
}

fn overlap(one: &Range<usize>, other: &Range<usize>) -> usize {
    let end = one.end.min(other.end);
    end.saturating_sub(one.start.max(other.start))
}
