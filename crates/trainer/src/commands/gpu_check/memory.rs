//! The most memory of a GPU that training took, beside what `plan` says.

use std::{borrow::Cow, path::Path};

use model::{Precision, RobertaConfig};
use tch::Device;

use crate::{
    config::RunConfig,
    error::TrainError,
    estimate::{
        device::{BesideProducts, Device as Planned},
        memory::Memory,
    },
    run::{
        plan::{TrainPlan, facts::Facts},
        synthetic::BatchShape,
    },
};

/// What `plan` needs to know; model, lengths and micro-batch are replaced by those that were timed.
const RUN: &str = r#"
[run]
dir = "gpu-check"
seed = 1
[data]
corpus = "gpu-check"
sequence_length = 512
[model]
vocab_size = 50265
hidden_size = 768
num_hidden_layers = 12
num_attention_heads = 12
intermediate_size = 3072
max_position_embeddings = 514
[optimizer]
learning_rate = 1e-4
[schedule]
warmup_steps = 0
[training]
max_steps = 1
global_batch_size = 1
micro_batch_size = 1
"#;

/// Whether `plan` says enough, and both numbers. Where there is no GPU there is nothing beside the plan's.
pub(super) fn beside_plan(
    device: Device,
    config: &RobertaConfig,
    precision: Precision,
    shape: BatchShape,
) -> Result<(bool, String), TrainError> {
    let planned = planned_bytes(config, precision, shape)?;
    let Device::Cuda(index) = device else {
        return Ok((true, format!("plan: {:.1} GB on a GPU", planned / 1e9)));
    };
    let peak = torch_native::gpu_peak_memory(index)?;
    let gigabytes = |bytes: usize| bytes as f64 / 1e9;
    let text = format!(
        "{:.1} GB of tensors at most, {:.1} GB taken from the GPU, plan: {:.1} GB",
        gigabytes(peak.tensors_bytes),
        gigabytes(peak.taken_bytes),
        planned / 1e9
    );
    Ok((peak.tensors_bytes as f64 <= planned, text))
}

fn planned_bytes(
    model: &RobertaConfig,
    precision: Precision,
    BatchShape { sequences, length }: BatchShape,
) -> Result<f64, TrainError> {
    let mut config: RunConfig = config_file::load_str(RUN, Path::new("gpu-check"), &[])?;
    config.model.config = model.clone();
    config.data.sequence_length = length;
    config.training.micro_batch_size = sequences as u64;
    config.training.global_batch_size = sequences as u64;
    let facts = Facts {
        world_size: 1,
        ..Facts::default()
    };
    let plan = TrainPlan::new(config, &facts)?;
    let device = Planned {
        name: "gpu-check",
        memory_bytes: f64::MAX,
        precision,
        rates: Cow::Borrowed(&[]),
        beside_products: BesideProducts::IN_THE_RATE,
    };
    Ok(Memory::new(&plan, &device).total_bytes(sequences as u64))
}
