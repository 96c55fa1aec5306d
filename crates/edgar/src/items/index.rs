//! Items that have no heading, but whose pages or whose answer a table of contents names: the
//! cross-reference indexes of large banks, and single items inside others.

use std::ops::Range;

use documents::{Block, BlockKind, CELL_SEPARATOR};

use super::candidates::Begins;
use super::contents::Contents;
use super::form::{Form, squeezed};
use super::pages::{PageMap, Pages, ends_with_page, pages_in};
use super::verdict::{Does, Verdict, judge};

/// What a table of contents says of an item.
#[derive(Debug)]
pub(crate) struct Indexed {
    /// Index into the form's items.
    pub(crate) item: usize,
    pub(crate) says: Says,
}

#[derive(Debug)]
pub(crate) enum Says {
    /// The line itself is the answer.
    Answer(Range<usize>, Verdict),
    /// The text stands there under a title of the item.
    Text(Range<usize>),
    /// It stands on these pages, without such a title.
    Pages(Range<usize>),
}

/// An item that has a heading.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known {
    pub(crate) item: usize,
    pub(crate) block: usize,
}

/// One line with the lines that belong to it.
#[derive(Debug)]
struct Line {
    item: usize,
    blocks: Range<usize>,
}

/// What tables of contents say of the items that have no heading.
pub(crate) fn indexed(form: Form, tables: &[Contents], known: &[Known], blocks: &[Block]) -> Vec<Indexed> {
    let lines: Vec<Line> = tables.iter().flat_map(lines).collect();
    let has = |item: usize| known.iter().any(|known| known.item == item);
    if lines.iter().all(|line| has(line.item)) {
        return Vec::new();
    }
    let index = Index {
        form,
        blocks,
        map: PageMap::of(blocks),
        lines: &lines,
        known,
    };
    let mut found: Vec<Indexed> = Vec::new();
    for line in &lines {
        let is_known = has(line.item) || found.iter().any(|indexed| indexed.item == line.item);
        if is_known {
            continue;
        }
        found.extend(index.says(line).map(|says| Indexed {
            item: line.item,
            says,
        }));
    }
    found
}

fn lines(table: &Contents) -> Vec<Line> {
    const MOST_BLOCKS: usize = 12;
    let mut lines: Vec<Line> = Vec::new();
    for (index, candidate) in table.lines.iter().enumerate() {
        let Begins::Items(items) = &candidate.begins else {
            continue;
        };
        // Of the readings of one line the best.
        let is_best = table
            .lines
            .iter()
            .filter(|other| other.block == candidate.block)
            .all(|other| other.score <= candidate.score);
        if !is_best {
            continue;
        }
        let next = table.lines[index + 1..]
            .iter()
            .find(|other| other.block > candidate.block);
        let end = next.map_or(candidate.block + 1, |next| next.block);
        lines.extend(items.iter().map(|item| Line {
            item: *item,
            blocks: candidate.block..end.min(candidate.block + MOST_BLOCKS),
        }));
    }
    lines
}

/// The lines of all tables with what is needed to follow them.
#[derive(Debug)]
struct Index<'b> {
    form: Form,
    blocks: &'b [Block],
    map: PageMap,
    lines: &'b [Line],
    known: &'b [Known],
}

impl Index<'_> {
    fn says(&self, line: &Line) -> Option<Says> {
        let pages = self.pages(line);
        let Some(named) = pages.first() else {
            let first = &self.blocks[line.blocks.start].text;
            let verdict = judge(first.rsplit(CELL_SEPARATOR).next()?, &[]);
            let is_answer = matches!(verdict.does, Does::Omits | Does::Refers);
            return is_answer.then(|| Says::Answer(line.blocks.clone(), verdict));
        };
        let first = self.map.blocks(&named.first)?;
        let title = first.clone().find(|index| self.is_title(line.item, *index));
        let start = title.unwrap_or(first.start);
        let end = if named.first == named.last {
            self.next_start(line, start).unwrap_or(first.end)
        } else {
            self.map.blocks(&named.last).map_or(first.end, |last| last.end)
        };
        let range = start..end.max(start + 1).min(self.blocks.len());
        Some(match title {
            Some(_) => Says::Text(range),
            None => Says::Pages(range),
        })
    }

    fn pages(&self, line: &Line) -> Vec<Pages> {
        self.blocks[line.blocks.clone()]
            .iter()
            .map(|block| block.text.rsplit(CELL_SEPARATOR).next().unwrap_or_default())
            .flat_map(pages_of_cell)
            .collect()
    }

    /// Where what follows an item begins: the next heading, or the page of the next line.
    fn next_start(&self, line: &Line, start: usize) -> Option<usize> {
        let by_heading = self.known.iter().map(|known| known.block);
        let behind = self
            .lines
            .iter()
            .filter(|other| other.blocks.start > line.blocks.start);
        let by_page = behind
            .filter_map(|other| self.map.blocks(&self.pages(other).first()?.first))
            .map(|blocks| blocks.start);
        by_heading.chain(by_page).filter(|block| *block > start).min()
    }

    fn is_title(&self, item: usize, index: usize) -> bool {
        const LONGEST_TITLE_BYTES: usize = 90;
        let block = &self.blocks[index];
        let is_in_table = self.lines.iter().any(|line| line.blocks.contains(&index));
        block.kind == BlockKind::Heading
            && block.text.len() <= LONGEST_TITLE_BYTES
            && !is_in_table
            && !ends_with_page(&block.text)
            && self.form.items()[item].has_title(&squeezed(&block.text))
    }
}

/// A cell, or the end of a line without cells.
fn pages_of_cell(cell: &str) -> Vec<Pages> {
    let pages = pages_in(cell);
    if pages.is_empty() && ends_with_page(cell) {
        return pages_in(cell.rsplit(' ').next().unwrap_or_default());
    }
    pages
}
