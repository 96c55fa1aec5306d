//! Page numbers: numbers at the edges of pages that count up, alone in a line or beside the words
//! of a footer; and lone numbers that count up where no page is marked.

use std::collections::{BTreeMap, BTreeSet};

use documents::{Block, BlockKind, CELL_SEPARATOR};

use super::edges::{Edge, Side, cuts_sentence};
use crate::page::Page;

/// Page numbers without marked page breaks must count up at least this long; ones that are set
/// apart (`F-12`, `- 12 -`) need fewer, for nothing else looks like them.
const SHORTEST_COUNT: usize = 5;
const SHORTEST_COUNT_SET_APART: usize = 3;
/// Between page numbers stands a page, on average of at least so much text where sentences go on
/// over some of them, and of so much where none does: then they may be the numbers of a list.
const SHORTEST_PAGE_BYTES: usize = 400;
const SHORTEST_PAGE_OF_WHOLE_SENTENCES_BYTES: usize = 1500;
/// Between a page number and the text of the next page stand at most so many lines of its header.
const LONGEST_HEADER: usize = 3;
/// Footers whose number changes need at least so many that count up.
const FEWEST_BESIDE_WORDS: usize = 3;
/// So many numbers before and behind one may show that it counts up: strays stand between.
const NEIGHBORS: usize = 4;
/// From one number to the next at most so many pages have none.
const LARGEST_STEP: usize = 3;
const LONGEST_LINE_BYTES: usize = 120;
const MOST_CELLS: usize = 4;
/// Before a number these words name what it counts: a part of the document, not a page.
const COUNTED_THINGS: [&str; 16] = [
    "note", "notes", "item", "items", "part", "schedule", "exhibit", "section", "article", "chapter",
    "table", "appendix", "figure", "step", "proposal", "no",
];

/// How a number stands in its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// `12`, `iv`.
    Bare,
    /// `- 12 -`, `F-12`, `Page 12 of 80`: nothing else looks so.
    SetApart,
    /// `(2)`, `1.`, `II`: so do markers and headings, which belong to what follows.
    Marker,
    /// `Alder Mills | Form 10-K | 12`.
    BesideWords,
}

#[derive(Debug, PartialEq, Eq)]
struct Numbered {
    /// What stands beside the number: the same on every page.
    words: String,
    number: usize,
    form: Form,
}

/// A block at an edge that may hold the number of its page.
struct Candidate {
    index: usize,
    side: Side,
    /// Nothing stands between it and the edge.
    is_first: bool,
    is_row: bool,
    page: usize,
    numbered: Numbered,
}

/// The page numbers of a document that count up through it whatever is marked.
pub(super) struct PageNumbers {
    counted: BTreeSet<usize>,
}

impl PageNumbers {
    pub(super) fn of(page: &Page) -> Self {
        Self {
            counted: counted_numbers(page),
        }
    }

    /// Blocks that are page numbers and end their pages.
    pub(super) fn ends_of_pages(&self) -> &BTreeSet<usize> {
        &self.counted
    }

    /// All page numbers that stand at edges.
    pub(super) fn at_edges(&self, page: &Page, edges: &[Edge]) -> BTreeSet<usize> {
        let (beside_words, alone): (Vec<_>, Vec<_>) = candidates(page, edges)
            .into_iter()
            .partition(|candidate| candidate.numbered.form == Form::BesideWords);
        let mut found = Found::default();
        for series in by_words(alone) {
            for (candidate, counts_up) in series.iter().zip(count_up(&series)) {
                if self.counted.contains(&candidate.index) || is_page_number_alone(candidate, counts_up) {
                    found.add(candidate);
                }
            }
        }
        let (mut fewer, mut series_of_footers) = (Vec::new(), Vec::new());
        for series in by_words(beside_words) {
            let counts_up = count_up(&series);
            let (counting, others): (Vec<_>, Vec<_>) = series
                .into_iter()
                .zip(counts_up)
                .partition(|(_, counts_up)| *counts_up);
            let counting: Vec<Candidate> = counting.into_iter().map(|(candidate, _)| candidate).collect();
            fewer.extend(others.into_iter().map(|(candidate, _)| candidate));
            // A page has one number: where it stands alone, another one counts something else.
            let numbered = counting
                .iter()
                .filter(|one| found.pages.contains(&one.page))
                .count();
            if counting.len() < FEWEST_BESIDE_WORDS {
                fewer.extend(counting);
            } else if numbered * 2 < counting.len() {
                series_of_footers.extend(counting);
            }
        }
        for candidate in &series_of_footers {
            found.add(candidate);
        }
        // The words change with the section, the numbers go on.
        let fitting: Vec<&Candidate> = fewer.iter().filter(|candidate| found.fits(candidate)).collect();
        for candidate in fitting {
            found.add(candidate);
        }
        found.numbers.into_keys().collect()
    }
}

/// The page numbers that are found, by their blocks, and the pages that have one.
#[derive(Default)]
struct Found {
    numbers: BTreeMap<usize, usize>,
    pages: BTreeSet<usize>,
}

impl Found {
    fn add(&mut self, candidate: &Candidate) {
        self.numbers.insert(candidate.index, candidate.numbered.number);
        self.pages.insert(candidate.page);
    }

    /// Whether a page without a number gets from this one what is missing between the pages before
    /// and behind it.
    fn fits(&self, candidate: &Candidate) -> bool {
        let number = candidate.numbered.number;
        let before = self.numbers.range(..candidate.index).next_back();
        let behind = self.numbers.range(candidate.index + 1..).next();
        let (Some((_, before)), Some((_, behind))) = (before, behind) else {
            return false;
        };
        let is_between = *before < number && number < *behind && *behind - *before <= 2 * LARGEST_STEP;
        !self.pages.contains(&candidate.page) && is_between
    }
}

fn is_page_number_alone(candidate: &Candidate, counts_up: bool) -> bool {
    let is_at_foot = candidate.side == Side::Bottom;
    match candidate.numbered.form {
        // `A-1` is a rating where it is a cell.
        Form::SetApart => counts_up || !candidate.is_row,
        // A marker has its text behind it, so the last line of a page is none.
        Form::Bare => counts_up || is_at_foot && candidate.is_first && !candidate.is_row,
        Form::Marker => counts_up && is_at_foot && candidate.is_first && !candidate.is_row,
        Form::BesideWords => false,
    }
}

fn candidates(page: &Page, edges: &[Edge]) -> Vec<Candidate> {
    let mut found = Vec::new();
    let mut number_of_page = 0;
    for edge in edges {
        number_of_page += usize::from(edge.side == Side::Top);
        for (depth, &index) in edge.blocks.iter().enumerate() {
            let block = &page.blocks[index];
            if let Some(numbered) = numbered(&block.text) {
                found.push(Candidate {
                    index,
                    side: edge.side,
                    is_first: depth == 0,
                    is_row: block.kind == BlockKind::TableRow,
                    page: number_of_page,
                    numbered,
                });
            }
        }
    }
    found.sort_by_key(|candidate| candidate.index);
    found
}

/// The candidates that have the same words beside their numbers, in the order of the document.
fn by_words(candidates: Vec<Candidate>) -> Vec<Vec<Candidate>> {
    let mut series: BTreeMap<String, Vec<Candidate>> = BTreeMap::new();
    for candidate in candidates {
        series
            .entry(candidate.numbered.words.clone())
            .or_default()
            .push(candidate);
    }
    series.into_values().collect()
}

/// Of each candidate, whether one near it has the number of a page near its own.
fn count_up(series: &[Candidate]) -> Vec<bool> {
    let rises = |from: usize, to: usize| {
        let (lower, higher) = (series[from].numbered.number, series[to].numbered.number);
        higher > lower && higher - lower <= LARGEST_STEP * (to - from)
    };
    let counts_up = |at: usize| {
        (at.saturating_sub(NEIGHBORS)..at).any(|before| rises(before, at))
            || (at + 1..series.len().min(at + NEIGHBORS + 1)).any(|behind| rises(at, behind))
    };
    (0..series.len()).map(counts_up).collect()
}

/// Lone numbers that count up by one through the document: page numbers of a filing that does not
/// say where its pages end.
fn counted_numbers(page: &Page) -> BTreeSet<usize> {
    let mut counted = BTreeSet::new();
    let mut run: Vec<(usize, Numbered)> = Vec::new();
    for (index, block) in page.blocks.iter().enumerate() {
        let Some(numbered) = lone_number(&block.text).filter(|numbered| can_be_counted(block, numbered))
        else {
            continue;
        };
        let goes_on = run
            .last()
            .is_some_and(|(_, last)| numbered.number == last.number + 1 && numbered.words == last.words);
        if !goes_on {
            take_run(page, &mut run, &mut counted);
        }
        run.push((index, numbered));
    }
    take_run(page, &mut run, &mut counted);
    counted
}

/// Of the rows of a table only a number that is set apart may be a page's (`F-12`).
fn can_be_counted(block: &Block, numbered: &Numbered) -> bool {
    match numbered.form {
        Form::Bare => block.kind != BlockKind::TableRow,
        Form::SetApart => block.kind != BlockKind::TableRow || !numbered.words.is_empty(),
        Form::Marker | Form::BesideWords => false,
    }
}

fn take_run(page: &Page, run: &mut Vec<(usize, Numbered)>, counted: &mut BTreeSet<usize>) {
    let run = std::mem::take(run);
    let (Some((first, _)), Some((last, _))) = (run.first(), run.last()) else {
        return;
    };
    let is_set_apart = run.iter().all(|(_, numbered)| numbered.form == Form::SetApart);
    let counts_pages = if is_set_apart {
        run.len() >= SHORTEST_COUNT_SET_APART
    } else {
        let bytes: usize = page.blocks[*first..*last]
            .iter()
            .map(|block| block.text.len())
            .sum();
        let shortest = if run.iter().any(|(index, _)| stands_in_sentence(page, *index)) {
            SHORTEST_PAGE_BYTES
        } else {
            SHORTEST_PAGE_OF_WHOLE_SENTENCES_BYTES
        };
        run.len() >= SHORTEST_COUNT && bytes >= shortest * (run.len() - 1)
    };
    if counts_pages {
        counted.extend(run.iter().map(|(index, _)| *index));
    }
}

/// Whether the text before a number goes on behind it.
fn stands_in_sentence(page: &Page, index: usize) -> bool {
    let behind = page.blocks.iter().skip(index + 1).take(LONGEST_HEADER);
    let last = index.checked_sub(1).map(|last| &page.blocks[last]);
    last.is_some_and(|last| behind.into_iter().any(|first| cuts_sentence(last, first)))
}

/// Whether a text is a number as pages have them.
pub(super) fn is_page_number(text: &str) -> bool {
    lone_number(text).is_some()
}

/// The number that a line may have of its page.
fn numbered(text: &str) -> Option<Numbered> {
    if text.len() > LONGEST_LINE_BYTES {
        return None;
    }
    lone_number(text).or_else(|| number_beside_words(text))
}

/// The number that a line consists of: `12`, `- 12 -`, `Page 12 of 80`, `F-12`, `iv`.
fn lone_number(text: &str) -> Option<Numbered> {
    const LONGEST_NUMBER_BYTES: usize = 32;
    if text.len() > LONGEST_NUMBER_BYTES {
        return None;
    }
    let bare = text.trim_matches([' ', '|']);
    let lower = bare.to_ascii_lowercase();
    let inner = lower.trim_matches(|c: char| {
        matches!(
            c,
            '-' | '\u{2013}' | '\u{2014}' | ' ' | '.' | '[' | ']' | '(' | ')' | '~'
        )
    });
    let is_dressed = inner.len() < bare.len();
    let inner = inner.strip_prefix("cover").unwrap_or(inner).trim();
    let number = inner.strip_prefix("page").map(str::trim);
    let (number, says_page) = (number.unwrap_or(inner), number.is_some());
    let is_marker = !says_page && (bare.starts_with(['(', '[']) || bare.ends_with(['.', ')', ']']));
    let (number, of) = number
        .split_once(" of ")
        .map_or((number, false), |(number, _)| (number.trim(), true));
    let (section, number) = match number.split_once('-') {
        Some((section, number)) if is_section(section.trim()) => (section.trim(), number.trim()),
        _ => ("", number),
    };
    let has_letters = section.bytes().any(|byte| byte.is_ascii_alphabetic());
    let roman = roman(number);
    // Headings are numbered in capitals.
    let is_heading = roman.is_some()
        && section.is_empty()
        && bare.contains(|c: char| c.is_ascii_uppercase())
        && !says_page;
    let form = if is_marker || is_heading {
        Form::Marker
    } else if is_dressed || says_page || of || has_letters {
        Form::SetApart
    } else {
        Form::Bare
    };
    let kind = if roman.is_some() { "i" } else { "" };
    Some(Numbered {
        words: format!("{section}{kind}"),
        number: roman.or_else(|| arabic(number))?,
        form,
    })
}

/// `F` of `F-12`, `10` of `10-3`.
fn is_section(text: &str) -> bool {
    const LONGEST_SECTION_BYTES: usize = 4;
    text.len() <= LONGEST_SECTION_BYTES && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn arabic(text: &str) -> Option<usize> {
    let is_number = !text.is_empty() && text.len() <= 4 && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| is_number)?;
    // A year alone in a line is part of a table.
    (!(1900..=2100).contains(&number)).then_some(number)
}

fn roman(text: &str) -> Option<usize> {
    const NUMERALS: [&str; 30] = [
        "i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x", "xi", "xii", "xiii", "xiv", "xv", "xvi",
        "xvii", "xviii", "xix", "xx", "xxi", "xxii", "xxiii", "xxiv", "xxv", "xxvi", "xxvii", "xxviii",
        "xxix", "xxx",
    ];
    (1..)
        .zip(NUMERALS)
        .find(|(_, numeral)| *numeral == text)
        .map(|(number, _)| number)
}

/// The number at the end or the beginning of a line of words.
fn number_beside_words(text: &str) -> Option<Numbered> {
    let cells: Vec<&str> = text
        .split(CELL_SEPARATOR.trim())
        .map(str::trim)
        .filter(|cell| !cell.is_empty())
        .collect();
    if cells.len() > MOST_CELLS {
        return None;
    }
    let line = cells.join(" ").to_lowercase();
    let (before, last) = line.rsplit_once(' ')?;
    let (first, behind) = line.split_once(' ')?;
    let at_end = lone_number(last).map(|numbered| (before, numbered));
    let (words, numbered) = at_end
        .filter(|(words, _)| !counts_a_thing(words))
        .or_else(|| Some((behind, lone_number(first)?)))
        .filter(|(words, _)| words.contains(char::is_alphabetic))?;
    Some(Numbered {
        words: format!("{words} {}", numbered.words),
        number: numbered.number,
        // `1. Land` is a heading.
        form: (numbered.form != Form::Marker).then_some(Form::BesideWords)?,
    })
}

fn counts_a_thing(words: &str) -> bool {
    let word = words.rsplit(' ').next().unwrap_or_default();
    let word = word.trim_matches(|c: char| !c.is_alphanumeric());
    COUNTED_THINGS.contains(&word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Option<usize> {
        lone_number(text).map(|numbered| numbered.number)
    }

    #[test]
    fn page_numbers_are_read_in_every_dress() {
        for (text, expected) in [
            ("12", 12),
            ("- 12 -", 12),
            ("Page 12 of 80", 12),
            ("[Cover page 1 of 2 pages]", 1),
            ("F-12", 12),
            ("F - 12", 12),
            ("xii", 12),
            ("12 | |", 12),
        ] {
            assert_eq!(number(text), Some(expected), "{text}");
        }
        for text in ["2019", "12,000", "$ 12", "", "page", "12.5", "12345", "10-K"] {
            assert_eq!(number(text), None, "{text}");
        }
    }

    #[test]
    fn markers_and_headings_are_told_from_numbers_that_are_set_apart() {
        let form = |text| lone_number(text).map(|numbered| numbered.form);
        for text in ["(2)", "1.", "(ii)", "II", "3)", "(12)", "[2]"] {
            assert_eq!(form(text), Some(Form::Marker), "{text}");
        }
        for text in ["- 2 -", "F-2", "Page 2", "2 of 80", "[Page 2]"] {
            assert_eq!(form(text), Some(Form::SetApart), "{text}");
        }
        assert_eq!(form("ii"), Some(Form::Bare));
    }

    #[test]
    fn footers_have_their_number_at_an_end_and_headings_theirs_behind_what_they_count() {
        let read = |text| numbered(text).map(|numbered| (numbered.words, numbered.number));
        let footer = Some(("alder mills form 10-k ".to_owned(), 12));
        assert_eq!(read("Alder Mills | Form 10-K | 12"), footer);
        assert_eq!(read("12 | | Alder Mills | Form 10-K"), footer);
        assert_eq!(read("Part II | | 45"), Some(("part ii ".to_owned(), 45)));
        assert_eq!(read("2025 FORM 10-K 7"), Some(("2025 form 10-k ".to_owned(), 7)));
        assert_eq!(
            read("Exhibit 13, page 4"),
            Some(("exhibit 13, page ".to_owned(), 4))
        );
        for text in [
            "NOTE 2",
            "Item 7",
            "Exhibit 21",
            "Annual Report 2008",
            "1. Land",
            "Note 2. Debt",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
