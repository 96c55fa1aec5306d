//! What a dump held, counted while it is read.

use std::collections::BTreeMap;

use documents::Outcome;

/// What a dump held.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DumpReport {
    /// Pages of every kind, and damaged parts.
    pub pages: u64,
    /// Pages that became documents.
    pub documents: u64,
    /// Skipped pages by reason.
    pub skipped: BTreeMap<String, u64>,
    /// Rejected pages and damaged parts by reason.
    pub rejected: BTreeMap<String, u64>,
}

impl DumpReport {
    pub(crate) fn count(&mut self, outcome: &Outcome) {
        self.pages += 1;
        match outcome {
            Outcome::Document(_) => self.documents += 1,
            Outcome::Skipped { reason, .. } => *self.skipped.entry(reason.clone()).or_default() += 1,
            Outcome::Rejected { reason } => *self.rejected.entry(reason.clone()).or_default() += 1,
        }
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.pages += other.pages;
        self.documents += other.documents;
        for (reason, count) in other.skipped {
            *self.skipped.entry(reason).or_default() += count;
        }
        for (reason, count) in other.rejected {
            *self.rejected.entry(reason).or_default() += count;
        }
    }
}
