//! Heads that say at a page's top in which part, item or set of notes one is, with the lines above
//! and below them that belong to their group: those that say that it goes on, and those that come
//! back on so many pages that they cannot begin something on each.

use std::collections::{BTreeMap, BTreeSet};

use documents::{Block, BlockKind};

use super::edges::{Edge, Side, is_prose};
use super::wording::{bare_section, begins_something, names_set, says_continued};
use crate::page::Page;

/// A head is set in at most so many blocks, the company's name included.
const MOST_LINES: usize = 4;
const LONGEST_LINE_BYTES: usize = 160;
/// A set does not begin on so many pages.
const MANY_REPEATS: usize = 6;
/// A line below the head belongs to its group where it stands there on two of three pages.
const FEWEST_IN_GROUP: usize = 3;

/// The blocks of all such heads; `known` are blocks that are furniture by themselves.
pub(super) fn heads(page: &Page, edges: &[Edge], known: &BTreeSet<usize>) -> BTreeSet<usize> {
    let lines = |edge: &Edge| -> Vec<usize> {
        let lines = edge.blocks.iter().copied();
        lines.filter(|index| !known.contains(index)).collect()
    };
    let tops: Vec<Vec<usize>> = edges
        .iter()
        .filter(|edge| edge.side == Side::Top)
        .map(lines)
        .collect();
    let mut sets = sets_that_come_back(page, &tops);
    let mut found = BTreeSet::new();
    // For each line that ends a head, the lines that stand below it.
    let mut below: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for lines in &tops {
        let Some(length) = length_of_head(page, lines).or_else(|| sets.length_of_head(page, lines)) else {
            continue;
        };
        found.extend(&lines[..length]);
        let last = &page.blocks[lines[length - 1]].text;
        let pages = below.entry(last).or_default();
        pages.extend(lines.get(length).filter(|&&line| !stands_over_row(page, line)));
    }
    for lines in below.values() {
        found.extend(in_groups(page, lines));
    }
    found
}

/// Names of sets that come back in the same words, and whether each was met: its first is the
/// heading of what begins there.
struct Sets<'p>(BTreeMap<&'p str, bool>);

fn sets_that_come_back<'p>(page: &'p Page, tops: &[Vec<usize>]) -> Sets<'p> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for lines in tops {
        for &line in lines.iter().take(MOST_LINES) {
            let block = &page.blocks[line];
            if can_be_line(block) && names_set(&block.text) && bare_section(&block.text).is_none() {
                *counts.entry(&block.text).or_default() += 1;
            }
        }
    }
    counts.retain(|_, count| *count >= MANY_REPEATS);
    Sets(counts.into_keys().map(|text| (text, false)).collect())
}

impl Sets<'_> {
    fn length_of_head(&mut self, page: &Page, lines: &[usize]) -> Option<usize> {
        // Only the company's name may stand above it.
        let texts = lines.iter().take(2).map(|&line| &page.blocks[line].text[..]);
        for (place, text) in texts.enumerate() {
            if let Some(is_met) = self.0.get_mut(text) {
                return std::mem::replace(is_met, true).then_some(place + 1);
            }
        }
        None
    }
}

/// How many of the lines at a page's top are a head that says that something goes on.
fn length_of_head(page: &Page, lines: &[usize]) -> Option<usize> {
    let lines: Vec<&Block> = lines
        .iter()
        .take(MOST_LINES)
        .map(|&line| &page.blocks[line])
        .take_while(|block| can_be_line(block))
        .collect();
    let last = lines.iter().position(|line| says_continued(&line.text))?;
    // The name may stand in the line before: `ITEM 14. EXHIBITS` above `(Continued)`.
    let names = lines[last.saturating_sub(1)..=last]
        .iter()
        .any(|line| names_set(&line.text));
    // `Note 4. Debt (continued)` below the title of the notes is the heading of what follows.
    (names && !begins_something(&lines[last].text)).then_some(last + 1)
}

fn can_be_line(block: &Block) -> bool {
    let is_head = || says_continued(&block.text) && names_set(&block.text);
    let is_line = block.kind != BlockKind::ListItem && !is_prose(block);
    block.text.len() <= LONGEST_LINE_BYTES && (is_line || is_head())
}

/// The heads of columns come back too.
fn stands_over_row(page: &Page, line: usize) -> bool {
    let is_row = |index: usize| {
        page.blocks
            .get(index)
            .is_some_and(|block| block.kind == BlockKind::TableRow)
    };
    is_row(line) || is_row(line + 1)
}

/// Of the lines below the same head, those that come back there on most of its pages.
fn in_groups(page: &Page, lines: &[usize]) -> Vec<usize> {
    let mut by_text: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for &line in lines {
        by_text.entry(&page.blocks[line].text).or_default().push(line);
    }
    let is_group = |same: &Vec<usize>| same.len() >= FEWEST_IN_GROUP && same.len() * 3 >= lines.len() * 2;
    by_text.into_values().filter(is_group).flatten().collect()
}
