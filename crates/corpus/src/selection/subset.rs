//! The part of a documents folder that is asked for: forms, and items of them. It decides only.

use std::path::Path;

use documents::{BlockKind, DocsManifest, Document, Item, form_type};

use crate::error::CorpusError;
use crate::selection::drop_reason::DropReason;

/// Sources that a message names.
const MOST_NAMED: usize = 30;

/// Which documents are taken, and what of their text. All of it where nothing is named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subset {
    /// Sources of documents, exactly: `10-K` is neither `10-K/A` nor `10-K405`, and an exhibit has its own.
    pub forms: Vec<String>,
    /// Items whose text is taken. A document that has none of them is left out.
    pub items: Vec<Item>,
}

impl Subset {
    /// The subset of a folder: forms as it spells them, everything in order and once.
    ///
    /// # Errors
    /// [`CorpusError::UnknownForm`] for a form that is no report's and that no document of the folder has;
    /// [`DocumentsError::NoItems`](documents::DocumentsError) where nobody has looked for items.
    pub(crate) fn of_folder(&self, docs: &Path) -> Result<Self, CorpusError> {
        if *self == Self::default() {
            return Ok(self.clone());
        }
        let manifest = DocsManifest::open(docs)?;
        let spelled = self.forms.iter().map(|form| spelled(form, docs, &manifest));
        let mut forms = spelled.collect::<Result<Vec<_>, _>>()?;
        forms.sort_unstable();
        forms.dedup();
        // In the order of the forms, whatever that of the options.
        let items: Vec<Item> = Item::all().filter(|item| self.items.contains(item)).collect();
        if !items.is_empty() {
            manifest.refuse_without_items(docs)?;
        }
        Ok(Self { forms, items })
    }

    /// As manifests say it.
    pub(crate) fn described(&self) -> Option<shards::Subset> {
        (*self != Self::default()).then(|| shards::Subset {
            forms: self.forms.clone(),
            items: self.items.iter().map(|item| item.name().to_owned()).collect(),
        })
    }

    /// Leaves of a document the blocks that are taken, in their order, or says why there are none.
    pub(crate) fn reduce(&self, document: &mut Document) -> Option<DropReason> {
        if !self.forms.is_empty() && !self.forms.contains(&document.source) {
            return Some(DropReason::OtherForm);
        }
        if self.items.is_empty() {
            return None;
        }
        let ranges = documents::blocks_of_items(&self.items, document);
        let mut ranges = ranges.into_iter().peekable();
        let mut index = 0;
        document.blocks.retain(|block| {
            while ranges.next_if(|range| range.end <= index).is_some() {}
            let is_taken = ranges.peek().is_some_and(|range| range.contains(&index));
            index += 1;
            is_taken && block.kind != BlockKind::PageFurniture
        });
        // They speak of blocks that are no longer where they were.
        document.sections.clear();
        document.tables.clear();
        document.blocks.is_empty().then_some(DropReason::NoSuchItem)
    }
}

/// A form as documents of the folder have it: `10k` is `10-K`.
fn spelled(form: &str, docs: &Path, manifest: &DocsManifest) -> Result<String, CorpusError> {
    let form = form.trim();
    let is_there = |form: &str| manifest.documents.contains_key(form);
    let normalized = form_type::normalize(form);
    if is_there(form) {
        Ok(form.to_owned())
    } else if is_there(&normalized) || form_type::is_periodic_report(&normalized) {
        Ok(normalized)
    } else {
        let mut available: Vec<&str> = manifest.documents.keys().map(String::as_str).collect();
        let more = available.len().saturating_sub(MOST_NAMED);
        available.truncate(MOST_NAMED);
        let more = match more {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let available = available.join(", ") + &more;
        Err(CorpusError::UnknownForm {
            docs: docs.to_path_buf(),
            form: form.to_owned(),
            available,
        })
    }
}

#[cfg(test)]
mod tests {
    use documents::{Block, Section, SectionStatus};

    use super::*;

    fn subset(forms: &[&str], items: &[&str]) -> Subset {
        Subset {
            forms: forms.iter().map(ToString::to_string).collect(),
            items: items.iter().map(|item| item.parse().unwrap()).collect(),
        }
    }

    /// A report of the lines `0` to `5`: item 1 in the first two, item 7 in 3 and 4 with furniture.
    fn report() -> Document {
        let section = |item: &str, first, end| Section::new(item, SectionStatus::Found, first..end);
        let kind = |line| match line {
            4 => BlockKind::PageFurniture,
            _ => BlockKind::Paragraph,
        };
        Document {
            source: "10-K".to_owned(),
            blocks: (0..6)
                .map(|line| Block::new(kind(line), line.to_string()))
                .collect(),
            sections: vec![section("1", 0, 2), section("7", 3, 5), section("9", 4, 5)],
            ..Document::default()
        }
    }

    fn left(subset: &Subset) -> Result<Vec<String>, DropReason> {
        let mut document = report();
        match subset.reduce(&mut document) {
            Some(reason) => Err(reason),
            None => Ok(document.blocks.into_iter().map(|block| block.text).collect()),
        }
    }

    #[test]
    fn what_is_not_asked_for_is_left_out_and_its_reason_told() {
        let all: Vec<String> = (0..6).map(|line| line.to_string()).collect();
        assert_eq!(left(&Subset::default()), Ok(all.clone()));
        assert_eq!(left(&subset(&["10-K"], &[])), Ok(all));
        assert_eq!(
            left(&subset(&["10-Q", "10-K/A"], &[])),
            Err(DropReason::OtherForm)
        );
        assert_eq!(
            left(&subset(&[], &["7", "1"])),
            Ok(["0", "1", "3"].map(str::to_owned).to_vec())
        );
        assert_eq!(left(&subset(&["10-K"], &["7"])), Ok(vec!["3".to_owned()]));
        assert_eq!(left(&subset(&[], &["1A"])), Err(DropReason::NoSuchItem));
        assert_eq!(
            left(&subset(&[], &["9"])),
            Err(DropReason::NoSuchItem),
            "it is furniture alone"
        );
    }
}
