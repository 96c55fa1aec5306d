//! Footers of pages whose end nothing marks: a line alone between blank ones that comes back with
//! the same words and a number that counts up.

use std::collections::HashMap;

use super::line::set_tabs;
use super::pieces::{Piece, is_figure, pieces};

/// A footer comes back on so many pages in a row; a lone number, which may be anything, on more.
const FEWEST_PAGES: usize = 3;
const FEWEST_PAGES_OF_LONE_NUMBERS: usize = 5;
/// Lines from one footer to the next.
const MOST_LINES_OF_A_PAGE: usize = 200;
const FEWEST_LINES_BETWEEN_LONE_NUMBERS: usize = 8;
/// A lone page number stands in the middle or to the right.
const SMALLEST_LONE_INDENT: usize = 20;
const LONGEST_FOOTER_BYTES: usize = 200;
const MOST_PIECES: usize = 4;

/// A number behind one of these numbers parts of the text.
const NUMBERED: [&str; 14] = [
    "note", "item", "part", "exhibit", "schedule", "table", "figure", "appendix", "annex", "chapter",
    "section", "article", "number", "no",
];

/// A line that may be a footer.
#[derive(Debug)]
struct Candidate {
    line: usize,
    /// How many lines with text stand before it.
    texts: usize,
    number: u32,
}

/// Which lines are footers, ascending.
pub(super) fn footer_lines<'t>(lines: impl Iterator<Item = &'t str>) -> Vec<usize> {
    let mut candidates: HashMap<String, Vec<Candidate>> = HashMap::new();
    let mut alone: Option<(String, Candidate)> = None;
    let mut is_behind_blank = true;
    let mut texts = 0;
    for (line, text) in lines.chain([""]).enumerate() {
        let is_blank = text.trim_ascii().is_empty();
        if is_blank && let Some((words, candidate)) = alone.take() {
            candidates.entry(words).or_default().push(candidate);
        } else if !is_blank {
            texts += 1;
            let footer = if is_behind_blank {
                words_and_number(text)
            } else {
                None
            };
            alone = footer.map(|(words, number)| (words, Candidate { line, texts, number }));
        }
        is_behind_blank = is_blank;
    }
    let mut found: Vec<usize> = candidates
        .iter()
        .flat_map(|(words, candidates)| counted(words, candidates))
        .collect();
    found.sort_unstable();
    found
}

/// The lines among those with the same words whose numbers count up, page after page.
fn counted(words: &str, candidates: &[Candidate]) -> Vec<usize> {
    let (fewest, closest) = if words.is_empty() {
        (FEWEST_PAGES_OF_LONE_NUMBERS, FEWEST_LINES_BETWEEN_LONE_NUMBERS)
    } else {
        (FEWEST_PAGES, 1)
    };
    candidates
        .chunk_by(|before, next| {
            next.number == before.number + 1
                // The page has some text.
                && next.texts > before.texts + 1
                && (closest..=MOST_LINES_OF_A_PAGE).contains(&(next.line - before.line))
        })
        .filter(|run| run.len() >= fewest)
        .flatten()
        .map(|candidate| candidate.line)
        .collect()
}

/// The words of a footer and its page number: `Alder Mills, Inc.      12      Form 10-K`.
fn words_and_number(line: &str) -> Option<(String, u32)> {
    // Nothing with a tag or a page's end in it.
    if line.len() > LONGEST_FOOTER_BYTES || line.contains(['<', '\x0c']) {
        return None;
    }
    let line = set_tabs(line);
    let found = pieces(&line);
    if let [piece] = &found[..] {
        return words_and_last_number(piece, &line);
    }
    let (numbers, words): (Vec<&Piece>, Vec<&Piece>) = found
        .iter()
        .partition(|piece| page_number(piece.text(&line)).is_some());
    let ([number], 1..MOST_PIECES) = (&numbers[..], words.len()) else {
        return None;
    };
    let words: Vec<&str> = words.iter().map(|piece| piece.text(&line)).collect();
    let is_numbered = number.columns.start > 0 && words.iter().any(|words| is_numbered(words));
    let are_words = !words.iter().any(|words| is_figure(words));
    (are_words && !is_numbered).then_some((words.join("  "), page_number(number.text(&line))?))
}

/// `Form 10-K - 12`, `Alder Mills, Inc. Page 12`, or a lone number.
fn words_and_last_number(piece: &Piece, line: &str) -> Option<(String, u32)> {
    let text = piece.text(line);
    if let Some(number) = page_number(text) {
        let is_lone = piece.columns.start >= SMALLEST_LONE_INDENT;
        return is_lone.then_some((String::new(), number));
    }
    let (words, number) = text.rsplit_once(' ')?;
    let last = words.rsplit(' ').next()?;
    let is_set_apart =
        matches!(last, "-" | "|" | "\u{2013}" | "\u{2014}") || last.eq_ignore_ascii_case("page");
    let is_text = words.chars().any(char::is_alphabetic);
    (is_set_apart && is_text).then_some((words.to_owned(), page_number(number)?))
}

fn is_numbered(words: &str) -> bool {
    let last = words.rsplit(' ').next().unwrap_or_default();
    let last = last.trim_matches(|c: char| !c.is_alphanumeric());
    NUMBERED.iter().any(|word| last.eq_ignore_ascii_case(word))
}

/// `12`, `- 12 -`, `Page 12`, `F-12`; no year.
pub(super) fn page_number(text: &str) -> Option<u32> {
    const MOST_DIGITS: usize = 4;
    let text = text.trim_matches(|c: char| {
        matches!(
            c,
            '-' | '\u{2013}' | '\u{2014}' | '|' | ' ' | '[' | ']' | '(' | ')' | '~'
        )
    });
    let text = match text.split_once(' ') {
        Some((page, number)) if page.eq_ignore_ascii_case("page") => number,
        _ => text,
    };
    let number = match text.split_once('-') {
        Some((section, number))
            if section.len() == 1 && section.bytes().all(|byte| byte.is_ascii_uppercase()) =>
        {
            number
        }
        _ => text,
    };
    let is_number =
        !number.is_empty() && number.len() <= MOST_DIGITS && number.bytes().all(|byte| byte.is_ascii_digit());
    let number = number.parse().ok().filter(|_| is_number)?;
    (!(1900..=2100).contains(&number)).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn footers(pages: std::ops::Range<u32>, footer: impl Fn(u32) -> String) -> usize {
        let page = |number: u32| format!("Oak grew.\nPine did not.\n\n{}\n\n\n", footer(number));
        let text: String = pages.map(page).collect();
        footer_lines(text.lines()).len()
    }

    #[test]
    fn the_same_words_with_a_number_that_counts_up_are_footers() {
        assert_eq!(
            footers(1..5, |page| format!("Alder Mills, Inc.        {page}")),
            4
        );
        assert_eq!(footers(9..13, |page| format!("   {page}     2024 Form 10-K")), 4);
        assert_eq!(
            footers(1..4, |page| format!("Alder    - {page} -     Form 10-K")),
            3
        );
        assert_eq!(
            footers(1..4, |page| format!("Alder Mills, Inc. - Page {page}")),
            3
        );
        assert_eq!(footers(1..4, |page| format!("Alder Mills, Inc.     F-{page}")), 3);
    }

    #[test]
    fn rows_and_headings_that_are_numbered_are_text() {
        assert_eq!(
            footers(1..3, |page| format!("Alder Mills, Inc.        {page}")),
            0
        );
        assert_eq!(footers(1..9, |page| format!("NOTE     {page}")), 0);
        assert_eq!(footers(1..9, |page| format!("NOTE {page}")), 0);
        assert_eq!(footers(1..9, |page| format!("Oak      {}", page * 3)), 0);
        assert_eq!(footers(1..9, |page| format!("Oak      {page}     12.5")), 0);
        assert_eq!(footers(1..9, |page| format!("                    {page}")), 0);
        assert_eq!(footers(2001..2009, |page| format!("Alder Mills     {page}")), 0);
        let rows = "Year    1\n\nYear    2\n\nYear    3\n\nYear    4\n\n";
        assert_eq!(footer_lines(rows.lines()), [0; 0]);
    }

    #[test]
    fn lone_numbers_at_the_ends_of_pages_are_footers() {
        let page = |number: u32| {
            format!(
                "{}\n\n                              {number}\n\n",
                "Oak.\n".repeat(30)
            )
        };
        let text: String = (1..7).map(page).collect();
        assert_eq!(footer_lines(text.lines()).len(), 6);
    }
}
