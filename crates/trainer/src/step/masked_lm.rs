//! Masked language modeling: the cross-entropy of every masked token.

use loader::MicroBatch;
use model::{BatchSlices, BatchTensors, DropoutKey, RobertaConfig, RobertaForMaskedLm};
use tch::{Device, Tensor};

use crate::{
    error::TrainError,
    step::objective::{Inputs, Objective},
};

/// The objective of RoBERTa: a loss a masked token.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct MaskedLm;

impl Objective for MaskedLm {
    fn inputs(
        &self,
        batch: &MicroBatch,
        config: &RobertaConfig,
        device: Device,
    ) -> Result<Box<dyn Inputs>, TrainError> {
        Ok(Box::new(BatchTensors::on_host(
            &slices_of(batch),
            config,
            device,
        )?))
    }

    fn num_losses(&self, batch: &MicroBatch) -> u64 {
        batch.masked_tokens
    }

    fn training_flops(&self, batch: &MicroBatch, config: &RobertaConfig) -> u64 {
        let slots = batch.weights.chunks(batch.capacity.max(1));
        let masked = slots.map(|slots| slots.iter().filter(|&&weight| weight > 0.0).count() as u64);
        let lengths = batch.lengths.iter().map(|&length| u64::from(length));
        lengths
            .zip(masked)
            .map(|(length, masked)| {
                config.training_flops(length, masked) - config.skipped_flops(length, masked)
            })
            .sum()
    }

    fn nothing_to_learn(&self, step: u64) -> TrainError {
        TrainError::NothingMasked { step }
    }
}

impl Inputs for BatchTensors {
    fn loss_sum(&self, model: &RobertaForMaskedLm, dropout: &DropoutKey) -> Result<Tensor, TrainError> {
        let tensors = self.to_device(model.device())?;
        Ok(model.loss_sum(&tensors, Some(dropout))?)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_real_and_used_rows_are_work() {
        let config = crate::config::tests::tiny(&[]).model.config;
        let batch = MicroBatch {
            index: 0,
            step: loader::Step(0),
            sequences: 2,
            sequence_length: 8,
            input_ids: vec![0; 16],
            lengths: vec![8, 5],
            masked_positions: vec![1, 2, 9, 8],
            labels: vec![7, 7, 7, 0],
            weights: vec![1.0, 1.0, 1.0, 0.0],
            capacity: 2,
            masked_tokens: 3,
            tokens: 13,
            digest: 0,
        };
        let computed =
            |length, masked| config.training_flops(length, masked) - config.skipped_flops(length, masked);
        let expected = computed(8, 2) + computed(5, 1);
        assert_eq!(MaskedLm.training_flops(&batch, &config), expected);
    }
}
