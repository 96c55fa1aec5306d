//! A run of several ranks under a real `mpirun`, whose processes a test can send signals to.

use std::path::PathBuf;
use std::process::Child;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::Pid;
use tests::run_folder::{last_exit, process_of_rank};
use tests::{kill_group, mpirun, program, start, wait_until};

use crate::bad_input::{message, train};

pub(crate) const LIMIT: Duration = Duration::from_mins(1);
pub(crate) const WORLD_SIZE: u32 = 3;
/// `parallel.silence_s`
const SILENCE: Duration = Duration::from_secs(2);

/// A run of three ranks that has taken its first step.
pub(crate) struct Running {
    mpirun: Child,
    folder: tempfile::TempDir,
}

/// How a run ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stderr: String,
    pub(crate) last_exit: serde_json::Value,
    pub(crate) took: Duration,
    pub(crate) folder: tempfile::TempDir,
}

impl Running {
    pub(crate) fn start(settings: &[&str]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let run_folder = folder.path().join("run");
        let silence = format!("parallel.silence_s={}", SILENCE.as_secs());
        let own = [
            "training.max_steps=100000",
            "training.global_batch_size=48",
            "evaluation.every_steps=0",
            "parallel.threads=1",
            &silence,
        ];
        let mut command = train(
            mpirun(WORLD_SIZE, &program("tenk-pretrain")?),
            &run_folder,
            &[&own[..], settings].concat(),
        )?;
        let running = Self {
            mpirun: start(&mut command)?,
            folder,
        };
        let metrics = run_folder.join("metrics.jsonl");
        let stepped = wait_until("the run logs a step", LIMIT, || {
            metrics.metadata().is_ok_and(|file| file.len() > 0)
        });
        if stepped.is_err() {
            kill_group(running.mpirun.id());
        }
        stepped?;
        // By then every rank has told that it is in a step.
        std::thread::sleep(SILENCE);
        Ok(running)
    }

    /// The process of a rank.
    pub(crate) fn rank(&self, rank: u32) -> Result<Pid> {
        process_of_rank(&self.run_folder(), rank)
    }

    /// The launcher's process.
    pub(crate) fn mpirun(&self) -> Result<Pid> {
        let id = i32::try_from(self.mpirun.id()).ok().and_then(Pid::from_raw);
        id.context("a process without a number")
    }

    pub(crate) fn run_folder(&self) -> PathBuf {
        self.folder.path().join("run")
    }

    /// How it ended, once every process has by itself.
    pub(crate) fn end(self) -> Result<Ended> {
        let begun = Instant::now();
        let group = self.mpirun.id();
        let (sender, receiver) = std::sync::mpsc::channel();
        let mpirun = self.mpirun;
        std::thread::spawn(move || sender.send(mpirun.wait_with_output()));
        let Ok(output) = receiver.recv_timeout(LIMIT) else {
            kill_group(group);
            anyhow::bail!("mpirun did not end by itself");
        };
        let (took, output) = (begun.elapsed(), output?);
        Ok(Ended {
            code: output.status.code(),
            stderr: message(&output)?,
            last_exit: last_exit(&self.folder.path().join("run"))?,
            took,
            folder: self.folder,
        })
    }
}
