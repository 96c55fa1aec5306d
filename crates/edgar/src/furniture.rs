//! Page numbers, running headers and footers: blocks that stand at page breaks and are numbers or
//! come back page after page. They keep their place in the document; only their kind changes.

use std::collections::{BTreeSet, HashMap};

use documents::{Block, BlockKind, split_cells};

use super::html::lines::is_item_heading;
use super::page::Page;

/// How many blocks before and after a page break may be footer and header.
const REACH: usize = 4;
/// Furniture is short.
const LONGEST_FURNITURE_BYTES: usize = 160;
/// On at least this many pages, and on one page in `ONE_PAGE_IN`.
const FEWEST_REPEATS: usize = 3;
const ONE_PAGE_IN: usize = 32;
/// Texts are given up in this many passes at most: each that is given up may leave others unmarked.
const MOST_PASSES: usize = 8;
/// Page numbers without marked page breaks must count up at least this long; ones that are set
/// apart (`F-12`, `- 12 -`) need fewer, for nothing else looks like them.
const SHORTEST_COUNT: usize = 5;
const SHORTEST_COUNT_SET_APART: usize = 3;
/// Whole answers to an item: they come back without being furniture.
const ANSWERS: [&str; 5] = ["none", "not applicable", "n/a", "omitted", "reserved"];

/// Begins an item of a list, with or without a space after it.
const BULLET: char = '\u{2022}';

/// Changes the kind of every block that is page furniture.
pub(crate) fn mark_furniture(page: &mut Page) {
    let counted = counted_numbers(page);
    let breaks = page_ends(page, &counted);
    let mut repeated = Repeated::near(page, &breaks);
    let mut found = at_page_ends(page, &breaks, &repeated);
    for _ in 0..MOST_PASSES {
        if !repeated.give_up_those_hardly_in(page, &found) {
            break;
        }
        found = at_page_ends(page, &breaks, &repeated);
    }
    for index in found.into_iter().chain(counted) {
        page.blocks[index].kind = BlockKind::PageFurniture;
    }
}

/// The blocks before and after each page break up to the first that is no furniture.
fn at_page_ends(page: &Page, breaks: &BTreeSet<usize>, repeated: &Repeated) -> BTreeSet<usize> {
    let is_furniture = |&index: &usize| {
        let block = &page.blocks[index];
        page_number(&block.text).is_some() || can_be_furniture(block) && repeated.contains(block)
    };
    let mut found = BTreeSet::new();
    for &page_break in breaks {
        found.extend(before(page_break).take_while(is_furniture));
        found.extend(after(page, page_break).take_while(is_furniture));
    }
    found
}

/// Where pages end: at marked breaks, after counted page numbers, and at the document's own ends.
fn page_ends(page: &Page, counted: &[usize]) -> BTreeSet<usize> {
    let after_numbers = counted.iter().map(|index| index + 1);
    // The ends count where pages are marked at all.
    let ends = [0, page.blocks.len()]
        .into_iter()
        .filter(|_| !page.breaks.is_empty());
    page.breaks
        .iter()
        .copied()
        .chain(after_numbers)
        .chain(ends)
        .collect()
}

/// The blocks before a break, nearest first.
fn before(page_break: usize) -> impl Iterator<Item = usize> {
    (page_break.saturating_sub(REACH)..page_break).rev()
}

/// The blocks after a break, nearest first.
fn after(page: &Page, page_break: usize) -> impl Iterator<Item = usize> + use<> {
    page_break..page.blocks.len().min(page_break + REACH)
}

/// The shapes of short blocks that come back at page breaks, on enough pages and hardly ever
/// anywhere else.
struct Repeated {
    /// How often each shape comes in the whole document.
    counts: HashMap<String, usize>,
    /// On how many pages a shape must come.
    needed: usize,
}

impl Repeated {
    /// Those that come back near page breaks.
    fn near(page: &Page, breaks: &BTreeSet<usize>) -> Self {
        let near_breaks: BTreeSet<usize> = breaks
            .iter()
            .flat_map(|&page_break| before(page_break).chain(after(page, page_break)))
            .collect();
        let mut counts: HashMap<String, usize> = HashMap::new();
        for block in page.blocks.iter().filter(|block| can_be_furniture(block)) {
            *counts.entry(shape(&block.text)).or_default() += 1;
        }
        let needed = FEWEST_REPEATS.max(breaks.len() / ONE_PAGE_IN);
        let mut repeated = Self { counts, needed };
        repeated.give_up_those_hardly_in(page, &near_breaks);
        repeated
    }

    /// Keeps the shapes of which enough, and most, stand at these places; whether any went.
    fn give_up_those_hardly_in(&mut self, page: &Page, places: &BTreeSet<usize>) -> bool {
        let mut there: HashMap<String, usize> = HashMap::new();
        for block in places.iter().map(|&index| &page.blocks[index]) {
            if can_be_furniture(block) {
                *there.entry(shape(&block.text)).or_default() += 1;
            }
        }
        let (length, needed) = (self.counts.len(), self.needed);
        self.counts.retain(|shape, all| {
            let there = there.get(shape).copied().unwrap_or(0);
            there >= needed && there * 2 > *all
        });
        self.counts.len() < length
    }

    fn contains(&self, block: &Block) -> bool {
        self.counts.contains_key(&shape(&block.text))
    }
}

/// Whether a block that comes back may be a running header or footer. A row of a table may not,
/// unless it is a single cell or its first or last is a page number: the heads of long tables come
/// back on every page. Neither may items of a list and answers to an item.
fn can_be_furniture(block: &Block) -> bool {
    let text = &block.text[..];
    if text.len() > LONGEST_FURNITURE_BYTES || is_answer(text) || text.starts_with(BULLET) {
        return false;
    }
    let cells = || split_cells(text).filter(|cell| !cell.is_empty());
    match block.kind {
        BlockKind::ListItem => false,
        // Of the head of a table, remarks like `(In millions)`.
        BlockKind::TableRow if cells().count() == 1 => !cells().any(|cell| cell.starts_with('(')),
        BlockKind::TableRow => [cells().next(), cells().last()]
            .into_iter()
            .flatten()
            .any(|cell| page_number(cell).is_some()),
        _ => true,
    }
}

fn is_answer(text: &str) -> bool {
    let text = text.trim_matches(|c: char| !c.is_alphanumeric());
    ANSWERS.iter().any(|answer| text.eq_ignore_ascii_case(answer))
}

/// A text without the numbers, which change from page to page. The headings of items (`Item 6`,
/// `Item 7`) keep theirs.
fn shape(text: &str) -> String {
    if is_item_heading(text) {
        return text.to_owned();
    }
    let mut shape = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        // Years tell headings apart ("1998 compared to 1997").
        let is_year = digits == 4 && matches!(&rest[..2], "19" | "20");
        match digits {
            0 => shape.push(first),
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
    // `- 12 -` looks like an item of a list.
    let is_text = |kind| kind != BlockKind::TableRow;
    let candidates: Vec<(usize, u32)> = page
        .blocks
        .iter()
        .enumerate()
        .filter(|(_, block)| is_text(block.kind))
        .filter_map(|(index, block)| Some((index, page_number(&block.text)?)))
        .collect();
    let is_set_apart = |(index, _): &(usize, u32)| {
        let text = &page.blocks[*index].text;
        text.contains('-') && !text.bytes().all(|byte| byte.is_ascii_digit())
    };
    let mut counted = Vec::new();
    for run in candidates.chunk_by(|left, right| right.1 == left.1 + 1) {
        let shortest = if run.iter().all(is_set_apart) {
            SHORTEST_COUNT_SET_APART
        } else {
            SHORTEST_COUNT
        };
        if run.len() >= shortest {
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
    fn the_first_and_last_page_have_furniture_too() {
        let pages = [
            "Contents", "oak", "F-1", "<PAGE>", "Contents", "pine", "F-2", "<PAGE>", "Contents", "ash", "F-3",
        ];
        assert_eq!(
            furniture(&pages),
            ["Contents", "F-1", "Contents", "F-2", "Contents", "F-3"]
        );
    }

    #[test]
    fn items_answers_and_lists_that_come_back_at_page_breaks_are_text() {
        let page_of = |number: u32| {
            let texts = [
                format!("Item {number}"),
                "Oak.".repeat(number as usize),
                "None.".to_owned(),
            ];
            [vec!["<PAGE>".to_owned()], texts.to_vec()].concat()
        };
        let lines: Vec<String> = (1..8).flat_map(page_of).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        assert_eq!(furniture(&lines), [""; 0]);
    }

    #[test]
    fn a_line_that_comes_back_everywhere_is_text_at_page_breaks_too() {
        let inside = [
            "oak",
            "(in millions)",
            "pine",
            "ash",
            "elm",
            "a",
            "b",
            "c",
            "d",
            "(in millions)",
            "e",
        ];
        let one = [
            &["<PAGE>", "(in millions)"][..],
            &inside,
            &inside,
            &["f", "g", "h", "i", "j"],
        ]
        .concat();
        let lines: Vec<&str> = one.iter().copied().cycle().take(one.len() * 5).collect();
        assert!(!furniture(&lines).contains(&"(in millions)".to_owned()));
    }

    #[test]
    fn a_heading_that_begins_a_page_once_and_stands_near_breaks_elsewhere_is_text() {
        // The heading is on each page within reach of its end, but at its very top on one alone.
        let page_of = |number: usize| {
            let heading = "Compared to the Prior Year".to_owned();
            let oak = format!("Oak {}", "wood ".repeat(number));
            let lines = if number == 4 {
                vec![heading, oak]
            } else {
                vec![oak, heading, "It rose.".repeat(number)]
            };
            [vec!["<PAGE>".to_owned(), "Alder Mills, Inc.".to_owned()], lines].concat()
        };
        let lines: Vec<String> = (1..8).flat_map(page_of).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        assert_eq!(furniture(&lines), ["Alder Mills, Inc."; 7]);
    }

    #[test]
    fn headers_set_as_a_row_of_one_cell_are_furniture_and_remarks_above_columns_are_not() {
        let mut page = Page::default();
        for number in 1..6 {
            page.mark_page_break();
            page.push(BlockKind::TableRow, "Alder Mills and Subsidiaries", false);
            page.push(BlockKind::TableRow, "(In millions)", false);
            page.push(
                BlockKind::TableRow,
                &format!("{} | {number}", "Oak".repeat(number)),
                false,
            );
        }
        mark_furniture(&mut page);
        let kinds: Vec<BlockKind> = page.blocks.iter().map(|block| block.kind).collect();
        let of_page = [BlockKind::PageFurniture, BlockKind::TableRow, BlockKind::TableRow];
        assert_eq!(kinds, of_page.repeat(5));
    }

    #[test]
    fn the_heading_of_a_table_of_contents_is_not_the_link_to_it_on_every_page() {
        let page_of = |number: usize| {
            let text = if number == 1 {
                "TABLE OF CONTENTS".to_owned()
            } else {
                "Oak.".repeat(number)
            };
            ["<PAGE>".to_owned(), "Table of Contents".to_owned(), text]
        };
        let lines: Vec<String> = (1..6).flat_map(page_of).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        assert_eq!(furniture(&lines), ["Table of Contents"; 5]);
    }

    #[test]
    fn headers_are_found_where_only_page_numbers_tell_the_pages() {
        let lines: Vec<String> = (1..7)
            .flat_map(|page| {
                [
                    "Alder Mills, Inc.".to_owned(),
                    "oak ".repeat(page),
                    "a".repeat(page + 9),
                    "b".repeat(page + 9),
                    "c".repeat(page + 9),
                    "d".repeat(page + 9),
                    format!("FS-{page}"),
                ]
            })
            .collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        // The first page has no end before it.
        assert_eq!(furniture(&lines).len(), 6 + 5);
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
