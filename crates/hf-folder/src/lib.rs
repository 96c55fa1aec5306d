//! The Hugging Face folder: write it from a checkpoint, read it back.
//!
//! `transformers`, `sentence-transformers` and text-embeddings-inference open what [`export`]
//! writes unchanged; [`HfModel::open`] reads any folder with a RoBERTa encoder, ours or not.
//! Training and embedding texts are not here.

mod error;
mod export;
mod files;
mod import;
mod model_card;
mod pooling;
mod sentence;
mod tensors;
#[cfg(any(test, feature = "testing"))]
#[expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "only tests call it"
)]
pub mod testing;
mod text_dates;
mod weights;

pub use error::HfFolderError;
pub use export::{ExportReport, export};
pub use import::HfModel;
pub use model_card::{ModelCard, SourceFacts};
pub use pooling::{Pooling, PoolingMode};
pub use sentence::SentenceModules;
pub use tensors::ModelTensors;
pub use text_dates::TextDates;
pub use weights::WeightFiles;
