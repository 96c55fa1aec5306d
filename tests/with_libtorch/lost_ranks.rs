//! A rank that is lost in mid-run is named by its rank, host, process and place, and every
//! other process of the run ends, under a real `mpirun`.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tests::{has_ended, mpirun, program, run, wait_until, whole_machine};

use crate::bad_input::train;
use crate::demo::demo;
use crate::run_folder::{last_exit, logged_steps};
use crate::running::{Ended, LIMIT, Running, WORLD_SIZE};

/// Sends `signal` to a rank of a running job; its processes end within the time limit, and
/// one line has all of `words`.
fn lose(rank: u32, signal: Signal, words: &[&str], within: Duration) -> Result<()> {
    lose_with(&[], rank, signal, words, within)
}

/// As [`lose`], with settings of its own.
fn lose_with(settings: &[&str], rank: u32, signal: Signal, words: &[&str], within: Duration) -> Result<()> {
    demo()?;
    let _machine = whole_machine();
    let running = Running::start(settings)?;
    let pid = running.rank(rank)?;
    kill_process(pid, signal)?;
    let Ended {
        stderr,
        last_exit,
        took,
        ..
    } = running.end()?;
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

#[test]
fn a_rank_that_the_others_wait_for_in_vain_is_named_before_its_silence_is_long_enough() -> Result<()> {
    for rank in [0, 2] {
        lose_with(
            &["parallel.silence_s=3000", "parallel.timeout_s=3"],
            rank,
            Signal::STOP,
            &["is stopped", "in step "],
            Duration::from_secs(20),
        )?;
    }
    Ok(())
}

/// Files in shared memory that a process has mapped.
fn shared_memory(pid: Pid) -> Result<BTreeSet<String>> {
    let maps = std::fs::read_to_string(format!("/proc/{}/maps", pid.as_raw_nonzero()))?;
    let path = |line: &str| Some(line.split_ascii_whitespace().nth(5)?.to_owned());
    let paths = maps.lines().filter_map(path);
    Ok(paths.filter(|path| path.starts_with("/dev/shm/")).collect())
}

#[test]
fn a_killed_mpirun_is_named_its_ranks_end_and_only_then_a_successor_takes_the_run_folder() -> Result<()> {
    demo()?;
    let _machine = whole_machine();
    let running = Running::start(&["checkpoint.every_steps=1"])?;
    let ranks = (0..WORLD_SIZE)
        .map(|rank| running.rank(rank))
        .collect::<Result<Vec<_>>>()?;
    let mapped = shared_memory(ranks[0])?;
    let begun = Instant::now();
    kill_process(running.mpirun()?, Signal::KILL)?;
    let run_folder = running.run_folder();
    // At once, and until the folder is free: the ranks hold it as long as they live.
    let successor = || -> Result<_> {
        let mut command = train(
            mpirun(WORLD_SIZE, &program("tenk-pretrain")?),
            &run_folder,
            &[
                "training.max_steps=100000",
                "training.global_batch_size=48",
                "evaluation.every_steps=0",
                "parallel.threads=1",
                "run.stop_after='1s'",
            ],
        )?;
        command.args(["--resume", "auto"]);
        run(&mut command, LIMIT)
    };
    let mut last = successor()?;
    while last.status.code() != Some(75) && begun.elapsed() < LIMIT {
        let stderr = String::from_utf8_lossy(&last.stderr).into_owned();
        ensure!(stderr.contains("tenk-pretrain train"), "{stderr}");
        last = successor()?;
    }
    ensure!(
        last.status.code() == Some(75),
        "{}",
        String::from_utf8_lossy(&last.stderr)
    );
    wait_until(
        "the ranks without a launcher end",
        Duration::from_secs(10),
        || ranks.iter().all(|&rank| has_ended(rank)),
    )?;
    let log = std::fs::read_to_string(run_folder.join("logs/rank-0.jsonl"))?;
    ensure!(log.contains("the launcher is gone"), "{log}");
    let exit = last_exit(&run_folder)?;
    ensure!(exit["status"] == "stopped", "{exit}");
    let steps: Vec<u64> = logged_steps(&run_folder)?.iter().map(|step| step.step).collect();
    ensure!(
        steps.iter().copied().eq(1..=steps.len() as u64),
        "a step is missing or there twice: {steps:?}"
    );
    let left: Vec<_> = mapped.iter().filter(|path| Path::new(path).exists()).collect();
    ensure!(left.is_empty(), "left in shared memory: {left:?}");
    Ok(())
}
