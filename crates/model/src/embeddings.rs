//! Word + token type + position embeddings, `LayerNorm`, dropout.
//!
//! B sequences, T positions, D hidden, V vocabulary.

use tch::{Kind, Tensor};
use torch_native::{Dropout, DropoutKey, LateWeight, tied_embedding};

use crate::dropout_site::DropoutSite;
use crate::modules::LayerNorm;
use crate::names::{EMBEDDINGS_LAYER_NORM, POSITION_EMBEDDINGS, TOKEN_TYPE_EMBEDDINGS, WORD_EMBEDDINGS};
use crate::{ModelError, Parameters, PositionEmbedding, Precision, RobertaConfig};

#[derive(Debug)]
pub(crate) struct Embeddings {
    word: Tensor,
    position: Tensor,
    token_type: Tensor,
    layer_norm: LayerNorm,
    padding_id: i64,
    dropout_probability: f64,
    compute: Kind,
}

/// Position of each token: `padding_id` + 1 for the first one that is no padding, and so on;
/// `padding_id` for padding. `input_ids`: [B, T], i64 -> [B, T], i64.
fn position_ids(input_ids: &Tensor, padding_id: i64) -> Result<Tensor, ModelError> {
    let real = input_ids.f_ne(padding_id)?.f_to_kind(Kind::Int64)?;
    Ok(real
        .f_cumsum(1, Kind::Int64)?
        .f_mul(&real)?
        .f_add_scalar(padding_id)?)
}

impl Embeddings {
    pub(crate) fn new(
        parameters: &Parameters,
        config: &RobertaConfig,
        precision: Precision,
    ) -> Result<Self, ModelError> {
        Ok(Self {
            word: parameters.leaf(WORD_EMBEDDINGS)?,
            position: match config.position_embedding_type {
                PositionEmbedding::Absolute => parameters.leaf(POSITION_EMBEDDINGS)?,
            },
            token_type: parameters.leaf(TOKEN_TYPE_EMBEDDINGS)?,
            layer_norm: LayerNorm::new(parameters, EMBEDDINGS_LAYER_NORM, config.layer_norm_eps)?,
            padding_id: i64::from(config.pad_token_id),
            dropout_probability: config.hidden_dropout_prob,
            compute: precision.compute(),
        })
    }

    /// The word matrix [V padded, D] for the decoder of one pass, to be made before anything else of it.
    pub(crate) fn word(&self) -> Result<LateWeight, ModelError> {
        Ok(LateWeight::new(&self.word)?)
    }

    /// Position of each token of [B, T], i64 -> [B, T], i64.
    pub(crate) fn position_ids(&self, input_ids: &Tensor) -> Result<Tensor, ModelError> {
        position_ids(input_ids, self.padding_id)
    }

    /// `input_ids` and their `positions`, i64: [..] -> hidden [.., D] in the kind of the computation.
    pub(crate) fn forward(
        &self,
        input_ids: &Tensor,
        positions: &Tensor,
        key: Option<&DropoutKey>,
    ) -> Result<Tensor, ModelError> {
        let word = tied_embedding(&self.word, input_ids, self.padding_id)?;
        let position = Tensor::f_embedding(&self.position, positions, self.padding_id, false, false)?;
        let sum = word.f_add(&self.token_type.f_get(0)?)?.f_add(&position)?;
        let normalized = self.layer_norm.forward(&sum)?.f_to_kind(self.compute)?;
        Ok(
            match DropoutSite::Embeddings.dropout(self.dropout_probability, key) {
                Some(Dropout {
                    probability,
                    key,
                    site,
                }) => torch_native::dropout(&normalized, probability, key, site)?,
                None => normalized,
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_start_after_the_padding_index() {
        let ids = Tensor::from_slice2(&[[12i64, 31, 13, 1], [5, 1, 7, 8]]);
        let positions = position_ids(&ids, 1).unwrap();
        assert_eq!(positions, Tensor::from_slice2(&[[2i64, 3, 4, 1], [2, 1, 3, 4]]));
    }
}
