//! From hidden states of tokens to one vector a text.
//!
//! B sequences, T positions, D hidden. `<s>` and `</s>` count as tokens, as in
//! `sentence-transformers`; padding never does.

use hf_folder::{Pooling, PoolingMode};
use tch::{Kind, Tensor};

/// `hidden: [B, T, D], f32`; `attention_mask: [B, T], bool`, true for tokens, which come first
/// -> `[B, modes * D], f32`, the modes' vectors one behind the other.
pub(crate) fn pool(
    pooling: &Pooling,
    hidden: &Tensor,
    attention_mask: &Tensor,
) -> Result<Tensor, tch::TchError> {
    let apply = |mode: &PoolingMode| apply(*mode, hidden, attention_mask);
    let parts = pooling.modes().iter().map(apply).collect::<Result<Vec<_>, _>>()?;
    Tensor::f_cat(&parts, 1)
}

/// `vectors: [B, D]`, each scaled to length 1; one of zeros stays.
pub(crate) fn normalize(vectors: &Tensor) -> Result<Tensor, tch::TchError> {
    // 1e-12 is what `torch.nn.functional.normalize` never divides by less than.
    let lengths = vectors.f_norm_scalaropt_dim(2.0, [1_i64].as_slice(), true)?; // [B, 1]
    vectors.f_div(&lengths.f_clamp_min(1e-12)?)
}

/// `[B, T, D]` and `[B, T]` -> `[B, D]`.
fn apply(mode: PoolingMode, hidden: &Tensor, attention_mask: &Tensor) -> Result<Tensor, tch::TchError> {
    let mask = attention_mask.f_to_kind(Kind::Float)?;
    let num_tokens = || mask.f_sum_dim_intlist([1_i64].as_slice(), true, Kind::Float); // [B, 1]
    match mode {
        PoolingMode::Mean => weighted_sum(hidden, &mask)?.f_div(&num_tokens()?),
        PoolingMode::MeanSqrtLen => weighted_sum(hidden, &mask)?.f_div(&num_tokens()?.f_sqrt()?),
        PoolingMode::TokenWeighted => {
            let ranks = mask.f_cumsum(1, Kind::Float)?.f_mul(&mask)?; // [B, T]: 1, 2, 3 ... over tokens
            let total = ranks.f_sum_dim_intlist([1_i64].as_slice(), true, Kind::Float)?;
            weighted_sum(hidden, &ranks)?.f_div(&total)
        }
        PoolingMode::Cls => hidden.f_select(1, 0),
        PoolingMode::LastToken => {
            let last = num_tokens()?
                .f_to_kind(Kind::Int64)?
                .f_sub_scalar(1)?
                .f_unsqueeze(-1)?; // [B, 1, 1]
            let (batch, _, width) = hidden.size3()?;
            hidden
                .f_gather(1, &last.f_expand([batch, 1, width], false)?, false)?
                .f_squeeze_dim(1)
        }
        PoolingMode::Max => {
            let padding = attention_mask.f_logical_not()?.f_unsqueeze(-1)?; // [B, T, 1]
            hidden
                .f_masked_fill(&padding, f64::NEG_INFINITY)?
                .f_amax([1_i64], false)
        }
    }
}

/// `weights: [B, T], f32` -> `[B, D], f32`.
fn weighted_sum(hidden: &Tensor, weights: &Tensor) -> Result<Tensor, tch::TchError> {
    weights.f_unsqueeze(1)?.f_bmm(hidden)?.f_squeeze_dim(1) // [B, 1, T] x [B, T, D] -> [B, D]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two sequences of one and two tokens; padding holds values that must not matter.
    fn pooled(pooling: &Pooling) -> Vec<f32> {
        let hidden = Tensor::from_slice(&[1.0_f32, -4.0, 900.0, -900.0, 2.0, 6.0, 5.0, 0.0]).view([2, 2, 2]);
        let mask = Tensor::from_slice(&[true, false, true, true]).view([2, 2]);
        let vectors = pool(pooling, &hidden, &mask).unwrap();
        Vec::try_from(vectors.contiguous().view([-1])).unwrap()
    }

    #[test]
    fn pooling_is_over_tokens_and_never_over_padding() {
        let root = 2.0_f32.sqrt();
        for (mode, expected) in [
            (PoolingMode::Mean, [1.0, -4.0, 3.5, 3.0]),
            (PoolingMode::Cls, [1.0, -4.0, 2.0, 6.0]),
            (PoolingMode::Max, [1.0, -4.0, 5.0, 6.0]),
            (PoolingMode::TokenWeighted, [1.0, -4.0, 4.0, 2.0]),
            (PoolingMode::MeanSqrtLen, [1.0, -4.0, 7.0 / root, 6.0 / root]),
            (PoolingMode::LastToken, [1.0, -4.0, 5.0, 0.0]),
        ] {
            assert_eq!(pooled(&mode.into()), expected, "{mode:?}");
        }
    }

    #[test]
    fn vectors_of_several_modes_stand_one_behind_the_other() {
        let config = serde_json::json!({"pooling_mode": ["max", "cls"]});
        let both = hf_folder::testing::pooling(&config);
        assert_eq!(pooled(&both), [1.0, -4.0, 1.0, -4.0, 5.0, 6.0, 2.0, 6.0]);
    }

    #[test]
    fn normalized_vectors_have_length_one_and_zeros_stay() {
        let vectors = Tensor::from_slice(&[3.0_f32, 4.0, 0.0, 0.0]).view([2, 2]);
        let scaled: Vec<f32> = Vec::try_from(normalize(&vectors).unwrap().view([4])).unwrap();
        assert_eq!(scaled, [0.6, 0.8, 0.0, 0.0]);
    }
}
