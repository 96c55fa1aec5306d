//! The way out where a micro-batch does not fit into the memory.

use std::fmt;

/// What would fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SmallerMicroBatch {
    /// The largest micro-batch that fits and that the ranks can share.
    pub fits: Option<u64>,
    /// Whether the micro-batch itself would fit if activations were computed twice.
    pub fits_checkpointed: bool,
}

impl fmt::Display for SmallerMicroBatch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.fits, self.fits_checkpointed) {
            (Some(fits), true) => write!(
                formatter,
                "{fits}, a divisor of the batch, would fit, or this one with model.checkpoint_activations = true"
            ),
            (Some(fits), false) => write!(formatter, "{fits}, a divisor of the batch, would fit"),
            (None, true) => formatter.write_str("it would fit with model.checkpoint_activations = true"),
            (None, false) => formatter.write_str(
                "not even one sequence fits: take fewer ranks a host, larger devices or a smaller model",
            ),
        }
    }
}
