//! The items of annual and quarterly reports by their numbers, and the text of one in a document.
//! It finds none: which blocks are an item stands in the document's sections.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use crate::document::{Block, BlockKind, Document, SectionStatus};
use crate::form_type::ReportKind;

/// The items of a 10-K, in the order of the form; those of every year together.
static ANNUAL: [&str; 23] = [
    "1", "1A", "1B", "1C", "2", "3", "4", "5", "6", "7", "7A", "8", "9", "9A", "9B", "9C", "10", "11", "12",
    "13", "14", "15", "16",
];

/// The items of a 10-KSB, in the order of the form.
static ANNUAL_OF_SMALL_BUSINESS: [&str; 16] = [
    "1", "2", "3", "4", "5", "6", "7", "8", "8A", "8B", "9", "10", "11", "12", "13", "14",
];

/// The items of a 10-Q by part and number, in the order of the form.
static QUARTERLY: [&str; 11] = [
    "I.1", "I.2", "I.3", "I.4", "II.1", "II.1A", "II.2", "II.3", "II.4", "II.5", "II.6",
];

/// An item of a report, as the form numbers it: `1A`; in a 10-Q with its part, `II.1A`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Item(&'static str);

impl Item {
    /// Every item that there is.
    pub fn all() -> impl Iterator<Item = Self> {
        let small_business_alone = ANNUAL_OF_SMALL_BUSINESS
            .iter()
            .filter(|name| !ANNUAL.contains(name));
        let names = ANNUAL.iter().chain(small_business_alone).chain(&QUARTERLY);
        names.copied().map(Self)
    }

    /// Its number.
    pub fn name(self) -> &'static str {
        self.0
    }

    /// Whether reports of this form have it, in one year or another. An exhibit has the items that
    /// stand in its sections, and its form has none.
    pub fn is_of_form(self, form: &str) -> bool {
        let items: &[&str] = match ReportKind::of(form) {
            Some(ReportKind::Annual) => &ANNUAL,
            Some(ReportKind::SmallAnnual) => &ANNUAL_OF_SMALL_BUSINESS,
            Some(ReportKind::Quarterly) => &QUARTERLY,
            None => &[],
        };
        items.contains(&self.0)
    }

    /// What stands in the place of the item: the surest of its sections. Where a report has other
    /// sections and none of the item, nothing: every item that the form of its year has is among them.
    /// A report without any section has not the items of its form; elsewhere nobody looked for them.
    pub fn status(self, document: &Document) -> Option<SectionStatus> {
        let sections = document.sections.iter();
        let own = sections.filter(|section| section.item == self.0);
        let surest = own
            .map(|section| section.status)
            .min_by_key(|status| doubt(*status));
        let is_without_any = document.sections.is_empty() && !document.id.starts_with("text:");
        surest.or((is_without_any && self.is_of_form(&document.source)).then_some(SectionStatus::NotFound))
    }

    /// The blocks of the item, as ranges in the order of the text that do not meet. Sections that hold
    /// no text of the item, or perhaps another's, are not among them.
    pub fn ranges(self, document: &Document) -> Vec<Range<usize>> {
        blocks_of_items(&[self], document)
    }

    /// The text of the item without page furniture, a block a line. Nothing where it has no text.
    pub fn text(self, document: &Document) -> Option<String> {
        let ranges = self.ranges(document);
        (!ranges.is_empty()).then(|| lines(ranges.into_iter().flat_map(|range| &document.blocks[range])))
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl FromStr for Item {
    type Err = String;

    /// Reads `1A` or `II.1A`, in capitals or not.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::all().find(|item| item.0.eq_ignore_ascii_case(text.trim()));
        found.ok_or_else(|| {
            let known: Vec<&str> = Self::all().map(Self::name).collect();
            format!("there is no item {text}; there are {}", known.join(", "))
        })
    }
}

/// The blocks of several items together, as [`Item::ranges`] gives those of one: a block that belongs
/// to two of them is there once.
pub fn blocks_of_items(items: &[Item], document: &Document) -> Vec<Range<usize>> {
    let is_asked_for = |name: &str| items.iter().any(|item| item.0 == name);
    let sections = document.sections.iter();
    let own = sections.filter(|section| has_text(section.status) && is_asked_for(&section.item));
    let mut ranges: Vec<Range<usize>> = own
        .map(|section| section.blocks().start..section.blocks().end.min(document.blocks.len()))
        .filter(|range| !range.is_empty())
        .collect();
    ranges.sort_by_key(|range| (range.start, range.end));
    ranges.dedup_by(|later, earlier| {
        let meets = later.start <= earlier.end;
        if meets {
            earlier.end = earlier.end.max(later.end);
        }
        meets
    });
    ranges
}

/// The text of a document without page furniture, a block a line.
pub fn document_text(document: &Document) -> String {
    lines(document.blocks.iter())
}

/// Blocks but page furniture, joined by line breaks.
fn lines<'a>(blocks: impl Iterator<Item = &'a Block> + Clone) -> String {
    let blocks = blocks.filter(|block| block.kind != BlockKind::PageFurniture);
    let bytes = blocks.clone().map(|block| block.text.len() + 1).sum();
    let mut text = String::with_capacity(bytes);
    for (index, block) in blocks.enumerate() {
        if index > 0 {
            text.push('\n');
        }
        text.push_str(&block.text);
    }
    text
}

/// Whether the range of a section of this status is the text of its item.
fn has_text(status: SectionStatus) -> bool {
    matches!(
        status,
        SectionStatus::Stated | SectionStatus::Found | SectionStatus::Combined
    )
}

/// By which status an item with several sections goes: where there is text, by that.
fn doubt(status: SectionStatus) -> u8 {
    match status {
        SectionStatus::Stated => 0,
        SectionStatus::Found => 1,
        SectionStatus::Combined => 2,
        SectionStatus::Uncertain => 3,
        SectionStatus::IncorporatedByReference => 4,
        SectionStatus::Omitted => 5,
        SectionStatus::NotFound => 6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Section;

    fn item(name: &str) -> Item {
        name.parse().unwrap()
    }

    /// A document of the lines `0` to `9`, of which `4` is page furniture.
    fn document(source: &str, sections: Vec<Section>) -> Document {
        let kind = |line| match line {
            4 => BlockKind::PageFurniture,
            _ => BlockKind::Paragraph,
        };
        Document {
            id: "0000000009-18-000001:1".to_owned(),
            source: source.to_owned(),
            blocks: (0..10)
                .map(|line| Block::new(kind(line), line.to_string()))
                .collect(),
            sections,
            ..Document::default()
        }
    }

    #[test]
    fn an_item_is_read_in_capitals_or_not_and_another_is_refused_with_the_list() {
        assert_eq!(item("1a").name(), "1A");
        assert_eq!(item(" ii.1a").to_string(), "II.1A");
        for wrong in ["1D", "", "1 A", "I.1A", "item 1", "Item_1", "17", "2.I"] {
            let message = wrong.parse::<Item>().unwrap_err();
            assert!(
                message.contains("1, 1A, 1B") && message.contains("II.6"),
                "{message}"
            );
        }
        let all: Vec<Item> = Item::all().collect();
        for (index, item) in all.iter().enumerate() {
            assert!(!all[..index].contains(item), "{item} is there once");
        }
    }

    #[test]
    fn forms_have_their_own_items() {
        for (form, has, has_not) in [
            ("10-K", "1A", "I.2"),
            ("10-K/A", "9C", "8A"),
            ("10-K405", "7A", "II.1"),
            ("10-KSB", "8A", "1A"),
            ("10-KSB40/A", "14", "15"),
            ("10-Q", "II.1A", "1A"),
            ("10-QSB", "I.2", "2"),
        ] {
            assert!(item(has).is_of_form(form), "{form} has {has}");
            assert!(!item(has_not).is_of_form(form), "{form} has not {has_not}");
        }
        assert!(Item::all().all(|item| !item.is_of_form("EX-13") && !item.is_of_form("wiki")));
    }

    #[test]
    fn the_text_of_an_item_is_its_pieces_each_once_without_furniture() {
        use SectionStatus::{Combined, Found, IncorporatedByReference, Uncertain};
        let sections = vec![
            Section::new("8", IncorporatedByReference, 0..1),
            Section::new("8", Found, 6..8),
            Section::new("8", Found, 3..6),
            Section::new("8", Found, 3..5),
            Section::new("8", Uncertain, 9..10),
            Section::new("7", Combined, 1..3),
            Section::new("7A", Combined, 1..3),
        ];
        let document = document("10-K", sections);
        assert_eq!(item("8").text(&document).as_deref(), Some("3\n5\n6\n7"));
        assert_eq!(item("8").status(&document), Some(Found));
        let ranges = item("8").ranges(&document);
        assert_eq!((ranges.len(), ranges[0].clone()), (1, 3..8));
        assert_eq!(item("7").text(&document), item("7A").text(&document));
        assert_eq!(item("7").status(&document), Some(Combined));
    }

    #[test]
    fn an_item_whose_text_is_not_there_has_none_and_its_status_says_why() {
        use SectionStatus::{IncorporatedByReference, NotFound, Omitted, Uncertain};
        for status in [IncorporatedByReference, Omitted, Uncertain, NotFound] {
            let document = document("10-K", vec![Section::new("3", status, 2..4)]);
            assert_eq!(item("3").text(&document), None, "{status:?}");
            assert_eq!(item("3").status(&document), Some(status));
        }
    }

    #[test]
    fn not_found_is_said_of_filings_whose_form_has_the_item_alone() {
        let filing = document("10-K/A", Vec::new());
        assert_eq!(item("7").status(&filing), Some(SectionStatus::NotFound));
        assert_eq!(item("I.2").status(&filing), None);
        let of_1997 = document("10-K", vec![Section::new("7", SectionStatus::NotFound, 0..0)]);
        assert_eq!(item("7").status(&of_1997), Some(SectionStatus::NotFound));
        assert_eq!(item("1A").status(&of_1997), None, "the form of its year has none");
        assert_eq!(item("7").status(&document("EX-13", Vec::new())), None);
        assert_eq!(item("7").status(&document("wiki", Vec::new())), None);
        let text = Document {
            id: "text:1".to_owned(),
            ..document("10-K", vec![Section::new("7", SectionStatus::Stated, 0..10)])
        };
        assert_eq!(item("7").status(&text), Some(SectionStatus::Stated));
        assert_eq!(item("1A").status(&text), None, "it was never looked for");
    }

    #[test]
    fn ranges_of_no_document_are_cut_to_its_blocks() {
        use SectionStatus::Found;
        let sections = vec![
            Section::new("1", Found, 8..4_000_000_000),
            Section::new("2", Found, 5..5),
            Section {
                first_block: 7,
                ..Section::new("3", Found, 0..3)
            },
            Section::new("4", Found, 50..60),
        ];
        let document = document("10-K", sections);
        assert_eq!(item("1").text(&document).as_deref(), Some("8\n9"));
        for nothing in ["2", "3", "4"] {
            assert_eq!(item(nothing).text(&document), None);
        }
    }

    #[test]
    fn the_text_of_a_document_is_all_but_furniture() {
        assert_eq!(
            document_text(&document("10-K", Vec::new())),
            "0\n1\n2\n3\n5\n6\n7\n8\n9"
        );
        assert_eq!(document_text(&Document::default()), "");
    }
}
