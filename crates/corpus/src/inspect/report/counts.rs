//! What the page shows, gathered elsewhere and drawn elsewhere.

use std::collections::BTreeMap;

use crate::sources::Source;

/// Lengths are counted in classes up to 2 to this power.
const LENGTH_CLASSES: usize = 24;

/// What the page shows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Report {
    /// What it is about.
    pub title: String,
    /// What amounts are counted in: `tokens`, or `bytes of text` before there are tokens.
    pub unit: &'static str,
    /// Single facts: name and value.
    pub facts: Vec<(&'static str, String)>,
    /// By where documents come from: `EDGAR filings`, `Wikipedia`, `Texts`.
    pub sources: BTreeMap<String, Amount>,
    /// By form type as filed, or what a text states as its source; without Wikipedia.
    pub forms: BTreeMap<String, Amount>,
    /// By year of filing; without Wikipedia.
    pub years: BTreeMap<String, Amount>,
    /// By company; without Wikipedia.
    pub companies: BTreeMap<String, Amount>,
    /// Documents by length: class k holds 2^k to 2^(k+1) - 1 of the unit.
    pub lengths: Vec<u64>,
    /// Documents left out as duplicates, by kind.
    pub duplicates: BTreeMap<String, u64>,
    /// Documents left out for other reasons.
    pub dropped: BTreeMap<String, u64>,
    /// Raw inputs left out on purpose, by reason.
    pub skipped: BTreeMap<String, u64>,
    /// Raw inputs that could not be used, by reason.
    pub rejected: BTreeMap<String, u64>,
    /// Tokens a word, by form, `wiki` or what a text states as its source; of a corpus only.
    pub fertility: BTreeMap<String, Fertility>,
}

/// Documents and how much they hold, trained on and held out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amount {
    /// Documents to train on.
    pub documents: u64,
    /// What they hold, in the report's unit.
    pub size: u64,
    /// Held-out documents.
    pub held_out_documents: u64,
    /// What they hold.
    pub held_out_size: u64,
}

/// How a tokenizer cuts the text of a sample of documents.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fertility {
    /// Documents looked at.
    pub documents: u64,
    /// Their tokens.
    pub tokens: u64,
    /// Their words, by white space.
    pub words: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Report {
    /// All documents.
    pub fn total(&self) -> Amount {
        let mut total = Amount::default();
        for amount in self.sources.values() {
            total.documents += amount.documents;
            total.size += amount.size;
            total.held_out_documents += amount.held_out_documents;
            total.held_out_size += amount.held_out_size;
        }
        total
    }
}

/// One document as the page counts it.
pub(super) struct Counted<'a> {
    pub(super) id: &'a str,
    pub(super) source: &'a str,
    pub(super) company: Option<&'a str>,
    pub(super) filed: Option<&'a str>,
    pub(super) size: u64,
    pub(super) held_out: bool,
}

impl Report {
    pub(super) fn count(&mut self, document: &Counted<'_>) {
        let source = Source::of_id(document.id);
        let year = document.filed.and_then(|date| date.get(..4)).unwrap_or("unknown");
        add(&mut self.sources, source.title(), document);
        if source.has_filer() {
            add(&mut self.forms, document.source, document);
            add(&mut self.years, year, document);
            add(
                &mut self.companies,
                document.company.unwrap_or("unknown"),
                document,
            );
        }
        let class = document.size.max(1).ilog2() as usize;
        self.lengths.resize(LENGTH_CLASSES, 0);
        self.lengths[class.min(LENGTH_CLASSES - 1)] += 1;
    }
}

fn add(amounts: &mut BTreeMap<String, Amount>, name: &str, document: &Counted<'_>) {
    let amount = amounts.entry(name.to_owned()).or_default();
    let (documents, size) = if document.held_out {
        (&mut amount.held_out_documents, &mut amount.held_out_size)
    } else {
        (&mut amount.documents, &mut amount.size)
    };
    *documents += 1;
    *size += document.size;
}
