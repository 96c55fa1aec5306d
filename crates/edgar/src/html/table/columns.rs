//! The columns of a table of data. A filing gives a figure three cells (`$`, `1,234`, `)`), its
//! heading one that spans them, and leaves columns empty between; none of that is a column to the
//! eye. Columns here are the fewest places such that every figure covers one, which is found by
//! taking the end of what ends first, again and again. Figures of one row lie apart, so they never
//! share a column.

use super::figures::{Figure, Figures};
use super::placing::Place;

/// The columns of one table.
#[derive(Debug, Default)]
pub(super) struct Columns {
    /// A place in each, ascending.
    points: Vec<u32>,
    /// The column of each point, where some are one; else each point has its own.
    merged: Vec<usize>,
}

impl Columns {
    pub(super) fn of(figures: &Figures) -> Self {
        let places = figures.all().iter().map(|figure| figure.place);
        let mut places: Vec<(u32, u32)> = places.map(|place| (place.end, place.start)).collect();
        places.sort_unstable();
        let mut columns = Self::default();
        for (end, start) in places {
            if columns.points.last().is_none_or(|&point| point < start) {
                columns.points.push(end - 1);
            }
        }
        columns.merge(figures);
        columns
    }

    /// Makes neighbors one column where a sign and its number stand in both and no row has a
    /// figure in each: a heading above the sign alone is that of the number.
    fn merge(&mut self, figures: &Figures) {
        let num_points = self.points.len();
        let mut is_joined = vec![false; num_points];
        for figure in figures.all().iter().filter(|figure| figure.cells.len() > 1) {
            let points = self.points_in(figure.place);
            is_joined[points.start..points.end - 1].fill(true);
        }
        if !is_joined.contains(&true) {
            return;
        }
        // For each point where a figure ends, the nearest point where the next of its row begins.
        let mut next_begins = vec![usize::MAX; num_points];
        for pair in figures.rows().flat_map(|row| row.windows(2)) {
            let (end, begin) = (
                self.points_in(pair[0].place).end,
                self.points_in(pair[1].place).start,
            );
            next_begins[end - 1] = next_begins[end - 1].min(begin);
        }
        let mut column = 0;
        let mut nearest = usize::MAX;
        self.merged.push(column);
        for point in 1..num_points {
            nearest = nearest.min(next_begins[point - 1]);
            if !is_joined[point - 1] || nearest <= point {
                column += 1;
                nearest = usize::MAX;
            }
            self.merged.push(column);
        }
    }

    /// The column of a figure: the first that its number covers.
    pub(super) fn column(&self, figure: &Figure) -> usize {
        let in_number = self.points_in(figure.number);
        let points = if in_number.is_empty() {
            self.points_in(figure.place)
        } else {
            in_number
        };
        self.column_of_point(points.start)
    }

    /// The column of a cell that stands alone in its row: the first that it covers, else the one before.
    pub(super) fn column_of_lone_cell(&self, place: Place) -> usize {
        let points = self.points_in(place);
        let is_between = points.is_empty();
        self.column_of_point(points.start.saturating_sub(usize::from(is_between)))
    }

    fn column_of_point(&self, point: usize) -> usize {
        self.merged.get(point).copied().unwrap_or(point)
    }

    /// The points of a place, of which every figure's has one.
    fn points_in(&self, place: Place) -> std::ops::Range<usize> {
        let before = |end: u32| self.points.partition_point(|&point| point < end);
        before(place.start)..before(place.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The columns of rows whose cells are written as the places that they cover, `$3-4` for a sign
    /// and `)5-6` for a bracket.
    fn columns(rows: &[&[&str]]) -> Vec<Vec<usize>> {
        let mut figures = Figures::default();
        for row in rows {
            for (index, cell) in row.iter().enumerate() {
                let (start, end) = cell.trim_start_matches(['$', ')']).split_once('-').unwrap();
                let place = Place {
                    start: start.parse().unwrap(),
                    end: end.parse().unwrap(),
                };
                let text = if cell.starts_with(['$', ')']) {
                    &cell[..1]
                } else {
                    cell
                };
                figures.push_cell(index, place, text);
            }
            figures.end_row();
        }
        let columns = Columns::of(&figures);
        let of_row = |row: &[Figure]| row.iter().map(|figure| columns.column(figure)).collect();
        figures.rows().map(of_row).collect()
    }

    #[test]
    fn a_heading_that_spans_sign_number_and_bracket_is_above_the_number() {
        let rows: &[&[&str]] = &[
            &["3-12"],
            &["3-6", "9-12"],
            &["0-3", "$3-4", "4-5", "$9-10", "10-11"],
            &["0-3", "3-5", ")5-6", "9-11", ")11-12"],
            &["0-3", "9-11"],
            &["0-12"],
        ];
        assert_eq!(
            columns(rows),
            [
                vec![1],
                vec![1, 2],
                vec![0, 1, 2],
                vec![0, 1, 2],
                vec![0, 2],
                vec![0]
            ]
        );
    }

    #[test]
    fn a_heading_above_the_sign_alone_is_that_of_the_number() {
        let rows: &[&[&str]] = &[
            &["2-3", "5-6"],
            &["0-1", "$2-3", "3-4", "$5-6", "6-7"],
            &["0-1", "3-4", "6-7"],
        ];
        assert_eq!(columns(rows), [vec![1, 2], vec![0, 1, 2], vec![0, 1, 2]]);
    }

    #[test]
    fn figures_of_one_row_never_share_a_column() {
        let rows: &[&[&str]] = &[&["0-1", "$2-3", "3-4"], &["0-1", "2-3", "3-4"]];
        assert_eq!(columns(rows), [vec![0, 2], vec![0, 1, 2]]);
    }
}
