//! Micro-batches as tensors, ready before their step begins: the loader's thread makes them, and pins
//! them where they go to a GPU, while the step before is computed.

use loader::{MicroBatch, StepBatches};
use model::{BatchSlices, BatchTensors, RobertaConfig, RobertaForMaskedLm};
use tch::Device;

use crate::error::TrainError;

/// What one rank computes in one step.
#[derive(Debug)]
pub(crate) struct ReadyStep {
    /// As the loader has it.
    pub batches: StepBatches,
    /// Its micro-batches in host memory, in order.
    tensors: Vec<BatchTensors>,
}

impl ReadyStep {
    /// `device`: where the step will be computed.
    ///
    /// # Errors
    /// When the micro-batches and the model do not fit together.
    pub(crate) fn new(
        batches: StepBatches,
        config: &RobertaConfig,
        device: Device,
    ) -> Result<Self, TrainError> {
        let on_host = |batch| Ok(BatchTensors::on_host(&slices_of(batch), config, device)?);
        let tensors = batches.micro_batches.iter().map(on_host);
        Ok(Self {
            tensors: tensors.collect::<Result<_, TrainError>>()?,
            batches,
        })
    }

    /// Each micro-batch and its tensors.
    pub(crate) fn micro_batches(&self) -> impl Iterator<Item = (&MicroBatch, &BatchTensors)> {
        self.batches.micro_batches.iter().zip(&self.tensors)
    }
}

/// A loader's micro-batch as the model's tensors, on its device.
///
/// # Errors
/// When the micro-batch and the model do not fit together.
pub(crate) fn tensors_of(batch: &MicroBatch, model: &RobertaForMaskedLm) -> Result<BatchTensors, TrainError> {
    Ok(BatchTensors::from_slices(
        &slices_of(batch),
        model.config(),
        model.device(),
    )?)
}

fn slices_of(batch: &MicroBatch) -> BatchSlices<'_> {
    BatchSlices {
        sequences: batch.sequences,
        sequence_length: batch.sequence_length,
        input_ids: &batch.input_ids,
        lengths: &batch.lengths,
        masked_positions: &batch.masked_positions,
        labels: &batch.labels,
        weights: &batch.weights,
    }
}
