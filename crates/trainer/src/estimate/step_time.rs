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
    /// when the pass ends, and what is longer than the pass.
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
        let last = network.reduce_seconds(tied * step.wire_bytes, num_devices);
        let all = network.reduce_seconds(parameters * step.wire_bytes, num_devices);
        let hides = BACKWARD * seconds_per_sequence * (step.micro_batch as f64).min(share);
        Self {
            compute_seconds: seconds_per_sequence * share,
            optimizer_seconds: parameters * beside_products.seconds_per_parameter,
            communication_seconds: all,
            exposed_seconds: last + (all - last - hides).max(0.0),
        }
    }

    /// The whole step.
    pub fn seconds(&self) -> f64 {
        self.compute_seconds + self.optimizer_seconds + self.exposed_seconds
    }
}
