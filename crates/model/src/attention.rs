//! Multi-head self-attention.
//!
//! B sequences, T positions, D hidden, N heads, H per head.

use tch::{Kind, Tensor};
use torch_native::{DropoutKey, philox4x32_10, purpose_key};

use crate::dropout_site::{DropoutSite, dropout};
use crate::modules::Linear;
use crate::names::layer_module;
use crate::parameters::fused_attention_leaf;
use crate::{ModelError, Parameters, Precision, RobertaConfig};

/// Purpose of the permutations of the control experiment: "perm" in ASCII.
const PURPOSE: u32 = 0x7065_726d;

#[derive(Debug)]
pub(crate) struct SelfAttention {
    query_key_value: Linear,
    output: Linear,
    num_heads: i64,
    dropout_probability: f64,
    layer: u32,
    softmax_kind: Kind,
}

/// What one pass hands to every layer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pass<'a> {
    /// [B, 1, 1, T], bool, true where a token may be attended to; `None` without padding.
    pub(crate) mask: Option<&'a Tensor>,
    /// `None` in evaluation.
    pub(crate) dropout: Option<&'a DropoutKey>,
    /// Control experiment: attention outputs are permuted over all B T positions.
    pub(crate) permutation: Option<u64>,
}

impl SelfAttention {
    pub(crate) fn new(
        parameters: &Parameters,
        config: &RobertaConfig,
        precision: Precision,
        layer: usize,
    ) -> Result<Self, ModelError> {
        Ok(Self {
            query_key_value: Linear {
                weight: parameters.leaf(&fused_attention_leaf(layer, "weight"))?,
                bias: parameters.leaf(&fused_attention_leaf(layer, "bias"))?,
            },
            output: Linear::new(parameters, &layer_module(layer, "attention.output.dense"))?,
            num_heads: i64::try_from(config.num_attention_heads).unwrap_or(1),
            dropout_probability: config.attention_probs_dropout_prob,
            layer: u32::try_from(layer).unwrap_or(u32::MAX),
            softmax_kind: precision.storage(),
        })
    }

    /// `hidden`: [B, T, D] -> [B, T, D], before dropout and the residual sum.
    pub(crate) fn forward(&self, hidden: &Tensor, pass: Pass<'_>) -> Result<Tensor, ModelError> {
        let (sequences, positions, width) = hidden.size3()?;
        let fused = self.query_key_value.forward(hidden)?; // [B, T, 3D]
        let heads = fused.f_view([sequences, positions, 3, self.num_heads, width / self.num_heads])?;
        let mut parts = heads.f_permute([2, 0, 3, 1, 4])?.f_unbind(0)?.into_iter(); // 3 x [B, N, T, H]
        let (Some(query), Some(key), Some(value)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(tch::TchError::Shape("the fused projection has three parts".to_owned()).into());
        };
        let attended = self.attend(&query, &key, &value, pass)?; // [B, N, T, H]
        let context = attended
            .f_transpose(1, 2)?
            .f_reshape([sequences, positions, width])?; // [B, T, D]
        let context = match pass.permutation {
            Some(seed) => permute_positions(&context, hidden, seed, self.layer)?,
            None => context,
        };
        self.output.forward(&context)
    }

    /// Scaled dot-product attention with dropout on the probabilities: the one place where a
    /// kernel is chosen. All [B, N, T, H].
    fn attend(
        &self,
        query: &Tensor,
        key: &Tensor,
        value: &Tensor,
        pass: Pass<'_>,
    ) -> Result<Tensor, ModelError> {
        match pass.dropout {
            Some(dropout_key) if self.dropout_probability > 0.0 => {
                self.attend_with_dropout(query, key, value, pass.mask, dropout_key)
            }
            _ => Ok(Tensor::f_scaled_dot_product_attention(
                query, key, value, pass.mask, 0.0, false, None, false,
            )?),
        }
    }

    fn attend_with_dropout(
        &self,
        query: &Tensor,
        key: &Tensor,
        value: &Tensor,
        mask: Option<&Tensor>,
        dropout_key: &DropoutKey,
    ) -> Result<Tensor, ModelError> {
        let head_size = query.size().last().copied().unwrap_or(1);
        let scaled = query.f_mul_scalar(1.0 / (head_size as f64).sqrt())?;
        let mut scores = scaled.f_matmul(&key.f_transpose(2, 3)?)?; // [B, N, T, T]
        if let Some(mask) = mask {
            scores = scores.f_masked_fill_(&mask.f_logical_not()?, f64::NEG_INFINITY)?;
        }
        let probabilities = scores.f_softmax(-1, self.softmax_kind)?;
        let site = DropoutSite::AttentionProbabilities { layer: self.layer };
        let kept = dropout(&probabilities, self.dropout_probability, Some(dropout_key), site)?;
        Ok(kept.f_to_kind(value.f_kind()?)?.f_matmul(value)?)
    }
}

/// Permutes `context` [B, T, D] over its B T positions. The permutation is a function of the
/// seed, the layer and the micro-batch (through its hidden states' number of positions and
/// first values), so that no fixed wiring can be learned around it.
fn permute_positions(context: &Tensor, hidden: &Tensor, seed: u64, layer: u32) -> Result<Tensor, ModelError> {
    let (sequences, positions, width) = context.size3()?;
    let content = hidden
        .f_detach()?
        .f_to_kind(Kind::Double)?
        .f_abs()?
        .f_sum(Kind::Double)?
        .f_double_value(&[])?;
    let indices = permutation(seed, layer, content.to_bits(), sequences * positions);
    let indices = Tensor::f_from_slice(&indices)?.f_to_device(context.device())?;
    let rows = context
        .f_reshape([sequences * positions, width])?
        .f_index_select(0, &indices)?;
    Ok(rows.f_view([sequences, positions, width])?)
}

/// A uniform permutation of 0..len (Fisher-Yates; Knuth, TAOCP 2, algorithm P).
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "positions of a micro-batch fit 32 bits"
)]
fn permutation(seed: u64, layer: u32, content: u64, len: i64) -> Vec<i64> {
    let key = purpose_key(seed, PURPOSE, content as u32, (content >> 32) as u32);
    let mut indices: Vec<i64> = (0..len).collect();
    for last in (1..indices.len()).rev() {
        let [high, low, ..] = philox4x32_10([last as u32, layer, 0, 0], key);
        let random = (u128::from(high) << 32) | u128::from(low);
        let other = (random * (last as u128 + 1)) >> 64;
        indices.swap(last, other as usize);
    }
    indices
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permutation_holds_every_position_once_and_differs_by_layer_and_content() {
        let base = permutation(1, 0, 5, 1000);
        let mut sorted = base.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..1000).collect::<Vec<i64>>());
        assert_eq!(base, permutation(1, 0, 5, 1000));
        for other in [
            permutation(2, 0, 5, 1000),
            permutation(1, 1, 5, 1000),
            permutation(1, 0, 6, 1000),
        ] {
            assert!(base.iter().zip(&other).filter(|(a, b)| a == b).count() < 20);
        }
        let fixed = base
            .iter()
            .enumerate()
            .filter(|(index, value)| *index as i64 == **value)
            .count();
        assert!(fixed < 10);
    }
}
