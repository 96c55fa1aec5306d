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

use super::device::{BesideProducts, CPU, Device};
use crate::run::plan::work::num_parameters;
use crate::{
    config::PrecisionChoice,
    error::TrainError,
    ranks::{
        affinity::{self, Affinity},
        processor::Processor,
    },
    run::{
        plan::{TrainPlan, memory},
        synthetic::{BatchShape, SyntheticRun},
        watch::crowd,
    },
    step::{meters::product_rate, precision, record::StepRecord},
};

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

/// The backward pass has twice the products of the forward one.
const FORWARD: f64 = 1.0 / 3.0;

/// A measured rank of a CPU.
#[derive(Debug)]
pub(crate) struct CpuMeasurement {
    /// The rank.
    pub device: Device,
    /// Ranks that share the machine.
    num_ranks: u32,
    /// Computing threads of the rank.
    num_threads: usize,
    /// How its precision was asked for.
    choice: PrecisionChoice,
    /// Share of the threads' time that they waited for a core.
    waited: f64,
}

impl CpuMeasurement {
    /// Says that something else used the cores.
    pub(crate) fn warn_if_disturbed(&self) {
        if self.waited > CROWDED {
            tracing::warn!(
                "something else runs on this machine, or a quota limits this process: threads waited for a core during {:.0} % of the measurement. The estimate is of the time that was left to them; plan again when nothing else runs",
                100.0 * self.waited
            );
        }
    }

    /// The rank that a run of `plan` would have where `num_ranks` share the machine, and whether it is
    /// reckoned: cores are taken to give the same together whichever ranks share them (two ranks of a
    /// thread reach 0.98 of one with two, `docs/benchmarks.md`), and another precision to change products
    /// alone. `None` where the run would be refused or has ranks without a core.
    pub(crate) fn of_run(&self, plan: &TrainPlan, num_ranks: u32) -> Option<(Device, bool)> {
        let choice = plan.config.training.precision;
        if (num_ranks, choice) == (self.num_ranks, self.choice) {
            return Some((self.device.clone(), false));
        }
        if num_ranks as usize > affinity::machine_cores() {
            return None;
        }
        let (precision, product_speed) = self.precision_of(plan)?;
        let speed = threads_of(plan, num_ranks).ok()? as f64 / self.num_threads as f64;
        let own = &self.device;
        let rates = own
            .rates
            .iter()
            .map(|&(rate, source)| (rate * speed * product_speed, source));
        let device = Device {
            name: own.name,
            memory_bytes: own.memory_bytes * f64::from(self.num_ranks) / f64::from(num_ranks),
            precision,
            rates: rates.collect(),
            beside_products: own.beside_products.times(1.0 / speed),
        };
        Some((device, true))
    }

    /// The precision of a run of `plan`, and how many times as fast its products are as the measured ones.
    fn precision_of(&self, plan: &TrainPlan) -> Option<(Precision, f64)> {
        let own = self.device.precision;
        if plan.config.training.precision == self.choice {
            return Some((own, 1.0));
        }
        let (other, bf16_speed) = precision::with_speed(&plan.config, &[Processor::read()]).ok()?;
        match (own, other, bf16_speed) {
            _ if own == other => Some((own, 1.0)),
            (Precision::F32, Precision::Bf16, Some(speed)) => Some((other, speed)),
            (Precision::Bf16, Precision::F32, Some(speed)) => Some((other, 1.0 / speed)),
            _ => None,
        }
    }
}

/// Measures this machine for the model of `plan`, where `num_ranks` ranks share it.
///
/// # Errors
/// When threads and cores do not fit each other, the precision is slow here, or libtorch fails.
pub(crate) fn measure(plan: &TrainPlan, num_ranks: u32) -> Result<CpuMeasurement, TrainError> {
    let memory_bytes = memory::available_bytes(TorchDevice::Cpu, num_ranks as usize)? as f64;
    let num_threads = threads_of(plan, num_ranks)?;
    torch_native::set_num_threads(num_threads)?;
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
    let thread_time = begun.elapsed().mul_f64(num_threads as f64);
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
    Ok(CpuMeasurement {
        device,
        num_ranks,
        num_threads,
        choice: plan.config.training.precision,
        waited: share_waited(waited, thread_time),
    })
}

/// The computing threads of a rank of `plan` where `num_ranks` share the machine.
fn threads_of(plan: &TrainPlan, num_ranks: u32) -> Result<usize, TrainError> {
    let own = Affinity::read()?;
    let all = vec![own.clone(); num_ranks as usize];
    let cores = affinity::machine_cores();
    Ok(affinity::choose(plan.config.parallel.threads, &own, &all, cores)?.num_threads)
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
    let shape = BatchShape {
        sequences: (POSITIONS / length).max(1),
        length,
    };
    let mut synthetic = SyntheticRun::new(TorchDevice::Cpu, model, precision, shape)?;
    let checkpoint = plan.config.model.checkpoint_activations;
    synthetic.learner.model.set_checkpoint_activations(checkpoint);
    for _ in 0..WARM_UP_STEPS {
        synthetic.step()?;
    }
    let mut fastest = synthetic.step()?;
    for _ in 1..TIMED_STEPS {
        let next = synthetic.step()?;
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
            let (length, masked) = (record.tokens / sequences, record.num_losses / sequences);
            let again = if recomputes {
                sequences * model.recomputed_flops(length, masked)
            } else {
                0
            };
            (record.model_flops + again) as f64 / flops_per_second
        };
        let elements =
            |record: &StepRecord| record.tokens as f64 * (model.num_hidden_layers * model.hidden_size) as f64;
        let logits = |record: &StepRecord, vocab_size| record.num_losses as f64 * vocab_size as f64;
        let more_logits = logits(step, model.vocab_size) - logits(without_head, few_tokens.vocab_size);
        // Of one pass or of both: seconds of an element of the layers, and of a logit.
        let apart = |of_step: f64, of_few_tokens: f64| {
            let of_head = (of_step - of_few_tokens).max(0.0);
            let per_logit = if more_logits > 0.0 {
                of_head / more_logits
            } else {
                0.0
            };
            let of_layers = of_step - per_logit * logits(step, model.vocab_size);
            (of_layers.max(0.0) / elements(step), per_logit)
        };
        let beside = |record: &StepRecord| passes(record).as_secs_f64() - products(record);
        let forward = |record: &StepRecord| {
            record.times.forward.as_secs_f64() - FORWARD * record.model_flops as f64 / flops_per_second
        };
        let (per_element, seconds_per_logit) = apart(beside(step), beside(without_head));
        let (again, _) = apart(forward(step), forward(without_head));
        Self {
            seconds_per_element: if recomputes {
                (per_element - again).max(0.0)
            } else {
                per_element
            },
            seconds_per_element_again: again,
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
            step_time::{GradientSchedule, PlannedStep, StepTime},
        },
        run::plan::facts::Facts,
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
        // Times that any machine could take: 2 s beside products, of which the head has 0.5; of the
        // forward pass 0.6 and 0.2.
        let rate = 1e12;
        let of_head = 1.0 - FEW_TOKENS as f64 / 5000.0;
        let take = |record: &mut StepRecord, forward: f64, backward: f64| {
            let products = record.model_flops as f64 / rate;
            record.times.forward = Duration::from_secs_f64(products / 3.0 + forward);
            record.times.backward = Duration::from_secs_f64(products * 2.0 / 3.0 + backward);
        };
        take(&mut step, 0.6, 1.4);
        take(&mut without_head, 0.6 - 0.2 * of_head, 1.4 - 0.3 * of_head);
        step.times.optimizer = Duration::from_millis(30);
        let of = |recomputes| {
            BesideProducts::of((&model, &step), (&few_tokens, &without_head), (rate, recomputes))
        };
        let beside = of(false);
        let logits = step.num_losses as f64 * 5000.0;
        assert!((beside.seconds_per_logit * logits - 0.5).abs() < 1e-6);
        let elements = step.tokens as f64 * (model.num_hidden_layers * WIDTH) as f64;
        assert!((beside.seconds_per_element * elements - 1.5).abs() < 1e-6);
        assert!((beside.seconds_per_element_again * elements - 0.4).abs() < 1e-6);
        // The same times, of which products have more where the layers' forward pass comes twice.
        let sequences = step.local_sequences[0];
        let again = model.recomputed_flops(step.tokens / sequences, step.num_losses / sequences);
        let layers = 1.5 - (sequences * again) as f64 / rate - 0.4;
        assert!((of(true).seconds_per_element * elements - layers).abs() < 1e-6);
        assert!((of(true).seconds_per_element_again * elements - 0.4).abs() < 1e-6);
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
        let network = Network::find(HOST).unwrap();
        let of = |recomputes| {
            let step = PlannedStep {
                model: &model,
                length: 32,
                rows,
                flops_per_sequence: device.flops_per_sequence(&model, (32, rows), recomputes),
                batch: 64,
                micro_batch: 64,
                wire_bytes: 4.0,
                gradient_schedule: GradientSchedule::Overlapped,
                through_host: false,
                recomputes,
            };
            StepTime::new(&step, network, 1, (rate, &beside))
        };
        let time = of(false);
        let computed = model.training_flops(32, rows as u64) - model.skipped_flops(32, rows as u64);
        let elements = (32 * WIDTH * model.num_hidden_layers) as f64;
        let sequence = computed as f64 / rate
            + elements * beside.seconds_per_element
            + (rows * model.vocab_size) as f64 * beside.seconds_per_logit;
        assert!((time.compute_seconds / (64.0 * sequence) - 1.0).abs() < 1e-9);
        let again = model.recomputed_flops(32, rows as u64) as f64 / rate
            + elements * beside.seconds_per_element_again;
        assert!((of(true).compute_seconds / (64.0 * (sequence + again)) - 1.0).abs() < 1e-9);
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

    fn measured(plan: &TrainPlan, num_threads: usize) -> CpuMeasurement {
        CpuMeasurement {
            device: Device {
                name: CPU,
                memory_bytes: 8e9,
                rates: vec![(1e12, "of a test")].into(),
                beside_products: BesideProducts {
                    seconds_per_logit: 1e-9,
                    ..BesideProducts::IN_THE_RATE
                },
                precision: Precision::F32,
            },
            num_ranks: 1,
            num_threads,
            choice: plan.config.training.precision,
            waited: 0.0,
        }
    }

    #[test]
    fn runs_of_other_ranks_are_reckoned_from_the_one_measurement() {
        let cores = u32::try_from(affinity::machine_cores()).unwrap();
        if cores < 2 {
            return test_data::skip("one core, which ranks cannot share");
        }
        for threads in [&[][..], &["parallel.threads=1"]] {
            let plan = plan(&[&["training.precision='f32'"], threads].concat());
            let [alone, shared] = [1, 2].map(|num_ranks| threads_of(&plan, num_ranks).unwrap());
            let one = measured(&plan, alone);
            assert_eq!(one.of_run(&plan, 1), Some((one.device.clone(), false)));
            let (of_two, is_reckoned) = one.of_run(&plan, 2).unwrap();
            let share = shared as f64 / alone as f64;
            assert!(is_reckoned && (of_two.rates[0].0 / (1e12 * share) - 1.0).abs() < 1e-9);
            assert!((of_two.beside_products.seconds_per_logit * share - 1e-9).abs() < 1e-15);
            assert!((of_two.memory_bytes - 4e9).abs() < 1.0);
            assert_eq!(one.of_run(&plan, cores + 1), None);
        }
    }

    #[test]
    fn a_run_in_the_precision_of_auto_is_reckoned_by_the_rate_of_its_products() {
        let [named, auto] = ["f32", "auto"].map(|choice| plan(&[&format!("training.precision='{choice}'")]));
        let num_threads = threads_of(&named, 1).unwrap();
        let (device, is_reckoned) = measured(&named, num_threads).of_run(&auto, 1).unwrap();
        let ratio = device.rates[0].0 / 1e12;
        assert!(is_reckoned);
        match device.precision {
            Precision::F32 => assert!((ratio - 1.0).abs() < 1e-9, "{ratio}"),
            precision => assert!(precision == Precision::Bf16 && ratio >= 1.2, "{ratio}"),
        }
    }
}
