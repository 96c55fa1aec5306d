//! What the runs of the group read, and one run.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value};

use super::contestant::{COUNTED_STEPS, Setting, TrainRun, WARM_UP_STEPS};
use super::hosts::Hosts;
use super::watching;
use crate::contest::{last_line, succeed};
use crate::inputs::{filings, make_corpus, remove};
use crate::measure::counted_steps;
use crate::mpirun::mpirun;

const SEQUENCE_LENGTH: usize = 128;
const GLOBAL_BATCH_SIZE: usize = 32;
/// Half of the batch: with two ranks the pass of the one micro-batch is also the last.
const MICRO_BATCH_SIZE: usize = 16;
/// The matrix that is both the first and the last of the model.
const TIED: &str = "roberta.embeddings.word_embeddings.weight";
/// How often the threads of a run are looked at.
const LOOK: Duration = Duration::from_millis(50);

/// Programs and folders.
#[derive(Debug)]
pub(super) struct CollectiveInputs {
    folder: PathBuf,
    bin: PathBuf,
}

impl CollectiveInputs {
    /// Builds the corpus, if it is not there yet.
    pub(super) fn prepare(folder: &Path, bin: &Path) -> Result<Self> {
        if !folder.join("corpus").exists() {
            remove(folder)?;
            std::fs::create_dir_all(folder)?;
            let (filings, _) = filings(bin, folder)?;
            make_corpus(bin, &filings, folder)?;
        }
        let inputs = Self {
            folder: folder.to_owned(),
            bin: bin.to_owned(),
        };
        durable::commit_bytes(&durable::DISK, &inputs.config_file(), inputs.config().as_bytes())?;
        Ok(inputs)
    }

    /// The program that trains.
    pub(super) fn program(&self) -> PathBuf {
        self.bin.join("tenk-pretrain")
    }

    /// Trains on this machine: so many ranks of so many threads.
    pub(super) fn train_here(
        &self,
        (num_ranks, num_threads): (u32, u32),
        setting: Setting,
    ) -> Result<TrainRun> {
        let mut command = Command::new(mpirun());
        command.arg(num_ranks.to_string());
        let threads = format!("parallel.threads={num_threads}");
        let own = match setting {
            Setting::Default => None,
            Setting::Canonical => Some("parallel.reduction='canonical'"),
            Setting::Checked => Some("parallel.check_every=1"),
            Setting::Padded => Some("data.packing='full-sentences'"),
        };
        let settings: Vec<&str> = [threads.as_str()].into_iter().chain(own).collect();
        self.train(command, &settings)
    }

    /// Trains a model of this width on this machine, by ranks of one thread.
    pub(super) fn train_wide(&self, num_ranks: u32, width: usize) -> Result<TrainRun> {
        let mut command = Command::new(mpirun());
        command.arg(num_ranks.to_string());
        let settings = settings_of(width);
        let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
        self.train(command, &settings)
    }

    /// What `plan --device cpu` says of a step of [`CollectiveInputs::train_wide`].
    pub(super) fn plan(&self, num_ranks: u32, width: usize) -> Result<TrainRun> {
        #[derive(serde::Deserialize)]
        struct Estimate {
            ranges: Vec<Range>,
        }
        #[derive(serde::Deserialize)]
        struct Range {
            hours: f64,
        }
        let mut command = Command::new(self.program());
        command.args(["plan", "--device", "cpu", "--json", "--devices"]);
        command
            .arg(num_ranks.to_string())
            .arg("--config")
            .arg(self.config_file());
        for setting in settings_of(width) {
            command.arg("--set").arg(setting);
        }
        let output = succeed(&mut command)?;
        let Estimate { ranges } = serde_json::from_slice(&output.stdout)?;
        let hours = ranges.first().context("a plan without a rate")?.hours;
        Ok(TrainRun {
            step_seconds: hours * 3600.0 / (WARM_UP_STEPS + COUNTED_STEPS) as f64,
            ..TrainRun::default()
        })
    }

    /// Trains on two hosts, one rank of a thread on each.
    pub(super) fn train_on(&self, hosts: &Hosts, overlap: bool) -> Result<TrainRun> {
        let overlap = format!("parallel.overlap={overlap}");
        self.train(hosts.mpirun(), &["parallel.threads=1", &overlap])
    }

    fn train(&self, mut launcher: Command, settings: &[&str]) -> Result<TrainRun> {
        let run = self.folder.join("timed-run");
        remove(&run)?;
        launcher.arg(self.program()).arg("train");
        launcher.arg("--config").arg(self.config_file());
        let folder = format!("run.dir='{}'", run.display());
        for setting in [folder.as_str()].iter().chain(settings) {
            launcher.arg("--set").arg(setting);
        }
        let liveness_share = watch(&mut launcher, &run.display().to_string())?;
        let steps = counted_steps(&run.join("metrics.jsonl"), usize::try_from(WARM_UP_STEPS)?)?;
        let last = format!(
            "checkpoints/step-{:08}/model.safetensors",
            WARM_UP_STEPS + COUNTED_STEPS
        );
        let (gradient_bytes, tied_bytes) = weight_bytes(&run.join(last))?;
        remove(&run)?;
        Ok(TrainRun {
            tokens_per_second: steps.tokens_per_second,
            step_seconds: steps.seconds,
            communication_seconds: steps.communication_seconds,
            liveness_seconds: liveness_share * steps.seconds,
            gradient_bytes,
            tied_bytes,
        })
    }

    /// Tokens a second at which one thread makes micro-batches, masks and digests.
    pub(super) fn loader_rate(&self) -> Result<f64> {
        #[derive(serde::Deserialize)]
        struct PlannedRate {
            rate: f64,
        }
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("loader-rate");
        command
            .arg(self.folder.join("corpus"))
            .arg(self.folder.join("tokenizer"));
        let PlannedRate { rate } = last_line(&mut command)?;
        Ok(rate)
    }

    fn config_file(&self) -> PathBuf {
        self.folder.join("config.toml")
    }

    fn config(&self) -> String {
        format!(
            "[run]\ndir = 'unused'\nseed = 1\n[data]\ncorpus = '{}'\nsequence_length = {SEQUENCE_LENGTH}\n\
             packing = 'contiguous'\n[model]\nvocab_size = 8192\nhidden_size = 512\nnum_hidden_layers = 8\n\
             num_attention_heads = 8\nintermediate_size = 2048\nmax_position_embeddings = {}\n\
             [optimizer]\nlearning_rate = 1e-4\n[schedule]\nwarmup_steps = 1\n\
             [training]\nmax_steps = {}\nglobal_batch_size = {GLOBAL_BATCH_SIZE}\n\
             micro_batch_size = {MICRO_BATCH_SIZE}\nprecision = 'f32'\n\
             [checkpoint]\nevery_steps = 1000\n[logging]\nevery_steps = 1\n",
            self.folder.join("corpus").display(),
            SEQUENCE_LENGTH + 2,
            WARM_UP_STEPS + COUNTED_STEPS,
        )
    }
}

/// Of a model of two layers and this width, trained by one thread a rank.
fn settings_of(width: usize) -> [String; 5] {
    [
        "parallel.threads=1".to_owned(),
        "model.num_hidden_layers=2".to_owned(),
        format!("model.hidden_size={width}"),
        format!("model.intermediate_size={}", 4 * width),
        format!("model.num_attention_heads={}", width / 64),
    ]
}

/// The configuration in words.
pub(super) fn described() -> String {
    format!(
        "8 layers, 512 wide, vocabulary 8,192, {GLOBAL_BATCH_SIZE} x {SEQUENCE_LENGTH} tokens a step in \
         micro-batches of {MICRO_BATCH_SIZE}, packing `contiguous`, f32, dropout 0.1"
    )
}

/// Runs a launcher, which must succeed; the share of its time in which the thread of rank 0's
/// liveness channel was on a core.
fn watch(launcher: &mut Command, run_folder: &str) -> Result<f64> {
    let begun = Instant::now();
    let mut child = launcher
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("starting {launcher:?}"))?;
    let mut on_core: f64 = 0.0;
    while child.try_wait()?.is_none() {
        on_core = on_core.max(watching::liveness_seconds(run_folder));
        std::thread::sleep(LOOK);
    }
    let output = child.wait_with_output()?;
    ensure!(
        output.status.success(),
        "{launcher:?} failed:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(on_core / begun.elapsed().as_secs_f64())
}

/// Bytes of all weights of a safetensors file, and of the tied matrix.
fn weight_bytes(path: &Path) -> Result<(f64, f64)> {
    let mut file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
    let mut length = [0; 8];
    file.read_exact(&mut length)?;
    let mut header = Vec::new();
    file.take(u64::from_le_bytes(length)).read_to_end(&mut header)?;
    let header: Map<String, Value> = serde_json::from_slice(&header)?;
    let bytes = |tensor: &Value| -> f64 {
        let end = |index: usize| tensor["data_offsets"][index].as_f64().unwrap_or(0.0);
        end(1) - end(0)
    };
    let tied = header
        .get(TIED)
        .with_context(|| format!("{} has no {TIED}", path.display()))?;
    Ok((header.values().map(bytes).sum(), bytes(tied)))
}
