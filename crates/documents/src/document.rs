//! The document format: what every reader produces and everything after it consumes. One JSON
//! object a document, a line each, in zstd-compressed JSONL. It does not read or write files.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::cells::split_cells;

/// One filing, exhibit or article: where it came from and its text in reading order.
///
/// Facts that the source does not state are `None`; nothing is guessed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// Accession number, `:` and the document's sequence in its submission; `wiki:PAGEID:REVID`; `text:ID`;
    /// for a lone file `file:` and the first 16 hex digits of its SHA-256.
    pub id: String,
    /// The form type as filed (`10-K`, `10-K405/A`), `wiki`, or what a text says of itself.
    pub source: String,
    /// The filer's Central Index Key, ten digits.
    pub cik: Option<String>,
    /// The filer's name as filed.
    pub company: Option<String>,
    /// Trading symbols on the cover page, in order, without repetition.
    #[serde(default)]
    pub tickers: Vec<String>,
    /// Standard industrial classification, four digits.
    pub sic: Option<String>,
    /// State (or country) of the business address, else of incorporation, as EDGAR codes it.
    pub state: Option<String>,
    /// Filing date, `YYYY-MM-DD`.
    pub filed: Option<String>,
    /// When EDGAR accepted the submission, RFC 3339 with the offset of US Eastern time.
    pub accepted_at: Option<String>,
    /// End of the period reported on, `YYYY-MM-DD`.
    pub period: Option<String>,
    /// The fiscal year that the filer states.
    pub fiscal_year: Option<i32>,
    /// `FY`, `Q1`, `Q2`, `Q3`.
    pub fiscal_period: Option<String>,
    /// Last day of the fiscal year, `MM-DD`.
    pub fiscal_year_end: Option<String>,
    /// The filer's category as stated (`Large Accelerated Filer`).
    pub filer_category: Option<String>,
    /// Id of the document that this one is an exhibit of.
    pub exhibit_of: Option<String>,
    /// Name of the input file, relative to the folder that was given.
    pub path: Option<String>,
    /// Address of the page.
    pub url: Option<String>,
    /// Title of the page or article.
    pub title: Option<String>,
    /// SHA-256 of the raw input, 64 hex digits.
    pub sha256: String,
    /// The text, in reading order.
    pub blocks: Vec<Block>,
    /// Sections (`Item 1A`) over `blocks`, in the order of the form; an item that stands in several
    /// places has several.
    #[serde(default)]
    pub sections: Vec<Section>,
    /// The tables among `blocks`, ascending, apart from each other; empty where the source does not mark them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<TableRange>,
}

/// One line of a document: trimmed, single spaces, never empty, no line break inside. In a row of a
/// table an empty cell leaves two spaces between its bars.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Block {
    /// What the line is.
    pub kind: BlockKind,
    /// The line.
    pub text: String,
}

/// What a block is on the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlockKind {
    /// A heading of any level.
    Heading,
    /// Running text.
    Paragraph,
    /// One item of a list, with its bullet or number.
    ListItem,
    /// One row of a table, as [`join_cells`](crate::join_cells) writes it.
    TableRow,
    /// Page numbers, running headers and footers: on the page, but not part of the text.
    PageFurniture,
}

/// A section of a filing as a range of its blocks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Section {
    /// Which item, as the form numbers it (`1A`, `7`; in a 10-Q with its part: `I.2`, `II.1A`).
    pub item: String,
    /// What stands there.
    pub status: SectionStatus,
    /// Where the text is instead (`EX-13`, `proxy`, another item), or which items share the range.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub with: Vec<String>,
    /// Index of its first block.
    pub first_block: u32,
    /// Index after its last block; `first_block` where it is not in the document.
    pub end_block: u32,
    /// Why it is believed to be there; none where the source itself says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<SectionEvidence>,
}

/// What stands in the place of a section.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SectionStatus {
    /// The source says that this text is the item.
    Stated,
    /// The item's own text.
    Found,
    /// Only a reference to where the text is.
    IncorporatedByReference,
    /// A formula instead of text: not applicable, none, reserved.
    Omitted,
    /// One text for several items.
    Combined,
    /// Something is there, but what is not sure.
    Uncertain,
    /// Not in this document.
    NotFound,
}

/// Why a section is believed to stand where it does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SectionEvidence {
    /// The heading as it stands there.
    pub heading: String,
    /// Index of the block that the heading begins in.
    pub block: u32,
    /// How sure it is, in per cent.
    pub score: u8,
}

/// The rows of one table as a range of blocks. Blocks of other kinds may stand among them: a long
/// note in a row of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableRange {
    /// Index of its first block.
    pub first_block: u32,
    /// Index after its last block.
    pub end_block: u32,
}

impl Section {
    /// A section over these blocks, without references and evidence.
    pub fn new(item: impl Into<String>, status: SectionStatus, blocks: Range<usize>) -> Self {
        Self {
            item: item.into(),
            status,
            with: Vec::new(),
            first_block: block_index(blocks.start),
            end_block: block_index(blocks.end),
            evidence: None,
        }
    }

    /// Its blocks as it states them, which may be more than the document has.
    pub fn blocks(&self) -> Range<usize> {
        self.first_block as usize..self.end_block as usize
    }
}

/// The index of a block as documents write it: none has more blocks than that.
fn block_index(block: usize) -> u32 {
    u32::try_from(block).unwrap_or(u32::MAX)
}

impl SectionEvidence {
    /// Longer headings are cut.
    const LONGEST_HEADING_BYTES: usize = 160;

    /// The heading that begins in this block, which there is, and how sure it is, in per cent.
    pub fn of(blocks: &[Block], block: usize, score: u8) -> Self {
        let text = &blocks[block].text;
        Self {
            heading: text[..text.floor_char_boundary(Self::LONGEST_HEADING_BYTES)].to_owned(),
            block: block_index(block),
            score,
        }
    }
}

impl SectionStatus {
    /// All, in the order of the documentation.
    pub const ALL: [Self; 7] = [
        Self::Stated,
        Self::Found,
        Self::IncorporatedByReference,
        Self::Omitted,
        Self::Combined,
        Self::Uncertain,
        Self::NotFound,
    ];

    /// Its name in documents and tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stated => "stated",
            Self::Found => "found",
            Self::IncorporatedByReference => "incorporated_by_reference",
            Self::Omitted => "omitted",
            Self::Combined => "combined",
            Self::Uncertain => "uncertain",
            Self::NotFound => "not_found",
        }
    }
}

impl Block {
    /// A block of `kind`; the text must already be one clean line.
    pub fn new(kind: BlockKind, text: impl Into<String>) -> Self {
        Self {
            kind,
            text: text.into(),
        }
    }

    /// Whether its text is as every block's must be.
    pub fn is_clean(&self) -> bool {
        let is_line = |text: &str| text.trim() == text && !text.contains(['\n', '\r', '\t']);
        let has_single_spaces = |text: &str| !text.contains("  ");
        let is_row = self.kind == BlockKind::TableRow;
        !self.text.is_empty()
            && is_line(&self.text)
            && if is_row {
                split_cells(&self.text).all(|cell| is_line(cell) && has_single_spaces(cell))
            } else {
                has_single_spaces(&self.text)
            }
    }
}

/// The texts of a document that are trained on: every block but page furniture, in order.
pub fn document_text_blocks(document: &Document) -> impl Iterator<Item = &str> {
    document
        .blocks
        .iter()
        .filter(|block| block.kind != BlockKind::PageFurniture)
        .map(|block| block.text.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_statuses_are_those_in_json() {
        for status in SectionStatus::ALL {
            assert_eq!(serde_json::to_value(status).unwrap(), status.name());
        }
    }

    #[test]
    fn rows_alone_may_hold_the_two_spaces_of_an_empty_cell() {
        let is_clean = |kind, text: &str| Block::new(kind, text).is_clean();
        for text in ["a |  | 17", "| 2023", "|  | 2022", "a"] {
            assert!(is_clean(BlockKind::TableRow, text), "{text}");
        }
        for text in ["", "a  b | c", "a |  |", " a", "a\n| b"] {
            assert!(!is_clean(BlockKind::TableRow, text), "{text}");
        }
        assert!(is_clean(BlockKind::Paragraph, "a b"));
        assert!(!is_clean(BlockKind::Paragraph, "a |  | 17"));
    }

    #[test]
    fn a_document_survives_json_with_its_field_names() {
        let document = Document {
            id: "0000000000-00-000001:1".into(),
            source: "10-K".into(),
            blocks: vec![
                Block::new(BlockKind::Heading, "Item 1. Business"),
                Block::new(BlockKind::PageFurniture, "12"),
                Block::new(BlockKind::TableRow, crate::join_cells(["Sales", "$ 12"])),
            ],
            ..Document::default()
        };
        let json = serde_json::to_value(&document).unwrap();
        assert_eq!(json["blocks"][1]["kind"], "page_furniture");
        assert_eq!(json["blocks"][2]["text"], "Sales | $ 12");
        assert!(json["cik"].is_null());
        let back: Document = serde_json::from_value(json).unwrap();
        assert_eq!(back, document);
        let texts: Vec<&str> = document_text_blocks(&document).collect();
        assert_eq!(texts, ["Item 1. Business", "Sales | $ 12"]);
    }
}
