//! Memory of a device by kind, and the largest micro-batch that fits.

use serde::Serialize;

use super::device::Device;
use crate::run::plan::work::num_parameters;
use crate::{
    config::{ReduceDtype, Reduction},
    run::plan::{
        TrainPlan,
        memory::{bytes_of, kept_by_a_layer, kept_by_layers},
    },
    step::gradient_transport::GradientTransport,
};

/// Taken by the driver, libraries, workspaces and fragments.
const RESERVED_BYTES: f64 = 2e9;
/// The same on a CPU: libraries and what a pass needs only for a moment. With it RoBERTa-base in
/// micro-batches of 8 x 512 has the 4.1 GB in bf16 that it was measured to take (two cores of an AMD
/// EPYC, 28 November 2026).
const RESERVED_BYTES_ON_CPU: f64 = 0.6e9;

/// Numbers in the kind of the products that a layer keeps on an accelerator for a position and unit of
/// width: its input, queries, keys, values, the context, and the inputs of the feed-forward network (1),
/// its GELU (4) and its second product (4).
const PRODUCT_NUMBERS_OF_A_LAYER: f64 = 14.0;
/// Numbers that both `LayerNorm`s keep: their inputs, which libtorch's kernel for GPUs takes in the kind
/// of the weights.
const NORM_NUMBERS_OF_A_LAYER: f64 = 2.0;
/// Bytes of dropout's masks beside them.
const MASKS_OF_A_LAYER: f64 = 2.0;
/// Numbers in f32 (f64) that the loss of a logit takes on an accelerator beside the logit itself: its
/// copy for the softmax, the logarithm of its probability, and the gradients of both steps back, of the
/// choice of the label and of the softmax.
const LOSS_NUMBERS: f64 = 4.0;

/// Bytes of a device by kind.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Memory {
    /// f32 master weights.
    pub weights_bytes: f64,
    /// f32 gradients.
    pub gradients_bytes: f64,
    /// Both moments of the optimizer, f32.
    pub optimizer_bytes: f64,
    /// 16-bit copies of the weights for the products, and of the gradients on the wire where
    /// `parallel.reduce_dtype` is `bf16`.
    pub copies_bytes: f64,
    /// Sums of the canonical tree that wait for their right neighbors.
    pub waiting_bytes: f64,
    /// What the backward pass needs of one sequence.
    pub activations_bytes_per_sequence: f64,
    /// Logits of one sequence's masked positions, and what the loss makes of them on both ways.
    pub logits_bytes_per_sequence: f64,
    /// Driver, libraries, workspaces.
    pub reserved_bytes: f64,
}

impl Memory {
    /// Of `device`, for the model and the longest sequence of `plan`.
    pub(crate) fn new(plan: &TrainPlan, device: &Device) -> Self {
        let (config, length) = (&plan.config.model.config, plan.config.data.longest_sequence());
        let parameters = num_parameters(config) as f64;
        let (number, product) = bytes_of(device.precision);
        let (number, product) = (number as f64, product as f64);
        let mut copies_bytes = 0.0;
        if product < number {
            copies_bytes += product * parameters;
        }
        let transport = GradientTransport::of(&plan.config.parallel, device.of_libtorch(), plan.world_size);
        if transport == GradientTransport::Nccl && plan.config.parallel.reduce_dtype == ReduceDtype::Bf16 {
            copies_bytes += 2.0 * parameters;
        }
        let (kept, a_logit, reserved_bytes) = if device.is_cpu() {
            // The logits and their gradient.
            (kept_on_cpu(plan, product), 2.0 * number, RESERVED_BYTES_ON_CPU)
        } else {
            (
                kept_on_gpu(plan, (number, product)),
                bytes_of_a_logit_on_gpu(number, product),
                RESERVED_BYTES,
            )
        };
        Self {
            weights_bytes: number * parameters,
            gradients_bytes: number * parameters,
            optimizer_bytes: 2.0 * number * parameters,
            copies_bytes,
            waiting_bytes: number * parameters * waiting_sums(plan),
            activations_bytes_per_sequence: kept * (config.hidden_size * length) as f64,
            logits_bytes_per_sequence: a_logit
                * plan.mask_capacity as f64
                * config.padded_vocab_size() as f64,
            reserved_bytes,
        }
    }

    /// What does not depend on the micro-batch.
    pub(crate) fn fixed_bytes(&self) -> f64 {
        self.weights_bytes
            + self.gradients_bytes
            + self.optimizer_bytes
            + self.copies_bytes
            + self.waiting_bytes
            + self.reserved_bytes
    }

    /// All of a micro-batch of `sequences`.
    pub(crate) fn total_bytes(&self, sequences: u64) -> f64 {
        let each = self.activations_bytes_per_sequence + self.logits_bytes_per_sequence;
        self.fixed_bytes() + each * sequences as f64
    }

    /// The largest number of sequences that fits into `memory_bytes`; 0 where not even one does.
    pub(crate) fn largest_micro_batch(&self, memory_bytes: f64) -> u64 {
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

/// Bytes a position and unit of width that an accelerator keeps for the backward pass.
///
/// A layer keeps 16 numbers and 2 bytes of masks (Korthikanti et al. 2022, section 4.1, without the
/// attention matrix, which fused attention does not keep). Two of the numbers, the inputs of its
/// `LayerNorm`s, are f32 also where products have 16 bits: 14 x 2 + 2 x 4 + 2 = 38 bytes then, where the
/// paper's layer keeps 34, and 16 x 4 + 2 = 66 in f32. With `model.checkpoint_activations` it keeps its
/// input; the layer that is computed again, and the embeddings, are there whole.
fn kept_on_gpu(plan: &TrainPlan, (number, product): (f64, f64)) -> f64 {
    let whole = PRODUCT_NUMBERS_OF_A_LAYER * product + NORM_NUMBERS_OF_A_LAYER * number + MASKS_OF_A_LAYER;
    let layers = plan.config.model.config.num_hidden_layers as f64;
    if plan.config.model.checkpoint_activations {
        layers * product + 2.0 * whole
    } else {
        (layers + 1.0) * whole
    }
}

/// Bytes of a logit where the loss has the most on an accelerator: 2 + 4 x 4 = 18 where products have 16
/// bits, 4 x 4 = 16 in f32, where the logit needs no copy.
///
/// No more than three of the four numbers are in use at once, but the allocator for GPUs keeps the blocks
/// of what is freed for blocks of the same size, and gives none back between the two ways; so all count.
fn bytes_of_a_logit_on_gpu(number: f64, product: f64) -> f64 {
    let logit = if product < number { product } else { 0.0 };
    logit + LOSS_NUMBERS * number
}

/// The same on a CPU, whose own passes keep less; of a layer that is computed again it is there whole.
fn kept_on_cpu(plan: &TrainPlan, product: f64) -> f64 {
    let kept = if plan.config.model.checkpoint_activations {
        plan.config.model.config.num_hidden_layers as u64 + kept_by_a_layer(plan)
    } else {
        kept_by_layers(plan)
    };
    product * kept as f64
}

/// Whole gradients that a device keeps beside its own: at most one a level of the canonical tree over
/// its micro-batches.
fn waiting_sums(plan: &TrainPlan) -> f64 {
    match plan.config.parallel.reduction {
        Reduction::Canonical => plan.micro_batches_per_rank.max(1).ilog2().into(),
        Reduction::Fast => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use model::Precision;

    use super::*;
    use crate::estimate::report::tests::{recipe, v100};

    const DEVICE_BYTES: f64 = 32.0 * 1024.0 * 1024.0 * 1024.0;

    fn of(overrides: &[&str], precision: Precision) -> Memory {
        let plan = recipe("roberta-sec-base.toml", overrides);
        let device = Device {
            precision,
            ..v100(&plan)
        };
        Memory::new(&plan, &device)
    }

    #[test]
    fn the_largest_micro_batch_fits_and_one_more_does_not() {
        let memory = of(&[], Precision::Fp16);
        let largest = memory.largest_micro_batch(DEVICE_BYTES);
        assert!(
            memory.total_bytes(largest) <= DEVICE_BYTES && memory.total_bytes(largest + 1) > DEVICE_BYTES
        );
        assert!((32..=256).contains(&largest), "{largest}");
        assert_eq!(memory.largest_micro_batch(1e9), 0);
    }

    #[test]
    fn a_logit_takes_18_bytes_in_16_bits_and_16_in_f32_where_the_loss_has_the_most() {
        let logits = 77.0 * 50_272.0;
        for (precision, bytes) in [
            (Precision::Fp16, 18.0),
            (Precision::Bf16, 18.0),
            (Precision::F32, 16.0),
            (Precision::F64, 32.0),
        ] {
            let found = of(&[], precision).logits_bytes_per_sequence;
            assert!(
                (found - bytes * logits).abs() < 1.0,
                "{precision:?}: {}",
                found / logits
            );
        }
    }

    #[test]
    fn sixteen_bits_and_recomputation_save_what_they_say() {
        let fp16 = of(&[], Precision::Fp16);
        // The 34 bytes of Korthikanti et al. 2022, and 2 more for each of two inputs of a norm in f32.
        let bytes = 38.0 * 13.0 * f64::from(768 * 512);
        assert!((fp16.activations_bytes_per_sequence - bytes).abs() < 1.0);
        let f32 = of(&[], Precision::F32);
        // All 16 numbers in f32, and the masks.
        let in_f32 = 66.0 * 13.0 * f64::from(768 * 512);
        assert!(f32.copies_bytes.abs() < 1.0 && (f32.activations_bytes_per_sequence - in_f32).abs() < 1.0);
        let checkpointed = of(&["model.checkpoint_activations=true"], Precision::Fp16);
        // Inputs of twelve layers, one layer and the embeddings whole.
        let kept = (12.0 * 2.0 + 2.0 * 38.0) * f64::from(768 * 512);
        assert!((checkpointed.activations_bytes_per_sequence - kept).abs() < 1.0);
        // 2 micro-batches a rank: one sum waits.
        let canonical = of(&["parallel.reduction='canonical'"], Precision::Fp16);
        assert!((canonical.waiting_bytes - canonical.gradients_bytes).abs() < 1.0);
        let rounded = of(&["parallel.reduce_dtype='bf16'"], Precision::Fp16);
        assert!((rounded.copies_bytes / fp16.copies_bytes - 2.0).abs() < 1e-9);
    }
}
