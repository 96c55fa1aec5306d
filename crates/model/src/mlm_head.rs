//! The masked-LM head: only the rows that are asked for go through it.
//!
//! B sequences, T positions, D hidden, V vocabulary, M masked positions.

use tch::Tensor;
use torch_native::LateWeight;

use crate::modules::{LayerNorm, Linear};
use crate::names::{HEAD_BIAS, HEAD_DENSE, HEAD_LAYER_NORM};
use crate::{ModelError, Parameters, RobertaConfig};

#[derive(Debug)]
pub(crate) struct MlmHead {
    dense: Linear,
    layer_norm: LayerNorm,
    bias: Tensor,
    vocab_size: i64,
}

impl MlmHead {
    pub(crate) fn new(parameters: &Parameters, config: &RobertaConfig) -> Result<Self, ModelError> {
        Ok(Self {
            dense: Linear::new(parameters, HEAD_DENSE)?,
            layer_norm: LayerNorm::new(parameters, HEAD_LAYER_NORM, config.layer_norm_eps)?,
            bias: parameters.leaf(HEAD_BIAS)?,
            vocab_size: i64::try_from(config.vocab_size).unwrap_or(i64::MAX),
        })
    }

    /// `rows`: [.., D]; `word`: the tied matrix [V padded, D], made before `rows` -> logits [.., V] in
    /// the kind of `rows`. The padded columns are cut off before anything sees them.
    pub(crate) fn forward(&self, rows: &Tensor, word: LateWeight) -> Result<Tensor, ModelError> {
        self.without_padding(&self.forward_padded(rows, word)?)
    }

    /// Logits [.., V padded] without their padding.
    pub(crate) fn without_padding(&self, logits: &Tensor) -> Result<Tensor, ModelError> {
        Ok(logits.f_narrow(-1, 0, self.vocab_size)?) // [.., V]
    }

    /// As [`MlmHead::forward`], with the padded columns: [.., V padded].
    pub(crate) fn forward_padded(&self, rows: &Tensor, word: LateWeight) -> Result<Tensor, ModelError> {
        // GELU whatever `hidden_act` is, as in transformers.
        let features = self.layer_norm.forward(&self.dense.forward_gelu(rows)?)?; // [.., D]
        Ok(word.linear(&features, Some(&self.bias))?)
    }
}
