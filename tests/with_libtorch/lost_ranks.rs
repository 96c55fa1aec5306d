//! A rank that is lost in mid-run is named by its rank, host, process and place, and every
//! other process of the run ends, under a real `mpirun`.

use std::fs;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tests::{kill_group, mpirun, program, start, wait_until, whole_machine};

use crate::bad_input::{message, train};
use crate::demo::demo;

const LIMIT: Duration = Duration::from_mins(1);
const WORLD_SIZE: u32 = 3;

/// A run of three ranks that has taken its first step.
struct Running {
    mpirun: Child,
    folder: tempfile::TempDir,
}

impl Running {
    fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let run_folder = folder.path().join("run");
        let mut command = train(
            mpirun(WORLD_SIZE, &program("tenk-pretrain")?),
            &run_folder,
            &[
                "training.max_steps=100000",
                "training.global_batch_size=48",
                "evaluation.every_steps=0",
                "parallel.threads=1",
                "parallel.silence_s=2",
            ],
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
    fn rank(&self, rank: u32) -> Result<Pid> {
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

    /// The error output, once every process has ended by itself.
    fn end(self) -> Result<(String, serde_json::Value, Duration)> {
        let begun = Instant::now();
        let group = self.mpirun.id();
        let (sender, receiver) = std::sync::mpsc::channel();
        let mpirun = self.mpirun;
        std::thread::spawn(move || sender.send(mpirun.wait_with_output()));
        let Ok(output) = receiver.recv_timeout(LIMIT) else {
            kill_group(group);
            anyhow::bail!("mpirun did not end by itself");
        };
        let took = begun.elapsed();
        let last_exit = last_exit(&self.folder.path().join("run"))?;
        Ok((message(&output?)?, last_exit, took))
    }
}

fn last_exit(run_folder: &Path) -> Result<serde_json::Value> {
    Ok(serde_json::from_slice(&fs::read(
        run_folder.join("last_exit.json"),
    )?)?)
}

/// Sends `signal` to a rank of a running job; its processes end within the time limit, and
/// one line has all of `words`.
fn lose(rank: u32, signal: Signal, words: &[&str], within: Duration) -> Result<()> {
    demo()?;
    let _machine = whole_machine();
    let running = Running::start()?;
    let pid = running.rank(rank)?;
    kill_process(pid, signal)?;
    let (stderr, last_exit, took) = running.end()?;
    let named = format!("rank {rank} (host ");
    let process = format!("pid {})", pid.as_raw_nonzero());
    let said: Vec<&str> = stderr
        .lines()
        .filter(|line| line.contains(&named) && line.contains(&process))
        .collect();
    ensure!(
        said.len() == 1 && words.iter().all(|word| said[0].contains(word)),
        "{stderr}"
    );
    ensure!(took < within, "the ranks took {took:?} to end");
    ensure!(
        last_exit["status"] == "failed"
            && last_exit["reason"]
                .as_str()
                .is_some_and(|reason| reason.contains(&named)),
        "{last_exit}"
    );
    Ok(())
}

#[test]
fn a_killed_rank_is_named_and_the_others_end() -> Result<()> {
    lose(1, Signal::KILL, &["is gone", "in step "], Duration::from_secs(15))
}

#[test]
fn a_killed_rank_0_is_named_by_rank_1() -> Result<()> {
    lose(0, Signal::KILL, &["is gone", "in step "], Duration::from_secs(15))
}

#[test]
fn a_stopped_rank_is_named_as_stopped_with_the_call_it_is_in() -> Result<()> {
    lose(
        2,
        Signal::STOP,
        &["is stopped", "in step ", "in or after "],
        Duration::from_secs(20),
    )
}
