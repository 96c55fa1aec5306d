//! What dropout depends on: the pass, the place and the probability.

use crate::TorchError;

/// Values that 16 random bits take.
pub(super) const STEPS: u32 = 1 << 16;

/// What the masks of one forward and backward pass depend on, beside the site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DropoutKey {
    /// The run's seed.
    pub seed: u64,
    /// Optimizer steps finished before this pass.
    pub step: u64,
    /// Global micro-batch index within the step: the same at any world size.
    pub micro_batch: u64,
}

/// Dropout at one place of the model in one pass, for the kernels that include it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dropout<'a> {
    /// Probability that an element is dropped.
    pub probability: f64,
    /// The pass.
    pub key: &'a DropoutKey,
    /// The place in the model.
    pub site: u32,
}

/// A dropout probability on the grid that the kernel has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DropoutRate {
    /// An element is kept when its bits are below this, 1..=65,535.
    threshold: u32,
}

impl DropoutRate {
    /// The nearest rate on the grid; a positive probability never becomes 0. `None` for 0.
    ///
    /// # Errors
    /// [`TorchError::OutOfRange`] unless 0 <= `probability` < 1.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 1 and 65,535 by clamp"
    )]
    pub fn quantize(probability: f64) -> Result<Option<Self>, TorchError> {
        if !(0.0..1.0).contains(&probability) {
            return Err(TorchError::OutOfRange {
                name: "dropout probability",
                value: probability,
                expected: "at least 0 and below 1",
            });
        }
        let kept = ((1.0 - probability) * f64::from(STEPS)).round();
        let threshold = kept.clamp(1.0, f64::from(STEPS - 1)) as u32;
        Ok((probability > 0.0).then_some(Self { threshold }))
    }

    /// An element is kept when its 16 bits are below this.
    pub(crate) fn threshold(self) -> u32 {
        self.threshold
    }

    /// The probability with which an element is kept.
    pub fn keep_probability(self) -> f64 {
        f64::from(self.threshold) / f64::from(STEPS)
    }

    /// What kept elements are multiplied by.
    pub fn scale(self) -> f64 {
        f64::from(STEPS) / f64::from(self.threshold)
    }
}
