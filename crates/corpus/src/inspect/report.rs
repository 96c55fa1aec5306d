//! `stats --html`: what a corpus or a documents folder holds, as one page that needs nothing else.
//! Gathering is here, writing the page in `page`. It changes neither folder.

mod counts;
mod page;

use std::collections::BTreeMap;
use std::path::Path;

use documents::{
    DocsManifest, Document, DocumentLine, DocumentReader, Progress, document_text_blocks, map_documents,
};
use serde::Deserialize;
use shards::DocumentRow;

use crate::error::CorpusError;
use crate::inspect::grouped::grouped;
use crate::inspect::inspector::CorpusInspector;
use crate::work::threads::worker_threads;
use counts::Counted;
pub use counts::{Amount, Fertility, Report};
pub use page::render;

/// Documents of a source whose words are counted for fertility: enough for three digits.
const FERTILITY_DOCUMENTS: u64 = 100;

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
            id: &row.id,
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
            ("Raw input", page::elements::bytes(manifest.inputs.bytes)),
            (
                "On disk",
                page::elements::bytes(manifest.files.iter().map(|file| file.bytes).sum()),
            ),
        ],
        duplicates,
        skipped,
        rejected: manifest.rejected.clone(),
        ..Report::default()
    };
    progress.start("counting documents", Some(manifest.json_bytes()));
    let count = |line: &DocumentLine| {
        let mut document: Document = line.parse()?;
        let size: usize = document_text_blocks(&document).map(str::len).sum();
        document.blocks.clear();
        Ok((document, size as u64))
    };
    let pool = worker_threads(threads)?;
    map_documents(reader, &pool, progress, count, |(document, size)| {
        report.count(&Counted {
            id: &document.id,
            source: &document.source,
            company: document.company.as_deref(),
            filed: document.filed.as_deref(),
            size,
            held_out: false,
        });
        Ok::<_, CorpusError>(())
    })?;
    progress.finish();
    Ok(report)
}
