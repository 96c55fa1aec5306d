//! The small files of the folder: how `sentence-transformers` puts encoder and pooling together.

use serde_json::{Value, json};
pub(crate) use tokenizer::file_names::{CONFIG_JSON, TOKENIZER_CONFIG_JSON};

pub(crate) const MODEL_SAFETENSORS: &str = "model.safetensors";
pub(crate) const SAFETENSORS_INDEX_JSON: &str = "model.safetensors.index.json";
pub(crate) const MODULES_JSON: &str = "modules.json";
pub(crate) const POOLING_FOLDER: &str = "1_Pooling";
pub(crate) const POOLING_CONFIG_JSON: &str = "1_Pooling/config.json";
pub(crate) const SENTENCE_BERT_CONFIG_JSON: &str = "sentence_bert_config.json";
pub(crate) const README_MD: &str = "README.md";
pub(crate) const TEXT_DATES_JSON: &str = "text_dates.json";

/// Encoder, then pooling in the folder beside.
pub(crate) fn modules() -> Value {
    json!([
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": POOLING_FOLDER, "type": "sentence_transformers.models.Pooling"},
    ])
}

/// Mean pooling over all tokens that are not padding, `<s>` and `</s>` included.
pub(crate) fn pooling(hidden_size: usize) -> Value {
    json!({
        "word_embedding_dimension": hidden_size,
        "pooling_mode_cls_token": false,
        "pooling_mode_mean_tokens": true,
        "pooling_mode_max_tokens": false,
        "pooling_mode_mean_sqrt_len_tokens": false,
        "pooling_mode_weightedmean_tokens": false,
        "pooling_mode_lasttoken": false,
        "include_prompt": true,
    })
}

/// The longest sequence, `<s>` and `</s>` included.
pub(crate) fn sentence_bert_config(max_sequence_length: usize) -> Value {
    json!({"max_seq_length": max_sequence_length, "do_lower_case": false})
}

/// A JSON file as people read it: indented, with a line break at its end.
pub(crate) fn pretty(value: &Value) -> Vec<u8> {
    format!("{value:#}\n").into_bytes()
}
