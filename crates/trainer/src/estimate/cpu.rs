//! The constants of a CPU, measured on this machine: `tenk-pretrain plan --device cpu`.
//!
//! A device is a rank with the cores of this process and the threads of `parallel.threads`. One
//! large product gives its rate; a few steps of the configured model, made 256 wide, give what a
//! step takes beside products. Those are linear in the width, and products are not, so that the
//! constants of one width tell the time of others.

use std::{borrow::Cow, time::Duration};

use collectives::Single;
use model::RobertaConfig;
use tch::Device as TorchDevice;

use super::{
    device::{BesideProducts, Device},
    work::num_parameters,
};
use crate::{
    error::TrainError, memory, meters::product_rate, plan::TrainPlan, precision, processor::Processor,
    session::start_threads, step::StepRecord, trainee::Trainee,
};

/// The device's name on the command line.
pub const CPU: &str = "cpu";

const WIDTH: usize = 256;
const NUM_HEADS: usize = 4;
/// Positions of a measured step, in sequences of the configured length.
const POSITIONS: usize = 2048;
const WARM_UP_STEPS: usize = 1;
const TIMED_STEPS: usize = 3;

/// Measures this machine for the model of `plan`, of which `num_ranks` ranks share its memory.
///
/// # Errors
/// When threads and cores do not fit each other, the precision is slow here, or libtorch fails.
pub fn measure(plan: &TrainPlan, num_ranks: u32) -> Result<Device, TrainError> {
    let alone = &mut Single::new();
    start_threads(alone, &plan.config)?;
    let precision = precision::decide(alone, &plan.config, &[Processor::read()])?;
    let rate = product_rate(precision.compute(), TorchDevice::Cpu)?;
    let model = RobertaConfig {
        hidden_size: WIDTH,
        num_attention_heads: NUM_HEADS,
        intermediate_size: 4 * WIDTH,
        ..plan.config.model.config.clone()
    };
    let length = plan.config.data.sequence_length;
    let shape = ((POSITIONS / length).max(1), length);
    let mut trainee = Trainee::new(TorchDevice::Cpu, &model, precision, shape)?;
    for _ in 0..WARM_UP_STEPS {
        trainee.step()?;
    }
    let timed = (0..TIMED_STEPS).map(|_| trainee.step());
    let records = timed.collect::<Result<Vec<_>, _>>()?;
    let fastest = records.iter().min_by_key(|record| passes(record));
    Ok(Device {
        name: CPU,
        memory_bytes: memory::available_bytes(TorchDevice::Cpu, num_ranks as usize)? as f64,
        peak_flops_per_second: rate,
        reached_flops_per_second: rate,
        source: "measured on this machine",
        rates: Cow::Owned(vec![(
            rate,
            "measured on this machine: one rank, a model 256 wide",
        )]),
        beside_products: fastest.map_or(BesideProducts::IN_THE_RATE, |record| {
            beside_products(&model, record, rate)
        }),
        cpu_precision: Some(precision),
    })
}

fn passes(record: &StepRecord) -> Duration {
    record.times.forward + record.times.backward
}

/// What the step of `record` took beside products at `flops_per_second`.
fn beside_products(model: &RobertaConfig, record: &StepRecord, flops_per_second: f64) -> BesideProducts {
    let products = record.model_flops as f64 / flops_per_second;
    let elements = record.tokens as f64 * (model.num_hidden_layers * model.hidden_size) as f64;
    BesideProducts {
        seconds_per_element: (passes(record).as_secs_f64() - products).max(0.0) / elements,
        seconds_per_parameter: record.times.optimizer.as_secs_f64() / num_parameters(model) as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::tests::tiny,
        estimate::{
            network::{HOST, Network},
            step_time::{Step, StepTime},
        },
        plan::Facts,
    };

    fn plan() -> TrainPlan {
        let facts = Facts {
            world_size: 1,
            ..Facts::default()
        };
        TrainPlan::new(tiny(&[]), &facts).unwrap()
    }

    #[test]
    fn the_measured_constants_give_back_the_step_that_they_come_from() {
        let plan = plan();
        let device = measure(&plan, 1).unwrap();
        let precision = device.cpu_precision.unwrap();
        let model = RobertaConfig {
            hidden_size: WIDTH,
            num_attention_heads: NUM_HEADS,
            intermediate_size: 4 * WIDTH,
            ..plan.config.model.config.clone()
        };
        let mut trainee = Trainee::new(TorchDevice::Cpu, &model, precision, (4, 16)).unwrap();
        let record = trainee.step().unwrap();
        let rate = device.rates[0].0;
        let beside = beside_products(&model, &record, rate);
        let step = Step {
            model: &model,
            length: 16,
            flops_per_sequence: record.model_flops as f64 / 4.0,
            batch: 4,
            micro_batch: 4,
            wire_bytes: 4.0,
        };
        let network = Network::find(HOST).unwrap();
        let time = StepTime::new(&step, network, 1, (rate, &beside));
        // The last of the four sequences is a quarter shorter, and the elements are those of all.
        let elements = record.tokens as f64 / 64.0;
        let products = record.model_flops as f64 / rate;
        let passes = products + (time.compute_seconds - products) * elements;
        assert!((passes - super::passes(&record).as_secs_f64()).abs() < 1e-9);
        let optimizer = record.times.optimizer.as_secs_f64();
        assert!((time.optimizer_seconds - optimizer).abs() < 1e-9);
    }

    #[test]
    fn ranks_of_a_machine_share_its_memory() {
        let memory = |num_ranks| measure(&plan(), num_ranks).unwrap().memory_bytes;
        assert!(memory(4) < memory(1) / 2.0);
    }
}
