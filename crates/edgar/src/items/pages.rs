//! Page numbers: those that end pages, as page furniture, and those that tables of contents name.

use std::ops::Range;

use documents::{Block, BlockKind, CELL_SEPARATOR};

/// A page by its number: `12`, `F-3`, `K16`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Page {
    /// Letters before the number, in upper case.
    prefix: String,
    number: u32,
}

/// From one page to another, both included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pages {
    pub(crate) first: Page,
    pub(crate) last: Page,
}

/// Where the pages of a document are.
#[derive(Debug)]
pub(crate) struct PageMap {
    ends: Vec<PageEnd>,
}

#[derive(Debug)]
struct PageEnd {
    page: Page,
    /// Index of the block that is its number.
    block: usize,
}

impl PageMap {
    /// By the numbers at the ends of pages that count up.
    pub(crate) fn of(blocks: &[Block]) -> Self {
        let mut ends: Vec<PageEnd> = Vec::new();
        for (index, block) in blocks.iter().enumerate() {
            if block.kind != BlockKind::PageFurniture {
                continue;
            }
            let last = ends.last().map(|end| &end.page);
            if let Some(page) = page_of_line(&block.text, last) {
                ends.push(PageEnd { page, block: index });
            }
        }
        Self { ends }
    }

    /// The blocks of a page, its number included.
    pub(crate) fn blocks(&self, page: &Page) -> Option<Range<usize>> {
        let at = self.ends.iter().position(|end| end.page == *page)?;
        let start = match at.checked_sub(1) {
            Some(before) => self.ends[before].block + 1,
            None => 0,
        };
        Some(start..self.ends[at].block + 1)
    }
}

/// The number of a page in its footer: alone, or before or behind other words. Of several the one
/// that goes on counting.
fn page_of_line(text: &str, last: Option<&Page>) -> Option<Page> {
    let words: Vec<&str> = text.split([' ', '|']).filter(|word| !word.is_empty()).collect();
    let readings = [words.first(), words.last(), words.get(1)];
    let mut pages = readings.into_iter().flatten().filter_map(|word| {
        let pages = pages_in(word);
        let [pages] = &pages[..] else { return None };
        (pages.first == pages.last).then(|| pages.first.clone())
    });
    match last {
        Some(last) => {
            let goes_on = |page: &Page| {
                page.prefix == last.prefix && page.number > last.number && page.number <= last.number + 3
                    || page.prefix != last.prefix && page.number == 1
            };
            let found: Vec<Page> = pages.collect();
            let fitting = found.iter().find(|page| goes_on(page)).cloned();
            fitting.or_else(|| found.into_iter().next().filter(|_| words.len() == 1))
        }
        None => pages.next().filter(|_| words.len() <= 3),
    }
}

/// The pages that the end of a line of a table of contents names: `12`, `4-27, 31`, `F-2 to F-9`.
pub(crate) fn pages_in(text: &str) -> Vec<Pages> {
    let mut found: Vec<Pages> = Vec::new();
    let mut rest = text;
    let mut is_range = false;
    while let Some(start) = rest.find(|c: char| c.is_ascii_alphanumeric()) {
        let between = &rest[..start];
        is_range |= between.contains(['-', '\u{2013}', '\u{2014}']);
        rest = &rest[start..];
        let length = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let letters = &rest[..length];
        let behind = rest[length..].strip_prefix('-').unwrap_or(&rest[length..]);
        let digits = behind.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 || digits > 3 {
            match letters.to_ascii_lowercase().as_str() {
                "to" | "through" => is_range = true,
                "page" | "pages" | "and" | "see" | "p" | "pp" => is_range = false,
                // Another word: this is no list of pages.
                _ => return Vec::new(),
            }
            if digits > 3 {
                return Vec::new();
            }
            rest = &rest[length..];
            continue;
        }
        let Ok(number) = behind[..digits].parse() else {
            return Vec::new();
        };
        let page = Page {
            prefix: letters.to_ascii_uppercase(),
            number,
        };
        if letters.len() > 2 {
            return Vec::new();
        }
        match found.last_mut() {
            Some(last) if is_range => last.last = page,
            _ => found.push(Pages {
                first: page.clone(),
                last: page,
            }),
        }
        is_range = false;
        rest = &behind[digits..];
    }
    found
}

/// Whether a line ends in the number of a page, as those of a table of contents do: a last cell or
/// word like `12`, `F-3`, `K16`, `12-14`.
pub(crate) fn ends_with_page(text: &str) -> bool {
    const LONGEST_PAGES_BYTES: usize = 12;
    let cell = text.rsplit(CELL_SEPARATOR).next().unwrap_or_default();
    let last = if cell.len() < text.len() && cell.len() <= LONGEST_PAGES_BYTES {
        cell
    } else {
        text.rsplit(' ').next().unwrap_or_default()
    };
    last.len() < text.len() && is_page(last)
}

/// `12`, `F-3`, `K16`, `12-14`, `(3)`; but not `10-K`.
pub(crate) fn is_page(text: &str) -> bool {
    let text = text.trim_matches(['(', ')', '.', ' ']);
    let mut pieces = text
        .split(['-', '\u{2013}', '\u{2014}', ',', '&', ' '])
        .filter(|piece| !piece.is_empty())
        .peekable();
    let mut has_digits = false;
    while let Some(piece) = pieces.next() {
        let digits = piece.trim_start_matches(|c: char| c.is_ascii_alphabetic());
        let letters = piece.len() - digits.len();
        let is_number = digits.len() <= 3 && digits.bytes().all(|byte| byte.is_ascii_digit());
        // Letters stand before their number.
        let is_prefix = digits.is_empty() && pieces.peek().is_none();
        if !is_number || letters > 2 || is_prefix {
            return false;
        }
        has_digits |= !digits.is_empty();
    }
    has_digits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(prefix: &str, number: u32) -> Page {
        Page {
            prefix: prefix.to_owned(),
            number,
        }
    }

    #[test]
    fn lists_of_pages_are_read() {
        let read = |text: &str| {
            let pages = pages_in(text).into_iter();
            pages
                .map(|pages| {
                    let (first, last) = (pages.first, pages.last);
                    format!("{}{}..{}{}", first.prefix, first.number, last.prefix, last.number)
                })
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(read("12"), "12..12");
        assert_eq!(read("Pages 4 - 27"), "4..27");
        assert_eq!(read("4\u{2013}36, 121"), "4..36 121..121");
        assert_eq!(read("F-2 to F-9"), "F2..F9");
        assert_eq!(read("K16"), "K16..K16");
        for text in ["Not applicable", "2008", "Proxy statement 4", "", "\u{e9}"] {
            assert_eq!(read(text), "", "{text}");
        }
    }

    #[test]
    fn pages_are_the_blocks_up_to_their_number() {
        let furniture = |text: &str| Block::new(BlockKind::PageFurniture, text);
        let text = |text: &str| Block::new(BlockKind::Paragraph, text);
        let blocks = [
            text("oak"),
            furniture("1"),
            furniture("Alder Mills"),
            text("pine"),
            furniture("Alder Mills 2008 Form 10-K 2"),
            text("ash"),
            furniture("F-1"),
        ];
        let map = PageMap::of(&blocks);
        assert_eq!(map.blocks(&page("", 1)), Some(0..2));
        assert_eq!(map.blocks(&page("", 2)), Some(2..5));
        assert_eq!(map.blocks(&page("F", 1)), Some(5..7));
        assert_eq!(map.blocks(&page("", 3)), None);
    }

    #[test]
    fn page_numbers_end_lines_of_a_table_of_contents() {
        for text in [
            "Item 1. | Business | 3",
            "Item 2. Properties 30",
            "Item 8 | F-1",
            "Item 5 | K16",
            "Item 3 | 12-14",
        ] {
            assert!(ends_with_page(text), "{text}");
        }
        for text in [
            "Item 1. Business",
            "None.",
            "12",
            "In 2007",
            "Business | Properties",
        ] {
            assert!(!ends_with_page(text), "{text}");
        }
    }
}
