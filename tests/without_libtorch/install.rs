//! `launch/install.sh` on a system that has nothing: a Debian made by debootstrap, in which it installs the
//! tarball. Long, and it needs root and a Debian mirror.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tests::{repository, run, run_ok, tarball};

const LIMIT: Duration = Duration::from_mins(10);
const MIRROR: &str = "http://deb.debian.org/debian";
const SUITE: &str = "bookworm";

/// What is missing here, in words.
fn obstacle() -> Option<&'static str> {
    if !rustix::process::geteuid().is_root() {
        return Some("a chroot needs root");
    }
    let has_debootstrap = Command::new("debootstrap").arg("--version").output().is_ok();
    (!has_debootstrap).then_some("debootstrap is not installed (Debian: apt-get install debootstrap)")
}

/// A mounted `/proc`, which is unmounted whatever happens.
struct Proc<'a>(&'a Path);

impl Proc<'_> {
    fn mount(root: &Path) -> Result<Proc<'_>> {
        run_ok(
            Command::new("mount")
                .args(["-t", "proc", "proc"])
                .arg(root.join("proc")),
            LIMIT,
        )?;
        Ok(Proc(root))
    }
}

impl Drop for Proc<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount")
            .arg("--lazy")
            .arg(self.0.join("proc"))
            .status();
    }
}

fn inside(root: &Path, command: &str) -> Result<String> {
    let mut chroot = Command::new("chroot");
    chroot.arg(root).args(["sh", "-c", command]).env_clear();
    chroot
        .env("PATH", "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .env("HOME", "/root");
    run_ok(&mut chroot, LIMIT)
}

#[test]
#[ignore = "long; make test-long packs the tarball first"]
fn a_bare_debian_runs_two_ranks_after_install_sh() -> Result<()> {
    if let Some(obstacle) = obstacle() {
        test_data::skip(obstacle);
        return Ok(());
    }
    let scratch = tempfile::tempdir()?;
    let root = scratch.path().join("debian");
    let mut bootstrap = Command::new("debootstrap");
    bootstrap
        .args(["--variant=minbase", SUITE])
        .arg(&root)
        .arg(MIRROR);
    let output = run(&mut bootstrap, LIMIT)?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        // A mirror that cannot be reached fails before anything is unpacked.
        ensure!(said.contains("Failed getting release file"), "{said}");
        test_data::skip("the Debian mirror cannot be reached");
        return Ok(());
    }
    std::fs::create_dir_all(root.join("given/launch"))?;
    std::fs::copy(
        repository().join("launch/install.sh"),
        root.join("given/launch/install.sh"),
    )?;
    std::fs::copy(tarball()?, root.join("given/tenk.tar.gz"))?;
    std::fs::copy("/etc/resolv.conf", root.join("etc/resolv.conf")).context("copying resolv.conf")?;
    let _proc = Proc::mount(&root)?;

    let versions = inside(&root, "given/launch/install.sh --dist given/tenk.tar.gz")?;
    ensure!(versions.matches("tenk-pretrain ").count() == 2, "{versions}");
    let again = inside(
        &root,
        "given/launch/install.sh --dist given/tenk.tar.gz 2>&1 || echo refused",
    );
    ensure!(
        again?.contains("is there already"),
        "a second installation over the first"
    );

    inside(
        &root,
        "cd /root && tenk-corpus sample --filings 40 --pages 40 --out sample && \
         tenk-corpus ingest --filings sample/filings --wiki sample/wiki --out docs && \
         tenk-corpus tokenizer --docs docs --vocab-size 600 --out tokenizer && \
         tenk-corpus build --docs docs --tokenizer tokenizer --shards 4 --out corpus",
    )?;
    let train = "tenk-pretrain train --config /opt/tenk/configs/debug-cpu.toml --set data.corpus=corpus \
                 --set run.dir=run --set training.max_steps=2 --set schedule.warmup_steps=1 \
                 --set training.global_batch_size=8 --set evaluation.every_steps=0";
    // Both ranks on one core, where there is no second one.
    let hosts =
        "echo localhost > hosts; echo \"127.0.0.1 localhost $(cat /proc/sys/kernel/hostname)\" > /etc/hosts";
    let launch = if std::thread::available_parallelism()?.get() < 2 {
        format!("mpirun --allow-run-as-root --oversubscribe -n 2 {train}")
    } else {
        format!("/opt/tenk/launch/mpirun.sh --hosts hosts --ranks-per-host 2 --cores-per-rank 1 {train}")
    };
    inside(&root, &format!("cd /root && {hosts} && {launch}"))?;
    ensure!(
        root.join("root/run/checkpoints/step-00000002/MANIFEST.json")
            .is_file()
    );
    Ok(())
}
