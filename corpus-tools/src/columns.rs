//! Texts side by side, as wide as the terminal. What is not to be seen on a terminal is spelled:
//! control characters never reach it.

use std::fmt::Write as _;

use console::{Term, measure_text_width};

/// Between two columns.
const DIVIDER: &str = " \u{2502} ";
/// Where the output is no terminal.
const WIDTH_ELSEWHERE: usize = 160;
/// Narrower columns hold no text.
const NARROWEST: usize = 12;

/// Columns of equal width.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Columns {
    width: usize,
}

impl Columns {
    /// `number` columns that fill the terminal, or `width` characters where it is given.
    pub(crate) fn new(number: usize, width: Option<usize>) -> Self {
        let of_terminal = || {
            Term::stdout()
                .size_checked()
                .map(|(_, columns)| usize::from(columns))
        };
        let all = width.or_else(of_terminal).unwrap_or(WIDTH_ELSEWHERE);
        let dividers = number.saturating_sub(1) * DIVIDER.chars().count();
        Self {
            width: (all.saturating_sub(dividers) / number.max(1)).max(NARROWEST),
        }
    }

    /// The cells beside each other, each wrapped in its column.
    pub(crate) fn row(self, cells: &[Cell]) -> String {
        let cells: Vec<Vec<String>> = cells.iter().map(|cell| self.wrapped(cell)).collect();
        let height = cells.iter().map(Vec::len).max().unwrap_or(0);
        let mut text = String::new();
        for line in 0..height {
            let parts = cells.iter().map(|lines| {
                let part = lines.get(line).map_or("", String::as_str);
                let rest = self.width.saturating_sub(measure_text_width(part));
                format!("{part}{}", " ".repeat(rest))
            });
            let joined = parts.collect::<Vec<_>>().join(DIVIDER);
            text.push_str(joined.trim_end());
            text.push('\n');
        }
        text
    }

    /// A line between rows.
    pub(crate) fn rule(self, number: usize) -> String {
        vec!["\u{2500}".repeat(self.width); number].join("\u{2500}\u{253c}\u{2500}") + "\n"
    }

    fn wrapped(self, cell: &Cell) -> Vec<String> {
        let mut lines = Vec::new();
        match cell {
            Cell::Text(text) => text
                .split('\n')
                .map(str::trim_end)
                .for_each(|line| self.wrap(line.split_inclusive(' '), &mut lines)),
            Cell::Pieces(pieces) => {
                let pieces: Vec<String> = pieces.iter().map(|piece| format!("{piece} ")).collect();
                self.wrap(pieces.iter().map(String::as_str), &mut lines);
            }
        }
        lines
    }

    /// Fills lines with pieces; one that is longer than a line is cut.
    fn wrap<'t>(self, pieces: impl Iterator<Item = &'t str>, lines: &mut Vec<String>) {
        let (mut line, mut used) = (String::new(), 0);
        for piece in pieces {
            let needed = measure_text_width(piece.trim_end());
            if used > 0 && used + needed > self.width {
                lines.push(std::mem::take(&mut line));
                used = 0;
            }
            for letter in spelled(piece).chars() {
                let letter = letter.encode_utf8(&mut [0; 4]).to_owned();
                let needed = measure_text_width(&letter);
                if used + needed > self.width {
                    lines.push(std::mem::take(&mut line));
                    used = 0;
                    if letter == " " {
                        continue;
                    }
                }
                line.push_str(&letter);
                used += needed;
            }
        }
        lines.push(line);
    }
}

/// What stands in a column.
#[derive(Debug, Clone)]
pub(crate) enum Cell {
    /// Text, line breaks kept.
    Text(String),
    /// Words that are not to be parted.
    Pieces(Vec<String>),
}

/// Control characters as escapes, a tab as a space.
fn spelled(text: &str) -> String {
    let mut spelled = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\t' => spelled.push(' '),
            '\r' => {}
            _ if letter.is_control() => spelled.extend(letter.escape_default()),
            _ => spelled.push(letter),
        }
    }
    spelled
}

/// A token so that nothing of it is invisible: a space is `␣`, a line break `⏎`; other white space,
/// control characters and bytes that are no text are escapes.
pub(crate) fn visible_token(bytes: &[u8]) -> String {
    let mut shown = String::new();
    for chunk in bytes.utf8_chunks() {
        for letter in chunk.valid().chars() {
            match letter {
                ' ' => shown.push('\u{2423}'),
                '\n' => shown.push('\u{23ce}'),
                '\\' => shown.push_str("\\\\"),
                '\u{2423}' | '\u{23ce}' => shown.extend(letter.escape_unicode()),
                _ if letter.is_control() || letter.is_whitespace() => shown.extend(letter.escape_default()),
                _ => shown.push(letter),
            }
        }
        for byte in chunk.invalid() {
            // Writing to a string does not fail.
            let _ = write!(shown, "\\x{byte:02x}");
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Cell {
        Cell::Text(text.to_owned())
    }

    #[test]
    fn cells_stand_beside_each_other_and_wrap_in_their_own_columns() {
        let columns = Columns::new(2, Some(30));
        let pieces = ["Net", "\u{2423}sales", "\u{2423}rose", "\u{23ce}"].map(str::to_owned);
        let row = columns.row(&[text("<p>Net sales rose"), Cell::Pieces(pieces.to_vec())]);
        assert_eq!(
            row,
            "<p>Net sales  \u{2502} Net \u{2423}sales\nrose          \u{2502} \u{2423}rose \u{23ce}\n"
        );
    }

    #[test]
    fn long_words_are_cut_wide_letters_count_twice_and_nothing_is_lost() {
        let columns = Columns::new(1, Some(12));
        let word = "a".repeat(30);
        assert_eq!(columns.row(&[text(&word)]).replace('\n', ""), word);
        let wide = "\u{65e5}".repeat(10);
        let row = columns.row(&[text(&wide)]);
        assert_eq!(row.lines().count(), 2, "{row}");
        assert_eq!(row.replace('\n', ""), wide);
    }

    #[test]
    fn no_control_character_reaches_the_terminal() {
        let row = Columns::new(1, Some(60)).row(&[text("a\u{1b}[2Jb\tc\r\nd")]);
        assert_eq!(row, "a\\u{1b}[2Jb c\nd\n");
    }

    #[test]
    fn spaces_line_breaks_and_parts_of_letters_are_seen_in_tokens() {
        for (bytes, shown) in [
            (&b" sales"[..], "\u{2423}sales"),
            (b"\n", "\u{23ce}"),
            (b"\n\n ", "\u{23ce}\u{23ce}\u{2423}"),
            (b"\xe2\x80", "\\xe2\\x80"),
            ("\u{a0}x\\".as_bytes(), "\\u{a0}x\\\\"),
            ("\u{2423}".as_bytes(), "\\u{2423}"),
            ("caf\u{e9}".as_bytes(), "caf\u{e9}"),
        ] {
            assert_eq!(visible_token(bytes), shown);
        }
    }
}
