//! All estimates of one run, as numbers; as text they are in [`super::text`].

use collectives::canonical::Tree;
use serde::Serialize;

use super::{
    device::{Device, Rate},
    memory::Memory,
    network::Network,
    step_time::{GradientSchedule, PlannedStep, StepTime},
};
use crate::run::plan::work;
use crate::{
    config::Reduction,
    run::plan::{TrainPlan, training::can_share},
    step::gradient_transport::{GradientTransport, overlaps},
};

const SECONDS_PER_HOUR: f64 = 3600.0;
/// Worlds of the scaling table.
const WORLDS: [u64; 11] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];

/// What is asked beside the configuration.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    /// The devices.
    pub device: &'a Device,
    /// How many.
    pub num_devices: u64,
    /// What joins them.
    pub network: &'a Network,
    /// Price of one device for one hour.
    pub price_per_device_hour: Option<f64>,
    /// Tokens of the training shards, where they are known.
    pub corpus_tokens: Option<u64>,
}

/// What a run will need.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Estimate {
    /// Parameters, as files hold them.
    pub parameters: u64,
    /// FLOPs of a token, forward and backward, masked positions alone through the head.
    pub flops_per_token_sparse: f64,
    /// The same with every position through the head.
    pub flops_per_token_dense: f64,
    /// Token positions of the whole run.
    pub positions: f64,
    /// Memory of a device.
    pub memory: Memory,
    /// Memory of the configured micro-batch.
    pub memory_bytes: f64,
    /// The largest micro-batch that fits.
    pub largest_micro_batch: u64,
    /// Bytes of the gradients on the wire, and seconds to sum them in one ring and by nodes.
    pub gradient_bytes: f64,
    /// One ring over all devices.
    pub ring_seconds: f64,
    /// Inside nodes first.
    pub hierarchical_seconds: f64,
    /// Where it is neither of both: in the canonical tree, or through the host memory of accelerators.
    pub in_host_memory_seconds: Option<f64>,
    /// The run at each stated rate, the fastest first.
    pub ranges: Vec<Range>,
    /// Passes over the corpus.
    pub passes: Option<f64>,
    /// The fastest rate at other numbers of devices.
    pub scaling: Vec<Scaling>,
}

/// The run at one rate.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Range {
    /// FLOPs a second of a device.
    pub flops_per_second: f64,
    /// Where the rate comes from.
    pub source: String,
    /// One step.
    pub step: StepTime,
    /// The whole run, in hours.
    pub hours: f64,
    /// Its cost, in the price's currency.
    pub cost: Option<f64>,
}

/// The run on another number of devices.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Scaling {
    /// How many.
    pub num_devices: u64,
    /// Sequences of a micro-batch: those of the configuration, or as many as these devices can
    /// share.
    pub micro_batch: u64,
    /// The whole run, in hours.
    pub hours: f64,
    /// Against as many times the speed of one.
    pub efficiency: f64,
}

impl Estimate {
    /// Estimates the run of `plan`, at the length of `[data]`.
    pub(crate) fn new(plan: &TrainPlan, asked: &Asked<'_>) -> Self {
        let (model, training) = (&plan.config.model.config, &plan.config.training);
        let (length, rows) = (plan.config.data.sequence_length, plan.mask_capacity);
        let sparse = work::flops_per_token(model, length, rows);
        let memory = Memory::new(plan, asked.device);
        let parameters = work::num_parameters(model);
        let step = step_of(plan, asked.device, asked.num_devices, training.micro_batch_size);
        let gradient_bytes = step.wire_bytes * parameters as f64;
        let beside = &asked.device.beside_products;
        let at = |num_devices, rate| StepTime::new(&step, asked.network, num_devices, (rate, beside));
        let fastest = asked.device.rates.first().map_or(1.0, |&(rate, _)| rate);
        let positions = plan.positions_per_step as f64 * training.max_steps as f64;
        Self {
            parameters,
            flops_per_token_sparse: sparse,
            flops_per_token_dense: work::flops_per_token(model, length, length),
            positions,
            memory_bytes: memory.total_bytes(training.micro_batch_size),
            largest_micro_batch: memory.largest_micro_batch(asked.device.memory_bytes),
            memory,
            gradient_bytes,
            ring_seconds: asked.network.ring_seconds(gradient_bytes, asked.num_devices),
            hierarchical_seconds: asked
                .network
                .hierarchical_seconds(gradient_bytes, asked.num_devices),
            in_host_memory_seconds: (step.through_host
                || matches!(step.gradient_schedule, GradientSchedule::Canonical { .. }))
            .then(|| at(asked.num_devices, fastest).communication_seconds),
            ranges: ranges(&step, plan, asked),
            passes: asked.corpus_tokens.map(|tokens| positions / tokens as f64),
            scaling: scaling(&step, plan, asked, fastest),
        }
    }

    /// Hours of the run at the fastest rate in micro-batches of so many sequences.
    pub(super) fn hours_with_micro_batch(&self, plan: &TrainPlan, asked: &Asked<'_>, size: u64) -> f64 {
        let step = step_of(plan, asked.device, asked.num_devices, size);
        let rate = self.ranges.first().map_or(1.0, |range| range.flops_per_second);
        let beside = &asked.device.beside_products;
        let time = StepTime::new(&step, asked.network, asked.num_devices, (rate, beside));
        run_hours(plan, time)
    }

    /// The largest micro-batch that fits and that the devices can share.
    pub(crate) fn largest_that_divides(&self, plan: &TrainPlan) -> Option<u64> {
        largest_shared(plan, plan.world_size.into(), self.largest_micro_batch)
    }

    /// Whether the configured micro-batch fits.
    pub(crate) fn fits(&self, plan: &TrainPlan) -> bool {
        self.largest_micro_batch >= plan.config.training.micro_batch_size
    }
}

/// The largest micro-batch of at most so many sequences that `num_devices` can share.
pub(super) fn largest_shared(plan: &TrainPlan, num_devices: u64, most: u64) -> Option<u64> {
    let batch = plan.config.training.global_batch_size;
    let allow_uneven = plan.config.parallel.allow_uneven;
    (1..=most.min(batch)).rev().find(|&micro_batch| {
        batch.is_multiple_of(micro_batch) && can_share(batch / micro_batch, num_devices, allow_uneven)
    })
}

/// The run at every rate that was reached.
fn ranges(step: &PlannedStep<'_>, plan: &TrainPlan, asked: &Asked<'_>) -> Vec<Range> {
    let range = |&(rate, source): &Rate| {
        let beside = &asked.device.beside_products;
        let step = StepTime::new(step, asked.network, asked.num_devices, (rate, beside));
        let hours = run_hours(plan, step);
        let device_hours = hours * asked.num_devices as f64;
        Range {
            flops_per_second: rate,
            source: source.to_owned(),
            step,
            hours,
            cost: asked.price_per_device_hour.map(|price| price * device_hours),
        }
    };
    asked.device.rates.iter().map(range).collect()
}

/// The run on other numbers of devices, at the rate `fastest`.
fn scaling(step: &PlannedStep<'_>, plan: &TrainPlan, asked: &Asked<'_>, fastest: f64) -> Vec<Scaling> {
    let hours = |step: &PlannedStep<'_>, num_devices| {
        let rate = (fastest, &asked.device.beside_products);
        run_hours(plan, StepTime::new(step, asked.network, num_devices, rate))
    };
    let alone = hours(step, 1);
    let usable = WORLDS
        .into_iter()
        .filter(|&world| !asked.network.is_one_host() || world <= asked.num_devices);
    let scaling = usable.filter_map(|num_devices| {
        let micro_batch = largest_shared(plan, num_devices, plan.config.training.micro_batch_size)?;
        let step = step_of(plan, asked.device, num_devices, micro_batch);
        let hours = hours(&step, num_devices);
        Some(Scaling {
            num_devices,
            micro_batch,
            hours,
            efficiency: alone / (hours * num_devices as f64),
        })
    });
    scaling.collect()
}

fn run_hours(plan: &TrainPlan, step: StepTime) -> f64 {
    step.seconds() * plan.config.training.max_steps as f64 / SECONDS_PER_HOUR
}

/// A step of the run, on `num_devices` in micro-batches of so many sequences.
fn step_of<'a>(plan: &'a TrainPlan, device: &Device, num_devices: u64, micro_batch: u64) -> PlannedStep<'a> {
    let config = &plan.config;
    let (length, rows) = (config.data.sequence_length, plan.mask_capacity);
    let recomputes = config.model.checkpoint_activations;
    let transport = GradientTransport::of(&config.parallel, device.of_libtorch(), world_size(num_devices));
    PlannedStep {
        model: &config.model.config,
        length,
        rows,
        flops_per_sequence: device.flops_per_sequence(&config.model.config, (length, rows), recomputes),
        batch: config.training.global_batch_size,
        micro_batch,
        wire_bytes: config.parallel.reduce_dtype.bytes(device.precision),
        gradient_schedule: gradient_schedule_of(plan, device, num_devices, micro_batch),
        through_host: num_devices > 1 && !device.is_cpu() && transport == GradientTransport::HostMemory,
        recomputes,
    }
}

fn world_size(num_devices: u64) -> u32 {
    u32::try_from(num_devices).unwrap_or(u32::MAX)
}

fn gradient_schedule_of(
    plan: &TrainPlan,
    device: &Device,
    num_devices: u64,
    micro_batch: u64,
) -> GradientSchedule {
    let parallel = &plan.config.parallel;
    match parallel.reduction {
        Reduction::Canonical => {
            let leaves = plan.config.training.global_batch_size / micro_batch;
            let tree = Tree::new(leaves);
            let of_device = |device| leaves * device / num_devices..leaves * (device + 1) / num_devices;
            let nodes = (0..num_devices).map(|device| tree.nodes_of(of_device(device)).len());
            GradientSchedule::Canonical {
                nodes: nodes.max().unwrap_or(1) as f64,
            }
        }
        Reduction::Fast => {
            if overlaps(parallel, device.of_libtorch(), world_size(num_devices)) {
                GradientSchedule::Overlapped
            } else {
                GradientSchedule::AfterThePass
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::{
        config::RunConfig,
        estimate::{
            device::{ACCELERATORS, Accelerator},
            network::NETWORKS,
            text::text,
        },
        run::plan::facts::Facts,
    };

    pub(crate) fn recipe(name: &str, overrides: &[&str]) -> TrainPlan {
        let folder = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs"));
        let overrides: Vec<String> = overrides.iter().map(ToString::to_string).collect();
        let config: RunConfig = config_file::load(&folder.join(name), &overrides).unwrap();
        let facts = Facts {
            world_size: 64,
            ..Facts::default()
        };
        TrainPlan::new(config, &facts).unwrap()
    }

    pub(crate) fn v100(plan: &TrainPlan) -> Device {
        Accelerator::find("v100-sxm2-32gb")
            .unwrap()
            .device(&plan.config)
            .unwrap()
    }

    #[test]
    fn what_the_configuration_says_is_in_the_hours() {
        let of = |overrides: &[&str]| {
            let plan = recipe("roberta-sec-base.toml", overrides);
            let device = v100(&plan);
            let estimate = Estimate::new(&plan, &on_64(&device));
            (estimate.ranges[0].step, text(&estimate, &plan, &on_64(&device)))
        };
        let (plain, said) = of(&[]);
        assert!(
            said.contains("p3dn, fp16") && said.contains("ms by nodes ("),
            "{said}"
        );
        let compute = |of: &StepTime| of.compute_seconds / plain.compute_seconds;
        let (in_f32, said) = of(&["training.precision='f32'"]);
        assert!(compute(&in_f32) > 6.0 && said.contains("p3dn, f32"), "{said}");
        let (again, said) = of(&["model.checkpoint_activations=true"]);
        assert!((1.2..1.34).contains(&compute(&again)), "{said}");
        assert!(said.contains("fits, with model.checkpoint_activations"), "{said}");
        let (after, said) = of(&["parallel.overlap=false"]);
        assert!(after.seconds() > plain.seconds(), "{said}");
        assert!(said.contains("hidden behind nothing (parallel.overlap"), "{said}");
        let (canonical, said) = of(&["parallel.reduction='canonical'"]);
        assert!(canonical.seconds() > after.seconds(), "{said}");
        assert!(said.contains("in the canonical tree"), "{said}");
        let (by_mpi, said) = of(&["parallel.backend='mpi'"]);
        // The copies alone: 0.5 GB there and back at 12 GB/s.
        assert!(by_mpi.seconds() > after.seconds() + 0.08, "{said}");
        assert!(
            said.contains("ms in host memory, hidden behind nothing"),
            "{said}"
        );
    }

    #[test]
    fn worlds_that_cannot_share_the_batch_are_left_out_and_others_get_a_micro_batch_that_fits() {
        let plan = recipe(
            "roberta-sec-base.toml",
            &["training.global_batch_size=1536", "training.micro_batch_size=24"],
        );
        let micro_batches = [
            (1, Some(24)),
            (64, Some(24)),
            (128, Some(12)),
            (512, Some(3)),
            (1024, None),
        ];
        for (num_devices, micro_batch) in micro_batches {
            assert_eq!(
                largest_shared(&plan, num_devices, 24),
                micro_batch,
                "{num_devices}"
            );
        }
        let device = v100(&plan);
        let scaling = Estimate::new(&plan, &on_64(&device)).scaling;
        assert_eq!(scaling.last().unwrap().num_devices, 512);
        // Whatever number was asked for: each row goes the way that so many devices go.
        let alone = Asked {
            num_devices: 1,
            ..on_64(&device)
        };
        let hours = |rows: Vec<Scaling>| rows.iter().map(|row| row.hours.to_bits()).collect::<Vec<_>>();
        let plan = TrainPlan {
            world_size: 1,
            ..plan.clone()
        };
        let estimate = Estimate::new(&plan, &alone);
        assert_eq!(hours(estimate.scaling), hours(scaling));
        assert_eq!(estimate.in_host_memory_seconds, None);
    }

    pub(crate) fn on_64(device: &Device) -> Asked<'_> {
        Asked {
            device,
            num_devices: 64,
            network: &NETWORKS[0],
            price_per_device_hour: Some(3.0),
            corpus_tokens: Some(5_000_000_000),
        }
    }

    #[test]
    fn the_base_recipe_on_64_v100_takes_the_hours_of_the_stated_rates() {
        let plan = recipe("roberta-sec-base.toml", &[]);
        let device = v100(&plan);
        let estimate = Estimate::new(&plan, &on_64(&device));
        // 262 billion tokens at 0.60 GFLOP, before communication: 9, 13, 17, 21 hours.
        for (range, hours) in estimate.ranges.iter().zip([9.0, 13.0, 17.0, 21.0]) {
            let compute = range.step.compute_seconds * 250_000.0 / 3600.0;
            assert!((compute - hours).abs() < 0.75, "{compute} {hours}");
            assert!(range.hours > compute && range.cost.unwrap() > 0.0);
        }
        assert!((estimate.passes.unwrap() - 52.4).abs() < 0.1);
        assert!(
            estimate
                .scaling
                .is_sorted_by(|one, other| one.efficiency >= other.efficiency)
        );
    }

    #[test]
    fn every_device_and_network_gives_an_estimate_of_every_recipe() {
        for name in ["roberta-sec-base.toml", "roberta-sec-wiki-large.toml"] {
            let plan = recipe(name, &[]);
            for accelerator in &ACCELERATORS {
                let device = &accelerator.device(&plan.config).unwrap();
                for network in NETWORKS.iter().filter(|network| !network.is_one_host()) {
                    let asked = Asked {
                        network,
                        ..on_64(device)
                    };
                    let estimate = Estimate::new(&plan, &asked);
                    assert!(
                        estimate
                            .ranges
                            .iter()
                            .all(|range| range.hours.is_finite() && range.hours > 0.0)
                    );
                    assert!(estimate.largest_micro_batch > 0);
                }
            }
        }
    }
}
