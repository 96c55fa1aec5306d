//! What the words of a line say of it: links back, remarks about the page, codes of files; and which
//! lines name a part, an item or a whole set of the document.

use std::collections::{BTreeSet, HashMap};

use documents::{Block, BlockKind, CELL_SEPARATOR};

use super::edges::Edge;
use super::numbered_lines::is_page_number;
use crate::html::lines::is_item_heading;
use crate::page::Page;

/// Links of one or two words to the contents or an index, where they come back.
const LINKS: [&str; 4] = [
    "table of contents",
    "contents",
    "index to financial statements",
    "index to consolidated financial statements",
];
/// A link must stand at this many edges: alone, it may be the heading of the contents.
const FEWEST_LINKS: usize = 3;
/// Words that only a link has.
const WAYS_BACK: [&str; 4] = ["return to ", "back to ", "click here to return", "go to "];
const PLACES: [&str; 3] = ["contents", "index", "top"];
/// Remarks about the page.
const REMARKS: [&str; 8] = [
    "continued on next page",
    "continued on following page",
    "continued on the next page",
    "continued on the following page",
    "signature page follows",
    "signature pages follow",
    "signatures on following page",
    "signatures on next page",
];
const LONGEST_REMARK_BYTES: usize = 100;
const LONGEST_CODE_BYTES: usize = 80;
/// What the names of files end in.
const FILE_ENDINGS: [&str; 8] = [".htm", ".html", ".doc", ".docx", ".txt", ".pdf", ".xls", ".sgm"];
/// Titles of the form's items and of whole sets, as far as heads spell them without a number.
const SETS: [&str; 12] = [
    "management's discussion",
    "management discussion",
    "managements discussion",
    "financial review",
    "business",
    "risk factors",
    "properties",
    "legal proceedings",
    "selected financial data",
    "quantitative and qualitative disclosures",
    "financial statements and supplementary data",
    "executive officers of the registrant",
];

const PART: &str = "part";
const ITEM: &str = "item";
/// What [`bare_section`] tells apart.
pub(super) const SECTIONS: [&str; 2] = [PART, ITEM];

/// How titles begin that come back over different content.
const TITLES: [&str; 10] = [
    "note ",
    "schedule",
    "exhibit",
    "appendix",
    "report of",
    "to the ",
    "for the ",
    "signature",
    "certification",
    "opinion",
];
/// What titles of statements have.
const STATEMENTS: [&str; 3] = ["statement of", "statements of", "balance sheet"];

/// The links back of a document.
pub(super) struct Links<'p> {
    /// Near how many edges each stands, by its words.
    counts: HashMap<&'p str, usize>,
}

impl<'p> Links<'p> {
    pub(super) fn of(page: &'p Page, edges: &[Edge]) -> Self {
        let mut counts = HashMap::new();
        let near: BTreeSet<usize> = edges.iter().flat_map(|edge| &edge.blocks).copied().collect();
        for index in near {
            if let Some(words) = link_words(&page.blocks[index].text) {
                *counts.entry(words).or_default() += 1;
            }
        }
        Self { counts }
    }

    /// Whether a block at an edge is one of them. The heading of the contents is none: it stands above
    /// the column of the pages' numbers, or below the link that leads to it.
    pub(super) fn contains(&self, page: &Page, index: usize) -> bool {
        let text = &page.blocks[index].text;
        let is_below_link = || {
            let before = index
                .checked_sub(1)
                .filter(|_| page.breaks.binary_search(&index).is_err());
            let before = before.map(|before| &page.blocks[before].text[..]);
            leads_to_contents(text)
                && before.is_some_and(|before| is_link(before) && leads_to_contents(before))
        };
        let is_heading = || page.blocks.get(index + 1).is_some_and(heads_page_numbers) || is_below_link();
        let comes_back = || {
            let count = link_words(text).and_then(|words| self.counts.get(words));
            count.is_some_and(|&count| count >= FEWEST_LINKS)
        };
        is_way_back(text) || comes_back() && !is_heading()
    }
}

/// The words of a link, without the page number or the other link beside it. The case counts: the
/// heading of the contents is in capitals where the links are not.
fn link_words(text: &str) -> Option<&str> {
    let mut words = None;
    for cell in text.split(CELL_SEPARATOR.trim()).map(str::trim) {
        let cell = cell.trim_matches(['[', ']', '(', ')']);
        let is_link = LINKS.iter().any(|link| cell.eq_ignore_ascii_case(link));
        if is_link {
            words = words.or(Some(cell));
        } else if !cell.is_empty() && !is_page_number(cell) {
            return None;
        }
    }
    words
}

/// Whether a line has the words of a link, wherever it stands.
pub(super) fn is_link(text: &str) -> bool {
    link_words(text).is_some()
}

/// Whether a line is the head of the column in which the contents have their pages.
fn heads_page_numbers(block: &Block) -> bool {
    let last = block
        .text
        .rsplit(CELL_SEPARATOR.trim())
        .map(str::trim)
        .find(|cell| !cell.is_empty());
    last.is_some_and(|last| {
        ["page", "page no.", "page number", "pages"]
            .iter()
            .any(|head| last.eq_ignore_ascii_case(head))
    })
}

/// Whether a link leads to the contents, whose heading may have its words.
fn leads_to_contents(text: &str) -> bool {
    plain(text).contains("contents")
}

fn is_way_back(text: &str) -> bool {
    let text = plain(text);
    text.len() <= LONGEST_REMARK_BYTES
        && WAYS_BACK.iter().any(|way| text.starts_with(way))
        && PLACES.iter().any(|place| text.contains(place))
}

/// `(continued on next page)`, `(This page intentionally left blank)`; at a page's foot
/// `(continued)` by itself.
pub(super) fn is_remark_on_page(text: &str, is_at_foot: bool) -> bool {
    if text.len() > LONGEST_REMARK_BYTES {
        return false;
    }
    let text = plain(text);
    let is_continued = is_at_foot && ["continued", "concluded", "cont'd"].contains(&&text[..]);
    let says_blank = ["page", "blank", "intentional"]
        .iter()
        .all(|word| text.contains(word));
    is_continued || says_blank || REMARKS.iter().any(|remark| text.contains(remark))
}

/// The name of the file or of the printer's copy, at an edge: `c48823_10k.htm`, `J:\10K\page`.
pub(super) fn is_code(block: &Block) -> bool {
    let text = &block.text[..];
    if text.len() > LONGEST_CODE_BYTES || block.kind == BlockKind::TableRow {
        return false;
    }
    let is_file = |word: &str| {
        let word = word.to_ascii_lowercase();
        let names_file = FILE_ENDINGS
            .iter()
            .any(|ending| word.len() > ending.len() && word.ends_with(ending));
        let is_path = word.contains('\\') && word.contains(|c: char| c.is_alphanumeric());
        (names_file || is_path) && !word.contains("www.") && !word.contains("://")
    };
    let is_version = |word: &str| {
        let number = word.strip_prefix(['v', 'V']);
        number.is_some_and(|number| number.starts_with(|c: char| c.is_ascii_digit()))
    };
    let mut words = text.split_whitespace();
    match (words.next(), words.next()) {
        _ if text.starts_with('{') && text.ends_with('}') => true,
        (Some(word), None) => is_file(word),
        // `NY-118201 v3`
        (Some(code), Some(version)) if is_version(version) => {
            words.next().is_none() && code.contains(|c: char| c.is_ascii_digit())
        }
        // `10-K 1 alder10k.htm ANNUAL REPORT`: the archive's words above a document.
        (Some(_), Some(sequence)) => {
            sequence.bytes().all(|byte| byte.is_ascii_digit()) && words.next().is_some_and(is_file)
        }
        _ => false,
    }
}

/// Whether a line says at its end that something goes on.
pub(super) fn says_continued(text: &str) -> bool {
    let text = plain(text);
    ["continued", "cont'd", "contd", "cont"].iter().any(|word| {
        text == *word || text.ends_with(&format!(" {word}")) || text.ends_with(&format!("-{word}"))
    })
}

/// Whether a line names a part, an item, or a whole set as the notes or management's discussion:
/// what pages name at their tops.
pub(super) fn names_set(text: &str) -> bool {
    let words = plain(text);
    let is_item = is_item_heading(text) || words.starts_with("items ");
    let is_notes = words
        .find("notes to ")
        .is_some_and(|at| at <= "unaudited consolidated condensed ".len())
        && (words.contains("statement") || words.contains("information"));
    is_item || is_notes || SETS.iter().any(|set| words.starts_with(set))
}

/// Whether a line is worded like the title of what follows: of a note, a schedule, an exhibit, a
/// report with its salutation, a statement.
pub(super) fn begins_something(text: &str) -> bool {
    let words = plain(text);
    let is_title = TITLES.iter().any(|title| words.starts_with(title));
    let is_numbered = words.starts_with(|c: char| c.is_ascii_digit());
    let is_statement = STATEMENTS.iter().any(|name| words.contains(name)) && !words.contains("notes to");
    is_title || is_numbered || is_statement
}

/// Of a line that is nothing but numbers of parts or of items (`PART II`, `Item 9, 9A`), which.
pub(super) fn bare_section(text: &str) -> Option<&'static str> {
    let mut words = text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty());
    let first = words.next()?.to_ascii_lowercase();
    let mut rest = words.filter(|word| !word.eq_ignore_ascii_case("and")).peekable();
    rest.peek()?;
    match &first[..] {
        "part" | "parts" => rest
            .all(|word| matches!(word.to_ascii_uppercase().as_str(), "I" | "II" | "III" | "IV"))
            .then_some(PART),
        "item" | "items" => rest.all(is_item_number).then_some(ITEM),
        _ => None,
    }
}

fn is_item_number(word: &str) -> bool {
    let digits = word.trim_end_matches(|c: char| matches!(c, 'A'..='C' | 'a'..='c'));
    (1..=2).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Lower case, without brackets and points at the ends, dashes as hyphens.
pub(super) fn plain(text: &str) -> String {
    let text = text.to_lowercase().replace(['\u{2018}', '\u{2019}'], "'");
    let text = text
        .replace(['\u{2013}', '\u{2014}', '('], "-")
        .replace(CELL_SEPARATOR, " ");
    text.trim_matches(|c: char| !c.is_alphanumeric())
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}
