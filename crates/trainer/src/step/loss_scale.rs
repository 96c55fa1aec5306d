//! Dynamic loss scaling for fp16.
//!
//! Micikevicius et al., "Mixed precision training", arXiv 1710.03740, section 3.2; the numbers are
//! those of `torch.amp.GradScaler`. The loss is multiplied by the scale before the backward pass and
//! the gradient divided by it before the update. A gradient that overflows costs its step and
//! halves the scale; many good ones in a row double it.
//!
//! There each rank scales the mean loss of its own micro-batch, and gradients are averaged afterwards.
//! Here a micro-batch's losses are divided by the masked tokens of the whole step, which has as many
//! more as it has micro-batches, so the first scale is as many times larger.

use serde::{Deserialize, Serialize};

/// For a step of one micro-batch.
const INITIAL_SCALE: f64 = 65_536.0;
const FACTOR: f64 = 2.0;
/// Good steps after which the scale grows.
const GROWTH_INTERVAL: u64 = 2000;
/// Below it gradients overflow without any scaling, so that skipping steps cannot help.
const LEAST_SCALE: f64 = 1.0;

/// The scale and what its next change depends on; part of a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct LossScale {
    /// What the loss is multiplied by.
    pub scale: f64,
    /// Good steps since the scale last changed.
    pub good_steps: u64,
    /// Steps of the run that ended without an update.
    pub skipped_updates: u64,
}

impl LossScale {
    /// That of a run's first step, which has so many micro-batches over all ranks. A scale is a power of
    /// two, so that it costs no bits: too high a one costs a few steps that are skipped, one that is too
    /// low would grow for thousands.
    pub(crate) fn first(micro_batches: u64) -> Self {
        let most = 1 << (u64::BITS - 1);
        Self {
            scale: INITIAL_SCALE * micro_batches.min(most).next_power_of_two() as f64,
            good_steps: 0,
            skipped_updates: 0,
        }
    }

    /// After a step whose gradient was finite.
    pub(crate) fn succeed(&mut self) {
        self.good_steps += 1;
        if self.good_steps >= GROWTH_INTERVAL {
            self.scale *= FACTOR;
            self.good_steps = 0;
        }
    }

    /// After a step whose gradient overflowed. False where the scale is as small as it may be: then
    /// it is not the scale that is at fault.
    #[must_use]
    pub(crate) fn back_off(&mut self) -> bool {
        let may_shrink = self.scale > LEAST_SCALE;
        if may_shrink {
            self.scale = (self.scale / FACTOR).max(LEAST_SCALE);
            self.good_steps = 0;
            self.skipped_updates += 1;
        }
        may_shrink
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_halves_at_an_overflow_and_doubles_after_2000_good_steps() {
        let mut scale = LossScale::first(1);
        assert!(scale.back_off());
        assert_eq!((scale.scale, scale.skipped_updates), (32_768.0, 1));
        (0..1999).for_each(|_| scale.succeed());
        assert_eq!((scale.scale, scale.good_steps), (32_768.0, 1999));
        scale.succeed();
        assert_eq!((scale.scale, scale.good_steps), (65_536.0, 0));
    }

    #[test]
    fn the_first_scale_grows_with_the_micro_batches_of_a_step_in_powers_of_two() {
        for (micro_batches, factor) in [
            (1, 1.0),
            (2, 2.0),
            (3, 4.0),
            (96, 128.0),
            (128, 128.0),
            (129, 256.0),
            (2048, 2048.0),
        ] {
            let first = LossScale::first(micro_batches);
            let expected = LossScale {
                scale: 65_536.0 * factor,
                good_steps: 0,
                skipped_updates: 0,
            };
            assert_eq!(first, expected, "{micro_batches}");
        }
        assert!(LossScale::first(u64::MAX).scale.is_finite() && LossScale::first(0).scale >= 65_536.0);
    }

    #[test]
    fn below_one_there_is_nothing_left_to_skip_for() {
        let mut scale = LossScale::first(1);
        let skipped = std::iter::repeat_with(|| scale.back_off())
            .take_while(|&may| may)
            .count();
        assert_eq!(skipped, 16);
        assert_eq!((scale.scale, scale.skipped_updates), (1.0, 16));
    }
}
