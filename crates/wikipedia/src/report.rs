//! What a dump held, counted while it is read.

use std::collections::BTreeMap;

use documents::Outcome;

use super::page::PageResult;

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
    /// Templates that left nothing in the documents, by name.
    pub templates_left_out: BTreeMap<String, u64>,
}

/// Names that are counted each by itself; a wiki has some hundred thousand.
const MOST_TEMPLATES: usize = 10_000;
/// All others.
const OTHER_TEMPLATES: &str = "(other names)";

impl DumpReport {
    pub(crate) fn count(&mut self, result: &PageResult) {
        self.pages += 1;
        self.add_templates(&result.templates_left_out);
        match &result.outcome {
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
        self.add_templates(&other.templates_left_out);
    }

    fn add_templates(&mut self, left_out: &BTreeMap<String, u64>) {
        for (name, count) in left_out {
            let is_new = !self.templates_left_out.contains_key(name);
            let is_full = is_new && self.templates_left_out.len() >= MOST_TEMPLATES;
            let name = if is_full { OTHER_TEMPLATES } else { name };
            *self.templates_left_out.entry(name.to_owned()).or_default() += count;
        }
    }
}
