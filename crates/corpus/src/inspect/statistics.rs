//! Counts what a documents folder or a corpus holds, and how far word frequencies alone get on
//! its held-out text. It prints nothing.

use std::collections::BTreeMap;
use std::path::Path;

use documents::{
    DocsManifest, Document, DocumentLine, DocumentReader, Progress, document_text_blocks, map_documents,
};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use shards::{Corpus, DocumentRow, ShardReader};

use crate::error::CorpusError;
use crate::work::threads::worker_threads;

/// The year of documents without a date.
const UNKNOWN_YEAR: &str = "unknown";

/// What a documents folder holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct DocsStatistics {
    /// By source.
    pub sources: BTreeMap<String, DocsCounts>,
    /// By the year in which they were filed: what a model may know at a date goes by it.
    pub filed_years: BTreeMap<String, DocsCounts>,
    /// By the year in which the period that they report on ends.
    pub period_years: BTreeMap<String, DocsCounts>,
    /// Left out on purpose, by reason.
    pub skipped: BTreeMap<String, u64>,
    /// Not usable, by reason.
    pub rejected: BTreeMap<String, u64>,
}

/// Size of some documents.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct DocsCounts {
    /// Documents.
    pub documents: u64,
    /// Blocks that are trained on.
    pub blocks: u64,
    /// Bytes of their text.
    pub text_bytes: u64,
}

/// What a corpus holds.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct CorpusStatistics {
    /// By source.
    pub sources: BTreeMap<String, CorpusCounts>,
    /// By the year in which they were filed; a corpus does not keep the period reported on.
    pub filed_years: BTreeMap<String, CorpusCounts>,
    /// Documents that are in no shard, by reason.
    pub dropped: BTreeMap<String, u64>,
    /// Raw inputs left out on purpose, by reason.
    pub skipped: BTreeMap<String, u64>,
    /// Raw inputs that were not usable, by reason.
    pub rejected: BTreeMap<String, u64>,
    /// How even the shards are, in words.
    pub balance: String,
    /// Cross-entropy from token frequencies alone, where asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unigram: Option<Unigram>,
}

/// Size of some documents, trained on and held out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct CorpusCounts {
    /// Documents to train on.
    pub documents: u64,
    /// Their tokens.
    pub tokens: u64,
    /// Held-out documents.
    pub held_out_documents: u64,
    /// Their tokens.
    pub held_out_tokens: u64,
}

/// Cross-entropy of held-out tokens when each is guessed from its frequency in training.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Unigram {
    /// By source.
    pub sources: BTreeMap<String, CrossEntropy>,
    /// All held-out tokens together.
    pub total: CrossEntropy,
}

/// A mean over tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct CrossEntropy {
    /// Tokens that the mean is over.
    pub tokens: u64,
    /// Nats a token.
    pub cross_entropy_nats: f64,
}

/// Counts a documents folder.
///
/// # Errors
/// When it is not one, or is damaged.
pub fn docs_statistics(
    docs: &Path,
    threads: usize,
    progress: &dyn Progress,
) -> Result<DocsStatistics, CorpusError> {
    let reader = DocumentReader::open(docs)?;
    let DocsManifest {
        skipped, rejected, ..
    } = reader.manifest().clone();
    let mut statistics = DocsStatistics {
        skipped,
        rejected,
        ..DocsStatistics::default()
    };
    progress.start("counting documents", Some(reader.manifest().json_bytes()));
    let count = |line: &DocumentLine| {
        let document: Document = line.parse()?;
        let mut counts = DocsCounts {
            documents: 1,
            ..DocsCounts::default()
        };
        for text in document_text_blocks(&document) {
            counts.blocks += 1;
            counts.text_bytes += text.len() as u64;
        }
        let years = [&document.filed, &document.period].map(|date| year(date.as_deref()));
        Ok((document.source, years, counts))
    };
    map_documents(
        reader,
        &worker_threads(threads)?,
        progress,
        count,
        |(source, [filed, period], counts)| {
            statistics.sources.entry(source).or_default().add(counts);
            statistics.filed_years.entry(filed).or_default().add(counts);
            statistics.period_years.entry(period).or_default().add(counts);
            Ok::<_, CorpusError>(())
        },
    )?;
    progress.finish();
    Ok(statistics)
}

/// Counts a corpus from its list of documents.
///
/// # Errors
/// When it is not a corpus, or the list is damaged.
pub fn corpus_statistics(corpus: &Corpus) -> Result<CorpusStatistics, CorpusError> {
    let manifest = corpus.manifest();
    let counts = |name: &str| {
        let value = manifest.made_from.get(name).cloned().unwrap_or_default();
        BTreeMap::<String, u64>::deserialize(value).unwrap_or_default()
    };
    let mut statistics = CorpusStatistics {
        dropped: manifest.dropped.clone(),
        skipped: counts("skipped"),
        rejected: counts("rejected"),
        balance: manifest.spread().describe(),
        ..CorpusStatistics::default()
    };
    for row in corpus.documents().rows() {
        let row = row?;
        statistics
            .filed_years
            .entry(year(row.filed.as_deref()))
            .or_default()
            .add(&row);
        statistics
            .sources
            .entry(row.source.clone())
            .or_default()
            .add(&row);
    }
    Ok(statistics)
}

impl DocsCounts {
    fn add(&mut self, other: Self) {
        self.documents += other.documents;
        self.blocks += other.blocks;
        self.text_bytes += other.text_bytes;
    }
}

impl CorpusCounts {
    fn add(&mut self, row: &DocumentRow) {
        let (documents, tokens) = match row.shard {
            Some(_) => (&mut self.documents, &mut self.tokens),
            None => (&mut self.held_out_documents, &mut self.held_out_tokens),
        };
        *documents += 1;
        *tokens += row.tokens;
    }
}

fn year(date: Option<&str>) -> String {
    date.and_then(|date| date.get(..4))
        .unwrap_or(UNKNOWN_YEAR)
        .to_owned()
}

/// Measures what token frequencies alone achieve on the held-out files: probabilities are counts
/// in the training shards plus one, over the whole vocabulary. The newline token that ends each
/// block counts like any other.
///
/// # Errors
/// When a shard cannot be read.
pub fn unigram(corpus: &Corpus, threads: usize, progress: &dyn Progress) -> Result<Unigram, CorpusError> {
    let vocab_size = corpus.manifest().vocab_size;
    progress.start("counting tokens", Some(corpus.num_shards().into()));
    let count_shard = |index: u32| token_counts(corpus.shard(index)?, vocab_size);
    let training = worker_threads(threads)?.install(|| {
        let shards = (0..corpus.num_shards()).into_par_iter();
        shards
            .map(count_shard)
            .inspect(|_| progress.advance(1))
            .try_reduce(|| vec![0; vocab_size], |a, b| Ok(sum(a, &b)))
    })?;
    progress.finish();
    let mut held_out = BTreeMap::new();
    for source in corpus.held_out_sources() {
        if let Some(reader) = corpus.held_out(source)? {
            held_out.insert(source.to_owned(), token_counts(&reader, vocab_size)?);
        }
    }
    Ok(unigram_of(&training, &held_out))
}

fn unigram_of(training: &[u64], held_out: &BTreeMap<String, Vec<u64>>) -> Unigram {
    let all = held_out
        .values()
        .fold(vec![0; training.len()], |all, counts| sum(all, counts));
    Unigram {
        sources: held_out
            .iter()
            .map(|(source, counts)| (source.clone(), cross_entropy(training, counts)))
            .collect(),
        total: cross_entropy(training, &all),
    }
}

/// Mean of -ln((training count + 1) / (training tokens + vocabulary)) over the counted tokens.
fn cross_entropy(training: &[u64], counts: &[u64]) -> CrossEntropy {
    let denominator = (training.iter().sum::<u64>() + training.len() as u64) as f64;
    let tokens: u64 = counts.iter().sum();
    let nats: f64 = training
        .iter()
        .zip(counts)
        .filter(|(_, count)| **count > 0)
        .map(|(seen, count)| *count as f64 * (denominator / (*seen + 1) as f64).ln())
        .sum();
    CrossEntropy {
        tokens,
        cross_entropy_nats: if tokens == 0 { 0.0 } else { nats / tokens as f64 },
    }
}

fn token_counts(reader: &ShardReader, vocab_size: usize) -> Result<Vec<u64>, CorpusError> {
    let mut counts = vec![0; vocab_size];
    let mut tokens = Vec::new();
    for block in 0..reader.num_blocks() {
        let slice = reader.block(block)?;
        tokens.clear();
        slice.copy_into(&mut tokens, 0..slice.len());
        for token in &tokens {
            if let Some(count) = counts.get_mut(*token as usize) {
                *count += 1;
            }
        }
    }
    Ok(counts)
}

fn sum(mut a: Vec<u64>, b: &[u64]) -> Vec<u64> {
    a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unigram_cross_entropy_is_the_one_calculated_by_hand() {
        // Training: 3 of token 0, 1 of token 1, none of token 2; add-one: 4/7, 2/7, 1/7.
        let held_out = BTreeMap::from([
            ("10-K".to_owned(), vec![1, 0, 1]),
            ("wiki".to_owned(), vec![0, 2, 0]),
        ]);
        let unigram = unigram_of(&[3, 1, 0], &held_out);
        let expected = f64::midpoint((7.0_f64 / 4.0).ln(), 7.0_f64.ln());
        assert!((unigram.sources["10-K"].cross_entropy_nats - expected).abs() < 1e-12);
        assert!((unigram.sources["wiki"].cross_entropy_nats - (7.0_f64 / 2.0).ln()).abs() < 1e-12);
        let total = (2.0 * expected + 2.0 * (7.0_f64 / 2.0).ln()) / 4.0;
        assert!((unigram.total.cross_entropy_nats - total).abs() < 1e-12);
        assert_eq!(unigram.total.tokens, 4);
    }

    #[test]
    fn nothing_held_out_gives_zero_tokens_and_no_nan() {
        assert_eq!(
            unigram_of(&[3, 1], &BTreeMap::new()).total,
            CrossEntropy::default()
        );
    }

    #[test]
    fn years_are_those_of_dates() {
        assert_eq!(year(Some("2012-02-03")), "2012");
        assert_eq!(year(None), "unknown");
    }

    #[test]
    fn a_report_counts_under_the_year_it_was_filed_in_and_under_the_year_its_period_ends_in() {
        let folder = tempfile::tempdir().unwrap();
        let (input, docs) = (folder.path().join("a.txt"), folder.path().join("docs"));
        let filing = "<SEC-HEADER>\nACCESSION NUMBER: 0000000009-12-000003\n\
            CONFORMED SUBMISSION TYPE: 10-K\nCONFORMED PERIOD OF REPORT: 20111231\n\
            FILED AS OF DATE: 20120203\n</SEC-HEADER>\n<DOCUMENT>\n<TYPE>10-K\n<TEXT>\nOak.\n</TEXT>\n</DOCUMENT>\n";
        durable::commit_bytes(&durable::DISK, &input, filing.as_bytes()).unwrap();
        let options = crate::ingest::IngestOptions {
            inputs: BTreeMap::from([(crate::sources::Source::Filings, vec![input])]),
            out: docs.clone(),
            threads: 1,
            ..crate::ingest::IngestOptions::default()
        };
        crate::ingest::ingest(&options, &documents::NoProgress).unwrap();
        let statistics = docs_statistics(&docs, 1, &documents::NoProgress).unwrap();
        let years = |counts: &BTreeMap<String, DocsCounts>| counts.keys().cloned().collect::<Vec<_>>();
        assert_eq!(years(&statistics.filed_years), ["2012"]);
        assert_eq!(years(&statistics.period_years), ["2011"]);
    }
}
