//! Tables of contents among the candidates: many items in few lines, with page numbers, or without
//! them and the same items again elsewhere with text. It takes them out, wherever they stand.

use std::collections::BTreeMap;

use documents::Block;

use super::candidates::{Begins, Candidate};
use super::text_lengths::is_text;

/// Fewer lines are no table.
const FEWEST_ITEMS: usize = 4;

/// A table of contents: candidates that are no headings.
#[derive(Debug, Clone)]
pub(crate) struct Contents {
    pub(crate) lines: Vec<Candidate>,
}

/// Takes the lines of tables of contents out of the candidates.
pub(crate) fn take_contents(candidates: Vec<Candidate>, blocks: &[Block]) -> (Vec<Candidate>, Vec<Contents>) {
    let lines = best_of_lines(&candidates);
    let runs = runs(&lines, blocks);
    let followed = followed_places(&lines, blocks);
    let mut tables: Vec<Contents> = Vec::new();
    let mut taken: BTreeMap<usize, usize> = BTreeMap::new();
    for run in runs {
        let run = &lines[run];
        if !is_contents(run, &followed) {
            continue;
        }
        for line in run {
            taken.insert(line.block, tables.len());
        }
        tables.push(Contents { lines: Vec::new() });
    }
    let mut left = Vec::with_capacity(candidates.len());
    for candidate in candidates {
        match taken.get(&candidate.block) {
            Some(table) => tables[*table].lines.push(candidate),
            None => left.push(candidate),
        }
    }
    (left, tables)
}

/// Of each line the candidate that most speaks for.
fn best_of_lines(candidates: &[Candidate]) -> Vec<&Candidate> {
    candidates
        .chunk_by(|left, right| left.block == right.block)
        .filter_map(|line| line.iter().rev().max_by_key(|candidate| candidate.score))
        .collect()
}

/// Lines that follow each other without text between, in the order of the form.
fn runs(lines: &[&Candidate], blocks: &[Block]) -> Vec<std::ops::Range<usize>> {
    let mut runs = Vec::new();
    let mut start = 0;
    for index in 1..=lines.len() {
        let goes_on = index < lines.len() && {
            let (last, next) = (lines[index - 1], lines[index]);
            next.first_place > last.last_place && !has_text_between(blocks, last.block, next.block)
        };
        if !goes_on {
            if index - start >= FEWEST_ITEMS {
                runs.push(start..index);
            }
            start = index;
        }
    }
    runs
}

fn has_text_between(blocks: &[Block], first: usize, second: usize) -> bool {
    const LONGEST_LINE_BYTES: usize = 400;
    blocks[first].text.len() > LONGEST_LINE_BYTES || blocks[first + 1..second].iter().any(is_text)
}

/// How many lines of each place have text behind them.
fn followed_places(lines: &[&Candidate], blocks: &[Block]) -> BTreeMap<u16, usize> {
    let mut followed = BTreeMap::new();
    for (index, line) in lines.iter().enumerate() {
        let end = lines.get(index + 1).map_or(blocks.len(), |next| next.block);
        if has_text_between(blocks, line.block, end) {
            *followed.entry(line.first_place).or_default() += 1;
        }
    }
    followed
}

/// Whether a run is a table of contents.
fn is_contents(run: &[&Candidate], followed: &BTreeMap<u16, usize>) -> bool {
    let items: Vec<&&Candidate> = run
        .iter()
        .filter(|line| matches!(line.begins, Begins::Items(_) | Begins::Other(_)))
        .collect();
    if items.len() < FEWEST_ITEMS {
        return false;
    }
    let with_pages = items.iter().filter(|line| line.has_page).count();
    let has_pages = with_pages * 2 >= items.len();
    let again = items
        .iter()
        .filter(|line| followed.get(&line.first_place).is_some_and(|times| *times > 0))
        .count();
    has_pages || again * 5 >= items.len() * 3
}
