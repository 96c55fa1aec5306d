//! Why documents of a folder are in neither shards nor held-out files, and how many. It drops
//! nothing itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Why a document was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DropReason {
    NoText,
    Excluded,
    OtherForm,
    NoSuchItem,
    NoDate,
    BeforeWindow,
    AfterWindow,
    SameText,
    SameTextAsHeldOut,
    NearlySameText,
    NearlySameTextAsHeldOut,
}

/// How many documents were left out, by reason.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DroppedCounts(BTreeMap<DropReason, u64>);

impl DropReason {
    /// The reason in words, for manifests.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::NoText => "no text but page furniture",
            Self::Excluded => "excluded by id",
            Self::OtherForm => "of another form than was asked for",
            Self::NoSuchItem => "no text of an item that was asked for",
            Self::NoDate => "no date, and a window of dates was asked for",
            Self::BeforeWindow => "dated before the window",
            Self::AfterWindow => "dated after the window",
            Self::SameText => "the same text as an earlier document",
            Self::SameTextAsHeldOut => "the same text as a held-out document",
            Self::NearlySameText => "nearly the same text as an earlier document",
            Self::NearlySameTextAsHeldOut => "nearly the same text as a held-out document",
        }
    }
}

impl DroppedCounts {
    pub(crate) fn add(&mut self, reason: DropReason) {
        *self.0.entry(reason).or_default() += 1;
    }

    pub(crate) fn add_all(&mut self, other: &Self) {
        for (reason, count) in &other.0 {
            *self.0.entry(*reason).or_default() += count;
        }
    }

    /// The counts by the words of their reasons.
    pub(crate) fn by_text(&self) -> BTreeMap<String, u64> {
        self.0
            .iter()
            .map(|(reason, count)| (reason.text().to_owned(), *count))
            .collect()
    }
}
