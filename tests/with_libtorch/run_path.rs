//! The programs find libtorch by RUNPATH, so another libtorch first on the library path wins.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tests::{program, run, run_ok};

const LIMIT: Duration = Duration::from_mins(1);

fn runpath(name: &str) -> Result<PathBuf> {
    let dynamic = run_ok(Command::new("readelf").arg("-d").arg(program(name)?), LIMIT)?;
    ensure!(!dynamic.contains("(RPATH)"), "{name} has an RPATH");
    let line = dynamic
        .lines()
        .find(|line| line.contains("(RUNPATH)"))
        .context("no RUNPATH")?;
    let path = line
        .split_once('[')
        .and_then(|(_, rest)| rest.split_once(']'))
        .context("no path in RUNPATH")?
        .0;
    Ok(PathBuf::from(path))
}

#[test]
fn programs_find_libtorch_by_runpath_without_a_library_path() -> Result<()> {
    for name in ["tenk-pretrain", "tenk-embed"] {
        ensure!(
            runpath(name)?.join("libtorch_cpu.so").is_file(),
            "{name}: RUNPATH has no libtorch_cpu.so"
        );
        run_ok(
            Command::new(program(name)?)
                .arg("--version")
                .env_remove("LD_LIBRARY_PATH"),
            LIMIT,
        )?;
    }
    Ok(())
}

/// As `scripts/gpu_check.sh` makes it.
#[test]
fn the_program_without_its_symbols_is_small_enough_to_carry_to_a_gpu() -> Result<()> {
    const LARGEST_BYTES: u64 = 40 << 20;
    let script = std::fs::read_to_string(tests::repository().join("scripts/gpu_check.sh"))?;
    ensure!(
        script.contains("LARGEST_BYTES=$((40 << 20))"),
        "the script has another limit"
    );
    let folder = tempfile::tempdir()?;
    let stripped = folder.path().join("tenk-pretrain");
    let mut strip = Command::new("strip");
    run_ok(
        strip.arg("-o").arg(&stripped).arg(program("tenk-pretrain")?),
        LIMIT,
    )?;
    let bytes = stripped.metadata()?.len();
    ensure!(bytes <= LARGEST_BYTES, "{bytes} bytes");
    run_ok(Command::new(&stripped).arg("--version"), LIMIT)?;
    Ok(())
}

#[test]
fn a_second_libtorch_first_on_the_library_path_is_the_one_that_is_loaded() -> Result<()> {
    let name = "tenk-embed";
    let second = tempfile::tempdir()?;
    for entry in std::fs::read_dir(runpath(name)?)? {
        let entry = entry?;
        std::os::unix::fs::symlink(entry.path(), second.path().join(entry.file_name()))?;
    }
    let mut command = Command::new(program(name)?);
    command
        .arg("--version")
        .env("LD_LIBRARY_PATH", second.path())
        .env("LD_DEBUG", "libs");
    let output = run(&mut command, LIMIT)?;
    ensure!(output.status.success());
    let loaded = String::from_utf8_lossy(&output.stderr).into_owned();
    let wanted = format!("calling init: {}/libtorch_cpu.so", second.path().display());
    ensure!(
        loaded.contains(&wanted),
        "libtorch_cpu.so did not come from the second folder"
    );
    Ok(())
}
