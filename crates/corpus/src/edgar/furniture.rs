//! Page numbers, running headers and footers: blocks that stand at page breaks and are numbers or
//! come back page after page. They keep their place in the document; only their kind changes.

use super::page::Page;
use crate::document::{Block, BlockKind, CELL_SEPARATOR};
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;

/// How many blocks before and after a page break may be footer and header.
const REACH: usize = 4;
/// Furniture is short.
const LONGEST_FURNITURE_BYTES: usize = 160;
/// On at least this many pages, and on one page in `ONE_PAGE_IN`.
const FEWEST_REPEATS: usize = 3;
const ONE_PAGE_IN: usize = 16;
/// Page numbers without marked page breaks must count up at least this long.
const SHORTEST_COUNT: usize = 5;

/// Changes the kind of every block that is page furniture.
pub(crate) fn mark_furniture(page: &mut Page) {
    let repeated = repeated_texts(page);
    let mut found = Vec::new();
    for &page_break in &page.breaks {
        let is_furniture = |&index: &usize| {
            let text = &page.blocks[index].text;
            page_number(text).is_some() || repeated.get(&shape(text)).is_some_and(|&is_repeated| is_repeated)
        };
        found.extend(before(page_break).take_while(is_furniture));
        found.extend(after(page, page_break).take_while(is_furniture));
    }
    found.extend(counted_numbers(page));
    for index in found {
        page.blocks[index].kind = BlockKind::PageFurniture;
    }
}

/// The blocks before a break, nearest first.
fn before(page_break: usize) -> impl Iterator<Item = usize> {
    (page_break.saturating_sub(REACH)..page_break).rev()
}

/// The blocks after a break, nearest first.
fn after(page: &Page, page_break: usize) -> impl Iterator<Item = usize> {
    page_break..page.blocks.len().min(page_break + REACH)
}

/// The shapes of short blocks near page breaks, and whether each is there on enough pages.
fn repeated_texts(page: &Page) -> FxHashMap<String, bool> {
    let near_breaks: BTreeSet<usize> = page
        .breaks
        .iter()
        .flat_map(|&page_break| before(page_break).chain(after(page, page_break)))
        .collect();
    let mut counts: FxHashMap<String, usize> = FxHashMap::default();
    for block in near_breaks.into_iter().map(|index| &page.blocks[index]) {
        if can_be_furniture(block) {
            *counts.entry(shape(&block.text)).or_insert(0) += 1;
        }
    }
    let needed = FEWEST_REPEATS.max(page.breaks.len() / ONE_PAGE_IN);
    counts
        .into_iter()
        .map(|(shape, count)| (shape, count >= needed))
        .collect()
}

/// Whether a block that comes back may be a running header or footer. A row of a table may not,
/// unless a page number is one of its cells: the heads of long tables come back on every page.
fn can_be_furniture(block: &Block) -> bool {
    let mut cells = block.text.split(CELL_SEPARATOR);
    block.text.len() <= LONGEST_FURNITURE_BYTES
        && (block.kind != BlockKind::TableRow || cells.any(|cell| page_number(cell).is_some()))
}

/// A text without what changes from page to page: numbers and case.
fn shape(text: &str) -> String {
    let mut shape = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        // Years tell headings apart ("1998 compared to 1997").
        let is_year = digits == 4 && matches!(&rest[..2], "19" | "20");
        match digits {
            0 => shape.extend(first.to_lowercase()),
            _ if is_year => shape.push_str(&rest[..digits]),
            _ => shape.push('#'),
        }
        rest = &rest[digits.max(first.len_utf8())..];
    }
    shape
}

/// The number that a block consists of: `12`, `- 12 -`, `Page 12 of 80`, `F-12`, `iv`.
fn page_number(text: &str) -> Option<u32> {
    const LONGEST_NUMBER_BYTES: usize = 24;
    if text.len() > LONGEST_NUMBER_BYTES {
        return None;
    }
    let text = text.to_ascii_lowercase();
    let text = text.trim_matches(|c: char| {
        matches!(
            c,
            '-' | '\u{2013}' | '\u{2014}' | '|' | ' ' | '.' | '[' | ']' | '(' | ')' | '~'
        )
    });
    let text = text.strip_prefix("page").unwrap_or(text).trim();
    let text = text.split_once(" of ").map_or(text, |(number, _)| number).trim();
    let text = match text.split_once('-') {
        Some((section, number))
            if section.len() <= 3 && section.bytes().all(|byte| byte.is_ascii_alphanumeric()) =>
        {
            number.trim()
        }
        _ => text,
    };
    if let Some(number) = roman(text) {
        return Some(number);
    }
    let is_number = !text.is_empty() && text.len() <= 4 && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| is_number)?;
    // A year alone in a line is part of a table.
    (!(1900..=2100).contains(&number)).then_some(number)
}

fn roman(text: &str) -> Option<u32> {
    const NUMERALS: [&str; 20] = [
        "i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x", "xi", "xii", "xiii", "xiv", "xv", "xvi",
        "xvii", "xviii", "xix", "xx",
    ];
    (1..)
        .zip(NUMERALS)
        .find(|(_, numeral)| *numeral == text)
        .map(|(number, _)| number)
}

/// Lone numbers outside tables that count up by one through the document: page numbers of a
/// filing that does not say where its pages end.
fn counted_numbers(page: &Page) -> Vec<usize> {
    let is_text = |kind| matches!(kind, BlockKind::Paragraph | BlockKind::Heading);
    let candidates: Vec<(usize, u32)> = page
        .blocks
        .iter()
        .enumerate()
        .filter(|(_, block)| is_text(block.kind))
        .filter_map(|(index, block)| Some((index, page_number(&block.text)?)))
        .collect();
    let follows = |pair: &[(usize, u32)]| pair[1].1 == pair[0].1 + 1;
    let mut counted = Vec::new();
    for run in candidates.chunk_by(|left, right| follows(&[*left, *right])) {
        if run.len() >= SHORTEST_COUNT {
            counted.extend(run.iter().map(|(index, _)| *index));
        }
    }
    counted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(lines: &[&str]) -> Page {
        let mut page = Page::default();
        for line in lines {
            if *line == "<PAGE>" {
                page.mark_page_break();
            } else {
                page.push(BlockKind::Paragraph, line, false);
            }
        }
        page
    }

    fn furniture(lines: &[&str]) -> Vec<String> {
        let mut page = page(lines);
        mark_furniture(&mut page);
        let furniture = page
            .blocks
            .into_iter()
            .filter(|block| block.kind == BlockKind::PageFurniture);
        furniture.map(|block| block.text).collect()
    }

    #[test]
    fn numbers_and_repeated_lines_at_page_breaks_are_furniture() {
        let lines = [
            "Oak sells well.",
            "1",
            "<PAGE>",
            "Alder Mills, Inc.",
            "Pine does not.",
            "2",
            "<PAGE>",
            "Alder Mills, Inc.",
            "Ash is scarce.",
            "Page 3",
            "<PAGE>",
            "Alder Mills, Inc.",
            "In the end",
            "- 4 -",
            "<PAGE>",
        ];
        assert_eq!(
            furniture(&lines),
            [
                "1",
                "Alder Mills, Inc.",
                "2",
                "Alder Mills, Inc.",
                "Page 3",
                "Alder Mills, Inc.",
                "- 4 -"
            ]
        );
    }

    #[test]
    fn footers_whose_number_changes_are_one_footer() {
        let lines = [
            "a b",
            "Alder Mills | 2024 Form 10-K | 1",
            "<PAGE>",
            "c d",
            "Alder Mills | 2024 Form 10-K | 2",
            "<PAGE>",
            "e f",
            "Alder Mills | 2024 Form 10-K | 13",
            "<PAGE>",
        ];
        assert_eq!(furniture(&lines).len(), 3);
    }

    #[test]
    fn headings_that_differ_in_their_years_and_heads_of_tables_are_text() {
        let page_of = |year: u32| {
            let heading = format!("{year} compared to {}", year - 1);
            [
                "<PAGE>".to_owned(),
                heading,
                format!("{} oaks.", "Many ".repeat(year as usize - 1990)),
            ]
        };
        let lines: Vec<String> = (1991..2000).flat_map(page_of).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        assert_eq!(furniture(&lines), [""; 0]);

        let mut page = Page::default();
        for number in 0..5 {
            page.mark_page_break();
            page.push(BlockKind::TableRow, "Exhibit | Description", false);
            page.push(
                BlockKind::TableRow,
                &format!("10.{number} | Lease of {}", ["a", "b", "c", "d", "e"][number]),
                false,
            );
        }
        mark_furniture(&mut page);
        assert!(page.blocks.iter().all(|block| block.kind == BlockKind::TableRow));
    }

    #[test]
    fn what_stands_in_the_middle_of_a_page_is_text() {
        let lines = ["Oak.", "7", "Pine sells well.", "1", "<PAGE>", "2019", "Ash."];
        assert_eq!(furniture(&lines), ["1"]);
    }

    #[test]
    fn numbers_that_count_up_are_page_numbers_even_without_breaks() {
        let lines = [
            "a", "1", "b", "2", "c", "3", "d", "4", "e", "5", "f", "17", "g", "12",
        ];
        assert_eq!(furniture(&lines), ["1", "2", "3", "4", "5"]);
        assert_eq!(furniture(&["a", "1", "b", "2", "c", "3"]), [""; 0]);
    }

    #[test]
    fn page_numbers_are_read_in_every_dress() {
        for (text, number) in [
            ("12", 12),
            ("- 12 -", 12),
            ("Page 12 of 80", 12),
            ("F-12", 12),
            ("xii", 12),
            ("12 |", 12),
        ] {
            assert_eq!(page_number(text), Some(number), "{text}");
        }
        for text in ["2019", "12,000", "$ 12", "", "page", "12.5", "12345", "10-K"] {
            assert_eq!(page_number(text), None, "{text}");
        }
    }
}
