//! The token format on disk: the contract between corpus and training, and the only mmap.
//!
//! A corpus folder holds shards (`shard-00017-of-00256.bin` and `.idx`, the pair of
//! Megatron-LM's indexed dataset), the held-out files (`valid-10-K.bin` ...), a list of
//! documents, packing indices and the manifest that ties them together. This crate writes and
//! reads these files and checks them; it does not know what text is, how documents are chosen
//! or what a batch is.
//!
//! - [`ShardWriter`], [`ShardReader`]: one shard; [`mod@format`] has the byte table
//! - [`Manifest`], [`Corpus`]: the folder
//! - [`DocumentsWriter`], [`DocumentsReader`]: `documents.jsonl.zst`
//! - [`Packing`]: which tokens make up each training sequence
//! - [`stage`]: a copy of a corpus on a disk of this machine

mod balance;
mod corpus;
mod damage;
mod documents;
mod error;
pub mod format;
mod manifest;
mod names;
mod pack;
mod packing;
#[cfg(test)]
mod pipes;
mod reader;
mod seek_table;
mod sequence;
#[cfg(test)]
mod small_corpus;
mod staging;
mod streamed;
#[cfg(any(test, feature = "testing"))]
#[expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "only tests call it"
)]
pub mod testing;
mod writer;

pub use balance::{Balance, Spread};
pub use corpus::Corpus;
pub use damage::{VerifyReport, verify};
pub use documents::{
    DocumentPlace, DocumentRow, DocumentsFile, DocumentsReader, DocumentsWriter, ROWS_PER_FRAME,
};
pub use error::{Damage, ShardError};
pub use format::TokenWidth;
pub use manifest::{
    HeldOut, HeldOutFile, MANIFEST_FILE, MANIFEST_FORMAT_VERSION, Manifest, ShardEntry, SourceCounts,
    SourceRange, Subset, Window,
};
pub use names::{DOCUMENTS_FILE, TOKENIZER_FOLDER, held_out_name, packing_name, shard_name};
pub use pack::{PackedSequence, PackingMode, pack_shard};
pub use packing::{PACKING_FORMAT_VERSION, Packing};
pub use reader::{ReadMode, ShardReader, TokenSlice};
pub use sequence::{Piece, pieces, read_kept, read_sequence};
pub use staging::{StageReport, stage};
pub use writer::{DocumentSpan, ShardSummary, ShardWriter};
