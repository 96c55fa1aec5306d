//! What a step leaves behind for those that watch it.

use std::time::Duration;

use loader::Step;

use crate::{ranks::stop_reason::Stop, step::meters::Times};

/// What one step did; all but the times is the same on all ranks.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StepRecord {
    /// Steps finished.
    pub step: Step,
    /// Mean of the losses; not finite where fp16 overflowed.
    pub loss: f64,
    /// Norm of the gradient before clipping; not finite where fp16 overflowed.
    pub grad_norm: f64,
    /// In fp16, what the loss was multiplied by.
    pub loss_scale: Option<f64>,
    /// Whether fp16 overflowed, so that nothing was updated.
    pub skipped_update: bool,
    /// Learning rate of the update.
    pub learning_rate: f64,
    /// Digest of the step's sequences and masks.
    pub digest: u64,
    /// How many losses it is the mean of: masked tokens.
    pub num_losses: u64,
    /// Real tokens, padding left out.
    pub tokens: u64,
    /// Sequences that each rank took.
    pub local_sequences: Vec<u64>,
    /// Why the run stops, where any rank was asked to.
    pub stop: Option<Stop>,
    /// Operations of the model's products on real tokens, over all ranks.
    pub model_flops: u64,
    /// The most memory that each rank has held so far.
    pub peak_memory_bytes: Vec<u64>,
    /// How long the forward and backward passes of each rank took.
    pub local_compute: Vec<Duration>,
    /// Time of this rank's parts of the step.
    pub times: Times,
}
