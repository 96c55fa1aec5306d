//! Multi-head self-attention.
//!
//! B sequences, T positions, D hidden, N heads, H per head.

use tch::{Kind, Tensor};
use torch_native::{
    Dropout, DropoutKey, fused_attention, has_own_kernels, philox4x32_10, purpose_key, use_exact_kernels,
    with_seeded_generator,
};

use crate::dropout_site::DropoutSite;
use crate::layout::fused_attention_leaf;
use crate::modules::Linear;
use crate::names::layer_module;
use crate::packing::Rows;
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
#[derive(Debug)]
pub(crate) struct Pass {
    pub(crate) rows: Rows,
    /// `None` in evaluation.
    pub(crate) dropout: Option<DropoutKey>,
    /// Control experiment: attention outputs are permuted over all rows, by this key.
    pub(crate) permutation: Option<u64>,
}

impl Pass {
    /// The same pass, for a computation that outlives it.
    pub(crate) fn share(&self) -> Self {
        Self {
            rows: self.rows.share(),
            ..*self
        }
    }
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

    /// The same module, over the same leaves.
    pub(crate) fn share(&self) -> Self {
        Self {
            query_key_value: self.query_key_value.share(),
            output: self.output.share(),
            ..*self
        }
    }

    /// `hidden`: [.., D] -> the context of every row, [.., D].
    pub(crate) fn context(&self, hidden: &Tensor, pass: &Pass) -> Result<Tensor, ModelError> {
        let fused = self.query_key_value.forward(hidden)?; // [.., 3D]
        let site = DropoutSite::AttentionProbabilities { layer: self.layer };
        let dropout = site.dropout(self.dropout_probability, pass.dropout.as_ref());
        let context = attend(&fused, self.num_heads, &pass.rows, dropout)?; // [.., D]
        match pass.permutation {
            Some(key) => permute_rows(&context, key, self.layer),
            None => Ok(context),
        }
    }

    /// `context`: [.., D] -> [.., D], before the bias ([`SelfAttention::output_bias`]), dropout and
    /// the residual sum.
    pub(crate) fn output(&self, context: &Tensor) -> Result<Tensor, ModelError> {
        self.output.product(context)
    }

    /// `[D]`.
    pub(crate) fn output_bias(&self) -> &Tensor {
        &self.output.bias
    }
}

/// Attention as a layer computes it, for checks of its kernels. `fused`: queries, keys and values,
/// [B, T, 3D]; `mask`: [B, 1, 1, T], bool, true where a token may be attended to -> [B, T, D].
///
/// # Errors
/// [`ModelError::Torch`] when the shapes do not fit or libtorch fails.
pub fn attention(
    fused: &Tensor,
    num_heads: i64,
    mask: Option<&Tensor>,
    dropout: Option<Dropout<'_>>,
) -> Result<Tensor, ModelError> {
    use_exact_kernels()?;
    let rows = Rows::Padded(mask.map(Tensor::shallow_clone));
    attend(fused, num_heads, &rows, dropout)
}

/// Scaled dot-product attention: `fused` [.., 3D] -> [.., D]. The one place where a kernel
/// is chosen: on the CPU our own, and by steps for f64 with dropout; on a GPU libtorch's, which
/// takes its dropout from a generator seeded here.
fn attend(
    fused: &Tensor,
    num_heads: i64,
    rows: &Rows,
    dropout: Option<Dropout<'_>>,
) -> Result<Tensor, ModelError> {
    let kind = fused.f_kind()?;
    let own_kernels = has_own_kernels(fused.device());
    if own_kernels && kind != Kind::Double {
        let num_heads = usize::try_from(num_heads).unwrap_or(0);
        return Ok(fused_attention(fused, num_heads, rows.sequences(), dropout)?);
    }
    let (fused, mask) = rows.padded(fused)?; // [B, T, 3D]
    let mask = mask.as_ref();
    let (sequences, positions, width) = fused.size3()?;
    let heads = fused.f_view([sequences, positions, 3, num_heads, width / (3 * num_heads)])?;
    let mut parts = heads.f_permute([2, 0, 3, 1, 4])?.f_unbind(0)?.into_iter(); // 3 x [B, N, T, H]
    let (Some(query), Some(key), Some(value)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(tch::TchError::Shape("the fused projection has three parts".to_owned()).into());
    };
    let heads = Heads { query, key, value };
    let attended = match dropout {
        Some(dropout) if own_kernels => attend_by_steps(&heads, mask, dropout)?,
        Some(dropout) => with_seeded_generator(dropout.key, dropout.site, || {
            heads.attend(mask, dropout.probability)
        })?,
        None => heads.attend(mask, 0.0)?,
    }; // [B, N, T, H]
    rows.pack(
        attended
            .f_transpose(1, 2)?
            .f_reshape([sequences, positions, width / 3])?,
    )
}

/// Queries, keys and values, [B, N, T, H] each.
#[derive(Debug)]
struct Heads {
    query: Tensor,
    key: Tensor,
    value: Tensor,
}

impl Heads {
    /// libtorch's attention -> [B, N, T, H].
    fn attend(&self, mask: Option<&Tensor>, dropout_probability: f64) -> Result<Tensor, ModelError> {
        let Self { query, key, value } = self;
        Ok(Tensor::f_scaled_dot_product_attention(
            query,
            key,
            value,
            mask,
            dropout_probability,
            false,
            None,
            false,
        )?)
    }
}

/// Attention with its probabilities in memory, softmax in f32 (f64) -> [B, N, T, H].
fn attend_by_steps(heads: &Heads, mask: Option<&Tensor>, dropout: Dropout<'_>) -> Result<Tensor, ModelError> {
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
    let probabilities = scores.f_softmax(-1, softmax_kind)?;
    let kept = torch_native::dropout(&probabilities, dropout.probability, dropout.key, dropout.site)?;
    Ok(kept.f_to_kind(kind)?.f_matmul(value)?)
}

/// Permutes `context` [.., D] over its rows, differently in every layer.
fn permute_rows(context: &Tensor, permutation_key: u64, layer: u32) -> Result<Tensor, ModelError> {
    let rows = context.f_reshape([-1, context.size().last().copied().unwrap_or(1)])?;
    let (num_rows, _) = rows.size2()?;
    let indices = permutation(permutation_key, layer, num_rows);
    let indices = Tensor::f_from_slice(&indices)?.f_to_device(context.device())?;
    Ok(rows.f_index_select(0, &indices)?.f_view_as(context)?)
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

    /// All ways give the same, with padding and dropout or without.
    #[test]
    fn the_fused_kernel_equals_libtorch_and_attention_by_steps() {
        let fused = Tensor::zeros([2, 7, 3 * 15], (Kind::Double, Device::Cpu));
        fill_normal(&fused, 1.0, [1, 2], 0).unwrap();
        let mask =
            Tensor::from_slice(&[true, true, true, true, true, false, false]).expand([2, 1, 1, 7], false);
        let key = DropoutKey {
            seed: 1,
            step: 2,
            micro_batch: 3,
        };
        let some = Dropout {
            probability: 0.3,
            key: &key,
            site: 4,
        };
        for mask in [None, Some(&mask)] {
            for dropout in [None, Some(some)] {
                let rows = Rows::Padded(mask.map(Tensor::shallow_clone));
                let expected = attend(&fused, 3, &rows, dropout).unwrap();
                for (kind, tolerance) in [(Kind::Float, 1e-6), (Kind::BFloat16, 2e-2)] {
                    let ours = attend(&fused.to_kind(kind), 3, &rows, dropout).unwrap();
                    assert_eq!(ours.kind(), kind);
                    let error = (ours.to_kind(Kind::Double) - &expected).abs().max();
                    assert!(error.double_value(&[]) < tolerance, "{kind:?}: {error:?}");
                }
            }
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
