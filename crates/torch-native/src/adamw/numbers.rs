//! The numbers that an `AdamW` step depends on, beside its tensors.

/// The numbers of one `AdamW` step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamW {
    /// Learning rate of this step.
    pub learning_rate: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment, outside the root.
    pub epsilon: f64,
    /// Decoupled weight decay, on the decay ranges only.
    pub weight_decay: f64,
    /// Number of this step, counted from 1: the optimizer steps finished after it.
    pub step: u64,
}

impl AdamW {
    /// 1 - beta^step for both moments: the same bits on every processor, as every rank multiplies its
    /// parameters with them.
    pub fn bias_corrections(&self) -> (f64, f64) {
        let of = |beta| 1.0 - libm::pow(beta, self.step as f64);
        (of(self.beta1), of(self.beta2))
    }
}
