//! Trains the tokenizer on a sample of the documents: bounded, the same for any order of files
//! and number of threads, and without held-out companies. The algorithm is the `tokenizer`
//! crate's.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use documents::{Document, DocumentLine, DocumentReader, Progress, document_text_blocks, map_documents};
use durable::DISK;
use serde::Serialize;
use serde_json::json;
use tokenizer::{Tokenizer, Trainer};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::error::CorpusError;
use crate::selection::day::Day;
use crate::selection::filer::{DocumentHead, FilerKey};
use crate::selection::held_out::{Filers, HeldOut, refuse_fraction};
use crate::selection::window::DateWindow;
use crate::work::threads::worker_threads;
use crate::work::work_dir::WorkDir;

/// Text that a tokenizer is trained on unless told otherwise: word counts of a gigabyte differ
/// little from those of all text, and fit into memory.
pub const TOKENIZER_SAMPLE_BYTES: u64 = 1_000_000_000;

/// Longest sequence that the tokenizer's own files promise: RoBERTa's 514 positions less the two
/// that its padding index takes.
pub(crate) const MODEL_MAX_LENGTH: usize = 512;

const SAMPLE_SEED: u64 = 0x746f_6b65_6e69_7a65;

/// What to train on and where to write.
#[derive(Debug, Clone)]
pub struct TokenizerOptions {
    /// The documents folder.
    pub docs: PathBuf,
    /// The tokenizer folder to make.
    pub out: PathBuf,
    /// How many entries.
    pub vocab_size: usize,
    /// Most text to train on, in bytes (a document more may be taken).
    pub sample_bytes: u64,
    /// Share of the filers that will be held out.
    pub held_out_fraction: f64,
    /// The window of dates that the corpus will have.
    pub window: DateWindow,
    /// Worker threads; 0 means one a core.
    pub threads: usize,
}

/// What a tokenizer was trained on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TokenizerReport {
    /// Entries of the vocabulary.
    pub vocab_size: usize,
    /// Entries asked for; more than `vocab_size` when the text has fewer merges.
    pub requested_vocab_size: usize,
    /// Documents in the sample.
    pub sample_documents: u64,
    /// Their text.
    pub sample_bytes: u64,
    /// Documents of held-out filers, none of which is in the sample.
    pub held_out_documents: u64,
    /// Documents outside of the window of dates, or dated later than what is trained on.
    pub outside_window: u64,
    /// The latest day of a document in the sample.
    pub filed_latest: Option<String>,
    /// Documents in the sample without a date.
    pub undated_documents: u64,
    /// All documents of the folder.
    pub documents: u64,
    /// Identifies vocabulary and merges.
    pub tokenizer_hash: String,
}

/// Which documents are in the sample: those whose id hashes to at most `last`.
#[derive(Debug)]
struct Sample {
    held_out: HeldOut,
    last: Option<u64>,
    documents: u64,
    bytes: u64,
    held_out_documents: u64,
    outside_window: u64,
    latest: Option<Day>,
    undated: u64,
    window: DateWindow,
}

/// A document as the choice of the sample sees it.
struct Measured {
    hash: u64,
    bytes: u64,
    filer: FilerKey,
    day: Option<Day>,
}

/// Trains a byte-level BPE tokenizer on a documents folder and writes it, whole or not at all.
///
/// # Errors
/// When the documents cannot be read, have no text outside held-out filers, or the folder cannot
/// be written.
pub fn train_tokenizer(
    options: &TokenizerOptions,
    progress: &dyn Progress,
) -> Result<TokenizerReport, CorpusError> {
    refuse_fraction(options.held_out_fraction)?;
    options.window.check()?;
    let _work_dir = WorkDir::enter(&options.out, "tenk-corpus tokenizer")?;
    let pool = worker_threads(options.threads)?;
    let sample = choose_sample(options, &pool, progress)?;
    let trainer = count_words(options, &sample, &pool, progress)?;
    progress.start("learning merges", None);
    let tokenizer = trainer.train(options.vocab_size)?;
    progress.finish();
    let reader = DocumentReader::open(&options.docs)?;
    let report = report(options, &sample, &tokenizer, reader.manifest().num_documents());
    let made_from = json!({
        "docs_hash": reader.manifest().hash(),
        "held_out_fraction": options.held_out_fraction,
        "window": options.window.described(),
        "filed_latest": report.filed_latest,
        "undated_documents": report.undated_documents,
        "program_version": env!("CARGO_PKG_VERSION"),
        "sample_documents": report.sample_documents,
        "sample_bytes": report.sample_bytes,
    });
    tokenizer.save(&DISK, &options.out, MODEL_MAX_LENGTH, made_from)?;
    Ok(report)
}

fn report(
    options: &TokenizerOptions,
    sample: &Sample,
    tokenizer: &Tokenizer,
    documents: u64,
) -> TokenizerReport {
    TokenizerReport {
        vocab_size: tokenizer.vocab_size(),
        requested_vocab_size: options.vocab_size,
        sample_documents: sample.documents,
        sample_bytes: sample.bytes,
        held_out_documents: sample.held_out_documents,
        outside_window: sample.outside_window,
        filed_latest: sample.latest.map(|day| day.to_string()),
        undated_documents: sample.undated,
        documents,
        tokenizer_hash: tokenizer.hash().to_owned(),
    }
}

fn choose_sample(
    options: &TokenizerOptions,
    pool: &rayon::ThreadPool,
    progress: &dyn Progress,
) -> Result<Sample, CorpusError> {
    let reader = DocumentReader::open(&options.docs)?;
    progress.start("choosing the sample", Some(reader.manifest().json_bytes()));
    let (mut filers, mut measured) = (Filers::default(), Vec::new());
    let measure = |line: &DocumentLine| {
        let document: Document = line.parse()?;
        let bytes = document_text_blocks(&document)
            .map(|text| text.len() as u64)
            .sum();
        Ok((DocumentHead::of(&document), bytes, Day::of(&document)))
    };
    let mut outside_window = 0;
    map_documents(reader, pool, progress, measure, |(head, bytes, day)| {
        // As in `build`, a document without text or outside of the window is nobody's.
        if options.window.refusal(day).is_some() {
            outside_window += 1;
        } else if bytes > 0 {
            measured.push(Measured {
                hash: sample_hash(&head.id),
                bytes,
                filer: filers.add(&head),
                day,
            });
        }
        Ok::<_, CorpusError>(())
    })?;
    progress.finish();
    let held_out = filers.hold_out(options.held_out_fraction)?;
    let mut sample = sample_of(measured, held_out, options.window, options.sample_bytes);
    sample.outside_window += outside_window;
    Ok(sample)
}

/// Documents in the order of their hashes until the sample is full.
fn sample_of(
    mut measured: Vec<Measured>,
    held_out: HeldOut,
    window: DateWindow,
    sample_bytes: u64,
) -> Sample {
    let before = measured.len();
    measured.retain(|document| !held_out.contains(document.filer));
    let held_out_documents = (before - measured.len()) as u64;
    let before = measured.len();
    measured.retain(|document| !window.is_later(document.day));
    let outside_window = (before - measured.len()) as u64;
    measured.sort_unstable_by_key(|document| document.hash);
    let mut sample = Sample {
        held_out,
        last: None,
        documents: 0,
        bytes: 0,
        held_out_documents,
        outside_window,
        latest: None,
        undated: 0,
        window,
    };
    for document in &measured {
        if sample.bytes >= sample_bytes {
            break;
        }
        sample.last = Some(document.hash);
        sample.documents += 1;
        sample.bytes += document.bytes;
        sample.latest = sample.latest.into_iter().chain(document.day).max();
        sample.undated += u64::from(document.day.is_none());
    }
    sample
}

fn count_words(
    options: &TokenizerOptions,
    sample: &Sample,
    pool: &rayon::ThreadPool,
    progress: &dyn Progress,
) -> Result<Trainer, CorpusError> {
    let reader = DocumentReader::open(&options.docs)?;
    progress.start("counting words", Some(reader.manifest().json_bytes()));
    // One a thread; their sum does not depend on which counted what.
    let trainers: Vec<Mutex<Trainer>> = (0..pool.current_num_threads())
        .map(|_| Mutex::default())
        .collect();
    let count = |line: &DocumentLine| -> Result<(), CorpusError> {
        if sample.holds(&line.parse::<DocumentHead>()?) {
            let document: Document = line.parse()?;
            let thread = rayon::current_thread_index().unwrap_or(0);
            let mut trainer = trainers[thread].lock().unwrap_or_else(PoisonError::into_inner);
            document_text_blocks(&document).for_each(|text| trainer.add(text));
        }
        Ok(())
    };
    map_documents(reader, pool, progress, count, |()| Ok(()))?;
    progress.finish();
    let mut all = Trainer::new();
    for trainer in trainers {
        all.merge(trainer.into_inner().unwrap_or_else(PoisonError::into_inner));
    }
    Ok(all)
}

impl Sample {
    fn holds(&self, head: &DocumentHead) -> bool {
        let day = head.day();
        self.last.is_some_and(|last| sample_hash(&head.id) <= last)
            && !self.held_out.contains(FilerKey::of(head))
            && self.window.refusal(day).is_none()
            && !self.window.is_later(day)
    }
}

fn sample_hash(id: &str) -> u64 {
    xxh3_64_with_seed(id.as_bytes(), SAMPLE_SEED)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dated(n: u64) -> DocumentHead {
        DocumentHead {
            id: format!("file:{n}"),
            source: "10-K".into(),
            filed: (!n.is_multiple_of(10)).then(|| format!("20{:02}-06-30", 10 + n % 10)),
            ..DocumentHead::default()
        }
    }

    fn measured(filers: &mut Filers, n: u64) -> Measured {
        let document = dated(n);
        Measured {
            hash: sample_hash(&document.id),
            bytes: 100,
            filer: filers.add(&document),
            day: document.day(),
        }
    }

    fn sample(numbers: impl Iterator<Item = u64>, window: DateWindow, bytes: u64) -> Sample {
        let mut filers = Filers::default();
        let measured: Vec<Measured> = numbers.map(|n| measured(&mut filers, n)).collect();
        sample_of(measured, filers.hold_out(0.1).unwrap(), window, bytes)
    }

    #[test]
    fn the_sample_is_bounded_and_the_same_in_any_order() {
        let forward = sample(0..1000, DateWindow::default(), 950);
        let backward = sample((0..1000).rev(), DateWindow::default(), 950);
        assert_eq!((forward.documents, forward.bytes), (10, 1000));
        assert_eq!(forward.last, backward.last);
        assert!(forward.held_out_documents > 0);
    }

    #[test]
    fn no_document_of_a_held_out_filer_is_in_the_sample() {
        let sample = sample(0..200, DateWindow::default(), u64::MAX);
        let taken = (0..200)
            .map(dated)
            .filter(|document| sample.holds(document))
            .inspect(|document| assert!(!sample.held_out.contains(FilerKey::of(document))))
            .count();
        assert_eq!(taken as u64, sample.documents);
        assert_eq!(sample.documents + sample.held_out_documents, 200);
        assert!(sample.undated > 0);
    }

    #[test]
    fn the_sample_has_nothing_later_than_the_window_and_nothing_of_the_later_set() {
        let window = DateWindow {
            from: None,
            to: "2016-12-31".parse().ok(),
            held_out_from: "2015-01-01".parse().ok(),
        };
        let numbers = (0..200).filter(|n| n % 10 != 0 && n % 10 < 7);
        let sample = sample(numbers, window, u64::MAX);
        assert_eq!(sample.latest, "2014-06-30".parse().ok());
        assert_eq!(sample.undated, 0);
        let taken = (0..200).map(dated).filter(|document| sample.holds(document));
        assert_eq!(taken.count() as u64, sample.documents);
        assert!(sample.outside_window > 0);
    }
}
