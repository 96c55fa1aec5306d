//! Micro-batches as their objective wants them, ready before their step begins: the loader's thread makes
//! them, and pins them where they go to a GPU, while the step before is computed.

use loader::{MicroBatch, StepBatches};
use model::RobertaConfig;
use tch::Device;

use crate::{
    error::TrainError,
    step::objective::{Inputs, Objective},
};

/// What one rank computes in one step.
#[derive(Debug)]
pub(crate) struct ReadyStep {
    /// As the loader has it.
    pub batches: StepBatches,
    /// What the passes of its micro-batches take, in order.
    inputs: Vec<Box<dyn Inputs>>,
}

impl ReadyStep {
    /// `device`: where the step will be computed.
    ///
    /// # Errors
    /// When the micro-batches and the model do not fit together.
    pub(crate) fn new(
        batches: StepBatches,
        objective: &dyn Objective,
        config: &RobertaConfig,
        device: Device,
    ) -> Result<Self, TrainError> {
        let inputs = batches.micro_batches.iter();
        let inputs = inputs.map(|batch| objective.inputs(batch, config, device));
        Ok(Self {
            inputs: inputs.collect::<Result<_, _>>()?,
            batches,
        })
    }

    /// Each micro-batch and what its passes take.
    pub(crate) fn micro_batches(&self) -> impl Iterator<Item = (&MicroBatch, &dyn Inputs)> {
        let inputs = self.inputs.iter().map(Box::as_ref);
        self.batches.micro_batches.iter().zip(inputs)
    }
}
