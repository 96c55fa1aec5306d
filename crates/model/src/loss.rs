//! Cross entropy of masked tokens: a sum, never a mean. What it is divided by is the global
//! count of masked tokens, which only the trainer knows.
//!
//! V vocabulary, M masked positions.

use tch::Tensor;
use torch_native::cross_entropy;

use crate::ModelError;

/// Cross entropy of each row: `logits` [M, at least V] of any float kind, whose columns behind the
/// first `vocab_size` are padding; `labels` `[M]`, i64 -> `[M]` in f32, or f64 for f64 logits.
///
/// # Errors
/// [`ModelError::Torch`] when the shapes do not fit or a label is no column.
pub fn token_losses(logits: &Tensor, labels: &Tensor, vocab_size: usize) -> Result<Tensor, ModelError> {
    Ok(cross_entropy(logits, labels, vocab_size)?)
}

/// Sum of [`token_losses`] times `weights` `[M]` (1 for a used row, 0 for an unused one).
///
/// # Errors
/// As [`token_losses`].
pub fn summed_loss(
    logits: &Tensor,
    labels: &Tensor,
    weights: &Tensor,
    vocab_size: usize,
) -> Result<Tensor, ModelError> {
    let losses = token_losses(logits, labels, vocab_size)?;
    let kind = losses.f_kind()?;
    Ok(losses.f_mul(&weights.f_to_kind(kind)?)?.f_sum(kind)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    #[test]
    fn uniform_logits_cost_the_logarithm_of_the_vocabulary_a_used_row() {
        let logits = Tensor::zeros([3, 50], (Kind::Float, Device::Cpu));
        let labels = Tensor::from_slice(&[4i64, 0, 49]);
        let weights = Tensor::from_slice(&[1.0f32, 0.0, 1.0]);
        let loss = summed_loss(&logits, &labels, &weights, 50).unwrap();
        assert!((loss.double_value(&[]) - 2.0 * 50f64.ln()).abs() < 1e-6);
    }

    #[test]
    fn losses_of_bf16_logits_are_f32() {
        let logits = Tensor::zeros([2, 9], (Kind::BFloat16, Device::Cpu));
        let losses = token_losses(&logits, &Tensor::from_slice(&[0i64, 8]), 9).unwrap();
        assert_eq!(losses.kind(), Kind::Float);
        assert!((losses.double_value(&[0]) - 9f64.ln()).abs() < 1e-6);
    }
}
