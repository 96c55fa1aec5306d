//! `stats --html`: what a corpus or a documents folder holds, as one page that needs nothing else.
//! Gathering is here, writing the page in `page`. It changes neither folder.

mod page;

use std::collections::BTreeMap;
use std::path::Path;

use documents::{
    DocsManifest, Document, DocumentLine, DocumentReader, Progress, document_text_blocks, map_documents,
};
use serde::Deserialize;
use shards::DocumentRow;

use crate::error::CorpusError;
use crate::grouped;
use crate::inspect::CorpusInspector;
use crate::workplace::worker_threads;
pub use page::render;

/// Documents of a source whose words are counted for fertility: enough for three digits.
const FERTILITY_DOCUMENTS: u64 = 100;
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
    /// Filings or Wikipedia.
    pub sources: BTreeMap<String, Amount>,
    /// By form type as filed; filings only.
    pub forms: BTreeMap<String, Amount>,
    /// By year of filing.
    pub years: BTreeMap<String, Amount>,
    /// By company.
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
    /// Tokens a word, by form or `wiki`; of a corpus only.
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

/// One document as the page counts it.
struct Counted<'a> {
    source: &'a str,
    company: Option<&'a str>,
    filed: Option<&'a str>,
    size: u64,
    held_out: bool,
}

impl Report {
    fn count(&mut self, document: &Counted<'_>) {
        let is_wiki = document.source == "wiki";
        let source = if is_wiki { "Wikipedia" } else { "EDGAR filings" };
        let year = document.filed.and_then(|date| date.get(..4)).unwrap_or("unknown");
        add(&mut self.sources, source, document);
        if !is_wiki {
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

/// Gathers the report of a corpus from its list of documents and a sample of its text.
///
/// # Errors
/// When it is not a corpus, or is damaged.
pub fn corpus_report(folder: &Path, progress: &dyn Progress) -> Result<Report, CorpusError> {
    let inspector = CorpusInspector::open(folder)?;
    let manifest = inspector.corpus().manifest();
    let made_from = |name: &str| {
        let value = manifest.made_from.get(name).cloned().unwrap_or_default();
        BTreeMap::<String, u64>::deserialize(value).unwrap_or_default()
    };
    let (mut duplicates, dropped) = split_duplicates(manifest.dropped.clone());
    let (read_twice, skipped) = split_duplicates(made_from("skipped"));
    duplicates.extend(read_twice);
    let mut report = Report {
        title: "Corpus".to_owned(),
        unit: "tokens",
        facts: vec![
            ("Shards", manifest.num_shards.to_string()),
            ("Vocabulary", grouped(manifest.vocab_size as u64)),
            ("Filed from", or_unknown(manifest.filed_earliest.as_deref())),
            ("Filed to", or_unknown(manifest.filed_latest.as_deref())),
            ("Corpus hash", manifest.corpus_hash.chars().take(16).collect()),
        ],
        duplicates,
        dropped,
        skipped,
        rejected: made_from("rejected"),
        ..Report::default()
    };
    let all: u64 = manifest.sources.values().map(|counts| counts.documents).sum();
    progress.start("reading the list of documents", Some(all));
    let mut seen = BTreeMap::<String, u64>::new();
    for row in inspector.corpus().documents().rows() {
        let row = row?;
        report.count(&Counted {
            source: &row.source,
            company: row.company.as_deref(),
            filed: row.filed.as_deref(),
            size: row.tokens,
            held_out: row.shard.is_none(),
        });
        let counts = manifest.sources.get(&row.source);
        if let (Some(counts), Some(_)) = (counts, row.shard) {
            // Documents at even distances in each source: the same ones at every call.
            let seen = seen.entry(row.source.clone()).or_default();
            if seen.is_multiple_of(counts.documents.div_ceil(FERTILITY_DOCUMENTS).max(1)) {
                let fertility = report.fertility.entry(row.source.clone()).or_default();
                add_fertility(fertility, &inspector, &row)?;
            }
            *seen += 1;
        }
        progress.advance(1);
    }
    progress.finish();
    Ok(report)
}

/// Duplicates and the rest: readers and `build` say in the reason that it is one.
fn split_duplicates(counts: BTreeMap<String, u64>) -> (BTreeMap<String, u64>, BTreeMap<String, u64>) {
    let is_duplicate = |reason: &str| reason.starts_with("duplicate") || reason.contains("same text");
    counts.into_iter().partition(|(reason, _)| is_duplicate(reason))
}

fn add_fertility(
    fertility: &mut Fertility,
    inspector: &CorpusInspector,
    row: &DocumentRow,
) -> Result<(), CorpusError> {
    fertility.documents += 1;
    fertility.tokens += row.tokens;
    for block in inspector.blocks_of(row)? {
        fertility.words += block.text.split_ascii_whitespace().count() as u64;
        // Each block ends in the newline token, which is a byte of the text.
        fertility.bytes += block.text.len() as u64 + 1;
    }
    Ok(())
}

fn or_unknown(value: Option<&str>) -> String {
    value.unwrap_or("unknown").to_owned()
}

/// Gathers the report of a documents folder; amounts are bytes of text, nothing is held out yet.
///
/// # Errors
/// When it is not one, or is damaged.
pub fn docs_report(docs: &Path, threads: usize, progress: &dyn Progress) -> Result<Report, CorpusError> {
    let reader = DocumentReader::open(docs)?;
    let manifest: DocsManifest = reader.manifest().clone();
    let (duplicates, skipped) = split_duplicates(manifest.skipped.clone());
    let mut report = Report {
        title: "Documents".to_owned(),
        unit: "bytes of text",
        facts: vec![
            ("Input files", grouped(manifest.inputs.files)),
            ("Raw input", page::bytes(manifest.inputs.bytes)),
            (
                "On disk",
                page::bytes(manifest.files.iter().map(|file| file.bytes).sum()),
            ),
        ],
        duplicates,
        skipped,
        rejected: manifest.rejected.clone(),
        ..Report::default()
    };
    progress.start("counting documents", Some(manifest.json_bytes()));
    let count = |line: &DocumentLine| {
        let document: Document = line.parse()?;
        let size: usize = document_text_blocks(&document).map(str::len).sum();
        Ok((document.source, document.company, document.filed, size as u64))
    };
    let pool = worker_threads(threads)?;
    map_documents(
        reader,
        &pool,
        progress,
        count,
        |(source, company, filed, size)| {
            report.count(&Counted {
                source: &source,
                company: company.as_deref(),
                filed: filed.as_deref(),
                size,
                held_out: false,
            });
            Ok::<_, CorpusError>(())
        },
    )?;
    progress.finish();
    Ok(report)
}
