//! What a person gets wrong at the start of a run ends in one message that says what to do,
//! and leaves nothing behind.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Result, ensure};
use tests::{kill_group, mpirun, program, repository, run, start, wait_until, whole_machine};

use crate::demo::demo;

const LIMIT: Duration = Duration::from_mins(1);

/// Adds `train` with the demo's configuration and corpus.
pub(crate) fn train(mut command: Command, run_folder: &Path, settings: &[&str]) -> Result<Command> {
    command
        .args(["train", "--config"])
        .arg(repository().join("configs/demo.toml"));
    command
        .arg("--set")
        .arg(format!("run.dir='{}'", run_folder.display()));
    command
        .arg("--set")
        .arg(format!("data.corpus='{}'", demo()?.corpus().display()));
    for setting in settings {
        command.arg("--set").arg(setting);
    }
    Ok(command)
}

/// The error output of a run that must fail, without a panic in it.
pub(crate) fn message(output: &Output) -> Result<String> {
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(!output.status.success(), "it succeeded:\n{stderr}");
    ensure!(!stderr.contains("panicked"), "it panicked:\n{stderr}");
    Ok(stderr)
}

#[test]
fn a_misspelled_key_is_refused_with_the_key_that_was_meant() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let run_folder = folder.path().join("run");
    let command = train(
        Command::new(program("tenk-pretrain")?),
        &run_folder,
        &["schedule.warmup_step=5"],
    )?;
    let stderr = message(&run(&mut { command }, LIMIT)?)?;
    ensure!(
        stderr.contains("warmup_step") && stderr.contains("warmup_steps"),
        "{stderr}"
    );
    ensure!(!run_folder.exists(), "a refused run left its folder");
    Ok(())
}

#[test]
fn a_micro_batch_for_which_there_is_no_memory_is_refused_with_one_that_would_fit() -> Result<()> {
    demo()?;
    let _machine = whole_machine();
    let folder = tempfile::tempdir()?;
    let sequences = 1 << 20;
    let settings = ["global", "micro"].map(|kind| format!("training.{kind}_batch_size={sequences}"));
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let train = train(
        Command::new(program("tenk-pretrain")?),
        &folder.path().join("run"),
        &settings,
    );
    let stderr = message(&run(&mut train?, LIMIT)?)?;
    ensure!(
        stderr.contains(&format!("training.micro_batch_size = {sequences}")) && stderr.contains("would fit"),
        "{stderr}"
    );
    Ok(())
}

/// Two ranks, the second with a setting of its own.
fn train_differing(run_folder: &Path, setting: &str) -> Result<String> {
    let pretrain = program("tenk-pretrain")?;
    let mut command = train(mpirun(1, &pretrain), run_folder, &["parallel.timeout_s=30"])?;
    command.args([":", "-n", "1"]).arg(&pretrain);
    let mut command = train(command, run_folder, &["parallel.timeout_s=30", setting])?;
    message(&run(&mut command, LIMIT)?)
}

#[test]
fn a_rank_with_another_configuration_is_named_with_the_field() -> Result<()> {
    demo()?;
    let _machine = whole_machine();
    let folder = tempfile::tempdir()?;
    let run_folder = folder.path().join("run");
    let stderr = train_differing(&run_folder, "evaluation.every_steps=7")?;
    ensure!(
        stderr.contains("rank 1 differs from rank 0")
            && stderr.contains("`config.evaluation.every_steps`: 200 against 7"),
        "{stderr}"
    );
    ensure!(!run_folder.exists(), "a refused run left its folder");
    Ok(())
}

#[test]
fn an_error_that_one_rank_alone_meets_at_the_start_is_said_with_its_rank() -> Result<()> {
    demo()?;
    let _machine = whole_machine();
    let folder = tempfile::tempdir()?;
    let stderr = train_differing(&folder.path().join("run"), "schedule.warmup_step=7")?;
    let said = stderr
        .lines()
        .filter(|line| line.contains("`schedule.warmup_step`"));
    ensure!(said.count() == 1 && stderr.contains("rank 1: "), "{stderr}");
    Ok(())
}

#[test]
fn an_error_that_all_ranks_meet_at_the_start_is_said_once() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut command = train(
        mpirun(2, &program("tenk-pretrain")?),
        &folder.path().join("run"),
        &["schedule.warmup_step=7"],
    )?;
    let stderr = message(&run(&mut command, LIMIT)?)?;
    let said = stderr
        .lines()
        .filter(|line| line.contains("`schedule.warmup_step`"));
    ensure!(said.count() == 1, "{stderr}");
    Ok(())
}

#[test]
fn gradients_by_nccl_without_a_gpu_are_refused_with_the_key_and_the_way_out() -> Result<()> {
    if Path::new("/dev/nvidiactl").exists() {
        test_data::skip("there is a GPU");
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let run_folder = folder.path().join("run");
    let mut command = train(
        mpirun(2, &program("tenk-pretrain")?),
        &run_folder,
        &["parallel.backend='nccl'", "parallel.threads=1"],
    )?;
    let stderr = message(&run(&mut command, LIMIT)?)?;
    for part in ["parallel.backend", "sees no GPU", "LD_LIBRARY_PATH"] {
        ensure!(stderr.contains(part), "{part}: {stderr}");
    }
    ensure!(!run_folder.exists(), "a refused run left its folder");
    Ok(())
}

#[test]
fn more_threads_than_the_binding_allows_are_refused_naming_the_flag() -> Result<()> {
    demo()?;
    let _machine = whole_machine();
    let folder = tempfile::tempdir()?;
    let mut command = Command::new("taskset");
    command.args(["-c", "0"]).arg(program("tenk-pretrain")?);
    let mut command = train(command, &folder.path().join("run"), &["parallel.threads=2"])?;
    let stderr = message(&run(&mut command, LIMIT)?)?;
    ensure!(
        stderr.contains("--bind-to none") && stderr.contains("--map-by"),
        "{stderr}"
    );
    Ok(())
}

#[test]
fn a_second_launch_into_one_run_folder_is_refused_while_the_first_lives() -> Result<()> {
    demo()?;
    let _machine = whole_machine();
    let folder = tempfile::tempdir()?;
    let run_folder = folder.path().join("run");
    let mut first = train(
        mpirun(2, &program("tenk-pretrain")?),
        &run_folder,
        &["training.max_steps=100000"],
    )?;
    let first = start(&mut first)?;
    let metrics = run_folder.join("metrics.jsonl");
    let second = wait_until("the first run logs a step", LIMIT, || {
        metrics.metadata().is_ok_and(|file| file.len() > 0)
    })
    .and_then(|()| {
        let mut second = train(
            Command::new(program("tenk-pretrain")?),
            &run_folder,
            &["training.max_steps=100000"],
        )?;
        run(&mut second, LIMIT)
    });
    kill_group(first.id());
    let _ = first.wait_with_output();
    let stderr = message(&second?)?;
    ensure!(
        stderr.contains("run") && (stderr.contains("lock") || stderr.contains("in use")),
        "{stderr}"
    );
    Ok(())
}

#[test]
fn a_dry_run_writes_nothing() -> Result<()> {
    demo()?;
    let _machine = whole_machine();
    let folder = tempfile::tempdir()?;
    let run_folder = folder.path().join("run");
    let mut command = train(Command::new(program("tenk-pretrain")?), &run_folder, &[])?;
    let output = run(command.arg("--dry-run"), LIMIT)?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    ensure!(!run_folder.exists(), "a dry run left its folder");
    Ok(())
}
