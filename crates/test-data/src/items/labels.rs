//! Labels of items, set by hand, and the text that their positions count.

use std::borrow::Cow;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::ranges::overlap;
use crate::labeled_text::{counted, place};
use crate::repository;

/// How far from its position a label is looked for.
const FARTHEST: usize = 20_000;
/// Which half of the labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Half {
    /// May be looked at while code is written.
    Open,
    /// Kept apart.
    Closed,
}

/// The labels of one filing.
#[derive(Debug, Clone)]
pub struct ItemLabels {
    /// Below the folder of the test data.
    pub path: String,
    /// Group of the selection: `10-K of 2006-2010`.
    pub group: String,
    /// Bank, insurer or utility.
    pub is_financial: bool,
    /// In the order of the form.
    pub rows: Vec<ItemLabel>,
}

/// Where one item, or a piece of it, stands.
#[derive(Debug, Clone)]
pub struct ItemLabel {
    /// Type of the document (`10-K`, `EX-13`).
    pub document: String,
    /// As the filing numbers it.
    pub item: String,
    /// `found`, `omitted` and so on; `unsure` is not scored.
    pub status: String,
    /// Where the text is instead.
    pub with: String,
    /// Positions in characters that are neither white space nor `|`.
    pub(super) range: Option<Range<usize>>,
    pub(super) check: String,
}

/// The labels of a half, in the order of their names.
///
/// # Panics
/// Where a file of labels is malformed.
pub fn item_labels(half: Half) -> Vec<ItemLabels> {
    let folder = repository().join("tests/labels/items");
    let selections = ["selection-a.md", "selection-b.md"].map(|name| read(&folder.join(name)));
    let part = match half {
        Half::Open => "open",
        Half::Closed => "closed",
    };
    let entries = std::fs::read_dir(folder.join(part))
        .into_iter()
        .flatten()
        .flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    assert!(!paths.is_empty(), "no labels of items");
    paths.sort();
    paths
        .into_iter()
        .map(|path| labels_of(&read(&path), &selections))
        .collect()
}

fn read(path: &Path) -> String {
    let text = std::fs::read_to_string(path);
    assert!(text.is_ok(), "cannot read {}", path.display());
    text.unwrap_or_default()
}

fn labels_of(text: &str, selections: &[String]) -> ItemLabels {
    let rows: Option<Vec<(String, ItemLabel)>> = text.lines().skip(1).map(row).collect();
    assert!(rows.is_some(), "items: nine columns with tabs between: {text}");
    let rows = rows.unwrap_or_default();
    let path = rows.first().map(|(path, _)| path.clone()).unwrap_or_default();
    let quoted = format!("`{path}`");
    let selected = selections.iter().flat_map(|text| text.lines());
    let line = selected
        .clone()
        .find(|line| line.starts_with('|') && line.contains(&quoted));
    let columns: Vec<&str> = line.unwrap_or_default().split('|').map(str::trim).collect();
    let column = |index: usize| columns.get(index).copied().unwrap_or_default();
    ItemLabels {
        path,
        group: column(1).trim_end_matches(", second list").to_owned(),
        is_financial: !column(7).is_empty(),
        rows: rows.into_iter().map(|(_, row)| row).collect(),
    }
}

fn row(line: &str) -> Option<(String, ItemLabel)> {
    let columns: Vec<&str> = line.split('\t').collect();
    let [path, document, _form, item, status, with, start, end, check] = columns[..] else {
        return None;
    };
    let range = match (start.parse(), end.parse()) {
        (Ok(start), Ok(end)) => Some(start..end),
        _ => None,
    };
    let label = ItemLabel {
        document: document.to_owned(),
        item: item.to_owned(),
        status: status.to_owned(),
        with: with.to_owned(),
        range,
        check: check.to_owned(),
    };
    Some((path.to_owned(), label))
}

/// The bytes of a filing, with the tags of its first document where somebody has taken them out: its
/// header is followed by the values of the tags alone. The reader takes such a text only where its first
/// document was no HTML; the labels are of the others too.
pub fn with_document_tags(bytes: &[u8]) -> Cow<'_, [u8]> {
    let text = String::from_utf8_lossy(bytes).replace("\r\n", "\n");
    if text.contains("<DOCUMENT>") || !text.contains("CONFORMED SUBMISSION TYPE:") {
        return Cow::Borrowed(bytes);
    }
    let form = ["10-K", "10-K405", "10-Q"]
        .into_iter()
        .find_map(|form| Some((form, text.find(&format!("\n{form}\n1\n"))?)));
    let Some((form, at)) = form else {
        return Cow::Borrowed(bytes);
    };
    let behind = at + form.len() + "\n\n1\n".len();
    let body = text[behind..].split_once('\n').map_or("", |(_, body)| body);
    let tags = format!("\n<DOCUMENT>\n<TYPE>{form}\n<SEQUENCE>1\n<TEXT>\n");
    Cow::Owned([&text[..at], &tags, body].concat().into_bytes())
}

impl ItemLabel {
    /// Whether the label is one of a document of this type, however it writes its dash.
    pub(super) fn is_of(&self, document: &str) -> bool {
        let letters = |form: &str| form.replace('-', "");
        letters(&self.document) == letters(document)
    }
}

/// The text of one document as labels count it.
#[derive(Debug)]
pub struct LabeledText {
    /// Without white space and `|`.
    pub(super) characters: Vec<char>,
    /// Where each block begins; one more at the end.
    starts: Vec<usize>,
    blocks: Vec<String>,
}

impl LabeledText {
    /// Of all blocks, page furniture too.
    pub fn new<'a>(blocks: impl IntoIterator<Item = &'a str>) -> Self {
        let mut text = Self {
            characters: Vec::new(),
            starts: vec![0],
            blocks: Vec::new(),
        };
        for block in blocks {
            text.blocks.push(block.to_owned());
            text.characters.extend(counted(block));
            text.starts.push(text.characters.len());
        }
        text
    }

    /// The characters of blocks.
    pub(super) fn of_blocks(&self, blocks: &Range<usize>) -> Range<usize> {
        let at = |index: usize| self.starts[index.min(self.starts.len() - 1)];
        at(blocks.start)..at(blocks.end)
    }

    /// The label's characters, where its check holds nearest.
    pub(super) fn of_label(&self, label: &ItemLabel) -> Option<Range<usize>> {
        let range = label.range.clone()?;
        let start = place(&self.characters, range.start, FARTHEST, &label.check).unwrap_or(range.start);
        let end = start + (range.end - range.start);
        Some(start..end.min(self.characters.len()))
    }

    /// The text of the blocks that are for the greater part in these ranges.
    pub(super) fn text_of(&self, ranges: &[Range<usize>]) -> String {
        let is_inside = |(index, _): &(usize, &String)| {
            let block = self.of_blocks(&(*index..*index + 1));
            let inside: usize = ranges.iter().map(|range| overlap(range, &block)).sum();
            inside * 2 > block.len()
        };
        let inside = self.blocks.iter().enumerate().filter(is_inside);
        inside
            .map(|(_, block)| block.as_str())
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// The text of blocks.
    pub fn blocks_text(&self, blocks: &Range<usize>) -> String {
        let end = blocks.end.min(self.blocks.len());
        self.blocks[blocks.start.min(end)..end].join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_that_were_taken_out_are_put_back() {
        let bytes = b"CONFORMED SUBMISSION TYPE:\t10-K\n10-K\n1\nten.txt\nFORM 10-K\n";
        let text = String::from_utf8(with_document_tags(bytes).into_owned()).unwrap();
        assert!(
            text.ends_with("<DOCUMENT>\n<TYPE>10-K\n<SEQUENCE>1\n<TEXT>\nFORM 10-K\n"),
            "{text}"
        );
        assert_eq!(&*with_document_tags(b"<DOCUMENT>"), b"<DOCUMENT>");
    }
}
