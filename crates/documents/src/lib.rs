//! The document format, and the folder that documents are kept in.
//!
//! Readers of every source make [`Document`]s, one an [`Outcome`]; [`DocsWriter`] writes them to a
//! folder, [`DocumentReader`] reads them back in the same order. Whoever takes documents depends on
//! this crate alone: it knows no source, opens no connection and does not know what becomes of a
//! document.
//!
//! ```
//! use documents::{Block, BlockKind, Document, document_text_blocks};
//!
//! let document = Document {
//!     id: "text:1".into(),
//!     source: "text".into(),
//!     blocks: vec![
//!         Block::new(BlockKind::Paragraph, "Oak is wood."),
//!         Block::new(BlockKind::PageFurniture, "12"),
//!     ],
//!     ..Document::default()
//! };
//! assert_eq!(document_text_blocks(&document).collect::<Vec<_>>(), ["Oak is wood."]);
//! ```

mod bounded_line;
mod cells;
mod clean_line;
mod document;
mod error;
pub mod form_type;
mod inputs_list;
mod items;
mod left_out;
mod manifest;
mod outcome;
mod progress;
mod reader;
mod script_digits;
mod submission_frame;
mod table_grid;
#[cfg(any(test, feature = "testing"))]
#[expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "for tests: a folder that cannot be written ends them"
)]
pub mod testing;
mod writer;

pub use cells::{CELL_SEPARATOR, RowBuffer, join_cells, split_cells};
pub use clean_line::{LineBuffer, has_word, one_line};
pub use document::{
    Block, BlockKind, Document, Section, SectionEvidence, SectionStatus, TableRange, document_text_blocks,
};
pub use error::DocumentsError;
pub use inputs_list::InputsReader;
pub use items::{Item, blocks_of_items, document_text};
pub use left_out::LeftOut;
pub use manifest::{
    DOCS_FORMAT_VERSION, DOCS_MANIFEST, DocsFile, DocsManifest, INPUTS_LIST, InputFile, Inputs,
    MOST_INPUT_BYTES,
};
pub use outcome::Outcome;
pub use progress::{NoProgress, Progress};
pub use reader::{DocumentLine, DocumentReader, MOST_DOCUMENT_BYTES, map_documents};
pub use script_digits::{lowered_digit, plain_digit, raised_digit};
pub use submission_frame::{SUBMISSION_FRAMES, ends_with_tag, submission_frame};
pub use table_grid::{CellNumber, TableGrid};
pub use writer::{DocsWriter, json_line};
