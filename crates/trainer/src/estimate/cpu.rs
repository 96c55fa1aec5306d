//! The constants of a CPU, measured on this machine: `tenk-pretrain plan --device cpu`.
//!
//! A device is a rank with the threads that it would have among the ranks of its machine. One large
//! product gives its rate; a few steps of the configured model, made 256 wide, give what a step takes
//! beside products, and the same model with a small vocabulary what of that is the head's. What the
//! layers take beside products is linear in the width, what the head takes does not depend on it,
//! and products are neither, so that the constants of one width tell the time of others.

use std::{
    borrow::Cow,
    time::{Duration, Instant},
};

use collectives::Single;
use model::{Precision, RobertaConfig};
use tch::Device as TorchDevice;

use super::{
    device::{BesideProducts, Device},
    work::num_parameters,
};
use crate::{
    affinity::{self, Affinity},
    crowd,
    error::TrainError,
    memory,
    meters::product_rate,
    plan::TrainPlan,
    precision,
    processor::Processor,
    step::StepRecord,
    trainee::Trainee,
};

/// The device's name on the command line.
pub const CPU: &str = "cpu";

const WIDTH: usize = 256;
const NUM_HEADS: usize = 4;
/// Tokens of the small vocabulary.
const FEW_TOKENS: usize = 1024;
/// Positions of a measured step, in sequences of the configured length.
const POSITIONS: usize = 2048;
const WARM_UP_STEPS: usize = 1;
const TIMED_STEPS: usize = 3;
/// Share of the time that threads may wait for a core before the estimate says so. On two idle cores
/// (`plan --config configs/debug-cpu.toml --device cpu`, AMD EPYC) they stay below it, beside one busy
/// loop they wait 34 %.
const CROWDED: f64 = 0.05;

/// A measured rank of a CPU.
#[derive(Debug)]
pub struct Measured {
    /// The rank.
    pub device: Device,
    /// Share of the threads' time that they waited for a core.
    waited: f64,
}

impl Measured {
    /// Whether nothing else used the cores, so that it compares with another measurement.
    pub fn is_undisturbed(&self) -> bool {
        self.waited <= CROWDED
    }

    /// Says that something else used the cores.
    pub fn warn_if_disturbed(&self) {
        if !self.is_undisturbed() {
            tracing::warn!(
                "something else runs on this machine, or a quota limits this process: threads waited for a core during {:.0} % of the measurement, and the estimate is of what was left to them; plan again when nothing else runs",
                100.0 * self.waited
            );
        }
    }
}

/// Measures this machine for the model of `plan`, where `num_ranks` ranks share it.
///
/// # Errors
/// When threads and cores do not fit each other, the precision is slow here, or libtorch fails.
pub fn measure(plan: &TrainPlan, num_ranks: u32) -> Result<Measured, TrainError> {
    let memory_bytes = memory::available_bytes(TorchDevice::Cpu, num_ranks as usize)? as f64;
    let own = Affinity::read()?;
    let all = vec![own.clone(); num_ranks as usize];
    let threads = affinity::choose(
        plan.config.parallel.threads,
        &own,
        &all,
        affinity::machine_cores(),
    )?;
    torch_native::set_num_threads(threads.num_threads)?;
    let precision = precision::decide(&mut Single::new(), &plan.config, &[Processor::read()])?;
    let (begun, waited) = (Instant::now(), crowd::waited_for_cores());
    let rate = product_rate(precision.compute(), TorchDevice::Cpu)?;
    let model = narrow(&plan.config.model.config);
    let few_tokens = RobertaConfig {
        vocab_size: FEW_TOKENS.min(model.vocab_size),
        ..model.clone()
    };
    let recomputes = plan.config.model.checkpoint_activations;
    let step = fastest_step(plan, &model, precision)?;
    let without_head = fastest_step(plan, &few_tokens, precision)?;
    let thread_time = begun.elapsed().mul_f64(threads.num_threads as f64);
    let device = Device {
        name: CPU,
        memory_bytes,
        rates: Cow::Owned(vec![(
            rate,
            "measured on this machine: one rank, a model 256 wide",
        )]),
        beside_products: BesideProducts::of(
            (&model, &step),
            (&few_tokens, &without_head),
            (rate, recomputes),
        ),
        precision,
    };
    Ok(Measured {
        device,
        waited: share_waited(waited, thread_time),
    })
}

/// The share of `thread_time` that threads have waited for a core since they had waited for `before`; 0
/// where the system does not say.
fn share_waited(before: Option<Duration>, thread_time: Duration) -> f64 {
    let waited = before
        .zip(crowd::waited_for_cores())
        .map_or(Duration::ZERO, |(before, after)| after.saturating_sub(before));
    waited.as_secs_f64() / thread_time.as_secs_f64()
}

/// The model, made 256 wide.
fn narrow(model: &RobertaConfig) -> RobertaConfig {
    RobertaConfig {
        hidden_size: WIDTH,
        num_attention_heads: NUM_HEADS,
        intermediate_size: 4 * WIDTH,
        ..model.clone()
    }
}

fn fastest_step(
    plan: &TrainPlan,
    model: &RobertaConfig,
    precision: Precision,
) -> Result<StepRecord, TrainError> {
    let length = plan.config.data.sequence_length;
    let shape = ((POSITIONS / length).max(1), length);
    let mut trainee = Trainee::new(TorchDevice::Cpu, model, precision, shape)?;
    let checkpoint = plan.config.model.checkpoint_activations;
    trainee.learner.model.set_checkpoint_activations(checkpoint);
    for _ in 0..WARM_UP_STEPS {
        trainee.step()?;
    }
    let mut fastest = trainee.step()?;
    for _ in 1..TIMED_STEPS {
        let next = trainee.step()?;
        if passes(&next) < passes(&fastest) {
            fastest = next;
        }
    }
    Ok(fastest)
}

fn passes(record: &StepRecord) -> Duration {
    record.times.forward + record.times.backward
}

impl BesideProducts {
    /// From a step of a model, and of the same model with fewer tokens in its vocabulary, on a device
    /// whose products reach `flops_per_second`. `recomputes`: `model.checkpoint_activations`.
    fn of(
        (model, step): (&RobertaConfig, &StepRecord),
        (few_tokens, without_head): (&RobertaConfig, &StepRecord),
        (flops_per_second, recomputes): (f64, bool),
    ) -> Self {
        let products = |record: &StepRecord| {
            let sequences = record.local_sequences.iter().sum::<u64>().max(1);
            let (length, masked) = (record.tokens / sequences, record.masked_tokens / sequences);
            let again = if recomputes {
                sequences * model.recomputed_flops(length, masked)
            } else {
                0
            };
            (record.model_flops + again) as f64 / flops_per_second
        };
        let beside = |record: &StepRecord| passes(record).as_secs_f64() - products(record);
        let elements =
            |record: &StepRecord| record.tokens as f64 * (model.num_hidden_layers * model.hidden_size) as f64;
        let logits = |record: &StepRecord, vocab_size| record.masked_tokens as f64 * vocab_size as f64;
        let more_logits = logits(step, model.vocab_size) - logits(without_head, few_tokens.vocab_size);
        let of_head = (beside(step) - beside(without_head)).max(0.0);
        let seconds_per_logit = if more_logits > 0.0 {
            of_head / more_logits
        } else {
            0.0
        };
        let of_layers = beside(step) - seconds_per_logit * logits(step, model.vocab_size);
        Self {
            seconds_per_element: of_layers.max(0.0) / elements(step),
            seconds_per_logit,
            seconds_per_parameter: step.times.optimizer.as_secs_f64() / num_parameters(model) as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::tests::tiny,
        estimate::{
            network::{HOST, Network},
            step_time::{Step, StepTime, Sums},
        },
        plan::Facts,
    };

    fn plan(overrides: &[&str]) -> TrainPlan {
        let facts = Facts {
            world_size: 1,
            ..Facts::default()
        };
        TrainPlan::new(tiny(overrides), &facts).unwrap()
    }

    #[test]
    fn the_constants_give_back_the_step_that_they_come_from() {
        let plan = plan(&["model.vocab_size=5000", "data.sequence_length=32"]);
        let model = narrow(&plan.config.model.config);
        let few_tokens = RobertaConfig {
            vocab_size: FEW_TOKENS,
            ..model.clone()
        };
        let mut step = fastest_step(&plan, &model, Precision::F32).unwrap();
        let mut without_head = fastest_step(&plan, &few_tokens, Precision::F32).unwrap();
        // Times that any machine could take: 2 s beside products, of which the head has 0.4.
        let rate = 1e12;
        let products = |record: &StepRecord| Duration::from_secs_f64(record.model_flops as f64 / rate);
        let of_head = 0.5 * (1.0 - FEW_TOKENS as f64 / 5000.0);
        step.times.forward = products(&step);
        step.times.backward = Duration::from_secs(2);
        step.times.optimizer = Duration::from_millis(30);
        without_head.times.forward = products(&without_head);
        without_head.times.backward = Duration::from_secs_f64(2.0 - of_head);
        let beside = BesideProducts::of((&model, &step), (&few_tokens, &without_head), (rate, false));
        let logits = step.masked_tokens as f64 * 5000.0;
        assert!((beside.seconds_per_logit * logits - 0.5).abs() < 1e-6);
        let elements = step.tokens as f64 * (model.num_hidden_layers * WIDTH) as f64;
        assert!((beside.seconds_per_element * elements - 1.5).abs() < 1e-6);
        let optimizer = beside.seconds_per_parameter * num_parameters(&model) as f64;
        assert!((optimizer - 0.03).abs() < 1e-6);
    }

    /// How long anything takes is not asserted: other processes may want the cores meanwhile.
    #[test]
    fn this_machine_is_measured_and_its_constants_make_up_a_step() {
        let plan = plan(&["data.sequence_length=32"]);
        let device = measure(&plan, 1).unwrap().device;
        let (rate, beside) = (device.rates[0].0, device.beside_products);
        assert!(rate.is_finite() && rate > 0.0 && beside.seconds_per_parameter > 0.0);
        assert!(beside.seconds_per_element >= 0.0 && beside.seconds_per_logit >= 0.0);
        let model = narrow(&plan.config.model.config);
        let rows = plan.mask_capacity;
        let step = Step {
            model: &model,
            length: 32,
            rows,
            flops_per_sequence: device.flops_per_sequence(&model, (32, rows), false),
            batch: 64,
            micro_batch: 64,
            wire_bytes: 4.0,
            sums: Sums::Overlapped,
            through_host: false,
            recomputes: false,
        };
        let network = Network::find(HOST).unwrap();
        let time = StepTime::new(&step, network, 1, (rate, &beside));
        let computed = model.training_flops(32, rows as u64) - model.skipped_flops(32, rows as u64);
        let elements = (32 * WIDTH * model.num_hidden_layers) as f64;
        let sequence = computed as f64 / rate
            + elements * beside.seconds_per_element
            + (rows * model.vocab_size) as f64 * beside.seconds_per_logit;
        assert!((time.compute_seconds / (64.0 * sequence) - 1.0).abs() < 1e-9);
        let optimizer = num_parameters(&model) as f64 * beside.seconds_per_parameter;
        assert!((time.optimizer_seconds / optimizer - 1.0).abs() < 1e-9);
    }

    #[test]
    fn ranks_of_a_machine_share_its_memory_and_cores() {
        let memory = |num_ranks| measure(&plan(&[]), num_ranks).unwrap().device.memory_bytes;
        assert!(memory(4) < memory(1) / 2.0);
        let threads = affinity::machine_cores() + 1;
        let too_many = plan(&[&format!("parallel.threads={threads}")]);
        assert!(matches!(
            measure(&too_many, 1),
            Err(TrainError::TooFewCores { .. })
        ));
    }
}
