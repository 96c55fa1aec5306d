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
        (1, Signal::HUP, "SIGHUP, at rank 1"),
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
fn sigterm_or_a_hangup_at_mpirun_stops_every_rank_with_a_checkpoint() -> Result<()> {
    demo()?;
    let _machine = whole_machine();
    for signal in [Signal::TERM, Signal::HUP] {
        let running = Running::start(&["training.global_batch_size=12", "training.micro_batch_size=4"])?;
        kill_process(running.mpirun()?, signal)?;
        assert_stopped(&running.end()?, "SIGTERM")?;
    }
    Ok(())
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

/// Settings with which a step outlasts a test.
const LONG_STEP: [&str; 2] = ["training.global_batch_size=4800", "evaluation.every_steps=0"];

/// Two signals to each of `ranks` end all ranks at once, and the run is stopped, not failed.
fn end_at_once(settings: &[&str], ranks: &[u32], signals: [Signal; 2]) -> Result<Ended> {
    let running = Running::start(settings)?;
    let pids: Vec<Pid> = ranks
        .iter()
        .map(|&rank| running.rank(rank))
        .collect::<Result<_>>()?;
    for signal in signals {
        for &pid in &pids {
            // One that a launcher has ended by then is what is wanted.
            let _ = kill_process(pid, signal);
        }
    }
    let ended = running.end()?;
    let exit = &ended.last_exit;
    ensure!(
        exit["status"] == "stopped" && exit["code"] == 75,
        "{ranks:?}: {exit}\n{}",
        ended.stderr
    );
    ensure!(!ended.stderr.contains(" is gone"), "{ranks:?}: {}", ended.stderr);
    ensure!(
        ended.took < Duration::from_secs(20),
        "{ranks:?}: {:?}",
        ended.took
    );
    Ok(ended)
}

#[test]
fn a_second_signal_to_any_one_rank_ends_all_of_them_as_stopped() -> Result<()> {
    demo()?;
    let _machine = whole_machine();
    for (rank, signals) in [
        (0, [Signal::TERM, Signal::INT]),
        (1, [Signal::USR1, Signal::TERM]),
        (2, [Signal::HUP, Signal::USR1]),
    ] {
        let ended = end_at_once(&LONG_STEP, &[rank], signals)?;
        let exit = &ended.last_exit;
        ensure!(
            exit["rank"] == rank
                && exit["step"].is_null()
                && exit["reason"]
                    .as_str()
                    .is_some_and(|reason| reason.contains("already stopping")),
            "{exit}"
        );
        ensure!(ended.code == Some(75), "{:?}\n{}", ended.code, ended.stderr);
    }
    Ok(())
}

#[test]
fn two_signals_to_all_ranks_at_once_end_them_as_stopped() -> Result<()> {
    demo()?;
    let _machine = whole_machine();
    let ended = end_at_once(&LONG_STEP, &[0, 1, 2], [Signal::USR1, Signal::TERM])?;
    ensure!(ended.last_exit["step"].is_null(), "{}", ended.last_exit);
    Ok(())
}

/// A checkpoint a step: the second signal comes before, while or after one is written.
#[test]
fn a_second_signal_beside_a_checkpoint_that_is_written_is_no_failure() -> Result<()> {
    demo()?;
    let _machine = whole_machine();
    for rank in [0, 1, 2] {
        end_at_once(
            &["checkpoint.every_steps=1"],
            &[rank],
            [Signal::USR1, Signal::TERM],
        )?;
    }
    Ok(())
}

#[test]
fn a_run_under_nohup_goes_on_after_a_hangup() -> Result<()> {
    demo()?;
    let _machine = whole_machine();
    let folder = tempfile::tempdir()?;
    let run_folder = folder.path().join("run");
    let mut nohup = Command::new("nohup");
    nohup.arg(program("tenk-pretrain")?);
    let endless = ["training.max_steps=100000", "evaluation.every_steps=0"];
    let mut child = start(&mut train(nohup, &run_folder, &endless)?)?;
    let ended = hang_up_and_terminate(&mut child, &run_folder);
    kill_group(child.id());
    let output = child.wait_with_output()?;
    ended?;
    ensure!(output.status.code() == Some(75), "{}", message(&output)?);
    let exit = last_exit(&run_folder)?;
    ensure!(
        exit["reason"]
            .as_str()
            .is_some_and(|reason| reason.contains("SIGTERM")),
        "{exit}"
    );
    Ok(())
}

fn hang_up_and_terminate(child: &mut Child, run_folder: &Path) -> Result<()> {
    let metrics = || std::fs::read_to_string(run_folder.join("metrics.jsonl")).unwrap_or_default();
    wait_until("a step is logged", LIMIT, || !metrics().is_empty())?;
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let pid = pid.context("a process without a number")?;
    kill_process(pid, Signal::HUP)?;
    kill_process(pid, Signal::HUP)?;
    let steps = metrics().lines().count() + 3;
    wait_until("it goes on", LIMIT, || metrics().lines().count() > steps)?;
    kill_process(pid, Signal::TERM)?;
    wait_until("the process ends", LIMIT, || {
        child.try_wait().is_ok_and(|status| status.is_some())
    })
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
