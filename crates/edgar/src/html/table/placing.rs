//! Where the cells of a table stand: each in the columns that its own spans and those of the
//! cells above leave to it, as browsers place them.

/// Behind this many columns a cell is one column wide and one row high, so that spans of any size
/// take no memory.
const MOST_SPANNED_COLUMNS: u32 = 256;
/// The HTML standard's limit for `rowspan`.
const MOST_ROWS: u32 = 65_534;

/// How many columns and rows a cell asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spans {
    columns: Option<u32>,
    rows: Option<u32>,
}

impl Spans {
    /// A cell of one column and one row.
    pub(crate) const ONE: Self = Self {
        columns: None,
        rows: None,
    };

    /// Takes the value of a `colspan` attribute; of several the first counts.
    pub(crate) fn set_columns(&mut self, value: &[u8]) {
        let columns = || leading_number(value).filter(|&columns| columns > 0);
        self.columns = self.columns.or_else(columns);
    }

    /// Takes the value of a `rowspan` attribute; none are all that follow in the section.
    pub(crate) fn set_rows(&mut self, value: &[u8]) {
        let rows = || leading_number(value).map(|rows| if rows == 0 { MOST_ROWS } else { rows });
        self.rows = self.rows.or_else(rows);
    }
}

/// The number that an attribute begins with, as the HTML standard reads it.
fn leading_number(value: &[u8]) -> Option<u32> {
    let value = value.trim_ascii_start();
    let digits = value.strip_prefix(b"+").unwrap_or(value);
    let length = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let add = |number: u32, digit: &u8| number.saturating_mul(10).saturating_add(u32::from(digit - b'0'));
    (length > 0).then(|| digits[..length].iter().fold(0, add))
}

/// The columns of a cell: from `start` up to `end`, never none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

/// Places the cells of a table, row by row.
#[derive(Debug, Default)]
pub(super) struct Placer {
    row: u32,
    /// The column behind the last cell of this row.
    next: u32,
    /// For each column, the row at which what reaches down into it ends.
    taken_until: Vec<u32>,
}

impl Placer {
    /// The columns of the row's next cell.
    pub(super) fn place(&mut self, spans: Spans) -> Place {
        while self.is_taken(self.next) {
            self.next += 1;
        }
        let start = self.next;
        let columns = spans.columns.unwrap_or(1);
        let fits = start.saturating_add(columns) <= MOST_SPANNED_COLUMNS;
        self.next = start.saturating_add(if fits { columns } else { 1 });
        let rows = spans.rows.unwrap_or(1).min(MOST_ROWS);
        if fits && rows > 1 {
            self.reach_down(start as usize..self.next as usize, rows);
        }
        Place {
            start,
            end: self.next,
        }
    }

    fn is_taken(&self, column: u32) -> bool {
        self.taken_until
            .get(column as usize)
            .is_some_and(|&until| until > self.row)
    }

    fn reach_down(&mut self, columns: std::ops::Range<usize>, rows: u32) {
        if self.taken_until.len() < columns.end {
            self.taken_until.resize(columns.end, 0);
        }
        for until in &mut self.taken_until[columns] {
            *until = (*until).max(self.row.saturating_add(rows));
        }
    }

    /// Whether this row has a cell.
    pub(super) fn is_in_row(&self) -> bool {
        self.next > 0
    }

    pub(super) fn end_row(&mut self) {
        self.row = self.row.saturating_add(1);
        self.next = 0;
    }

    /// Ends what reaches down: no cell goes on in the next group of rows.
    pub(super) fn end_section(&mut self) {
        self.taken_until.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(columns: &str, rows: &str) -> Spans {
        let mut spans = Spans::ONE;
        spans.set_columns(columns.as_bytes());
        spans.set_rows(rows.as_bytes());
        spans
    }

    fn places(placer: &mut Placer, row: &[Spans]) -> Vec<(u32, u32)> {
        let places = row.iter().map(|&spans| placer.place(spans));
        let places = places.map(|place| (place.start, place.end)).collect();
        placer.end_row();
        places
    }

    #[test]
    fn cells_stand_where_the_spans_before_and_above_leave_room() {
        let mut placer = Placer::default();
        let (one, wide, high) = (Spans::ONE, spans("3", ""), spans("", "2"));
        assert_eq!(places(&mut placer, &[high, wide, one]), [(0, 1), (1, 4), (4, 5)]);
        assert_eq!(places(&mut placer, &[one, high, one]), [(1, 2), (2, 3), (3, 4)]);
        assert_eq!(places(&mut placer, &[wide, one]), [(0, 3), (3, 4)]);
    }

    #[test]
    fn a_cell_reaches_down_to_the_end_of_its_section() {
        let mut placer = Placer::default();
        places(&mut placer, &[spans("", "0"), Spans::ONE]);
        assert_eq!(places(&mut placer, &[Spans::ONE]), [(1, 2)]);
        placer.end_section();
        assert_eq!(places(&mut placer, &[Spans::ONE]), [(0, 1)]);
    }

    #[test]
    fn spans_are_read_as_browsers_read_them() {
        for (value, columns) in [
            (" 3x", Some(3)),
            ("+2", Some(2)),
            ("0", None),
            ("-1", None),
            ("", None),
        ] {
            assert_eq!(spans(value, "").columns, columns, "{value}");
        }
        let mut twice = spans("2", "");
        twice.set_columns(b"5");
        assert_eq!(twice.columns, Some(2));
    }

    #[test]
    fn spans_of_any_size_take_no_memory() {
        let mut placer = Placer::default();
        let huge = spans("99999999999", "99999999999");
        for _ in 0..10_000 {
            placer.place(huge);
        }
        assert!(placer.taken_until.len() <= MOST_SPANNED_COLUMNS as usize);
        placer.end_row();
        assert!(placer.place(Spans::ONE).end <= MOST_SPANNED_COLUMNS + 10_000);
    }
}
