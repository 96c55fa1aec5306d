//! One row of a table as pieces: runs of words that two blanks or a leader of dots part. A currency
//! sign belongs to the number behind it, a bracket or per cent sign to the one before.

use std::ops::Range;

/// Dots that lead the eye to the next column, at least this many.
const SHORTEST_LEADER: usize = 4;
/// The same for dots with a blank between.
const SHORTEST_SPACED_LEADER: usize = 3;
/// Blanks in a row that part two pieces.
pub(super) const PIECE_GAP: usize = 2;

/// Words of a row that belong together, by their place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    /// Columns of the page, from 0; the end is the column behind the last one.
    pub(super) columns: Range<usize>,
    /// The same in bytes of the line.
    bytes: Range<usize>,
}

impl Piece {
    /// What stands there in the line that the piece was found in.
    pub(super) fn text<'l>(&self, line: &'l str) -> &'l str {
        &line[self.bytes.clone()]
    }

    pub(super) fn width(&self) -> usize {
        self.columns.end - self.columns.start
    }

    /// How many columns two pieces have in common.
    pub(super) fn overlap(&self, columns: &Range<usize>) -> usize {
        let end = self.columns.end.min(columns.end);
        end.saturating_sub(self.columns.start.max(columns.start))
    }

    fn extend_to(&mut self, other: &Self) {
        self.columns.end = other.columns.end;
        self.bytes.end = other.bytes.end;
    }

    /// Cuts off what stands behind the blank at a byte of the line.
    fn split_off(&mut self, line: &str, blank: usize) -> Self {
        let width = line[self.bytes.start..blank].chars().count();
        let behind = Self {
            columns: self.columns.start + width + 1..self.columns.end,
            bytes: blank + 1..self.bytes.end,
        };
        self.bytes.end = blank;
        self.columns.end = self.columns.start + width;
        behind
    }
}

/// The pieces of a line whose tabs are set, from left to right.
pub(super) fn pieces(line: &str) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut joins_next = false;
    for run in runs(line) {
        let (opens, closes) = (is_opening(run.text(line)), is_closing(run.text(line)));
        match pieces.last_mut().filter(|_| joins_next || closes) {
            Some(before) => before.extend_to(&run),
            None => pieces.push(run),
        }
        joins_next = opens;
        // Signs alone are never parted, however many follow each other.
        if !opens && !closes {
            joins_next = part_figures(&mut pieces, line);
        }
    }
    pieces
}

/// Parts the last piece where one blank stands between figures; whether it then ends with a sign
/// that opens a number.
fn part_figures(pieces: &mut Vec<Piece>, line: &str) -> bool {
    let mut opens = false;
    while let Some(last) = pieces.last_mut()
        && let Some(blank) = split_place(last.text(line))
    {
        let behind = last.split_off(line, last.bytes.start + blank);
        opens = is_opening(behind.text(line));
        pieces.push(behind);
    }
    opens
}

/// The pieces of a line of rules (`-----  -----`): each run of ink is one.
pub(super) fn rule_pieces(line: &str) -> Vec<Piece> {
    runs(line)
}

/// What stands between gaps and leaders.
fn runs(line: &str) -> Vec<Piece> {
    let mut found: Vec<Piece> = Vec::new();
    let mut is_open = false;
    let mut gap = 0;
    let mut column = 0;
    let mut skip_to = 0;
    for (at, character) in line.char_indices() {
        column += 1;
        if at < skip_to {
            continue;
        }
        if character == ' ' {
            gap += 1;
            continue;
        }
        if character == '.'
            && let Some(length) = leader_bytes(&line[at..], gap > 0)
        {
            skip_to = at + length;
            (is_open, gap) = (false, 0);
            continue;
        }
        is_open &= gap < PIECE_GAP;
        gap = 0;
        let end = at + character.len_utf8();
        match found.last_mut().filter(|_| is_open) {
            Some(piece) => (piece.columns.end, piece.bytes.end) = (column, end),
            None => found.push(Piece {
                columns: column - 1..column,
                bytes: at..end,
            }),
        }
        is_open = true;
    }
    // The rest of a leader that was parted by blanks.
    found.retain(|piece| !piece.text(line).bytes().all(|byte| byte == b'.'));
    found
}

/// The length of a leader that a text begins with.
fn leader_bytes(text: &str, is_behind_blank: bool) -> Option<usize> {
    let dots = text.bytes().take_while(|&byte| byte == b'.').count();
    if dots >= SHORTEST_LEADER {
        return Some(dots);
    }
    if dots != 1 || !is_behind_blank {
        return None;
    }
    let more = text.as_bytes()[1..]
        .chunks_exact(2)
        .take_while(|pair| pair == b" .")
        .count();
    // `. . . .5`: the last dot is the number's.
    let is_of_number = text
        .as_bytes()
        .get(1 + 2 * more)
        .is_some_and(|&byte| byte != b' ');
    let dots = 1 + more - usize::from(is_of_number && more > 0);
    (dots >= SHORTEST_SPACED_LEADER).then_some(2 * dots - 1)
}

/// The blank at which a piece has to be parted: before a sign that opens the next number
/// (`$(6.59) $`), or between figures (`11,216 10,378`).
fn split_place(text: &str) -> Option<usize> {
    let mut blanks = text.match_indices(' ').map(|(at, _)| at);
    blanks.find(|&at| {
        let before = text[..at].rsplit(' ').next().unwrap_or_default();
        let behind = text[at + 1..].split(' ').next().unwrap_or_default();
        let ends_number = before.ends_with(|c: char| c.is_ascii_digit() || c == ')' || c == '%');
        let opens_number = behind.strip_prefix('$').is_some_and(|rest| {
            rest.is_empty() || rest.starts_with(|c: char| c == '(' || c == '.' || c.is_ascii_digit())
        });
        ends_number && opens_number
            || is_amount(before) && is_amount(behind)
            || is_year(before) && is_year(behind)
    })
}

/// Whether a word is a number as columns have them, not one of a date or a fraction.
fn is_amount(word: &str) -> bool {
    let digits = word.trim_start_matches(['$', '(']).trim_end_matches(['%', ')']);
    let is_marked = digits.len() < word.len() || digits.contains([',', '.']);
    is_marked
        && digits.ends_with(|c: char| c.is_ascii_digit())
        && digits
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b',' || byte == b'.')
}

fn is_year(word: &str) -> bool {
    word.len() == 4
        && (word.starts_with("19") || word.starts_with("20"))
        && word.bytes().all(|byte| byte.is_ascii_digit())
}

impl Piece {
    /// Cuts a figure off the end that stands in a column of its own, behind one blank.
    pub(super) fn cut_last_figure(&mut self, line: &str, column: &Range<usize>) -> Option<Self> {
        let text = self.text(line);
        let (words, last) = text.rsplit_once(' ')?;
        let start = self.columns.end - last.chars().count();
        let is_in_column = (column.start..column.end).contains(&start);
        let is_of_label = is_figure(last) && words.contains(char::is_alphabetic);
        (is_in_column && is_of_label).then(|| self.split_off(line, self.bytes.start + words.len()))
    }
}

/// Whether text is a figure or stands for one: nothing but digits and signs.
pub(super) fn is_figure(text: &str) -> bool {
    !text.chars().any(char::is_alphabetic)
        || matches!(text, "NM" | "N/M" | "N/A" | "n/a" | "NA" | "nil" | "x" | "X")
}

/// Whether a piece belongs to the number in the next one.
fn is_opening(text: &str) -> bool {
    matches!(text, "US$" | "C$" | "A$")
        || text
            .chars()
            .all(|c| matches!(c, '$' | '\u{20ac}' | '\u{a3}' | '\u{a5}' | '(' | '[' | ' '))
}

/// Whether a piece belongs to the number in the one before.
fn is_closing(text: &str) -> bool {
    text.chars().all(|c| matches!(c, ')' | '%' | ']' | ' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(line: &str) -> Vec<&str> {
        pieces(line).iter().map(|piece| piece.text(line)).collect()
    }

    #[test]
    fn two_blanks_and_leaders_part_pieces() {
        for (line, expected) in [
            (
                "Net sales  oak and pine   12",
                &["Net sales", "oak and pine", "12"][..],
            ),
            ("Trucks.......  5.7   .6", &["Trucks", "5.7", ".6"]),
            ("U.S. ....12", &["U.S.", "12"]),
            ("Oak . . . . . . 12", &["Oak", "12"]),
            ("Oak . . 12... x", &["Oak . . 12... x"]),
            ("Oak . . . .5", &["Oak", ".5"]),
            ("Oak . ..", &["Oak . .."]),
            ("", &[]),
            ("  .....  ", &[]),
        ] {
            assert_eq!(texts(line), expected, "{line}");
        }
    }

    #[test]
    fn signs_join_their_number() {
        for (line, expected) in [
            (
                "Sales   $   1,234   $  ( 56  )",
                &["Sales", "$   1,234", "$  ( 56  )"][..],
            ),
            ("Tax   21.0  %   (3  )%", &["Tax", "21.0  %", "(3  )%"]),
            ("$(6.59) $  3.45 $ 2.61", &["$(6.59)", "$  3.45", "$ 2.61"]),
            (
                "Loss   (1,383) 684   12.5 9%",
                &["Loss", "(1,383) 684", "12.5", "9%"],
            ),
            (
                "Sales   11,216 10,378   1997 1996",
                &["Sales", "11,216", "10,378", "1997", "1996"],
            ),
            (
                "Bonds of 7 1/2% due May 1, 1999 A",
                &["Bonds of 7 1/2% due May 1, 1999 A"],
            ),
            ("Oak    $", &["Oak", "$"]),
            ("Yes [ X ]   No  [   ]", &["Yes [ X ]", "No", "[   ]"]),
            (")   12", &[")", "12"]),
        ] {
            assert_eq!(texts(line), expected, "{line}");
        }
    }

    #[test]
    fn places_count_characters() {
        let line = "\u{e9}t\u{e9}   12";
        let places: Vec<_> = pieces(line).into_iter().map(|piece| piece.columns).collect();
        assert_eq!(places, [0..3, 6..8]);
    }
}
