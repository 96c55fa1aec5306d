//! Running headers and footers: lines that come back at the edges of pages over prose, which goes
//! on from page to page. What comes back over tables and titles alone is part of these.

use std::collections::{BTreeMap, BTreeSet};

use documents::{Block, BlockKind, CELL_SEPARATOR};
use rustc_hash::FxHashMap;

use super::edges::{Edge, Side, is_prose, runs_over};
use super::numbered_lines::is_page_number;
use super::wording::{SECTIONS, bare_section, begins_something, is_link, names_set, plain, says_continued};
use crate::html::lines::{is_item_heading, is_marker};
use crate::page::Page;

const LONGEST_LINE_BYTES: usize = 160;
const MOST_CELLS: usize = 3;
/// On at least this many pages.
const FEWEST_REPEATS: usize = 3;
/// On so many pages prose beside it is enough, though it never goes on over the break.
const MANY_REPEATS: usize = 6;
/// Begins an item of a list, with or without a space after it.
const BULLET: char = '\u{2022}';
/// Whole answers to an item: they come back without being furniture.
const ANSWERS: [&str; 5] = ["none", "not applicable", "n/a", "omitted", "reserved"];

/// What a line is on every page: its text, or the kind of section that it numbers.
type Key<'p> = (Side, &'p str);

/// What surrounds a line where it is the innermost of its group.
#[derive(Debug, Clone, Copy, Default)]
struct Surroundings {
    /// Where prose stands beside it.
    prose: usize,
    /// Where the text goes on over the break.
    runs_over: usize,
    /// All these places.
    innermost: usize,
    /// Places at edges, innermost or not.
    places: usize,
}

/// The blocks that the other rules know.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known<'k> {
    /// Furniture by itself: what stands behind it stands at the edge too.
    pub(super) by_themselves: &'k BTreeSet<usize>,
    /// Heads at the tops of pages that say in which section one is.
    pub(super) heads: &'k BTreeSet<usize>,
}

/// The blocks at an edge that may be furniture, and what they stand beside.
struct Group<'e, 'p> {
    side: Side,
    blocks: &'e [usize],
    /// The first block behind them.
    beside: Option<&'p Block>,
    /// The blocks behind them that are near the edge, `beside` the first.
    behind: &'e [usize],
    /// The text goes on over the break.
    runs_over: bool,
}

impl Known<'_> {
    fn is_head(self, index: usize, side: Side) -> bool {
        side == Side::Top && self.heads.contains(&index)
    }
}

/// All furniture at the edges of a page: what is known, and the running lines.
pub(super) fn furniture_at(page: &Page, edges: &[Edge], known: Known<'_>) -> Vec<usize> {
    let repeated = repeated(page, edges);
    let groups = groups(page, edges, |index, side| {
        known.by_themselves.contains(&index)
            || known.is_head(index, side)
            || key(&page.blocks[index], side).is_some_and(|key| repeated.contains(&key))
    });
    let running = running(page, &groups, known);
    let beginnings = beginnings(page, &groups, known);
    let is_running = |index: usize, side: Side| {
        !beginnings.contains(&index)
            && (known.is_head(index, side)
                || key(&page.blocks[index], side).is_some_and(|key| running.contains(&key)))
    };
    let mut found = Vec::new();
    for group in &groups {
        // A line that comes back belongs to the running line on its inner side.
        let mut stands_by_running_line = false;
        let mut is_furniture = vec![true; group.blocks.len()];
        for (place, &index) in group.blocks.iter().enumerate().rev() {
            if !known.by_themselves.contains(&index) {
                stands_by_running_line =
                    is_running(index, group.side) || stands_by_running_line && !beginnings.contains(&index);
                is_furniture[place] = stands_by_running_line;
            }
        }
        let at_edge = group.blocks.iter().zip(is_furniture);
        found.extend(
            at_edge
                .take_while(|(_, is_furniture)| *is_furniture)
                .map(|(index, _)| *index),
        );
    }
    found
}

/// The group of each edge: the blocks from the edge on that may be furniture.
fn groups<'e, 'p>(
    page: &'p Page,
    edges: &'e [Edge],
    may_be_furniture: impl Fn(usize, Side) -> bool,
) -> Vec<Group<'e, 'p>> {
    let length = |edge: &Edge| {
        let may_be = |index: &&usize| may_be_furniture(**index, edge.side);
        edge.blocks.iter().take_while(may_be).count()
    };
    let lengths: Vec<usize> = edges.iter().map(length).collect();
    let beside = |edge: usize| {
        edges[edge]
            .blocks
            .get(lengths[edge])
            .map(|&index| &page.blocks[index])
    };
    let group = |number: usize| {
        let edge = &edges[number];
        let (beside, across) = (beside(number), edge.across.and_then(beside));
        let (last, first) = match edge.side {
            Side::Top => (across, beside),
            Side::Bottom => (beside, across),
        };
        Group {
            side: edge.side,
            blocks: &edge.blocks[..lengths[number]],
            beside,
            behind: &edge.blocks[lengths[number]..],
            runs_over: last
                .zip(first)
                .is_some_and(|(last, first)| runs_over(last, first)),
        }
    };
    (0..edges.len()).map(group).collect()
}

/// The lines whose surroundings show that they are the page's.
fn running<'p>(page: &'p Page, groups: &[Group<'_, 'p>], known: Known<'_>) -> BTreeSet<Key<'p>> {
    let mut surroundings: BTreeMap<Key<'p>, Surroundings> = BTreeMap::new();
    for group in groups {
        let keys = |&index: &usize| key(&page.blocks[index], group.side);
        for key in group.blocks.iter().filter_map(keys) {
            surroundings.entry(key).or_default().places += 1;
        }
        let mut lines = group
            .blocks
            .iter()
            .filter(|index| !known.by_themselves.contains(index));
        if let Some(key) = lines.next_back().and_then(keys) {
            let line = surroundings.entry(key).or_default();
            line.innermost += 1;
            line.prose += usize::from(group.beside.is_some_and(is_prose));
            line.runs_over += usize::from(group.runs_over);
        }
    }
    let num_pages = groups.iter().filter(|group| group.side == Side::Top).count();
    surroundings.retain(|key, line| line.is_of_page(key.1, num_pages));
    surroundings.into_keys().collect()
}

/// Of the headers that name what begins or goes on below them, the first of each: it is the only
/// heading of what begins there, unless the text goes on over the break or the heading follows.
fn beginnings(page: &Page, groups: &[Group<'_, '_>], known: Known<'_>) -> BTreeSet<usize> {
    let mut named = BTreeSet::new();
    let mut found = BTreeSet::new();
    for group in groups.iter().filter(|group| group.side == Side::Top) {
        for &index in group.blocks.iter().filter(|index| !known.heads.contains(index)) {
            let text = &page.blocks[index].text[..];
            let begins = (names_set(text) || begins_something(text)) && !says_continued(text);
            let is_first = begins && named.insert(bare_section(text).unwrap_or(text));
            let behind = || group.behind.iter().map(|&index| &page.blocks[index]);
            if is_first && !group.runs_over && !is_repeated(text, behind()) {
                found.insert(index);
            }
        }
    }
    found
}

impl Surroundings {
    /// Whether a line in these surroundings is the page's: it stands over prose on two pages and a
    /// fourth of all, and the text goes on over one of its breaks, or it comes back often, or on
    /// most pages of the document. Of what is worded like a title, the text must go on twice.
    fn is_of_page(&self, text: &str, num_pages: usize) -> bool {
        let stands_over_prose = self.prose >= 2 && self.prose * 4 >= self.innermost;
        let is_mostly_over_prose = self.prose * 2 >= self.innermost;
        let is_on_most_pages = self.places * 5 >= num_pages * 3;
        let comes_back = self.places >= FEWEST_REPEATS
            && (self.runs_over >= 1
                || is_mostly_over_prose && (self.places >= MANY_REPEATS || is_on_most_pages));
        stands_over_prose && comes_back && (self.runs_over >= 2 || !begins_something(text))
    }
}

/// Whether the heading of a section says once more below what the header above it says.
fn is_repeated<'p>(header: &str, below: impl Iterator<Item = &'p Block>) -> bool {
    let mut headings = below.filter(|block| block.kind != BlockKind::TableRow).peekable();
    let is_section = headings.peek().is_some_and(|next| is_item_heading(&next.text));
    let says_so = |block: &Block| plain(&block.text).contains(&plain(header));
    is_section && bare_section(header).is_some() || headings.any(says_so)
}

/// The lines that stand at enough edges, and hardly anywhere else.
fn repeated<'p>(page: &'p Page, edges: &[Edge]) -> BTreeSet<Key<'p>> {
    let mut places: BTreeMap<Key<'p>, usize> = BTreeMap::new();
    let mut near: FxHashMap<&str, BTreeSet<usize>> = FxHashMap::default();
    let mut sections: BTreeMap<Key<'p>, usize> = BTreeMap::new();
    for edge in edges {
        for &index in &edge.blocks {
            let block = &page.blocks[index];
            if let Some(key) = key(block, edge.side) {
                near.entry(key.1).or_default().insert(index);
                *places.entry(key).or_default() += 1;
                if SECTIONS.contains(&key.1) {
                    *sections.entry((edge.side, &block.text)).or_default() += 1;
                }
            }
        }
    }
    places.retain(|_, places| *places >= FEWEST_REPEATS);
    // `Item 1`, `Item 2`, `Item 3`, each on one page, begin these: of a series one comes back.
    let series: BTreeSet<Key<'p>> = sections
        .into_iter()
        .filter(|(_, places)| *places >= FEWEST_REPEATS)
        .filter_map(|((side, text), _)| Some((side, bare_section(text)?)))
        .collect();
    places.retain(|key, _| !SECTIONS.contains(&key.1) || series.contains(key));
    let mut everywhere: FxHashMap<&str, usize> = places.keys().map(|key| (key.1, 0)).collect();
    for (_, text) in page.blocks.iter().filter_map(|block| key(block, Side::Top)) {
        if let Some(count) = everywhere.get_mut(text) {
            *count += 1;
        }
    }
    places.retain(|key, _| near[key.1].len() * 2 > everywhere[key.1]);
    places.into_keys().collect()
}

/// What a block is on every page, if it may be a running line at all.
fn key(block: &Block, side: Side) -> Option<Key<'_>> {
    let text = &block.text[..];
    let cells = || {
        text.split(CELL_SEPARATOR.trim())
            .filter(|cell| !cell.trim().is_empty())
    };
    let cannot = text.len() > LONGEST_LINE_BYTES
        || block.kind == BlockKind::ListItem
        || text.starts_with(BULLET)
        || is_answer(text)
        || is_decided_elsewhere(text)
        || cells().nth(MOST_CELLS).is_some();
    (!cannot).then(|| (side, bare_section(text).unwrap_or(text)))
}

/// Numbers, markers and links have rules of their own.
fn is_decided_elsewhere(text: &str) -> bool {
    is_marker(text) || is_page_number(text) || is_link(text)
}

fn is_answer(text: &str) -> bool {
    let text = text.trim_matches(|c: char| !c.is_alphanumeric());
    ANSWERS.iter().any(|answer| text.eq_ignore_ascii_case(answer))
}
