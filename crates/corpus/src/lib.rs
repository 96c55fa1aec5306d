//! From the sources to a documents folder, and from documents to shards.

mod build;
mod error;
mod ingest;
mod inspect;
mod selection;
mod sources;
mod tokenizer_sample;
mod work;

pub use build::duplicate_rule::{DUPLICATE_SIMILARITY, DuplicateRule, DuplicateScope};
pub use build::options::{BuildOptions, PackingChoice};
pub use build::{build_part, build_shards, merge_parts};
pub use error::CorpusError;
pub use ingest::{IngestOptions, ingest, ingest_part, merge_ingested_parts};
pub use inspect::grouped::grouped;
pub use inspect::inspector::{CorpusBlock, CorpusDocument, CorpusInspector, Place, find_document};
pub use inspect::raw_blocks::raw_of_blocks;
pub use inspect::raw_input::raw_text;
pub use inspect::report;
pub use inspect::statistics::{
    CorpusCounts, CorpusStatistics, CrossEntropy, DocsCounts, DocsStatistics, Unigram, corpus_statistics,
    docs_statistics, unigram,
};
pub use selection::day::Day;
pub use selection::filer::{DocumentHead, FilerKey};
pub use selection::held_out::{Filers, HELD_OUT_FRACTION, HeldOut};
pub use selection::subset::Subset;
pub use selection::window::DateWindow;
pub use sources::Source;
pub use sources::raw_text::RawText;
pub use tokenizer_sample::{TOKENIZER_SAMPLE_BYTES, TokenizerOptions, TokenizerReport, train_tokenizer};
pub use work::segments::{Part, PartReport};
pub use work::work_dir::kept_work;
