//! Filings and wiki dumps to documents to shards.

mod assign;
mod build;
mod describe;
mod dropped;
mod duplicates;
mod error;
mod exclude;
mod external_sort;
mod fingerprint;
mod grouped;
mod ingest;
mod inputs;
mod inspect;
mod minhash;
mod place;
mod raw_blocks;
mod raw_input;
pub mod report;
mod scratch;
mod segments;
mod shard_files;
mod split;
mod spool;
mod statistics;
mod tokenise;
mod tokenised;
mod tokenizer_sample;
mod window;
mod workplace;

pub use build::{BuildOptions, PackingChoice, build_part, build_shards, merge_parts};
pub use duplicates::{DUPLICATE_SIMILARITY, DuplicateRule, DuplicateScope};
pub use error::CorpusError;
pub use grouped::grouped;
pub use ingest::{IngestOptions, ingest, ingest_part, merge_ingested_parts};
pub use inspect::{CorpusBlock, CorpusDocument, CorpusInspector, Place, find_document};
pub use raw_blocks::raw_of_blocks;
pub use raw_input::{RawText, raw_text};
pub use segments::{Part, PartReport};
pub use split::{DocumentHead, FilerKey, Filers, HELD_OUT_FRACTION, HeldOut};
pub use statistics::{
    CorpusCounts, CorpusStatistics, CrossEntropy, DocsCounts, DocsStatistics, Unigram, corpus_statistics,
    docs_statistics, unigram,
};
pub use tokenizer_sample::{TOKENIZER_SAMPLE_BYTES, TokenizerOptions, TokenizerReport, train_tokenizer};
pub use window::{DateWindow, Day};
pub use workplace::kept_work;
