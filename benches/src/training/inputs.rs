//! What the training contestants read, and one run of each.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::Value;

use super::beside::BusyProcess;
use super::contestant::{COUNTED_STEPS, Measured, ModelSize, Precision, Trainer};
use crate::contest::{last_line, succeed};
use crate::inputs::{filings, make_corpus, remove};
use crate::measure::counted_steps;

/// The second one still takes memory, where its sequences are longer together.
pub(super) const WARM_UP_STEPS: u64 = 2;
const SEQUENCE_LENGTH: usize = 512;
/// Largest difference of the two losses of the first micro-batch, relative.
const LOSS_TOLERANCE: f64 = 1e-5;

/// The last line that a peer prints.
#[derive(Deserialize)]
struct PeerLine {
    #[serde(default)]
    rate: f64,
    #[serde(default)]
    peak_bytes: f64,
}

/// Programs and folders.
#[derive(Debug)]
pub(crate) struct TrainingInputs {
    folder: PathBuf,
    bin: PathBuf,
    python: PathBuf,
    threads: String,
}

impl TrainingInputs {
    /// Builds the corpus, if it is not there yet.
    pub(super) fn prepare(folder: &Path, bin: &Path, python: &Path) -> Result<Self> {
        let inputs = Self {
            folder: folder.to_owned(),
            bin: bin.to_owned(),
            python: python.to_owned(),
            threads: std::thread::available_parallelism()?.to_string(),
        };
        if !folder.join("corpus").exists() {
            remove(folder)?;
            std::fs::create_dir_all(folder)?;
            let (filings, _) = filings(bin, folder)?;
            make_corpus(bin, &filings, folder)?;
        }
        Ok(inputs)
    }

    /// Initial weights as a Hugging Face folder, the micro-batches, and the proof that both sides
    /// have the same loss on the first one.
    pub(super) fn prepare_model(&self, size: ModelSize) -> Result<()> {
        let folder = self.of(size);
        if folder.join("agreed.json").exists() {
            return Ok(());
        }
        remove(&folder)?;
        std::fs::create_dir_all(&folder)?;
        durable::commit_bytes(
            &durable::DISK,
            &folder.join("config.toml"),
            self.config(size).as_bytes(),
        )?;
        // The first step of a warm-up has the learning rate 0: what it leaves are the initial weights.
        let run = folder.join("initial-run");
        succeed(
            self.train(size, &run, Precision::F32, false)
                .args(["--set", "training.max_steps=1"]),
        )?;
        let mut export = self.pretrain("export");
        export
            .arg("--run")
            .arg(&run)
            .arg("--tokenizer")
            .arg(self.folder.join("tokenizer"));
        succeed(export.arg("--out").arg(folder.join("initial")))?;
        let steps = (1..=WARM_UP_STEPS + COUNTED_STEPS)
            .map(|step| self.replay(size, step))
            .collect::<Result<Vec<Value>>>()?;
        durable::commit_bytes(
            &durable::DISK,
            &folder.join("batches.json"),
            &serde_json::to_vec(&steps)?,
        )?;
        let ours = first_loss(&run.join("metrics.jsonl"))?;
        let theirs = self.peer(size, "loss.py", Precision::F32)?.rate;
        ensure!(
            (ours - theirs).abs() <= LOSS_TOLERANCE * theirs.abs(),
            "the loss of the first micro-batch is {ours} here and {theirs} in transformers"
        );
        remove(&run)?;
        let agreed = serde_json::json!({ "ours": ours, "transformers": theirs });
        durable::commit_bytes(
            &durable::DISK,
            &folder.join("agreed.json"),
            agreed.to_string().as_bytes(),
        )?;
        Ok(())
    }

    /// Both losses of the first micro-batch, as text.
    pub(super) fn losses(&self, size: ModelSize) -> Result<String> {
        let text = std::fs::read_to_string(self.of(size).join("agreed.json"))?;
        let losses: Value = serde_json::from_str(&text)?;
        Ok(format!("{} and {}", losses["ours"], losses["transformers"]))
    }

    /// Real tokens of the steps that are timed.
    pub(super) fn counted_tokens(&self, size: ModelSize) -> Result<f64> {
        let steps: Vec<Value> = serde_json::from_slice(&std::fs::read(self.of(size).join("batches.json"))?)?;
        let rows = steps
            .iter()
            .skip(usize::try_from(WARM_UP_STEPS)?)
            .filter_map(|step| step["sequences"].as_array())
            .flatten();
        let lengths = rows.filter_map(|row| row["input_ids"].as_array().map(Vec::len));
        Ok(lengths.sum::<usize>() as f64)
    }

    /// One run.
    pub(super) fn measure(&self, contestant: Trainer) -> Result<Measured> {
        match contestant {
            Trainer::Ours {
                size,
                precision,
                dropout,
            } => self.ours(size, precision, dropout),
            Trainer::Peer {
                size,
                script,
                precision,
            } => self.peer(size, script, precision),
            Trainer::RankPerCore { size, precision } => self.rank_per_core(size, precision),
            Trainer::Beside {
                sharer,
                size,
                precision,
            } => {
                let _busy = BusyProcess::start()?;
                self.measure(sharer.alone(size, precision))
            }
            Trainer::Products { precision } => self.products(precision),
            Trainer::Loader => self.loading("loader-rate"),
            Trainer::DataWait => self.loading("data-wait"),
            Trainer::Collator => self.collator(),
        }
    }

    fn ours(&self, size: ModelSize, precision: Precision, dropout: bool) -> Result<Measured> {
        let run = self.of(size).join("timed-run");
        remove(&run)?;
        let train = self.train(size, &run, precision, dropout);
        let mut command = Command::new(&self.python);
        command
            .arg("benches/peers/usage.py")
            .arg(train.get_program())
            .args(train.get_args());
        let PeerLine { peak_bytes, .. } = last_line(&mut command)?;
        let steps = counted_steps(&run.join("metrics.jsonl"), usize::try_from(WARM_UP_STEPS)?)?;
        let rate = steps.tokens_per_second;
        remove(&run)?;
        Ok(Measured { rate, peak_bytes })
    }

    /// Micro-batches are cut so that every rank has one.
    fn rank_per_core(&self, size: ModelSize, precision: Precision) -> Result<Measured> {
        let run = self.of(size).join("timed-run");
        remove(&run)?;
        let train = self.train(size, &run, precision, true);
        let num_ranks: usize = self.threads.parse()?;
        let (_, _, sequences) = size.numbers();
        let micro_batch = (sequences / num_ranks).max(1);
        let mut command = Command::new("scripts/mpirun.sh");
        command
            .arg(&self.threads)
            .arg(train.get_program())
            .args(train.get_args());
        command.args(["--set", "parallel.threads=1", "--set"]);
        succeed(command.arg(format!("training.micro_batch_size={micro_batch}")))?;
        let steps = counted_steps(&run.join("metrics.jsonl"), usize::try_from(WARM_UP_STEPS)?)?;
        remove(&run)?;
        Ok(Measured {
            rate: steps.tokens_per_second,
            peak_bytes: 0.0,
        })
    }

    fn peer(&self, size: ModelSize, script: &str, precision: Precision) -> Result<Measured> {
        let mut command = Command::new(&self.python);
        command.arg(Path::new("benches/peers").join(script));
        command
            .arg(self.of(size).join("initial"))
            .arg(self.of(size).join("batches.json"));
        command.args([&self.threads, precision.key(), &WARM_UP_STEPS.to_string()]);
        let PeerLine { rate, peak_bytes } = last_line(command.env("HF_HUB_OFFLINE", "1"))?;
        Ok(Measured { rate, peak_bytes })
    }

    fn products(&self, precision: Precision) -> Result<Measured> {
        let tokens = self.counted_tokens(ModelSize::Base)? / COUNTED_STEPS as f64;
        let masked = (0.15 * tokens).ceil();
        let numbers = [tokens, masked, SEQUENCE_LENGTH as f64].map(|number| format!("{number:.0}"));
        let mut command = Command::new(&self.python);
        command
            .arg("benches/peers/products.py")
            .args(numbers)
            .args([&self.threads, precision.key()]);
        let PeerLine { rate, peak_bytes } = last_line(&mut command)?;
        Ok(Measured { rate, peak_bytes })
    }

    /// A subcommand of this program on the corpus.
    fn loading(&self, subcommand: &str) -> Result<Measured> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(subcommand);
        command
            .arg(self.folder.join("corpus"))
            .arg(self.folder.join("tokenizer"));
        let PeerLine { rate, peak_bytes } = last_line(&mut command)?;
        Ok(Measured { rate, peak_bytes })
    }

    fn collator(&self) -> Result<Measured> {
        let mut command = Command::new(&self.python);
        command
            .arg("benches/peers/collate.py")
            .arg(self.folder.join("tokenizer"));
        command.arg(self.folder.join("corpus/shard-00000-of-00004.bin"));
        let PeerLine { rate, peak_bytes } = last_line(command.env("HF_HUB_OFFLINE", "1"))?;
        Ok(Measured { rate, peak_bytes })
    }

    /// Of models, micro-batches and times: others for another number of steps.
    pub(super) fn runs_folder(&self) -> PathBuf {
        let num_steps = WARM_UP_STEPS + COUNTED_STEPS;
        self.folder.join(format!("{num_steps}-steps"))
    }

    fn of(&self, size: ModelSize) -> PathBuf {
        self.runs_folder().join(format!("{size:?}").to_lowercase())
    }

    fn pretrain(&self, subcommand: &str) -> Command {
        let mut command = Command::new(self.bin.join("tenk-pretrain"));
        command.arg(subcommand);
        command
    }

    fn train(&self, size: ModelSize, run: &Path, precision: Precision, dropout: bool) -> Command {
        let mut command = self.pretrain("train");
        command.arg("--config").arg(self.of(size).join("config.toml"));
        let probability = if dropout { 0.1 } else { 0.0 };
        for setting in [
            format!("run.dir='{}'", run.display()),
            format!("training.precision='{}'", precision.key()),
            format!("model.hidden_dropout_prob={probability:?}"),
            format!("model.attention_probs_dropout_prob={probability:?}"),
        ] {
            command.arg("--set").arg(setting);
        }
        command
    }

    fn replay(&self, size: ModelSize, step: u64) -> Result<Value> {
        let mut command = self.pretrain("replay");
        command.arg("--config").arg(self.of(size).join("config.toml"));
        let output = succeed(command.args(["--json", "--step", &step.to_string()]))?;
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    fn config(&self, size: ModelSize) -> String {
        let (width, layers, sequences) = size.numbers();
        format!(
            "[run]\ndir = 'unused'\nseed = 1\n[data]\ncorpus = '{}'\nsequence_length = {SEQUENCE_LENGTH}\n\
             [model]\nvocab_size = 50265\nhidden_size = {width}\nnum_hidden_layers = {layers}\n\
             num_attention_heads = {}\nintermediate_size = {}\nmax_position_embeddings = {}\n\
             [optimizer]\nlearning_rate = 1e-4\n[schedule]\nwarmup_steps = 1\n\
             [training]\nmax_steps = {}\nglobal_batch_size = {sequences}\nmicro_batch_size = {sequences}\n\
             precision = 'f32'\n[checkpoint]\nevery_steps = 1000\n[logging]\nevery_steps = 1\n",
            self.folder.join("corpus").display(),
            width / 64,
            4 * width,
            SEQUENCE_LENGTH + 2,
            WARM_UP_STEPS + COUNTED_STEPS,
        )
    }
}

fn first_loss(metrics: &Path) -> Result<f64> {
    let text = std::fs::read_to_string(metrics)?;
    let lines = text
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut losses = lines.filter_map(|line| line["loss"].as_f64());
    losses
        .next()
        .with_context(|| format!("{} has no step", metrics.display()))
}
