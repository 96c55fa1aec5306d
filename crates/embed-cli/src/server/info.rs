//! What `/info` says: which model answers, how, and up to which day it has seen text.

use anyhow::{Context, Result};
use embedding::{EmbeddingModel, TextDates};
use serde_json::{Value, json};

/// What is said of a folder that another program wrote.
const NO_DATES: &str = "The model's folder has no text_dates.json, which `tenk-pretrain export` writes: up \
                        to which day its text goes is not recorded.";

/// The facts about a model and how it is served.
///
/// # Errors
/// Where the weights cannot be read again for their hash.
pub(crate) fn info(model: &EmbeddingModel) -> Result<Value> {
    let config = model.config();
    let dates = model.text_dates();
    Ok(json!({
        "model": name(model),
        // Where it lies is nobody's business who can only ask.
        "folder": name(model),
        "architecture": config.architectures.first().unwrap_or(&config.model_type),
        "hidden_size": config.hidden_size,
        "num_hidden_layers": config.num_hidden_layers,
        "vocab_size": config.vocab_size,
        "max_length": model.max_sequence_length(),
        "long_texts": "cut at max_length and counted",
        "pooling": model.pooling().to_string(),
        "normalized": model.sentence().normalize,
        "precision": model.precision(),
        "tokenizer_hash": model.tokenizer().hash(),
        "weights_sha256": model.weights_sha256().context("cannot hash the weights")?,
        "program": "tenk-embed",
        "version": env!("CARGO_PKG_VERSION"),
        "text_dates": dates,
        "text_horizon": dates.map_or_else(|| NO_DATES.to_owned(), TextDates::horizon),
    }))
}

/// The model's name: that of its folder.
pub(crate) fn name(model: &EmbeddingModel) -> String {
    // `.` and `..` have a name only when they are spelled out.
    let folder = model
        .folder()
        .canonicalize()
        .unwrap_or_else(|_| model.folder().to_owned());
    let name = folder.file_name().unwrap_or(folder.as_os_str());
    name.to_string_lossy().into_owned()
}
