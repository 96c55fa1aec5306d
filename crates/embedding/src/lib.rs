//! A Hugging Face folder and text in, vectors out.
//!
//! Texts become sequences, sequences become batches of bounded size, the last layer's hidden
//! states become one vector a text; and masked words get their likeliest fillings. It knows
//! no HTTP and nothing of training: only the folder joins it to the run that made the model.

mod batching;
mod encode;
mod error;
mod fill_mask;
mod load;
mod pooling;
mod precision;
mod sequence;

pub use encode::{Embeddings, EncodeOptions};
pub use error::EmbeddingError;
pub use fill_mask::{MASK, MaskPrediction};
pub use hf_folder::{Pooling, PoolingMode, TextDates};
pub use load::EmbeddingModel;
pub use precision::PrecisionChoice;
pub use sequence::{Sequence, Sequencer};
