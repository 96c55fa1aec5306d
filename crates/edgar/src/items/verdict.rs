//! What stands under an item's heading: text of its own, only a reference, only a formula, nothing.

use std::collections::BTreeSet;

use documents::{Block, BlockKind};

use super::pages::ends_with_page;
use super::wording::{Wording, sentences, wording};

/// What the text under a heading does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Does {
    Nothing,
    Omits,
    Refers,
    Answers,
}

/// What stands under a heading, and where it refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) does: Does,
    /// It answers, but begins with a formula.
    pub(crate) is_mixed: bool,
    pub(crate) to: BTreeSet<Target>,
}

/// Where a reference leads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Target {
    /// The annual report to shareholders.
    AnnualReport,
    Proxy,
    /// Statements behind the items.
    FinancialPages,
    /// A note of the statements, or the statements.
    Statements,
    /// Another item, by its number, and by its part if that is said.
    Item(Option<u8>, String),
    Elsewhere,
}

/// Behind an answer, references are collected in so many blocks only.
const BLOCKS_FOR_TARGETS: usize = 12;

#[derive(Debug, Default)]
struct Counts {
    formulas: usize,
    references: usize,
    answers: usize,
    /// Table rows that end as those of an index do.
    index_rows: usize,
    formula_first: bool,
    to: BTreeSet<Target>,
}

/// Judges the text behind a title (`rest` of its line) and the blocks that follow.
pub(crate) fn judge(rest: &str, blocks: &[Block]) -> Verdict {
    let mut counts = Counts::default();
    counts.read_text(rest);
    for (index, block) in blocks.iter().enumerate() {
        if counts.answers > 0 && index >= BLOCKS_FOR_TARGETS {
            break;
        }
        match block.kind {
            BlockKind::PageFurniture | BlockKind::Heading => {}
            BlockKind::TableRow => counts.read_row(&block.text),
            BlockKind::Paragraph | BlockKind::ListItem => counts.read_text(&block.text),
        }
    }
    if counts.answers + counts.formulas + counts.references == 0 {
        // A title may have been taken for a heading that is the whole answer.
        let headings = blocks.iter().filter(|block| block.kind == BlockKind::Heading);
        headings.for_each(|block| counts.read_heading(&block.text));
    }
    counts.verdict()
}

/// Whether a title is a formula itself: `[Reserved]`, `(Removed and Reserved)`, `None`.
pub(crate) fn is_formula(title: &str) -> bool {
    wording(title) == Wording::Formula
}

impl Counts {
    fn read_text(&mut self, text: &str) {
        for sentence in sentences(text) {
            self.count(wording(sentence), sentence);
        }
    }

    fn count(&mut self, wording: Wording, sentence: &str) {
        match wording {
            Wording::Formula => {
                self.formula_first |= self.references == 0 && self.formulas == 0;
                self.formulas += 1;
            }
            Wording::Reference => {
                self.references += 1;
                self.to.extend(targets(sentence));
            }
            Wording::Own => self.answers += 1,
            Wording::Neutral => {}
        }
    }

    fn read_row(&mut self, row: &str) {
        if ends_with_page(row) || row.to_ascii_lowercase().contains("page") {
            self.index_rows += 1;
            return;
        }
        match wording(row) {
            Wording::Neutral if !row.contains('|') => {}
            Wording::Neutral | Wording::Own => self.answers += 1,
            wording => self.count(wording, row),
        }
    }

    fn read_heading(&mut self, heading: &str) {
        match wording(heading) {
            Wording::Own | Wording::Neutral => {}
            wording => self.count(wording, heading),
        }
    }

    fn verdict(self) -> Verdict {
        let stays_inside = self
            .to
            .iter()
            .all(|target| matches!(target, Target::Item(..) | Target::Statements));
        let does = if self.answers > 0 {
            Does::Answers
        } else if self.references > 0 && !(self.formula_first && stays_inside) {
            Does::Refers
        } else if self.formulas > 0 {
            Does::Omits
        } else if self.index_rows > 0 {
            Does::Answers
        } else {
            Does::Nothing
        };
        Verdict {
            does,
            is_mixed: self.formula_first && self.answers > 0,
            to: self.to,
        }
    }
}

/// Where a sentence refers to.
fn targets(sentence: &str) -> BTreeSet<Target> {
    let lower = sentence.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    let mut found = BTreeSet::new();
    if has(&["proxy", "information statement"]) {
        found.insert(Target::Proxy);
    }
    let of_holders = [
        "to shareholders",
        "to stockholders",
        "to shareowners",
        "exhibit 13",
        "to security holders",
    ];
    if has(&of_holders) || has(&["annual report"]) && !has(&["annual report on form", "this annual report"]) {
        found.insert(Target::AnnualReport);
    }
    if has(&[
        "page f-",
        "pages f-",
        "page f1",
        "index to financial",
        "index to consolidated",
    ]) {
        found.insert(Target::FinancialPages);
    }
    if has(&["note ", "notes to", "in notes"]) {
        found.insert(Target::Statements);
    }
    if has(&[
        "management's discussion",
        "management\u{2019}s discussion",
        "md&a",
    ]) && found.is_empty()
    {
        found.insert(Target::Item(Some(1), "MD&A".to_owned()));
    }
    if found.is_empty() || has(&["item "]) && !has(&["this item", "by item", "for by"]) {
        found.extend(items_named(&lower));
    }
    if found.is_empty() && has(&["financial statements"]) {
        found.insert(Target::FinancialPages);
    }
    if found.is_empty() {
        found.insert(Target::Elsewhere);
    }
    found
}

/// `item 7a`, `part ii, item 1`.
fn items_named(lower: &str) -> BTreeSet<Target> {
    let mut found = BTreeSet::new();
    for (at, word) in lower.match_indices("item ") {
        let rest = &lower[at + word.len()..];
        let length = rest.bytes().take_while(u8::is_ascii_alphanumeric).count();
        let number = rest[..length].to_ascii_uppercase();
        let digits = number.bytes().take_while(u8::is_ascii_digit).count();
        // Longer numbers are items of a regulation.
        if digits == 0 || digits > 2 || number.len() > 3 {
            continue;
        }
        let before = lower[..at].trim_end_matches([' ', ',', '.', '-', '\u{2013}', '\u{2014}']);
        let part = [(" iv", 4), (" iii", 3), (" ii", 2), (" i", 1)]
            .iter()
            .find(|(roman, _)| before.ends_with(roman))
            .map(|(_, part)| *part);
        found.insert(Target::Item(part, number));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use documents::BlockKind::{Heading, Paragraph, TableRow};

    fn does(blocks: &[(BlockKind, &str)]) -> Does {
        let blocks: Vec<Block> = blocks
            .iter()
            .map(|(kind, text)| Block::new(*kind, *text))
            .collect();
        judge("", &blocks).does
    }

    #[test]
    fn formulas_references_and_answers_are_told_apart() {
        let pointer =
            "The information required by this item is incorporated by reference to the Proxy Statement.";
        assert_eq!(does(&[]), Does::Nothing);
        assert_eq!(does(&[(Paragraph, "None.")]), Does::Omits);
        assert_eq!(does(&[(Heading, "None.")]), Does::Omits);
        assert_eq!(does(&[(Paragraph, pointer)]), Does::Refers);
        assert_eq!(
            does(&[
                (Paragraph, pointer),
                (Paragraph, "We have a code of ethics for all mills.")
            ]),
            Does::Answers
        );
        assert_eq!(does(&[(TableRow, "Oak | 1,200 | 1,300")]), Does::Answers);
        assert_eq!(
            does(&[
                (Paragraph, "Not applicable."),
                (
                    Paragraph,
                    "Information on officers is included in Item 10 of this report."
                )
            ]),
            Does::Omits
        );
    }

    #[test]
    fn the_places_of_references_are_named() {
        let to = |text: &str| judge(text, &[]).to.into_iter().collect::<Vec<_>>();
        assert_eq!(
            to("The information is incorporated by reference to the Annual Report to Shareholders."),
            [Target::AnnualReport]
        );
        assert_eq!(
            to("See Part I, Item 2 of this report."),
            [Target::Item(Some(1), "2".into())]
        );
        assert_eq!(to("See Note 7."), [Target::Statements]);
        assert_eq!(
            to("Our financial statements begin on page F-1."),
            [Target::FinancialPages]
        );
    }
}
