//! Multi-head self-attention.
//!
//! B sequences, T positions, D hidden, N heads, H per head.

use tch::{Kind, Tensor};
use torch_native::{DropoutKey, philox4x32_10, purpose_key};

use crate::dropout_site::{DropoutSite, dropout};
use crate::layout::fused_attention_leaf;
use crate::modules::Linear;
use crate::names::layer_module;
use crate::{ModelError, Parameters, RobertaConfig};

/// Purpose of the permutations of the control experiment: "perm" in ASCII.
const PURPOSE: u32 = 0x7065_726d;

#[derive(Debug)]
pub(crate) struct SelfAttention {
    query_key_value: Linear,
    output: Linear,
    num_heads: i64,
    dropout_probability: f64,
    layer: u32,
}

/// What one pass hands to every layer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pass<'a> {
    /// [B, 1, 1, T], bool, true where a token may be attended to; `None` without padding.
    pub(crate) mask: Option<&'a Tensor>,
    /// `None` in evaluation.
    pub(crate) dropout: Option<&'a DropoutKey>,
    /// Control experiment: attention outputs are permuted over all B T positions, by this key.
    pub(crate) permutation: Option<u64>,
}

impl SelfAttention {
    pub(crate) fn new(
        parameters: &Parameters,
        config: &RobertaConfig,
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
        let attended = attend(&Heads { query, key, value }, pass.mask, self.dropout(pass))?; // [B, N, T, H]
        let context = attended
            .f_transpose(1, 2)?
            .f_reshape([sequences, positions, width])?; // [B, T, D]
        let context = match pass.permutation {
            Some(key) => permute_positions(&context, key, self.layer)?,
            None => context,
        };
        self.output.forward(&context)
    }

    /// The dropout of this layer's probabilities in this pass, if any.
    fn dropout<'a>(&self, pass: Pass<'a>) -> Option<ProbabilityDropout<'a>> {
        let key = pass.dropout.filter(|_| self.dropout_probability > 0.0)?;
        let site = DropoutSite::AttentionProbabilities { layer: self.layer };
        Some(ProbabilityDropout {
            probability: self.dropout_probability,
            key,
            site,
        })
    }
}

/// Queries, keys and values, [B, N, T, H] each.
#[derive(Debug)]
struct Heads {
    query: Tensor,
    key: Tensor,
    value: Tensor,
}

/// Dropout of attention probabilities.
#[derive(Debug, Clone, Copy)]
struct ProbabilityDropout<'a> {
    probability: f64,
    key: &'a DropoutKey,
    site: DropoutSite,
}

/// Scaled dot-product attention -> [B, N, T, H]. The one place where a kernel is chosen:
/// libtorch's own without dropout, whose slow path it would take with it.
fn attend(
    heads: &Heads,
    mask: Option<&Tensor>,
    probability_dropout: Option<ProbabilityDropout<'_>>,
) -> Result<Tensor, ModelError> {
    if probability_dropout.is_some() {
        return attend_by_steps(heads, mask, probability_dropout);
    }
    let Heads { query, key, value } = heads;
    Ok(Tensor::f_scaled_dot_product_attention(
        query, key, value, mask, 0.0, false, None, false,
    )?)
}

/// Attention with its probabilities in memory, softmax in f32 (f64) -> [B, N, T, H].
fn attend_by_steps(
    heads: &Heads,
    mask: Option<&Tensor>,
    probability_dropout: Option<ProbabilityDropout<'_>>,
) -> Result<Tensor, ModelError> {
    let Heads { query, key, value } = heads;
    let kind = query.f_kind()?;
    let head_size = query.size().last().copied().unwrap_or(1);
    let scaled = query.f_mul_scalar(1.0 / (head_size as f64).sqrt())?;
    let mut scores = scaled.f_matmul(&key.f_transpose(2, 3)?)?; // [B, N, T, T]
    if let Some(mask) = mask {
        scores = scores.f_masked_fill_(&mask.f_logical_not()?, f64::NEG_INFINITY)?;
    }
    let softmax_kind = if kind == Kind::Double {
        Kind::Double
    } else {
        Kind::Float
    };
    let mut probabilities = scores.f_softmax(-1, softmax_kind)?;
    if let Some(ProbabilityDropout {
        probability,
        key,
        site,
    }) = probability_dropout
    {
        probabilities = dropout(&probabilities, probability, Some(key), site)?;
    }
    Ok(probabilities.f_to_kind(kind)?.f_matmul(value)?)
}

/// Permutes `context` [B, T, D] over its B T positions, differently in every layer.
fn permute_positions(context: &Tensor, permutation_key: u64, layer: u32) -> Result<Tensor, ModelError> {
    let (sequences, positions, width) = context.size3()?;
    let indices = permutation(permutation_key, layer, sequences * positions);
    let indices = Tensor::f_from_slice(&indices)?.f_to_device(context.device())?;
    let rows = context
        .f_reshape([sequences * positions, width])?
        .f_index_select(0, &indices)?;
    Ok(rows.f_view([sequences, positions, width])?)
}

/// Key of a micro-batch's permutations: the seed and a sum over its token ids, so that the
/// permutation changes from batch to batch and no fixed wiring can be learned around it.
pub(crate) fn permutation_key(seed: u64, input_ids: &Tensor) -> Result<u64, ModelError> {
    let count = i64::try_from(input_ids.numel()).unwrap_or(i64::MAX);
    let numbers = Tensor::f_arange(count, (Kind::Int64, input_ids.device()))?;
    let content = input_ids
        .f_reshape([-1])?
        .f_mul(&(numbers + 1))?
        .f_sum(Kind::Int64)?
        .f_int64_value(&[])?;
    Ok(seed.rotate_left(32) ^ content.cast_unsigned())
}

/// A uniform permutation of 0..len (Fisher-Yates; Knuth, TAOCP 2, algorithm P).
#[expect(
    clippy::cast_possible_truncation,
    reason = "positions of a micro-batch fit 32 bits"
)]
fn permutation(permutation_key: u64, layer: u32, len: i64) -> Vec<i64> {
    let key = purpose_key(permutation_key, PURPOSE, 0, 0);
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
    use tch::Device;
    use torch_native::fill_normal;

    #[test]
    fn attention_by_steps_equals_the_fused_kernel() {
        let random = |stream: u64| {
            let tensor = Tensor::zeros([2, 3, 7, 5], (Kind::Double, Device::Cpu));
            fill_normal(&tensor, 1.0, [1, 2], stream).unwrap();
            tensor
        };
        let heads = Heads {
            query: random(0),
            key: random(1),
            value: random(2),
        };
        let mask =
            Tensor::from_slice(&[true, true, true, true, true, false, false]).expand([2, 1, 1, 7], false);
        for mask in [None, Some(&mask)] {
            let difference =
                attend(&heads, mask, None).unwrap() - attend_by_steps(&heads, mask, None).unwrap();
            assert!(difference.abs().max().double_value(&[]) < 1e-14);
        }
    }

    #[test]
    fn a_permutation_holds_every_position_once_and_differs_by_key_and_layer() {
        let base = permutation(1, 0, 1000);
        let mut sorted = base.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..1000).collect::<Vec<i64>>());
        assert_eq!(base, permutation(1, 0, 1000));
        let agreeing = |other: &[i64]| base.iter().zip(other).filter(|(a, b)| a == b).count();
        // One position in a thousand agrees by chance.
        assert!(agreeing(&permutation(2, 0, 1000)) < 10);
        assert!(agreeing(&permutation(1, 1, 1000)) < 10);
        assert!(agreeing(&sorted) < 10);
    }

    #[test]
    fn the_key_of_a_permutation_changes_with_seed_and_content() {
        let key =
            |seed: u64, ids: &[i64]| permutation_key(seed, &Tensor::from_slice(ids).view([1, -1])).unwrap();
        assert_eq!(key(1, &[5, 6]), key(1, &[5, 6]));
        assert_ne!(key(1, &[5, 6]), key(2, &[5, 6]));
        assert_ne!(key(1, &[5, 6]), key(1, &[6, 5]));
    }
}
