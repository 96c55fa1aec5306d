//! A run of several ranks under a real `mpirun`, whose processes a test can send signals to.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::Pid;
use tests::{kill_group, mpirun, program, start, wait_until};

use crate::bad_input::{message, train};

pub(crate) const LIMIT: Duration = Duration::from_mins(1);
pub(crate) const WORLD_SIZE: u32 = 3;

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
        let own = [
            "training.max_steps=100000",
            "training.global_batch_size=48",
            "evaluation.every_steps=0",
            "parallel.threads=1",
            "parallel.silence_s=2",
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
        stepped.map(|()| running)
    }

    /// The process of a rank: it has the run folder among its arguments, and its rank in its
    /// environment.
    pub(crate) fn rank(&self, rank: u32) -> Result<Pid> {
        let (folder, variable) = (
            self.folder.path().display().to_string(),
            format!("OMPI_COMM_WORLD_RANK={rank}\0"),
        );
        for entry in fs::read_dir("/proc")? {
            let path = entry?.path();
            let read = |name: &str| {
                String::from_utf8_lossy(&fs::read(path.join(name)).unwrap_or_default()).into_owned()
            };
            if read("cmdline").contains(&folder) && format!("{}\0", read("environ")).contains(&variable) {
                let id = path.file_name().and_then(|name| name.to_str()?.parse().ok());
                return id.and_then(Pid::from_raw).context("a process without a number");
            }
        }
        anyhow::bail!("no process of rank {rank}")
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

pub(crate) fn last_exit(run_folder: &Path) -> Result<serde_json::Value> {
    Ok(serde_json::from_slice(&fs::read(
        run_folder.join("last_exit.json"),
    )?)?)
}
