//! The tarball of `make dist` runs from any folder, without a network, and packing it again gives the same
//! bytes. Long: it is packed anew.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tests::{repository, run_ok, tarball, tarball_profile};

use crate::small_corpus;

const LIMIT: Duration = Duration::from_mins(10);

/// Unpacks the tarball into a new folder and returns the one folder inside.
fn unpack(into: &Path) -> Result<PathBuf> {
    fs::create_dir_all(into)?;
    run_ok(
        Command::new("tar")
            .arg("-xzf")
            .arg(tarball()?)
            .arg("-C")
            .arg(into),
        LIMIT,
    )?;
    let mut folders = fs::read_dir(into)?.collect::<Result<Vec<_>, _>>()?;
    let folder = folders.pop().context("an empty tarball")?.path();
    ensure!(folders.is_empty(), "more than one folder in the tarball");
    Ok(folder)
}

/// A program that sees neither a network nor where it was built.
fn offline(program: &Path) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--net", "--"]).arg(program);
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command
}

fn may_leave_the_network() -> bool {
    let tried = Command::new("unshare")
        .args(["--map-root-user", "--net", "true"])
        .output();
    let may = tried.is_ok_and(|output| output.status.success());
    if !may {
        test_data::skip("no network namespace may be made here (unshare --net)");
    }
    may
}

#[test]
#[ignore = "long; make test-long packs the tarball first"]
fn the_tarball_trains_from_a_folder_with_spaces_in_its_name_without_a_network() -> Result<()> {
    if !may_leave_the_network() {
        return Ok(());
    }
    let scratch = tempfile::tempdir()?;
    let root = unpack(&scratch.path().join("a folder with spaces"))?;
    run_ok(
        Command::new("sha256sum")
            .args(["--quiet", "--check", "SHA256SUMS"])
            .current_dir(&root),
        LIMIT,
    )?;

    for program in [
        "bin/tenk-corpus",
        "bin/tenk-embed",
        "bin/tenk-pretrain",
        "bin/mpi/tenk-pretrain",
    ] {
        let path = root.join(program);
        let version = run_ok(offline(&path).arg("--version"), LIMIT)?;
        ensure!(version.starts_with("tenk-"), "{program} said {version}");
        let libraries = run_ok(
            Command::new("ldd").arg(&path).env_remove("LD_LIBRARY_PATH"),
            LIMIT,
        )?;
        for line in libraries
            .lines()
            .filter(|line| line.contains("torch") || line.contains("not found"))
        {
            ensure!(line.contains(&*root.to_string_lossy()), "{program}: {line}");
        }
    }

    small_corpus::build(scratch.path(), || offline(&root.join("bin/tenk-corpus")))?;
    let mut command = offline(&root.join("bin/tenk-pretrain"));
    command
        .current_dir(scratch.path())
        .arg("train")
        .arg("--config")
        .arg(root.join("configs/debug-cpu.toml"));
    for setting in [
        "data.corpus=corpus",
        "run.dir=run",
        "training.max_steps=3",
        "schedule.warmup_steps=1",
    ] {
        command.args(["--set", setting]);
    }
    command.args([
        "--set",
        "training.global_batch_size=4",
        "--set",
        "evaluation.every_steps=0",
    ]);
    run_ok(&mut command, LIMIT)?;
    ensure!(
        scratch
            .path()
            .join("run/checkpoints/step-00000003/MANIFEST.json")
            .is_file()
    );
    Ok(())
}

#[test]
#[ignore = "long; make test-long packs the tarball first"]
fn the_tarball_has_a_license_for_everything_and_no_path_of_the_machine_that_packed_it() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let root = unpack(scratch.path())?;
    for name in [
        "LICENSE",
        "README.md",
        "VERSION",
        "docs/clusters.md",
        "launch/mpirun.sh",
        "configs/demo.toml",
        "members/sp500.csv",
    ] {
        ensure!(root.join(name).is_file(), "{name} is missing");
    }
    let licences = root.join("licences");
    for name in [
        "crates/README",
        "libgomp",
        "libtorch/torch/LICENSE",
        "rust-library.html",
    ] {
        ensure!(licences.join(name).is_file(), "{name} is missing");
    }
    for library in ["nvidia_cuda_runtime", "nvidia_cuda_cupti"] {
        ensure!(
            fs::read_dir(licences.join("libtorch").join(library))?.count() > 0,
            "{library}"
        );
    }
    let dynamic = Command::new("readelf")
        .arg("-d")
        .arg(root.join("bin/tenk-embed"))
        .output()?;
    let dynamic = String::from_utf8_lossy(&dynamic.stdout).into_owned();
    ensure!(dynamic.contains("[$ORIGIN/../lib]"), "{dynamic}");
    Ok(())
}

#[test]
#[ignore = "long; make test-long packs the tarball first"]
fn packing_again_gives_the_same_bytes() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    // By somebody whose files are nobody else's business, on the other side of the world.
    let mut command = Command::new("sh");
    command
        .args(["-c", "umask 077; exec \"$0\" \"$@\""])
        .arg(repository().join("scripts/dist.sh"))
        .args(["--profile", &tarball_profile(), "--out"])
        .arg(scratch.path())
        .env("TZ", "Asia/Tokyo");
    let said = run_ok(&mut command, Duration::from_hours(1))?;
    let again = said.lines().last().context("dist.sh printed no path")?;
    run_ok(Command::new("cmp").arg(tarball()?).arg(again), LIMIT)?;
    Ok(())
}
