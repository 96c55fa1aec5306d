//! Filings and wiki dumps to documents to shards.

mod document;
mod error;
mod outcome;

pub use document::{Block, BlockKind, CELL_SEPARATOR, Document, Section, document_text_blocks};
pub use error::CorpusError;
pub use outcome::Outcome;
