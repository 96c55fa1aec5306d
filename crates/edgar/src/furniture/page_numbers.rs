//! Page numbers: numbers at the edges of pages that count up, alone in a line or beside the words
//! of a footer; and lone numbers that count up where no page is marked.

use std::collections::{BTreeMap, BTreeSet};

use documents::{Block, BlockKind};

use super::edges::{Edge, Side, cuts_sentence};
use super::numbered_lines::{Form, Numbered, lone_number, numbered};
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
