//! `tenk-pretrain plan`: its arguments, and what it prints.

use std::path::{Path, PathBuf};

use clap::{Args, builder::PossibleValuesParser};
use jiff::Timestamp;
use serde::Serialize;
use shards::Manifest;

use crate::{
    affinity,
    config::RunConfig,
    error::TrainError,
    estimate::{
        Asked, Estimate,
        cpu::{self, CPU},
        device::{ACCELERATORS, Accelerator, Device},
        measured::{Remaining, remaining},
        memory::Memory,
        network::{HOST, NETWORKS, Network},
        suggest::{Devices, Suggestion, suggest},
        text, text_of_remaining, text_of_suggestions,
    },
    plan::{Facts, TrainPlan},
};

#[derive(Debug, Args)]
pub(crate) struct PlanArguments {
    /// The run's TOML file.
    #[arg(long, required_unless_present = "from")]
    config: Option<PathBuf>,
    /// Override a key: section.key=value, the value in TOML. May be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// The folder of a run that has begun: the hours that it has left, by the rate that it has measured.
    /// With --device its configuration is planned for that device too.
    #[arg(long, value_name = "RUN", conflicts_with_all = ["config", "overrides"])]
    from: Option<PathBuf>,
    /// The accelerator, or `cpu`: a rank of this machine, which is measured for some seconds. By default
    /// `v100-sxm2-32gb`, with --from none.
    #[arg(long, value_parser = PossibleValuesParser::new(ACCELERATORS.iter().map(|accelerator| accelerator.name).chain([CPU])))]
    device: Option<String>,
    /// How many of them; by default 64 accelerators, or one rank of a CPU, or as many as the run of
    /// --from has.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    devices: Option<u32>,
    /// What joins them; by default `host` for CPUs, all ranks on this machine, and else `p3dn`. Over
    /// another network each CPU is a machine of its own.
    #[arg(long, value_parser = PossibleValuesParser::new(NETWORKS.map(|network| network.name)))]
    network: Option<String>,
    /// Price of one device for an hour.
    #[arg(long, value_parser = price)]
    price: Option<f64>,
    /// Tokens of the training shards; by default what the manifest of data.corpus says.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    corpus_tokens: Option<u64>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What is printed, and why the planned run would be refused where it does not fit.
pub(crate) struct Planned {
    pub(crate) text: String,
    pub(crate) refused: Option<TrainError>,
}

/// All that is known, as JSON.
#[derive(Serialize)]
struct Known<'a> {
    #[serde(flatten)]
    estimate: Option<&'a Estimate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    suggestions: Option<&'a [Suggestion]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<&'a Remaining>,
}

/// Plans a run, or what is left of one.
///
/// # Errors
/// Everything that keeps a run from being planned.
pub(crate) fn plan(arguments: &PlanArguments) -> Result<Planned, TrainError> {
    let (config, from) = match (&arguments.from, &arguments.config) {
        (Some(run), _) => {
            let config = config_of(run)?;
            let left = remaining(run, &config, Timestamp::now())?;
            (config, Some(left))
        }
        (None, config) => {
            let path = config.as_deref().unwrap_or(Path::new(""));
            (RunConfig::load(path, &arguments.overrides)?, None)
        }
    };
    let mut text = String::new();
    if let (Some(left), false) = (&from, arguments.json) {
        text = text_of_remaining(left, arguments.price);
    }
    if from.is_some() && arguments.device.is_none() {
        if arguments.json {
            text = json_of(&Known {
                estimate: None,
                suggestions: None,
                from: from.as_ref(),
            });
        }
        return Ok(Planned { text, refused: None });
    }
    let mut planned = for_device(arguments, config, from.as_ref())?;
    planned.text.insert_str(0, &text);
    Ok(planned)
}

/// The configuration of a run that has begun.
fn config_of(run: &Path) -> Result<RunConfig, TrainError> {
    let path = run.join("config.toml");
    if !path.exists() {
        return Err(TrainError::NoRun { run: run.to_owned() });
    }
    Ok(RunConfig::load(&path, &[])?)
}

/// The estimate also where it is that the run does not fit.
fn for_device(
    arguments: &PlanArguments,
    config: RunConfig,
    from: Option<&Remaining>,
) -> Result<Planned, TrainError> {
    // A corpus that is not there yet leaves the passes unknown, which the estimate says.
    let manifest = Manifest::read(&config.data.corpus).ok();
    let in_corpus = manifest.map(|manifest| manifest.sources.values().map(|source| source.tokens).sum());
    let name = arguments.device.as_deref().unwrap_or(ACCELERATORS[0].name);
    let is_cpu = name == CPU;
    let of_run = from.and_then(|left| u32::try_from(left.world_size).ok());
    let usual = of_run.unwrap_or(if is_cpu { 1 } else { 64 });
    let num_devices = arguments.devices.unwrap_or(usual);
    let facts = Facts {
        world_size: num_devices,
        ..Facts::default()
    };
    let plan = TrainPlan::new(config, &facts)?;
    let network = network_of(arguments, name)?;
    let accelerator = Accelerator::find(name);
    let sharing_ranks = if network.is_one_host() { num_devices } else { 1 };
    let device = match accelerator {
        Some(accelerator) => accelerator.device(&plan.config)?,
        None => cpu::measure(&plan, sharing_ranks)?,
    };
    let asked = Asked {
        device: &device,
        num_devices: u64::from(num_devices),
        network: &network,
        price_per_device_hour: arguments.price,
        corpus_tokens: arguments.corpus_tokens.or(in_corpus),
    };
    let estimate = Estimate::new(&plan, &asked);
    let devices = Altered {
        plan: &plan,
        asked: &asked,
        accelerator,
    };
    let suggestions = suggest(&plan, &asked, &devices);
    let text = if arguments.json {
        json_of(&Known {
            estimate: Some(&estimate),
            suggestions: Some(&suggestions),
            from,
        })
    } else {
        format!(
            "{}{}",
            text(&estimate, &plan, &asked),
            text_of_suggestions(&suggestions)
        )
    };
    let refused = (!estimate.fits(&plan)).then(|| refusal(&plan, &device, &estimate));
    Ok(Planned { text, refused })
}

fn refusal(plan: &TrainPlan, device: &Device, estimate: &Estimate) -> TrainError {
    let mut checkpointed = plan.clone();
    checkpointed.config.model.checkpoint_activations = true;
    let micro_batch_size = plan.config.training.micro_batch_size;
    TrainError::PlanDoesNotFit {
        device: device.name,
        micro_batch_size,
        fits: estimate.largest_that_divides(plan),
        fits_checkpointed: Memory::new(&checkpointed, device).largest_micro_batch(device.memory_bytes)
            >= micro_batch_size,
    }
}

fn json_of(known: &Known<'_>) -> String {
    format!("{:#}", serde_json::to_value(known).unwrap_or_default())
}

/// The devices of runs that differ from the planned one in a switch: a CPU is measured again where the
/// switch changes what it computes or how many ranks share it.
struct Altered<'a> {
    plan: &'a TrainPlan,
    asked: &'a Asked<'a>,
    accelerator: Option<&'static Accelerator>,
}

impl Devices for Altered<'_> {
    fn device(&self, plan: &TrainPlan, num_devices: u64) -> Option<(Device, bool)> {
        if let Some(accelerator) = self.accelerator {
            return Some((accelerator.device(&plan.config).ok()?, false));
        }
        let own = &self.plan.config;
        let is_same = num_devices == self.asked.num_devices
            && plan.config.model.checkpoint_activations == own.model.checkpoint_activations
            && plan.config.training.precision == own.training.precision;
        if is_same {
            return Some((self.asked.device.clone(), false));
        }
        let ranks = u32::try_from(num_devices).ok()?;
        let sharing = if self.asked.network.is_one_host() {
            ranks
        } else {
            1
        };
        if sharing as usize > affinity::machine_cores() {
            return None;
        }
        let device = cpu::measure_undisturbed(plan, sharing).ok().flatten()?;
        Some((device, true))
    }
}

/// A price that people could pay.
fn price(text: &str) -> Result<f64, String> {
    let price = text
        .parse()
        .ok()
        .filter(|price: &f64| price.is_finite() && *price >= 0.0);
    price.ok_or_else(|| "write a number that is not negative, as 3.06".to_owned())
}

fn network_of(arguments: &PlanArguments, device: &str) -> Result<Network, TrainError> {
    let is_cpu = device == CPU;
    let named = arguments.network.as_deref().or(is_cpu.then_some(HOST));
    let network = named.and_then(Network::find).unwrap_or(&NETWORKS[0]);
    if network.is_one_host() && !is_cpu {
        return Err(TrainError::NetworkOfCpus {
            device: device.to_owned(),
        });
    }
    Ok(if is_cpu && !network.is_one_host() {
        network.of_single_devices()
    } else {
        *network
    })
}
