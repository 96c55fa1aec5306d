//! Memory of a device by kind, and the largest micro-batch that fits.

use model::{Precision, RobertaConfig};
use serde::Serialize;

use super::work::num_parameters;
use crate::{
    memory::{bytes_of, kept_by_layers},
    plan::TrainPlan,
    reduction::ReduceDtype,
};

/// Taken by the driver, libraries, workspaces and fragments.
const RESERVED_BYTES: f64 = 2e9;
/// The same on a CPU: libraries and what a pass needs only for a moment. With it RoBERTa-base in
/// micro-batches of 8 x 512 has the 4.1 GB in bf16 that it was measured to take (two cores of an AMD
/// EPYC, 28 November 2026).
const RESERVED_BYTES_ON_CPU: f64 = 0.6e9;

/// Bytes of a device by kind.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Memory {
    /// f32 master weights.
    pub weights_bytes: f64,
    /// f32 gradients.
    pub gradients_bytes: f64,
    /// Both moments of the optimizer, f32.
    pub optimizer_bytes: f64,
    /// 16-bit copies of the weights for the products, and of the gradients on the wire where
    /// `parallel.reduce_dtype` is `bf16`.
    pub copies_bytes: f64,
    /// What the backward pass needs of one sequence.
    pub activations_bytes_per_sequence: f64,
    /// Logits and their gradient of one sequence's masked positions, f32.
    pub logits_bytes_per_sequence: f64,
    /// Driver, libraries, workspaces.
    pub reserved_bytes: f64,
}

impl Memory {
    /// For 16-bit products, sequences of `length` with `rows` masked positions.
    ///
    /// A layer keeps 34 bytes a position and unit of width (Korthikanti et al. 2022, section 4.1,
    /// without the attention matrix, which fused attention does not keep).
    pub fn new(config: &RobertaConfig, length: usize, rows: usize, wire: ReduceDtype) -> Self {
        let parameters = num_parameters(config) as f64;
        let width = config.hidden_size as f64;
        Self {
            weights_bytes: 4.0 * parameters,
            gradients_bytes: 4.0 * parameters,
            optimizer_bytes: 8.0 * parameters,
            copies_bytes: match wire {
                ReduceDtype::F32 => 2.0 * parameters,
                ReduceDtype::Bf16 => 4.0 * parameters,
            },
            activations_bytes_per_sequence: 34.0
                * width
                * length as f64
                * (config.num_hidden_layers as f64 + 1.0),
            logits_bytes_per_sequence: 2.0 * 4.0 * rows as f64 * config.padded_vocab_size() as f64,
            reserved_bytes: RESERVED_BYTES,
        }
    }

    /// The same on a CPU, which copies no weights in f32 and f64, for the model and the longest
    /// sequence of `plan`.
    pub fn on_cpu(plan: &TrainPlan, precision: Precision) -> Self {
        let (config, length) = (&plan.config.model.config, plan.config.data.longest_sequence());
        let parameters = num_parameters(config) as f64;
        let (number, product) = bytes_of(precision);
        let (number, product) = (number as f64, product as f64);
        Self {
            weights_bytes: number * parameters,
            gradients_bytes: number * parameters,
            optimizer_bytes: 2.0 * number * parameters,
            copies_bytes: if product < number {
                product * parameters
            } else {
                0.0
            },
            activations_bytes_per_sequence: product
                * kept_by_layers(plan) as f64
                * (config.hidden_size * length) as f64,
            logits_bytes_per_sequence: 2.0
                * number
                * plan.mask_capacity as f64
                * config.padded_vocab_size() as f64,
            reserved_bytes: RESERVED_BYTES_ON_CPU,
        }
    }

    /// What does not depend on the micro-batch.
    pub fn fixed_bytes(&self) -> f64 {
        self.weights_bytes
            + self.gradients_bytes
            + self.optimizer_bytes
            + self.copies_bytes
            + self.reserved_bytes
    }

    /// All of a micro-batch of `sequences`.
    pub fn total_bytes(&self, sequences: u64) -> f64 {
        let each = self.activations_bytes_per_sequence + self.logits_bytes_per_sequence;
        self.fixed_bytes() + each * sequences as f64
    }

    /// The largest number of sequences that fits into `memory_bytes`; 0 where not even one does.
    pub fn largest_micro_batch(&self, memory_bytes: f64) -> u64 {
        let each = self.activations_bytes_per_sequence + self.logits_bytes_per_sequence;
        let left = ((memory_bytes - self.fixed_bytes()) / each).max(0.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of a device's memory, at least 0 and far below 2^53"
        )]
        let sequences = left as u64;
        sequences
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::estimate::work::tests::config;

    #[test]
    fn the_largest_micro_batch_fits_and_one_more_does_not() {
        let memory = Memory::new(&config(768, 12, 50_265), 512, 77, ReduceDtype::F32);
        let device = 32.0 * 1024.0_f64.powi(3);
        let largest = memory.largest_micro_batch(device);
        assert!(memory.total_bytes(largest) <= device && memory.total_bytes(largest + 1) > device);
        assert!((32..=256).contains(&largest), "{largest}");
        assert_eq!(memory.largest_micro_batch(1e9), 0);
    }
}
