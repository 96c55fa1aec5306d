//! The time of one step: arithmetic, optimizer, and the communication that nothing hides.

use collectives::canonical::PIECE;
use model::RobertaConfig;
use serde::Serialize;

use super::{device::BesideProducts, network::Network};
use crate::run::plan::work;

/// The share of a forward and backward pass that is the backward one, which computes the forward one
/// once more where activations are not kept.
const BACKWARD: f64 = 2.0 / 3.0;
const BACKWARD_RECOMPUTING: f64 = 3.0 / 4.0;
/// Between an accelerator and its host, bytes a second (a `PCIe` 3 x16 slot).
const COPY_BYTES_PER_SECOND: f64 = 12e9;

/// What a step does.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PlannedStep<'a> {
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
    pub gradient_schedule: GradientSchedule,
    /// Whether accelerators copy gradients to host memory, where they are summed, and back.
    pub through_host: bool,
    /// `model.checkpoint_activations`
    pub recomputes: bool,
}

/// How gradients are summed over devices.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum GradientSchedule {
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
#[expect(clippy::struct_field_names, reason = "the unit stands in the name")]
pub(crate) struct StepTime {
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
    pub(crate) fn new(
        step: &PlannedStep<'_>,
        network: &Network,
        num_devices: u64,
        (flops_per_second, beside_products): (f64, &BesideProducts),
    ) -> Self {
        let elements = (step.model.num_hidden_layers * step.model.hidden_size * step.length) as f64;
        let logits = (step.rows * step.model.vocab_size) as f64;
        let again = if step.recomputes {
            beside_products.seconds_per_element_again
        } else {
            0.0
        };
        let seconds_per_sequence = step.flops_per_sequence / flops_per_second
            + elements * (beside_products.seconds_per_element + again)
            + logits * beside_products.seconds_per_logit;
        // The device with most of the micro-batches sets the pace.
        let micro_batches = step.batch.div_ceil(step.micro_batch).div_ceil(num_devices);
        let share = (micro_batches * step.micro_batch) as f64;
        let parameters = work::num_parameters(step.model) as f64;
        let tied = (step.model.vocab_size * step.model.hidden_size) as f64;
        let all = summing_seconds(step, network, num_devices);
        let exposed = if step.gradient_schedule == GradientSchedule::Overlapped {
            let last = network.reduce_seconds(tied * step.wire_bytes, num_devices);
            let backward = if step.recomputes {
                BACKWARD_RECOMPUTING
            } else {
                BACKWARD
            };
            let hides = backward * seconds_per_sequence * step.micro_batch as f64;
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
    pub(crate) fn seconds(&self) -> f64 {
        self.compute_seconds + self.optimizer_seconds + self.exposed_seconds
    }
}

/// All gradients, summed over `num_devices`.
fn summing_seconds(step: &PlannedStep<'_>, network: &Network, num_devices: u64) -> f64 {
    if num_devices < 2 {
        return 0.0;
    }
    let parameters = work::num_parameters(step.model) as f64;
    let bytes = parameters * step.wire_bytes;
    let (network, copies) = if step.through_host {
        (network.through_host_memory(), 2.0 * bytes / COPY_BYTES_PER_SECOND)
    } else {
        (*network, 0.0)
    };
    let sum = match step.gradient_schedule {
        GradientSchedule::Canonical { nodes } => {
            let exchanges = (parameters / PIECE as f64).ceil();
            (nodes + 1.0) * network.all_to_all_seconds(bytes, num_devices, exchanges)
        }
        _ => network.reduce_seconds(bytes, num_devices),
    };
    sum + copies
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{estimate::network::NETWORKS, run::plan::work::tests::config};

    #[test]
    fn what_overlaps_is_exposed_less_and_the_canonical_tree_not_at_all_hidden() {
        let model = config(768, 12, 50_265);
        let time = |gradient_schedule, num_devices| {
            let step = PlannedStep {
                model: &model,
                length: 512,
                rows: 77,
                flops_per_sequence: model.training_flops(512, 77) as f64,
                batch: 2048,
                micro_batch: 32,
                wire_bytes: 4.0,
                gradient_schedule,
                through_host: false,
                recomputes: false,
            };
            StepTime::new(
                &step,
                &NETWORKS[0],
                num_devices,
                (53e12, &BesideProducts::IN_THE_RATE),
            )
        };
        let (overlapped, after) = (
            time(GradientSchedule::Overlapped, 64),
            time(GradientSchedule::AfterThePass, 64),
        );
        let canonical = |nodes| time(GradientSchedule::Canonical { nodes }, 64);
        assert!(overlapped.exposed_seconds < after.exposed_seconds / 2.0);
        for time in [after, canonical(1.0), canonical(2.0)] {
            assert!((time.exposed_seconds - time.communication_seconds).abs() < 1e-12);
            assert!((time.compute_seconds - overlapped.compute_seconds).abs() < 1e-12);
        }
        assert!(canonical(1.0).exposed_seconds > after.exposed_seconds);
        let ratio = canonical(2.0).exposed_seconds / canonical(1.0).exposed_seconds;
        assert!((ratio - 1.5).abs() < 1e-9, "{ratio}");
        assert!(
            time(GradientSchedule::Canonical { nodes: 1.0 }, 1)
                .exposed_seconds
                .abs()
                < 1e-12
        );
        // 16 of 2048 sequences in micro-batches of 32: the devices that have one set the pace.
        let ratio = time(GradientSchedule::Overlapped, 128).compute_seconds / overlapped.compute_seconds;
        assert!((ratio - 1.0).abs() < 1e-9, "{ratio}");
    }

    #[test]
    fn what_goes_through_host_memory_is_copied_and_takes_no_nvlink() {
        let model = config(768, 12, 50_265);
        let step = PlannedStep {
            model: &model,
            length: 512,
            rows: 77,
            flops_per_sequence: 1e12,
            batch: 2048,
            micro_batch: 32,
            wire_bytes: 4.0,
            gradient_schedule: GradientSchedule::AfterThePass,
            through_host: true,
            recomputes: false,
        };
        let seconds = |through_host| {
            let step = PlannedStep { through_host, ..step };
            summing_seconds(&step, &NETWORKS[0], 8)
        };
        // 0.5 GB over PCIe, there and back, and at 1.85 GB of the vector a second.
        let bytes = 4.0 * work::num_parameters(&model) as f64;
        assert!(seconds(true) > 2.0 * bytes / 12e9 + bytes / 1.85e9 && seconds(false) < 0.02);
        assert!(summing_seconds(&step, &NETWORKS[0], 1).abs() < 1e-12);
    }
}
