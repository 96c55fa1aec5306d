//! The README's demo, end to end with two ranks, and that what it trains has learned.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use tests::{program, repository, run_ok, whole_machine};

use crate::run_folder::{logged_steps, metrics};

/// What one run of the demo on the sample wrote and printed; shared by all tests that need a
/// corpus, a run or an exported folder.
#[derive(Debug)]
pub(crate) struct Demo {
    folder: PathBuf,
    printed: String,
}

impl Demo {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub(crate) fn corpus(&self) -> PathBuf {
        self.path("corpus")
    }

    pub(crate) fn run(&self) -> PathBuf {
        self.path("run")
    }

    pub(crate) fn export(&self) -> PathBuf {
        self.path("export")
    }

    /// Held-out text, a block a line.
    pub(crate) fn held_out_text(&self) -> PathBuf {
        self.path("queries/held-out.txt")
    }
}

/// Runs the demo once a test process.
pub(crate) fn demo() -> Result<&'static Demo> {
    static DEMO: OnceLock<Result<Demo, String>> = OnceLock::new();
    DEMO.get_or_init(|| run_demo().map_err(|error| format!("{error:#}")))
        .as_ref()
        .map_err(|error| anyhow!("the demo failed: {error}"))
}

fn run_demo() -> Result<Demo> {
    let _machine = whole_machine();
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("demo");
    let pretrain = program("tenk-pretrain")?;
    let mut command = Command::new(repository().join("scripts/demo.sh"));
    command
        .arg("--bin")
        .arg(pretrain.parent().context("the folder of the programs")?)
        .arg("--out")
        .arg(&folder);
    let printed = run_ok(&mut command, Duration::from_mins(10))?;
    Ok(Demo { folder, printed })
}

#[test]
fn the_demo_runs_end_to_end_with_two_ranks() -> Result<()> {
    let demo = demo()?;
    for name in [
        "docs/manifest.json",
        "tokenizer/tokenizer.json",
        "corpus/manifest.json",
        "run/config.toml",
        "run/environment.json",
        "run/last_exit.json",
        "export/model.safetensors",
        "export/1_Pooling/config.json",
    ] {
        ensure!(demo.path(name).is_file(), "the demo left no {name}");
    }
    let steps = logged_steps(&demo.run())?;
    let last = steps.last().context("no step was logged")?;
    ensure!(
        last.local_sequences.len() == 2,
        "not two ranks: {:?}",
        last.local_sequences
    );
    ensure!(
        demo.printed.contains("fill-mask") && demo.printed.contains("nearest"),
        "the demo printed:\n{}",
        demo.printed
    );
    Ok(())
}

/// The last evaluation of a run over all held-out text: (loss, unigram cross-entropy).
fn last_evaluation(run: &std::path::Path) -> Result<(f64, f64)> {
    let lines = metrics(run)?;
    let line = lines
        .iter()
        .rev()
        .find(|line| line.get("eval").is_some())
        .context("no evaluation was logged")?;
    let number = |key: &str| {
        line["eval"][key]
            .as_f64()
            .with_context(|| format!("no {key} in {line}"))
    };
    Ok((number("loss")?, number("unigram_loss")?))
}

#[test]
fn the_model_learns_from_context_beyond_word_frequencies() -> Result<()> {
    let demo = demo()?;
    let (loss, unigram) = last_evaluation(&demo.run())?;
    let (control, _) = last_evaluation(&demo.path("control"))?;
    println!("held-out: {loss:.3} nats; unigram {unigram:.3}; attention permuted {control:.3}");
    ensure!(
        loss <= unigram - 0.3,
        "only {:.3} nats below the unigram cross-entropy {unigram:.3}",
        unigram - loss
    );
    ensure!(
        loss <= control - 0.2,
        "only {:.3} nats below the twin with permuted attention ({control:.3})",
        control - loss
    );
    Ok(())
}
