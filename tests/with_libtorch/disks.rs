//! Training into a disk that fills up and into one that is read-only: one message that says
//! what to do, and the checkpoints that are there stay loadable.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;
use tests::{mpirun, program, run, run_ok, whole_machine};

use crate::bad_input::{message, train};
use crate::demo::demo;

const LIMIT: Duration = Duration::from_mins(2);

/// A checkpoint of this model has 3.3 MB.
const SMALL: [&str; 9] = [
    "training.max_steps=6",
    "schedule.warmup_steps=2",
    "checkpoint.every_steps=2",
    "checkpoint.keep_last=9",
    "evaluation.every_steps=0",
    "training.precision='f32'",
    "model.hidden_size=32",
    "model.intermediate_size=64",
    "parallel.threads=1",
];

/// A small file system, where this machine lets the test mount one.
struct Disk {
    at: PathBuf,
    _folder: TempDir,
}

impl Disk {
    fn mount(options: &str) -> Result<Option<Self>> {
        let folder = tempfile::tempdir()?;
        let at = folder.path().join("disk");
        std::fs::create_dir(&at)?;
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(&at);
        if mount.output().is_ok_and(|output| output.status.success()) {
            return Ok(Some(Self { at, _folder: folder }));
        }
        test_data::skip("this user may not mount a tmpfs");
        Ok(None)
    }

    fn remount(&self, options: &str) -> Result<()> {
        let mut mount = Command::new("mount");
        mount.args(["-o", &format!("remount,{options}")]).arg(&self.at);
        run_ok(&mut mount, LIMIT).map(drop)
    }

    fn run_folder(&self) -> PathBuf {
        self.at.join("run")
    }

    /// The step of the newest whole checkpoint, as `eval` finds and loads it.
    fn loadable_step(&self) -> Result<u64> {
        let mut command = Command::new(program("tenk-pretrain")?);
        command
            .args(["eval", "--json", "--max-sequences", "2", "--run"])
            .arg(self.run_folder());
        let printed: Value = serde_json::from_str(&run_ok(&mut command, LIMIT)?)?;
        printed["step"].as_u64().context("a step")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.at).status();
    }
}

#[test]
fn a_disk_that_fills_up_ends_training_in_one_message_and_the_last_checkpoint_loads() -> Result<()> {
    demo()?;
    let _machine = whole_machine();
    let Some(disk) = Disk::mount("size=8m")? else {
        return Ok(());
    };
    let folder = disk.run_folder();
    let launch = || train(mpirun(2, &program("tenk-pretrain")?), &folder, &SMALL);
    let stderr = message(&run(&mut launch()?, LIMIT)?)?;
    ensure!(
        stderr.matches("the disk is full").count() == 1 && stderr.contains("free space"),
        "{stderr}"
    );
    ensure!(stderr.contains("step-00000006"), "{stderr}");
    let names: Vec<_> = std::fs::read_dir(folder.join("checkpoints"))?
        .map(|entry| Ok(entry?.file_name()))
        .collect::<Result<_>>()?;
    ensure!(names.len() == 2, "something half-written is left: {names:?}");
    ensure!(disk.loadable_step()? == 4);

    disk.remount("size=64m")?;
    run_ok(launch()?.args(["--resume", "auto"]), LIMIT)?;
    ensure!(disk.loadable_step()? == 6);
    Ok(())
}

#[test]
fn a_disk_without_room_for_a_run_folder_is_named() -> Result<()> {
    demo()?;
    let _machine = whole_machine();
    let Some(disk) = Disk::mount("size=4k")? else {
        return Ok(());
    };
    let mut command = train(
        Command::new(program("tenk-pretrain")?),
        &disk.run_folder(),
        &SMALL,
    )?;
    let stderr = message(&run(&mut command, LIMIT)?)?;
    ensure!(
        stderr.matches("the disk is full").count() == 1 && stderr.contains("free space"),
        "{stderr}"
    );
    Ok(())
}

#[test]
fn a_read_only_run_folder_is_named_and_its_checkpoint_still_loads() -> Result<()> {
    demo()?;
    let _machine = whole_machine();
    let Some(disk) = Disk::mount("size=64m")? else {
        return Ok(());
    };
    let launch = || {
        train(
            Command::new(program("tenk-pretrain")?),
            &disk.run_folder(),
            &SMALL,
        )
    };
    run_ok(&mut launch()?, LIMIT)?;
    disk.remount("ro")?;
    let stderr = message(&run(launch()?.args(["--resume", "auto"]), LIMIT)?)?;
    ensure!(
        stderr.contains("read-only") && stderr.contains("choose another folder"),
        "{stderr}"
    );
    ensure!(disk.loadable_step()? == 6);
    Ok(())
}
