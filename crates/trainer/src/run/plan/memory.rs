//! Whether the training of a rank fits into the memory that is there, asked before the first step:
//! a process that asks a CPU's system for too much is killed without a word.
//!
//! What is counted is certain to be held at the end of the forward pass of a micro-batch of full
//! sequences, so that nothing is refused that would have run with them. `estimate` tells how much a
//! device needs in all.

use std::path::Path;

use model::Precision;
use tch::Device;

use crate::{
    config::{KeyPlace, ReduceDtype},
    error::{TrainError, chain},
    run::plan::{TrainPlan, smaller_micro_batch::SmallerMicroBatch, work::num_parameters},
    step::gradient_transport::GradientTransport,
};

/// Numbers a token and column of width that a layer keeps for its backward pass
/// (`model.checkpoint_activations` off), without the input of its activation.
const KEPT_BY_A_LAYER: u64 = 10;
/// The input of the activation, four times as wide as the layer.
const KEPT_BY_THE_ACTIVATION: u64 = 4;
/// The same of the last layer, which computes only masked rows behind its attention: its input,
/// queries, keys, values and contexts.
const KEPT_BY_THE_LAST: u64 = 5;

/// Numbers a token and column of width that a layer of the plan's model keeps.
pub(crate) fn kept_by_a_layer(plan: &TrainPlan) -> u64 {
    let keeps_input = plan.config.model.config.hidden_act.keeps_its_input();
    KEPT_BY_A_LAYER + u64::from(keeps_input) * KEPT_BY_THE_ACTIVATION
}

/// Numbers a token and column of width that all layers keep for the backward pass.
pub(crate) fn kept_by_layers(plan: &TrainPlan) -> u64 {
    let layers = plan.config.model.config.num_hidden_layers as u64;
    if plan.config.model.checkpoint_activations {
        kept_checkpointed(layers)
    } else {
        layers.saturating_sub(1) * kept_by_a_layer(plan) + KEPT_BY_THE_LAST
    }
}

fn kept_checkpointed(layers: u64) -> u64 {
    layers + KEPT_BY_THE_LAST
}

/// Bytes of a number of the weights and of what is summed over a sequence, which are f32 but in proofs,
/// and of one that is multiplied.
pub(crate) fn bytes_of(precision: Precision) -> (u64, u64) {
    match precision {
        Precision::F64 => (8, 8),
        Precision::F32 => (4, 4),
        Precision::Bf16 | Precision::Fp16 => (4, 2),
    }
}

/// What a rank is certain to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MemoryNeed {
    /// Weights, gradients, moments.
    fixed_bytes: u64,
    /// What the backward pass needs of one sequence.
    sequence_bytes: u64,
    /// The same with `model.checkpoint_activations`.
    sequence_bytes_checkpointed: u64,
}

impl MemoryNeed {
    /// `gradients`: where they are summed over ranks.
    pub(crate) fn of(plan: &TrainPlan, precision: Precision, gradients: GradientTransport) -> Self {
        let model = &plan.config.model.config;
        let wide = |size: usize| size as u64;
        let (number, product) = bytes_of(precision);
        let kept = kept_by_layers(plan);
        let positions = wide(plan.config.data.longest_sequence());
        let rows = wide(plan.mask_capacity);
        // NCCL sums a copy of all gradients where they travel as bf16.
        let rounded = plan.config.parallel.reduce_dtype == ReduceDtype::Bf16;
        let copied = u64::from(gradients == GradientTransport::Nccl && rounded) * 2;
        let of_sequence = |kept: u64| {
            // The logits and their gradient are there at once.
            (kept * wide(model.hidden_size) * product)
                .saturating_mul(positions)
                .saturating_add((2 * rows * number).saturating_mul(wide(model.padded_vocab_size())))
        };
        Self {
            fixed_bytes: num_parameters(model).saturating_mul(4 * number + copied),
            sequence_bytes: of_sequence(kept),
            sequence_bytes_checkpointed: of_sequence(kept_checkpointed(wide(model.num_hidden_layers))),
        }
    }

    /// Of a micro-batch of `sequences`.
    pub(crate) fn bytes(&self, sequences: u64) -> u64 {
        self.in_all(self.sequence_bytes, sequences)
    }

    fn in_all(&self, sequence_bytes: u64, sequences: u64) -> u64 {
        sequence_bytes
            .saturating_mul(sequences)
            .saturating_add(self.fixed_bytes)
    }

    /// # Errors
    /// [`TrainError::DoesNotFit`] where the plan's micro-batch needs more than there is.
    pub(crate) fn check(&self, plan: &TrainPlan, available_bytes: u64) -> Result<(), TrainError> {
        let training = &plan.config.training;
        let needed_bytes = self.bytes(training.micro_batch_size);
        if needed_bytes <= available_bytes {
            return Ok(());
        }
        let left = available_bytes.saturating_sub(self.fixed_bytes);
        let most = left / self.sequence_bytes.max(1);
        let checkpointed = self.in_all(self.sequence_bytes_checkpointed, training.micro_batch_size);
        let divides = |sequences: &u64| training.global_batch_size.is_multiple_of(*sequences);
        Err(TrainError::DoesNotFit {
            place: KeyPlace::of(&plan.config.places, "training.micro_batch_size"),
            micro_batch_size: training.micro_batch_size,
            needed_bytes,
            available_bytes,
            way_out: SmallerMicroBatch {
                fits: (1..=most.min(training.micro_batch_size)).rev().find(divides),
                fits_checkpointed: checkpointed <= available_bytes,
            },
        })
    }
}

/// Bytes that a rank can have on `device`, of which `sharing_ranks` ranks of its host want the same.
///
/// # Errors
/// When a GPU does not say.
pub(crate) fn available_bytes(device: Device, sharing_ranks: usize) -> Result<u64, TrainError> {
    if let Device::Cuda(index) = device {
        return Ok(torch_native::gpu_free_memory(index)? as u64);
    }
    let system = read("/proc/meminfo").and_then(|text| available_of(&text));
    let of_all = [system, cgroup_bytes()].into_iter().flatten().min();
    Ok(of_all.map_or(u64::MAX, |bytes| bytes / sharing_ranks.max(1) as u64))
}

/// An error of a step, told as what it is where memory ended in mid-run.
pub(crate) fn explain(error: TrainError, plan: &TrainPlan) -> TrainError {
    let says = chain(&error);
    // libtorch's allocators of a GPU and of the CPU.
    if says.contains("out of memory") || says.contains("can't allocate memory") {
        return TrainError::OutOfMemory {
            micro_batch_size: plan.config.training.micro_batch_size,
            source: Box::new(error),
        };
    }
    error
}

/// Memory and swap that the system could give, of `/proc/meminfo`.
fn available_of(meminfo: &str) -> Option<u64> {
    let kibibytes = |name: &str| -> Option<u64> {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix("kB")?.trim().parse().ok()
    };
    Some((kibibytes("MemAvailable:")? + kibibytes("SwapFree:")?) * 1024)
}

/// What the control groups of this process leave; `None` without a limit. See the kernel's
/// cgroup-v2 document, "Memory Interface Files".
fn cgroup_bytes() -> Option<u64> {
    let own = read("/proc/self/cgroup")?;
    let path = own.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let folder = Path::new("/sys/fs/cgroup").join(path);
    let groups = folder
        .ancestors()
        .take_while(|group| group.starts_with("/sys/fs/cgroup"));
    groups.filter_map(bytes_left_in).min()
}

fn bytes_left_in(group: &Path) -> Option<u64> {
    let text = |name: &str| std::fs::read_to_string(group.join(name)).ok();
    let number = |name: &str| text(name)?.trim().parse::<u64>().ok();
    // "max" is no number: no limit.
    let limit = number("memory.max")?;
    let swap = number("memory.swap.max").unwrap_or(0);
    let statistics = text("memory.stat")?;
    let cached = statistics.lines().find_map(|line| line.strip_prefix("file "));
    let cached = cached.and_then(|bytes| bytes.parse().ok()).unwrap_or(0);
    let used = number("memory.current")?.saturating_sub(cached);
    Some(limit.saturating_sub(used).saturating_add(swap))
}

fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::tiny;
    use crate::run::plan::facts::Facts;

    /// A plan of one micro-batch of twelve sequences.
    fn plan() -> TrainPlan {
        let config = tiny(&["training.global_batch_size=12", "training.micro_batch_size=12"]);
        let facts = Facts {
            world_size: 1,
            ..Facts::default()
        };
        TrainPlan::new(config, &facts).unwrap()
    }

    #[test]
    fn what_does_not_fit_is_refused_with_the_largest_micro_batch_that_would() {
        let plan = plan();
        let need = MemoryNeed::of(&plan, Precision::F32, GradientTransport::HostMemory);
        need.check(&plan, need.bytes(12)).unwrap();
        let fits = |available: u64| match need.check(&plan, available).unwrap_err() {
            TrainError::DoesNotFit { way_out, .. } => way_out.fits,
            other => panic!("{other}"),
        };
        assert_eq!(fits(need.bytes(12) - 1), Some(6));
        assert_eq!(fits(need.bytes(5)), Some(4));
        assert_eq!(fits(need.bytes(1) - 1), None);
        let message = need.check(&plan, need.bytes(5)).unwrap_err().to_string();
        assert!(
            message.contains("training.micro_batch_size = 12")
                && message.contains("4, a divisor of the batch,"),
            "{message}"
        );
    }

    #[test]
    fn computing_activations_twice_is_advised_where_it_helps_and_not_where_it_is_done() {
        let mut plan = plan();
        plan.config.model.config.num_hidden_layers = 12;
        let need = MemoryNeed::of(&plan, Precision::F32, GradientTransport::HostMemory);
        let said = |need: &MemoryNeed, available| need.check(&plan, available).unwrap_err().to_string();
        let advice = "model.checkpoint_activations = true";
        assert!(said(&need, need.bytes(12) - 1).contains(advice));
        assert!(!said(&need, need.bytes(1)).contains(advice));
        let mut twice = plan.clone();
        twice.config.model.checkpoint_activations = true;
        let need = MemoryNeed::of(&twice, Precision::F32, GradientTransport::HostMemory);
        assert!(!said(&need, need.bytes(12) - 1).contains(advice));
    }

    #[test]
    fn the_copy_that_nccl_sums_is_counted() {
        let mut plan = plan();
        let of = |plan: &TrainPlan, transport| MemoryNeed::of(plan, Precision::Bf16, transport).bytes(1);
        let whole = of(&plan, GradientTransport::Nccl);
        plan.config.parallel.reduce_dtype = ReduceDtype::Bf16;
        assert_eq!(of(&plan, GradientTransport::HostMemory), whole);
        let copy = 2 * num_parameters(&plan.config.model.config);
        assert_eq!(of(&plan, GradientTransport::Nccl), whole + copy);
    }

    #[test]
    fn absurd_sizes_do_not_overflow() {
        assert_eq!(
            MemoryNeed::of(&plan(), Precision::F64, GradientTransport::HostMemory).bytes(u64::MAX),
            u64::MAX
        );
    }

    #[test]
    fn the_system_s_memory_is_what_is_available_and_swap() {
        let meminfo = "MemTotal:  100 kB\nMemAvailable:\t   70 kB\nSwapTotal: 9 kB\nSwapFree:  5 kB\n";
        assert_eq!(available_of(meminfo), Some(75 * 1024));
        assert_eq!(available_of("MemTotal: 100 kB\n"), None);
    }

    #[test]
    fn a_control_group_leaves_its_limit_less_what_is_used_and_no_cache() {
        let group = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            durable::commit_bytes(&durable::DISK, &group.path().join(name), text.as_bytes()).unwrap();
        };
        assert_eq!(bytes_left_in(group.path()), None);
        write("memory.max", "1000\n");
        write("memory.current", "700\n");
        write("memory.stat", "anon 500\nfile 200\nkernel 0\n");
        assert_eq!(bytes_left_in(group.path()), Some(500));
        write("memory.max", "max\n");
        assert_eq!(bytes_left_in(group.path()), None);
    }

    #[test]
    fn every_rank_of_a_host_has_its_share() {
        let (one, four) = (
            available_bytes(Device::Cpu, 1).unwrap(),
            available_bytes(Device::Cpu, 4).unwrap(),
        );
        assert!(one > 0 && four < one / 2, "{one} and {four}");
    }
}
