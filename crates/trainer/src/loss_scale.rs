//! Dynamic loss scaling for fp16.
//!
//! Micikevicius et al., "Mixed precision training", arXiv 1710.03740, section 3.2; the numbers are
//! those of `torch.amp.GradScaler`. The loss is multiplied by the scale before the backward pass and
//! the gradient divided by it before the update. A gradient that overflows costs its step and
//! halves the scale; many good ones in a row double it.

use serde::{Deserialize, Serialize};

const INITIAL_SCALE: f64 = 65_536.0;
const FACTOR: f64 = 2.0;
/// Good steps after which the scale grows.
const GROWTH_INTERVAL: u64 = 2000;
/// Below it gradients overflow without any scaling, so that skipping steps cannot help.
const LEAST_SCALE: f64 = 1.0;

/// The scale and what its next change depends on; part of a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LossScale {
    /// What the loss is multiplied by.
    pub scale: f64,
    /// Good steps since the scale last changed.
    pub good_steps: u64,
    /// Steps of the run that ended without an update.
    pub skipped_updates: u64,
}

impl Default for LossScale {
    fn default() -> Self {
        Self {
            scale: INITIAL_SCALE,
            good_steps: 0,
            skipped_updates: 0,
        }
    }
}

impl LossScale {
    /// After a step whose gradient was finite.
    pub fn succeed(&mut self) {
        self.good_steps += 1;
        if self.good_steps >= GROWTH_INTERVAL {
            self.scale *= FACTOR;
            self.good_steps = 0;
        }
    }

    /// After a step whose gradient overflowed. False where the scale is as small as it may be: then
    /// it is not the scale that is at fault.
    #[must_use]
    pub fn back_off(&mut self) -> bool {
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
        let mut scale = LossScale::default();
        assert!(scale.back_off());
        assert_eq!((scale.scale, scale.skipped_updates), (32_768.0, 1));
        (0..1999).for_each(|_| scale.succeed());
        assert_eq!((scale.scale, scale.good_steps), (32_768.0, 1999));
        scale.succeed();
        assert_eq!((scale.scale, scale.good_steps), (65_536.0, 0));
    }

    #[test]
    fn below_one_there_is_nothing_left_to_skip_for() {
        let mut scale = LossScale::default();
        let skipped = std::iter::repeat_with(|| scale.back_off())
            .take_while(|&may| may)
            .count();
        assert_eq!(skipped, 16);
        assert_eq!((scale.scale, scale.skipped_updates), (1.0, 16));
    }
}
