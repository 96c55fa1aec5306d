//! What the steps of a run change.

use std::sync::Arc;

use model::RobertaForMaskedLm;

use crate::{
    config::{ReduceDtype, Reduction},
    step::{
        loss_scale::LossScale, objective::Objective, optimizer::Optimizer, overlap::GradientHooks,
        schedule::Schedule,
    },
};

/// What a step changes, and what it needs for that.
#[derive(Debug)]
pub(crate) struct Learner {
    /// The model.
    pub model: RobertaForMaskedLm,
    /// What it learns.
    pub objective: Arc<dyn Objective>,
    /// Its optimizer.
    pub optimizer: Optimizer,
    /// The learning rate over the steps.
    pub schedule: Schedule,
    /// Norm to which larger gradients are scaled down; 0: never.
    pub max_grad_norm: f64,
    /// The run's seed, for dropout.
    pub seed: u64,
    /// Only there in fp16.
    pub loss_scale: Option<LossScale>,
    /// How gradients are summed over micro-batches and ranks.
    pub reduction: Reduction,
    /// What gradients travel as.
    pub reduce_dtype: ReduceDtype,
    /// Where gradients are summed over ranks during the backward pass: what tells that they are
    /// ready.
    pub hooks: Option<GradientHooks>,
    /// Micro-batches of a step over all ranks.
    pub num_micro_batches: u64,
}
