//! From hidden states of tokens to one vector a text.
//!
//! B sequences, T positions, D hidden. `<s>` and `</s>` count as tokens, as in
//! `sentence-transformers`; padding never does.

use std::str::FromStr;

use tch::{Kind, Tensor};

use crate::error::EmbeddingError;

/// How the tokens' hidden states become one vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pooling {
    /// The mean over all tokens.
    #[default]
    Mean,
    /// The first token, `<s>`.
    Cls,
    /// The largest value of each component over all tokens.
    Max,
    /// The mean with weights 1, 2, 3 ... by position (`weightedmean` of
    /// `sentence-transformers`; Muennighoff 2022, section 3.2.1).
    TokenWeighted,
}

impl FromStr for Pooling {
    type Err = EmbeddingError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "mean" => Ok(Self::Mean),
            "cls" => Ok(Self::Cls),
            "max" => Ok(Self::Max),
            "token-weighted" => Ok(Self::TokenWeighted),
            _ => Err(EmbeddingError::UnknownPooling {
                name: name.to_owned(),
            }),
        }
    }
}

impl Pooling {
    /// Its name, as the command line spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Cls => "cls",
            Self::Max => "max",
            Self::TokenWeighted => "token-weighted",
        }
    }

    /// `hidden: [B, T, D], f32`; `attention_mask: [B, T], bool`, true for tokens
    /// -> `[B, D], f32`.
    pub(crate) fn apply(self, hidden: &Tensor, attention_mask: &Tensor) -> Result<Tensor, tch::TchError> {
        match self {
            Self::Mean => weighted_mean(hidden, &attention_mask.f_to_kind(Kind::Float)?),
            Self::TokenWeighted => {
                let mask = attention_mask.f_to_kind(Kind::Float)?;
                let ranks = mask.f_cumsum(1, Kind::Float)?; // [B, T]: 1, 2, 3 ... over tokens
                weighted_mean(hidden, &ranks.f_mul(&mask)?)
            }
            Self::Cls => hidden.f_select(1, 0),
            Self::Max => {
                let padding = attention_mask.f_logical_not()?.f_unsqueeze(-1)?; // [B, T, 1]
                hidden
                    .f_masked_fill(&padding, f64::NEG_INFINITY)?
                    .f_amax([1_i64], false)
            }
        }
    }
}

/// `weights: [B, T], f32` -> `[B, D], f32`.
fn weighted_mean(hidden: &Tensor, weights: &Tensor) -> Result<Tensor, tch::TchError> {
    let sum = weights.f_unsqueeze(1)?.f_bmm(hidden)?.f_squeeze_dim(1)?; // [B, 1, T] x [B, T, D] -> [B, D]
    sum.f_div(&weights.f_sum_dim_intlist([1_i64].as_slice(), true, Kind::Float)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two sequences of one and two tokens; padding holds values that must not matter.
    fn pooled(pooling: Pooling) -> Vec<f32> {
        let hidden = Tensor::from_slice(&[1.0_f32, -4.0, 900.0, -900.0, 2.0, 6.0, 5.0, 0.0]).view([2, 2, 2]);
        let mask = Tensor::from_slice(&[true, false, true, true]).view([2, 2]);
        Vec::try_from(pooling.apply(&hidden, &mask).unwrap().contiguous().view([4])).unwrap()
    }

    #[test]
    fn pooling_is_over_tokens_and_never_over_padding() {
        assert_eq!(pooled(Pooling::Mean), [1.0, -4.0, 3.5, 3.0]);
        assert_eq!(pooled(Pooling::Cls), [1.0, -4.0, 2.0, 6.0]);
        assert_eq!(pooled(Pooling::Max), [1.0, -4.0, 5.0, 6.0]);
        assert_eq!(pooled(Pooling::TokenWeighted), [1.0, -4.0, 4.0, 2.0]);
    }

    #[test]
    fn poolings_are_known_by_name() {
        for pooling in [Pooling::Mean, Pooling::Cls, Pooling::Max, Pooling::TokenWeighted] {
            assert_eq!(pooling.name().parse::<Pooling>().unwrap(), pooling);
        }
        let text = "average".parse::<Pooling>().unwrap_err().to_string();
        assert!(text.contains("mean, cls, max"), "{text}");
    }
}
