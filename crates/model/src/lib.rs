//! RoBERTa in tch with Hugging Face names.
//!
//! It owns the model's arithmetic, its configuration and the layout of its parameters. It
//! knows no files, no optimizer and no other rank.

mod attention;
mod batch;
mod config;
mod dropout_site;
mod embeddings;
mod encoder;
mod error;
mod flops;
mod hidden_act;
mod initialize;
mod layout;
mod loss;
mod mlm_head;
mod modules;
mod names;
mod packing;
mod parameters;
mod precision;
mod roberta;

pub use attention::attention;
pub use batch::{BatchSlices, BatchTensors};
pub use config::{PositionEmbedding, RobertaConfig};
pub use error::ModelError;
pub use hidden_act::HiddenAct;
pub use layout::ParameterInfo;
pub use loss::{summed_loss, token_losses};
pub use parameters::Parameters;
pub use precision::Precision;
pub use roberta::RobertaForMaskedLm;
pub use torch_native::DropoutKey;

#[cfg(test)]
mod tests;
