//! A run that is asked to stop ends all its ranks with a checkpoint and says why, whoever is
//! asked, under a real `mpirun`.

use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tests::{kill_group, program, run, start, wait_until, whole_machine};

use crate::bad_input::{message, train};
use crate::demo::demo;
use crate::run_folder::last_exit;
use crate::running::{Ended, LIMIT, Running};

/// The step of the newest checkpoint.
fn newest_checkpoint(run_folder: &Path) -> Result<u64> {
    let mut steps = Vec::new();
    for entry in std::fs::read_dir(run_folder.join("checkpoints"))? {
        let name = entry?.file_name().into_string().unwrap_or_default();
        steps.extend(
            name.strip_prefix("step-")
                .and_then(|step| step.parse::<u64>().ok()),
        );
    }
    steps.into_iter().max().context("no checkpoint was written")
}

/// A run that was asked has ended with a checkpoint of the step that `last_exit.json` names.
fn assert_stopped(ended: &Ended, reason: &str) -> Result<()> {
    let (exit, run_folder) = (&ended.last_exit, ended.folder.path().join("run"));
    ensure!(
        exit["status"] == "stopped" && exit["code"] == 75,
        "{exit}\n{}",
        ended.stderr
    );
    ensure!(
        exit["reason"].as_str().is_some_and(|said| said.contains(reason)),
        "{exit}"
    );
    ensure!(
        exit["step"].as_u64() == Some(newest_checkpoint(&run_folder)?),
        "{exit}"
    );
    Ok(())
}

#[test]
fn sigusr1_at_mpirun_stops_every_rank_with_a_checkpoint_and_code_75() -> Result<()> {
    demo()?;
    let _machine = whole_machine();
    let running = Running::start(&[])?;
    kill_process(running.mpirun()?, Signal::USR1)?;
    let ended = running.end()?;
    ensure!(ended.code == Some(75), "{:?}\n{}", ended.code, ended.stderr);
    assert_stopped(&ended, "SIGUSR1")
}

#[test]
fn a_signal_at_any_single_rank_stops_every_rank_with_a_checkpoint_and_code_75() -> Result<()> {
    demo()?;
    let _machine = whole_machine();
    for (rank, signal, reason) in [
        (0, Signal::TERM, "SIGTERM, at rank 0"),
        (1, Signal::INT, "SIGINT, at rank 1"),
        (2, Signal::USR1, "SIGUSR1, at rank 2"),
    ] {
        let running = Running::start(&[])?;
        kill_process(running.rank(rank)?, signal)?;
        let ended = running.end()?;
        ensure!(ended.code == Some(75), "{:?}\n{}", ended.code, ended.stderr);
        assert_stopped(&ended, reason)?;
    }
    Ok(())
}

/// Open MPI sends SIGKILL a second after SIGTERM, so the step has to be as short as it is here.
#[test]
fn sigterm_at_mpirun_stops_every_rank_with_a_checkpoint() -> Result<()> {
    demo()?;
    let _machine = whole_machine();
    let running = Running::start(&["training.global_batch_size=12", "training.micro_batch_size=4"])?;
    kill_process(running.mpirun()?, Signal::TERM)?;
    assert_stopped(&running.end()?, "SIGTERM")
}

/// Two different signals: of equal ones that come at once, one is delivered.
fn signal_twice(child: &mut Child, run_folder: &Path) -> Result<()> {
    wait_until("the run folder is described", LIMIT, || {
        run_folder.join("config.toml").is_file()
    })?;
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let pid = pid.context("a process without a number")?;
    kill_process(pid, Signal::USR1)?;
    kill_process(pid, Signal::TERM)?;
    wait_until("the process ends", LIMIT, || {
        child.try_wait().is_ok_and(|status| status.is_some())
    })
}

#[test]
fn a_second_signal_ends_a_rank_at_once_and_says_so() -> Result<()> {
    demo()?;
    let _machine = whole_machine();
    let folder = tempfile::tempdir()?;
    let run_folder = folder.path().join("run");
    // A step that takes longer than this test waits.
    let mut command = train(
        Command::new(program("tenk-pretrain")?),
        &run_folder,
        &["training.global_batch_size=65536", "evaluation.every_steps=0"],
    )?;
    let mut child = start(&mut command)?;
    let ended = signal_twice(&mut child, &run_folder);
    kill_group(child.id());
    let output = child.wait_with_output()?;
    ended?;
    ensure!(output.status.code() == Some(75), "{}", message(&output)?);
    let exit = last_exit(&run_folder)?;
    ensure!(
        exit["status"] == "stopped" && exit["step"].is_null() && exit["code"] == 75,
        "{exit}"
    );
    ensure!(
        exit["reason"]
            .as_str()
            .is_some_and(|reason| reason.contains("already stopping")),
        "{exit}"
    );
    Ok(())
}

#[test]
fn a_job_that_ends_soon_stops_its_run_with_a_checkpoint() -> Result<()> {
    demo()?;
    let _machine = whole_machine();
    let folder = tempfile::tempdir()?;
    let run_folder = folder.path().join("run");
    let mut command = train(
        Command::new(program("tenk-pretrain")?),
        &run_folder,
        &["training.max_steps=100000", "evaluation.every_steps=0"],
    )?;
    // Long over.
    command.env("SLURM_JOB_END_TIME", "1700000000");
    let output = run(&mut command, Duration::from_mins(2))?;
    ensure!(output.status.code() == Some(75), "{}", message(&output)?);
    let exit = last_exit(&run_folder)?;
    ensure!(
        exit["step"] == 1
            && exit["reason"]
                .as_str()
                .is_some_and(|said| said.contains("SLURM_JOB_END_TIME")),
        "{exit}"
    );
    ensure!(newest_checkpoint(&run_folder)? == 1);
    Ok(())
}
