//! Filings and wiki dumps to documents to shards.

mod assign;
mod clean;
mod decode;
mod docs_manifest;
mod docs_writer;
mod document;
mod documents;
pub mod edgar;
mod error;
mod inputs;
mod outcome;
mod progress;
pub mod sample;
mod split;
mod spool;
mod tokenizer_sample;
mod workplace;

pub use assign::{Balance, DocumentSize, assign_shards};
pub use docs_manifest::{DOCS_FORMAT_VERSION, DocsFile, DocsManifest, InputFile};
pub use document::{Block, BlockKind, CELL_SEPARATOR, Document, Section, document_text_blocks};
pub use documents::DocumentReader;
pub use error::CorpusError;
pub use outcome::Outcome;
pub use progress::{NoProgress, Progress};
pub use split::{DocumentHead, FilerKey, Filers, HELD_OUT_FRACTION, HeldOut};
pub use tokenizer_sample::{TOKENIZER_SAMPLE_BYTES, TokenizerOptions, TokenizerReport, train_tokenizer};
