//! What a run learns: the seam between a step, which is the same for every objective, and what it takes
//! from a batch, its loss and its counts.
//!
//! Masked language modeling ([`super::masked_lm`]) is the only objective yet. Another one is a file
//! beside it that implements both traits. `Session::learner` and `SyntheticRun` choose it.

use std::fmt;

use loader::MicroBatch;
use model::{DropoutKey, RobertaConfig, RobertaForMaskedLm};
use tch::{Device, Tensor};

use crate::error::TrainError;

/// What is learned from a batch.
pub(crate) trait Objective: fmt::Debug + Send + Sync {
    /// What the passes of a micro-batch take, in host memory; `device`: where they will be computed. The
    /// loader's thread calls it while the step before is computed.
    ///
    /// # Errors
    /// When the micro-batch and the model do not fit together.
    fn inputs(
        &self,
        batch: &MicroBatch,
        config: &RobertaConfig,
        device: Device,
    ) -> Result<Box<dyn Inputs>, TrainError>;

    /// How many losses [`Inputs::loss_sum`] adds up for a micro-batch. The loss of a step is their mean
    /// over all ranks, so that their number is known before any pass.
    fn num_losses(&self, batch: &MicroBatch) -> u64;

    /// Operations of the model's products on the real tokens of a micro-batch, forward and backward, as
    /// far as they are computed.
    fn training_flops(&self, batch: &MicroBatch, config: &RobertaConfig) -> u64;

    /// Why `step`, over which all ranks together have no loss at all, cannot be taken.
    fn nothing_to_learn(&self, step: u64) -> TrainError;
}

/// A micro-batch as its objective wants it.
pub(crate) trait Inputs: fmt::Debug + Send {
    /// The forward pass: copies itself to the device of `model`, and gives the sum of the losses, a scalar
    /// of which the step takes the gradient.
    ///
    /// # Errors
    /// When libtorch fails.
    fn loss_sum(&self, model: &RobertaForMaskedLm, dropout: &DropoutKey) -> Result<Tensor, TrainError>;
}
