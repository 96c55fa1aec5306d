//! Running text inside `<TABLE>` and between rows: how it is told from cells.

use super::line::GridLine;
use super::lists;
use super::pieces::{is_figure, pieces};

/// All lines of running text but the last are at least this long.
const SHORTEST_FULL_LINE: usize = 45;
/// Running text has so many words, and one of every so many is a function word.
const FEWEST_WORDS_OF_TEXT: usize = 12;
const WORDS_FOR_A_FUNCTION_WORD: usize = 8;

/// Whether lines between blank ones are running text: items of a list, or full lines of sentences,
/// without columns.
pub(super) fn is_running_text(lines: &[GridLine]) -> bool {
    let Some((last, full)) = lines.split_last() else {
        return false;
    };
    let first = full.first().unwrap_or(last);
    if !lines.iter().all(is_without_columns) {
        return false;
    }
    let words: usize = lines.iter().map(|line| line.words.words).sum();
    if full.is_empty() && last.words.is_stretched() || lists::is_item(first.trimmed()) {
        return last.words.is_stretched() || words >= FEWEST_WORDS_OF_TEXT;
    }
    let function_words: usize = lines.iter().map(|line| line.words.function_words).sum();
    !full.is_empty()
        && words >= FEWEST_WORDS_OF_TEXT
        && function_words * WORDS_FOR_A_FUNCTION_WORD >= words
        && full.iter().all(|line| line.trimmed().len() >= SHORTEST_FULL_LINE)
        && !are_in_line(lines)
}

/// Whether a line may be running text: stretched, or without a wide gap and a figure at its end.
pub(super) fn is_without_columns(line: &GridLine) -> bool {
    if line.words.is_stretched() {
        return true;
    }
    let pieces = pieces(&line.text);
    let ends_in_figure =
        pieces.len() > 1 && pieces.last().is_some_and(|last| is_figure(last.text(&line.text)));
    line.words.widest <= 2 && !ends_in_figure
}

/// Whether all lines have a last piece that begins in the same column: the words of a column.
fn are_in_line(lines: &[GridLine]) -> bool {
    let last_column = |line: &GridLine| {
        let pieces = pieces(&line.text);
        pieces.get(1..)?.last().map(|last| last.columns.start)
    };
    let mut columns = lines.iter().map(last_column);
    let first = columns.next().flatten();
    first.is_some() && columns.all(|column| column == first)
}
