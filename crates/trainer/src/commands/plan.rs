//! `tenk-pretrain plan`: its arguments, and what it prints.

use std::path::{Path, PathBuf};

use clap::{Args, builder::PossibleValuesParser};
use jiff::Timestamp;
use serde::Serialize;
use shards::Manifest;

use crate::{
    commands::output::{fail, print},
    config::RunConfig,
    error::TrainError,
    estimate::{
        Asked, Estimate,
        cpu::{self, CpuMeasurement},
        device::{ACCELERATORS, Accelerator, CPU, Device},
        error::EstimateError,
        measured::{Remaining, remaining},
        memory::Memory,
        network::{HOST, NETWORKS, Network},
        suggest::{Devices, Suggestion, suggest},
        text, text_of_remaining, text_of_suggestions,
    },
    ranks::exit::ExitStatus,
    run::plan::{TrainPlan, facts::Facts, smaller_micro_batch::SmallerMicroBatch},
};

#[derive(Debug, Args)]
pub(crate) struct PlanArguments {
    /// The run's TOML file.
    #[arg(long, required_unless_present = "from")]
    config: Option<PathBuf>,
    /// Override a key: section.key=value, with a TOML value. May be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// The folder of a run that has started. Prints the hours left at the rate that the run has measured.
    /// With --device the same configuration is also planned for that device.
    #[arg(long, value_name = "RUN", conflicts_with_all = ["config", "overrides"])]
    from: Option<PathBuf>,
    /// The accelerator, or `cpu` to measure a rank of this machine for some seconds [default:
    /// v100-sxm2-32gb; none with --from].
    #[arg(long, value_parser = PossibleValuesParser::new(ACCELERATORS.iter().map(|accelerator| accelerator.name).chain([CPU])))]
    device: Option<String>,
    /// Number of devices [default: 64 accelerators, one CPU rank, or with --from as many as that run has].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    devices: Option<u32>,
    /// The network between the devices [default: p3dn; for CPUs `host`, which means all ranks on this
    /// machine]. Over any other network each CPU is a machine of its own.
    #[arg(long, value_parser = PossibleValuesParser::new(NETWORKS.map(|network| network.name)))]
    network: Option<String>,
    /// Price of one device for one hour.
    #[arg(long, value_parser = price)]
    price: Option<f64>,
    /// Tokens of the training shards [default: from the manifest of data.corpus].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    corpus_tokens: Option<u64>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What is printed, and why the planned run would be refused where it does not fit.
struct Planned {
    text: String,
    refused: Option<TrainError>,
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

/// Prints what is planned also where it is that the run does not fit.
pub(crate) fn run(arguments: &PlanArguments) -> ExitStatus {
    match plan(arguments) {
        Ok(planned) => {
            let status = print(planned.text.trim_end());
            planned.refused.map_or(status, |refused| fail(&refused))
        }
        Err(error) => fail(&error),
    }
}

/// Plans a run, or what is left of one.
///
/// # Errors
/// Everything that keeps a run from being planned.
fn plan(arguments: &PlanArguments) -> Result<Planned, TrainError> {
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
        return Err(EstimateError::NoRun { run: run.to_owned() }.into());
    }
    // What lies in a folder under the name of a file is not waited for.
    durable::open_file(&path)
        .map_err(|source| durable::DurableError::new(durable::Operation::Read, &path, source))?;
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
    let machine = match Accelerator::find(name) {
        Some(accelerator) => Machine::Accelerator(accelerator),
        None => Machine::Cpu(cpu::measure(&plan, network.ranks_of_a_host(num_devices))?),
    };
    let device = machine.device(&plan.config)?;
    let asked = Asked {
        device: &device,
        num_devices: u64::from(num_devices),
        network: &network,
        price_per_device_hour: arguments.price,
        corpus_tokens: arguments.corpus_tokens.or(in_corpus),
    };
    let estimate = Estimate::new(&plan, &asked);
    let suggestions = suggest(&plan, &asked, &Altered { machine, network });
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
    EstimateError::PlanDoesNotFit {
        device: device.name,
        micro_batch_size,
        way_out: SmallerMicroBatch {
            fits: estimate.largest_that_divides(plan),
            fits_checkpointed: Memory::new(&checkpointed, device).largest_micro_batch(device.memory_bytes)
                >= micro_batch_size,
        },
    }
    .into()
}

fn json_of(known: &Known<'_>) -> String {
    format!("{:#}", serde_json::to_value(known).unwrap_or_default())
}

/// What the planned run and those that differ from it in a switch would have their devices of. A CPU is
/// measured once for all of them.
enum Machine {
    Accelerator(&'static Accelerator),
    Cpu(CpuMeasurement),
}

impl Machine {
    /// The device of the planned run.
    fn device(&self, config: &RunConfig) -> Result<Device, TrainError> {
        match self {
            Self::Accelerator(accelerator) => accelerator.device(config),
            Self::Cpu(measured) => {
                measured.warn_if_disturbed();
                Ok(measured.device.clone())
            }
        }
    }
}

/// The devices of runs that differ from the planned one in a switch.
struct Altered {
    machine: Machine,
    network: Network,
}

impl Devices for Altered {
    fn device(&self, plan: &TrainPlan, num_devices: u64) -> Option<(Device, bool)> {
        match &self.machine {
            Machine::Accelerator(accelerator) => Some((accelerator.device(&plan.config).ok()?, false)),
            Machine::Cpu(measured) => {
                let num_devices = u32::try_from(num_devices).ok()?;
                measured.of_run(plan, self.network.ranks_of_a_host(num_devices))
            }
        }
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
        return Err(EstimateError::NetworkOfCpus {
            device: device.to_owned(),
        }
        .into());
    }
    Ok(if is_cpu && !network.is_one_host() {
        network.of_single_devices()
    } else {
        *network
    })
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use clap::Parser;
    use serde_json::Value;

    use super::*;
    use crate::config::tests::tiny;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        plan: PlanArguments,
    }

    fn planned(line: &[&str]) -> Result<String, TrainError> {
        let line = ["plan"].iter().chain(line);
        Ok(plan(&Line::try_parse_from(line).unwrap().plan)?.text)
    }

    /// A run folder with a step a second.
    fn run(steps: u64) -> tempfile::TempDir {
        let run = tempfile::tempdir().unwrap();
        let config = config_file::to_toml(&tiny(&["training.max_steps=7300"])).unwrap();
        let mut metrics = String::new();
        for step in 1..=steps {
            let (minute, second) = (step / 60, step % 60);
            let _ = writeln!(
                metrics,
                r#"{{"step":{step},"time":"2026-11-30T00:{minute:02}:{second:02}Z","step_ms":1000.0,"local_sequences":[4,4]}}"#
            );
        }
        for (name, text) in [("config.toml", config), ("metrics.jsonl", metrics)] {
            durable::commit_bytes(&durable::DISK, &run.path().join(name), text.as_bytes()).unwrap();
        }
        run
    }

    #[test]
    fn a_pipe_under_the_name_of_a_file_of_the_run_is_refused_at_once() {
        for name in ["config.toml", "metrics.jsonl"] {
            let folder = run(3);
            durable::testing::lay_pipe(&folder.path().join(name)).unwrap();
            let from = folder.path().to_str().unwrap().to_owned();
            let plan = move || planned(&["--from", &from]);
            let error = durable::testing::within_a_minute(plan).unwrap_err();
            let said = crate::error::chain(&error);
            assert!(said.contains(name) && said.contains("it is a pipe"), "{said}");
        }
    }

    #[test]
    fn what_is_left_of_a_run_is_told_as_text_and_json_and_beside_a_device_with_suggestions() {
        let folder = run(100);
        let from = ["--from", folder.path().to_str().unwrap()];
        let text = planned(&[&from[..], &["--price", "3"]].concat()).unwrap();
        for part in [
            "100 steps are finished, 7200 are left",
            "2.0 (2.0 to 2.0)",
            "12.00 (12.00 to 12.00)",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let json = |more: &[&str]| -> Value {
            serde_json::from_str(&planned(&[&from[..], more, &["--json"]].concat()).unwrap()).unwrap()
        };
        let alone = json(&[]);
        let hours = alone["from"]["hours_left"]["value"].as_f64().unwrap();
        assert!((hours - 2.0).abs() < 1e-9, "{hours}");
        assert_eq!(alone.get("suggestions"), None);
        let beside = json(&["--device", "a100"]);
        assert_eq!(beside["from"]["hours_left"], alone["from"]["hours_left"]);
        assert!(
            beside["suggestions"].is_array() && beside["ranges"].is_array(),
            "{beside}"
        );
    }

    #[test]
    fn a_folder_that_is_none_of_a_run_and_a_run_that_has_just_begun_are_refused_with_the_way_out() {
        let empty = tempfile::tempdir().unwrap();
        let error = planned(&["--from", empty.path().to_str().unwrap()])
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("no config.toml") && error.contains("run.dir"),
            "{error}"
        );
        let error = planned(&["--from", run(49).path().to_str().unwrap()])
            .unwrap_err()
            .to_string();
        assert!(error.contains("measured 49 steps on its 2 ranks"), "{error}");
    }
}
