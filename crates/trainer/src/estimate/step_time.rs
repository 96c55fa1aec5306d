//! The time of one step: arithmetic, optimizer, and the communication that nothing hides.

use model::RobertaConfig;
use serde::Serialize;

use super::{device::BesideProducts, network::Network, work};

/// The share of a forward and backward pass that is the backward one.
const BACKWARD: f64 = 2.0 / 3.0;

/// What a step does.
#[derive(Debug, Clone, Copy)]
pub struct Step<'a> {
    /// The model.
    pub model: &'a RobertaConfig,
    /// Positions of a sequence.
    pub length: usize,
    /// Masked ones of them.
    pub rows: usize,
    /// FLOPs of one sequence, forward and backward.
    pub flops_per_sequence: f64,
    /// Sequences over all devices.
    pub batch: u64,
    /// Sequences of the last micro-batch of a device, whose backward pass hides communication.
    pub micro_batch: u64,
    /// Bytes of a gradient on the wire.
    pub wire_bytes: f64,
    /// How gradients are summed over devices.
    pub sums: Sums,
}

/// How gradients are summed over devices.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Sums {
    /// Bucket by bucket while the last micro-batch's backward pass runs.
    Overlapped,
    /// After it (`parallel.overlap = false`).
    AfterThePass,
    /// In the canonical tree after it: all-to-all, then gathered.
    Canonical {
        /// Sums that a device brings to it: one where its micro-batches fill a node of the tree.
        nodes: f64,
    },
}

/// Seconds of one step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct StepTime {
    /// Forward and backward passes.
    pub compute_seconds: f64,
    /// The optimizer, where it is not in the rate.
    pub optimizer_seconds: f64,
    /// Summing all gradients over devices.
    pub communication_seconds: f64,
    /// What of that is not hidden behind the last backward pass: the tied matrix, which is ready
    /// when the pass ends, and what is longer than the pass; all of it where nothing overlaps.
    pub exposed_seconds: f64,
}

impl StepTime {
    /// On `num_devices` that each reach `flops_per_second`.
    pub fn new(
        step: &Step<'_>,
        network: &Network,
        num_devices: u64,
        (flops_per_second, beside_products): (f64, &BesideProducts),
    ) -> Self {
        let elements = (step.model.num_hidden_layers * step.model.hidden_size * step.length) as f64;
        let logits = (step.rows * step.model.vocab_size) as f64;
        let seconds_per_sequence = step.flops_per_sequence / flops_per_second
            + elements * beside_products.seconds_per_element
            + logits * beside_products.seconds_per_logit;
        let share = step.batch as f64 / num_devices as f64;
        let parameters = work::num_parameters(step.model) as f64;
        let tied = (step.model.vocab_size * step.model.hidden_size) as f64;
        let bytes = parameters * step.wire_bytes;
        let all = match step.sums {
            Sums::Canonical { nodes } => (nodes + 1.0) * network.all_to_all_seconds(bytes, num_devices),
            _ => network.reduce_seconds(bytes, num_devices),
        };
        let exposed = if step.sums == Sums::Overlapped {
            let last = network.reduce_seconds(tied * step.wire_bytes, num_devices);
            let hides = BACKWARD * seconds_per_sequence * (step.micro_batch as f64).min(share);
            last + (all - last - hides).max(0.0)
        } else {
            all
        };
        Self {
            compute_seconds: seconds_per_sequence * share,
            optimizer_seconds: parameters * beside_products.seconds_per_parameter,
            communication_seconds: all,
            exposed_seconds: exposed,
        }
    }

    /// The whole step.
    pub fn seconds(&self) -> f64 {
        self.compute_seconds + self.optimizer_seconds + self.exposed_seconds
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::estimate::{network::NETWORKS, work::tests::config};

    #[test]
    fn what_overlaps_is_exposed_less_and_the_canonical_tree_not_at_all_hidden() {
        let model = config(768, 12, 50_265);
        let time = |sums, num_devices| {
            let step = Step {
                model: &model,
                length: 512,
                rows: 77,
                flops_per_sequence: model.training_flops(512, 77) as f64,
                batch: 2048,
                micro_batch: 32,
                wire_bytes: 4.0,
                sums,
            };
            StepTime::new(
                &step,
                &NETWORKS[0],
                num_devices,
                (53e12, &BesideProducts::IN_THE_RATE),
            )
        };
        let (overlapped, after) = (time(Sums::Overlapped, 64), time(Sums::AfterThePass, 64));
        let canonical = |nodes| time(Sums::Canonical { nodes }, 64);
        assert!(overlapped.exposed_seconds < after.exposed_seconds / 2.0);
        for time in [after, canonical(1.0), canonical(2.0)] {
            assert!((time.exposed_seconds - time.communication_seconds).abs() < 1e-12);
            assert!((time.compute_seconds - overlapped.compute_seconds).abs() < 1e-12);
        }
        assert!(canonical(1.0).exposed_seconds > after.exposed_seconds);
        let ratio = canonical(2.0).exposed_seconds / canonical(1.0).exposed_seconds;
        assert!((ratio - 1.5).abs() < 1e-9, "{ratio}");
        assert!(time(Sums::Canonical { nodes: 1.0 }, 1).exposed_seconds.abs() < 1e-12);
    }
}
