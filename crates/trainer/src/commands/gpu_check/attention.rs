//! What dropout drops, of attention kernel by kernel, and whether the gradients of attention are numbers.
//!
//! Queries and keys of zero give every token the same weight. With values that are 1 at one token and
//! column, the output shows each weight by itself: zero where it was dropped. With values of 1 the output
//! is the sum of the weights, whose mean is 1 where the scale fits the rate. The rate alone, or the mean
//! alone, would not do: a kernel that drops more and scales what is left by as much keeps the mean.

use model::{DropoutKey, attention};
use tch::{Device, Kind, Tensor};
use torch_native::{Dropout, fill_normal};

use super::finding::Found;
use crate::{error::TrainError, run::synthetic::SEED};

const PROBABILITY: f64 = 0.1;
/// Kernels that keep an element by 8 random bits miss the rate by at most this; steps of 1/16, the fault
/// that is looked for, miss 0.1 by at least 0.025.
const STEP: f64 = 1.0 / 256.0;
/// Deviations of the mean of the draws within which a rate has to be.
const DEVIATIONS: f64 = 5.0;
const SEQUENCES: i64 = 4;
const HEADS: i64 = 4;
/// Columns of a head.
const WIDTH: i64 = 64;
/// Multiples of 128, and 64 more than one.
const LENGTHS: [i64; 4] = [64, 128, 192, 512];

const KEY: DropoutKey = DropoutKey {
    seed: SEED,
    step: 0,
    micro_batch: 0,
};

/// What attention is given, each of which has a kernel of its own on a GPU.
#[derive(Debug, Clone, Copy)]
struct AttentionSetup {
    device: Device,
    kind: Kind,
    positions: i64,
    /// Whether the last sequence is a quarter shorter.
    is_padded: bool,
}

/// What attention does in a setup.
#[derive(Debug, Clone, Copy)]
struct Rates {
    /// Share of the weights that were dropped, and how far it may be off.
    dropped: f64,
    allowed: f64,
    /// Mean of the sums of the weights.
    mean: f64,
    has_finite_gradients: bool,
}

/// What is dropped in `kind`: by attention with and without a mask, at several lengths, and elsewhere.
pub(super) fn dropout_rates(device: Device, kind: Kind) -> Found {
    let elsewhere = elsewhere(device, kind)?;
    let (mut passed, mut found) = (elsewhere.are_right(), Vec::new());
    found.push(format!(
        "elsewhere {:.4}, mean {:.4}",
        elsewhere.dropped, elsewhere.mean
    ));
    for is_padded in [false, true] {
        for positions in LENGTHS {
            let setup = AttentionSetup {
                device,
                kind,
                positions,
                is_padded,
            };
            let rates = setup.rates()?;
            passed &= rates.are_right();
            let name = if is_padded { "masked" } else { "whole" };
            let finite = if rates.has_finite_gradients {
                ""
            } else {
                ", gradients are not finite"
            };
            found.push(format!(
                "{positions} {name}: {:.4}, mean {:.4}{finite}",
                rates.dropped, rates.mean
            ));
        }
    }
    Ok((passed, format!("{PROBABILITY} asked; {}", found.join("; "))))
}

/// Dropout of hidden states, here of ones.
fn elsewhere(device: Device, kind: Kind) -> Result<Rates, TrainError> {
    let ones = Tensor::f_ones([1 << 20], (kind, device))?;
    let kept = torch_native::dropout(&ones, PROBABILITY, &KEY, 0)?;
    let mean = |values: &Tensor| values.f_to_kind(Kind::Double)?.f_mean(None)?.f_double_value(&[]);
    let deviation = (PROBABILITY * (1.0 - PROBABILITY) / ones.numel() as f64).sqrt();
    Ok(Rates {
        dropped: mean(&kept.f_eq(0.0)?)?,
        allowed: STEP + DEVIATIONS * deviation,
        mean: mean(&kept)?,
        has_finite_gradients: true,
    })
}

impl Rates {
    fn are_right(&self) -> bool {
        let is_near = |found: f64, expected: f64, allowed: f64| (found - expected).abs() <= allowed;
        is_near(self.dropped, PROBABILITY, self.allowed)
            && is_near(self.mean, 1.0, self.allowed / (1.0 - PROBABILITY))
            && self.has_finite_gradients
    }
}

impl AttentionSetup {
    fn rates(self) -> Result<Rates, TrainError> {
        let (mut dropped, mut draws) = (0.0, 0.0);
        for block in 0..self.positions / WIDTH {
            let seen = self.seen(block)?;
            let weights = self.attend(&self.fused(&one_token_a_column(self.positions, block)?)?)?;
            dropped += seen
                .f_logical_and(&weights.f_eq(0.0)?)?
                .f_sum(Kind::Double)?
                .f_double_value(&[])?;
            draws += seen.f_sum(Kind::Double)?.f_double_value(&[])?;
        }
        let ones = Tensor::f_ones([self.positions, WIDTH], (Kind::Float, Device::Cpu))?;
        let sums = self.attend(&self.fused(&ones)?)?;
        let deviation = (PROBABILITY * (1.0 - PROBABILITY) / draws).sqrt();
        Ok(Rates {
            dropped: dropped / draws,
            allowed: STEP + DEVIATIONS * deviation,
            mean: self.mean_of_tokens(&sums)?,
            has_finite_gradients: self.has_finite_gradients()?,
        })
    }

    /// Tokens of the last sequence.
    fn tokens_of_last(self) -> i64 {
        if self.is_padded {
            self.positions - self.positions / 4
        } else {
            self.positions
        }
    }

    /// [B, 1, 1, T]
    fn mask(self) -> Result<Option<Tensor>, TrainError> {
        if !self.is_padded {
            return Ok(None);
        }
        let tokens = Tensor::f_ones([SEQUENCES, 1, 1, self.positions], (Kind::Bool, self.device))?;
        let padding = self.positions - self.tokens_of_last();
        let _ = tokens
            .f_narrow(0, SEQUENCES - 1, 1)?
            .f_narrow(3, self.tokens_of_last(), padding)?
            .f_fill_(0)?;
        Ok(Some(tokens))
    }

    /// Outputs that show a weight which no padding has a part in: [B, T, N, H], bool.
    fn seen(self, block: i64) -> Result<Tensor, TrainError> {
        let size = [SEQUENCES, self.positions, HEADS, WIDTH];
        let seen = Tensor::f_ones(size, (Kind::Bool, self.device))?;
        let (last, tokens) = (seen.f_narrow(0, SEQUENCES - 1, 1)?, self.tokens_of_last());
        let hidden = ((block + 1) * WIDTH - tokens).clamp(0, WIDTH);
        let _ = last.f_narrow(1, tokens, self.positions - tokens)?.f_fill_(0)?;
        let _ = last.f_narrow(3, WIDTH - hidden, hidden)?.f_fill_(0)?;
        Ok(seen)
    }

    fn mean_of_tokens(self, sums: &Tensor) -> Result<f64, TrainError> {
        let seen = self.seen(0)?;
        let sum = sums.f_mul(&seen)?.f_sum(Kind::Double)?.f_double_value(&[])?;
        Ok(sum / seen.f_sum(Kind::Double)?.f_double_value(&[])?)
    }

    /// Queries and keys of zero beside `values` [T, H], the same for all sequences and heads: [B, T, 3D].
    fn fused(self, values: &Tensor) -> Result<Tensor, TrainError> {
        let values = values.f_view([1, self.positions, 1, 1, WIDTH])?;
        let size = [SEQUENCES, self.positions, 1, HEADS, WIDTH];
        let values = values.f_expand(size, false)?;
        let zeros = Tensor::f_zeros(
            [SEQUENCES, self.positions, 2, HEADS, WIDTH],
            (Kind::Float, Device::Cpu),
        )?;
        let fused = Tensor::f_cat(&[zeros, values], 2)?;
        let fused = fused.f_view([SEQUENCES, self.positions, 3 * HEADS * WIDTH])?;
        Ok(fused.f_to_device(self.device)?.f_to_kind(self.kind)?)
    }

    /// -> [B, T, N, H] in f32.
    fn attend(self, fused: &Tensor) -> Result<Tensor, TrainError> {
        let dropout = Dropout {
            probability: PROBABILITY,
            key: &KEY,
            site: 0,
        };
        let context = attention(fused, HEADS, self.mask()?.as_ref(), Some(dropout))?;
        let context = context.f_to_kind(Kind::Float)?;
        Ok(context.f_view([SEQUENCES, self.positions, HEADS, WIDTH])?)
    }

    fn has_finite_gradients(self) -> Result<bool, TrainError> {
        let size = [SEQUENCES, self.positions, 3 * HEADS * WIDTH];
        let normal = Tensor::f_zeros(size, (Kind::Double, Device::Cpu))?;
        fill_normal(&normal, 1.0, [3, 4], 0)?;
        let fused = normal.f_to_device(self.device)?.f_to_kind(self.kind)?;
        let fused = fused.f_set_requires_grad(true)?;
        let context = self.attend(&fused)?;
        context.f_mul(&context)?.f_sum(Kind::Float)?.f_backward()?;
        let finite = fused.f_grad()?.f_isfinite()?.f_all()?;
        Ok(finite.f_int64_value(&[])? != 0)
    }
}

/// Values [T, H] that are 1 where token and column meet within a block of as many tokens as columns.
fn one_token_a_column(positions: i64, block: i64) -> Result<Tensor, TrainError> {
    let values = Tensor::f_zeros([positions, WIDTH], (Kind::Float, Device::Cpu))?;
    let unit = Tensor::f_eye(WIDTH, (Kind::Float, Device::Cpu))?;
    values.f_narrow(0, block * WIDTH, WIDTH)?.f_copy_(&unit)?;
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(dropped: f64, mean: f64, has_finite_gradients: bool) -> Rates {
        Rates {
            dropped,
            allowed: STEP,
            mean,
            has_finite_gradients,
        }
    }

    #[test]
    fn steps_of_a_sixteenth_are_found_whether_or_not_the_scale_hides_them() {
        assert!(rates(0.1016, 0.9983, true).are_right(), "8 random bits");
        for dropped in [0.0625, 0.125] {
            assert!(!rates(dropped, 1.0, true).are_right());
            assert!(!rates(0.1, (1.0 - dropped) / 0.9, true).are_right());
        }
        assert!(!rates(0.1, 1.0, false).are_right());
        assert!(!rates(f64::NAN, 1.0, true).are_right() && !rates(0.1, f64::NAN, true).are_right());
    }

    #[test]
    fn the_rate_of_every_kind_and_way_of_the_cpu_is_right() {
        for kind in [Kind::Float, Kind::BFloat16, Kind::Half] {
            let (passed, found) = dropout_rates(Device::Cpu, kind).unwrap();
            assert!(passed, "{kind:?}: {found}");
        }
    }

    /// Padding is not counted as dropped.
    #[test]
    fn only_weights_of_tokens_are_counted() {
        let setup = AttentionSetup {
            device: Device::Cpu,
            kind: Kind::Float,
            positions: 128,
            is_padded: true,
        };
        let count = |block| setup.seen(block).unwrap().sum(Kind::Int64).int64_value(&[]);
        // Of the last sequence 96 tokens ask, and of the second block 32 are asked.
        let whole = (SEQUENCES * 128 - 32) * HEADS * WIDTH;
        assert_eq!((count(0), count(1)), (whole, whole - 96 * HEADS * 32));
    }
}
