//! A training job over the hosts of a test.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, ensure};
use rustix::process::Pid;
use serde_json::Value;
use tests::run_folder::{last_exit, logged_steps, process_of_rank};
use tests::{kill_group, program, repository, wait_until};

use crate::data::{VOCAB_SIZE, corpus};
use crate::machines::Hosts;

/// Seconds without a sign of life after which a rank counts as lost.
pub(crate) const SILENCE: Duration = Duration::from_secs(2);
/// Within which every rank has ended once one is lost.
pub(crate) const ABORT: Duration = Duration::from_secs(4);

/// `mpirun` of a small model over so many ranks a host.
pub(crate) fn train(hosts: &Hosts, ranks: [u32; 2], run_folder: &Path, settings: &[&str]) -> Result<Command> {
    let mut command = hosts.mpirun(ranks, &program("tenk-pretrain")?);
    command.args(["train", "--config"]);
    command.arg(repository().join("configs/demo.toml"));
    let own = [
        format!("run.dir='{}'", run_folder.display()),
        format!("data.corpus='{}'", corpus()?.display()),
        format!("model.vocab_size={VOCAB_SIZE}"),
        format!("parallel.silence_s={}", SILENCE.as_secs()),
        format!("parallel.abort_s={}", ABORT.as_secs()),
    ];
    let small = [
        "training.global_batch_size=8",
        "training.micro_batch_size=2",
        "training.precision='f32'",
        "schedule.warmup_steps=2",
        "data.sequence_length=64",
        "model.hidden_size=32",
        "model.intermediate_size=64",
        "evaluation.every_steps=0",
        "parallel.threads=1",
    ];
    for setting in own
        .iter()
        .map(String::as_str)
        .chain(small)
        .chain(settings.iter().copied())
    {
        command.args(["--set", setting]);
    }
    Ok(command)
}

/// What a run learned: digest and bits of the loss of each step.
pub(crate) fn learned(run_folder: &Path) -> Result<Vec<(String, u64)>> {
    let steps = logged_steps(run_folder)?.into_iter();
    Ok(steps.map(|step| (step.digest, step.loss.to_bits())).collect())
}

/// A job that has taken its first step and would go on for long.
pub(crate) struct Running<'a> {
    run_folder: &'a Path,
    group: u32,
    /// What it writes to stderr: a file, as processes on a host that is cut off keep a pipe open.
    stderr: PathBuf,
    ended: Receiver<std::io::Result<ExitStatus>>,
}

/// How it ended.
pub(crate) struct Ended {
    pub(crate) stderr: String,
    pub(crate) last_exit: Value,
}

impl<'a> Running<'a> {
    pub(crate) fn start(hosts: &Hosts, ranks: [u32; 2], run_folder: &'a Path) -> Result<Self> {
        let stderr = run_folder.with_extension("stderr");
        let file = fs::File::options().write(true).create_new(true).open(&stderr)?;
        let mut mpirun = train(hosts, ranks, run_folder, &["training.max_steps=1000000"])?
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(file)
            .spawn()
            .context("starting mpirun")?;
        let group = mpirun.id();
        let (sender, ended) = channel();
        thread::spawn(move || sender.send(mpirun.wait()));
        let running = Self {
            run_folder,
            group,
            stderr,
            ended,
        };
        let metrics = run_folder.join("metrics.jsonl");
        wait_until("the run logs a step", Duration::from_mins(1), || {
            metrics.metadata().is_ok_and(|file| file.len() > 0)
        })
        .or_else(|error| {
            let said = running.end(Duration::from_secs(5));
            said.and_then(|ended| Err(error.context(ended.stderr)))
        })?;
        Ok(running)
    }

    pub(crate) fn rank(&self, rank: u32) -> Result<Pid> {
        process_of_rank(self.run_folder, rank)
    }

    /// When `last_exit.json` was written, which has to happen within `limit` from now on.
    pub(crate) fn named_after(&self, begun: Instant, limit: Duration) -> Result<Duration> {
        let file = self.run_folder.join("last_exit.json");
        wait_until("the lost rank is named", limit, || file.exists())?;
        let written = file.metadata()?.modified()?;
        let ago = SystemTime::now().duration_since(written).unwrap_or_default();
        Ok(begun.elapsed().saturating_sub(ago))
    }

    /// What it said, once `mpirun` has ended by itself within `limit` from now on.
    pub(crate) fn end(&self, limit: Duration) -> Result<Ended> {
        let ended = self.ended.recv_timeout(limit);
        if ended.is_err() {
            kill_group(self.group);
        }
        let stderr = String::from_utf8_lossy(&fs::read(&self.stderr)?).into_owned();
        let status = ended.with_context(|| format!("mpirun was still there after {limit:?}: {stderr}"))??;
        ensure!(!status.success() && !stderr.contains("panicked"), "{stderr}");
        Ok(Ended {
            last_exit: last_exit(self.run_folder).with_context(|| stderr.clone())?,
            stderr,
        })
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        // Only where a test has failed it is still there; the processes behind it end with their host.
        if matches!(self.ended.try_recv(), Err(TryRecvError::Empty)) {
            kill_group(self.group);
        }
    }
}
