//! Hugging Face's tensor names of `RobertaForMaskedLM`.

/// Word embeddings [V, D], tied to the decoder.
pub(crate) const WORD_EMBEDDINGS: &str = "roberta.embeddings.word_embeddings.weight";
/// Position embeddings [P, D].
pub(crate) const POSITION_EMBEDDINGS: &str = "roberta.embeddings.position_embeddings.weight";
/// Token type embeddings.
pub(crate) const TOKEN_TYPE_EMBEDDINGS: &str = "roberta.embeddings.token_type_embeddings.weight";
/// `LayerNorm` of the embeddings, without `.weight` or `.bias`.
pub(crate) const EMBEDDINGS_LAYER_NORM: &str = "roberta.embeddings.LayerNorm";
/// The head's first matrix, without `.weight` or `.bias`.
pub(crate) const HEAD_DENSE: &str = "lm_head.dense";
/// The head's `LayerNorm`, without `.weight` or `.bias`.
pub(crate) const HEAD_LAYER_NORM: &str = "lm_head.layer_norm";
/// The decoder's bias `[V]`.
pub(crate) const HEAD_BIAS: &str = "lm_head.bias";

/// The query, key and value modules of a layer, in the order of the fused matrix.
pub(crate) fn attention_inputs(layer: usize) -> [String; 3] {
    ["query", "key", "value"].map(|name| format!("roberta.encoder.layer.{layer}.attention.self.{name}"))
}

/// A module of a layer, as `attention.output.dense`.
pub(crate) fn layer_module(layer: usize, module: &str) -> String {
    format!("roberta.encoder.layer.{layer}.{module}")
}
