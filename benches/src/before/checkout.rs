//! An earlier commit, built under `target/before/`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::contest::succeed;

/// Its tree and what cargo writes for it. Both stay, so that the next commit builds what differs.
const FOLDER: &str = "target/before";

/// A commit whose programs are built.
#[derive(Debug)]
pub(super) struct Checkout {
    pub(super) commit: String,
    pub(super) bin: PathBuf,
}

/// Lays out the tree of `revision` and builds its release programs.
///
/// # Errors
/// When git knows no such commit, or it does not build.
pub(super) fn build(revision: &str) -> Result<Checkout> {
    let mut resolve = Command::new("git");
    resolve.args(["rev-parse", "--verify", "--end-of-options"]);
    let resolved =
        succeed(resolve.arg(format!("{revision}^{{commit}}"))).context("BEFORE has to name a commit")?;
    let commit = String::from_utf8(resolved.stdout)?.trim().to_owned();
    let folder = std::path::absolute(FOLDER)?;
    let tree = folder.join("tree");
    if tree.exists() {
        std::fs::remove_dir_all(&tree)?;
    }
    std::fs::create_dir_all(&tree)?;
    lay_out(&commit, &tree)?;
    let target = folder.join("target");
    let mut cargo = Command::new("cargo");
    cargo
        .current_dir(&tree)
        .args(["build", "--release", "--locked", "--bins"]);
    cargo.args([
        "-p",
        "corpus-tools",
        "-p",
        "trainer",
        "-p",
        "embed-cli",
        "-p",
        "benches",
    ]);
    let status = cargo.arg("--target-dir").arg(&target).status();
    let built = status.context("starting cargo")?.success();
    ensure!(built, "{commit} does not build; cargo says above why");
    Ok(Checkout {
        commit,
        bin: target.join("release"),
    })
}

/// `tar -m`: files are as new as this call. Cargo tells what has changed by age, and an older
/// commit's own dates would hide that.
fn lay_out(commit: &str, tree: &Path) -> Result<()> {
    let mut archive = Command::new("git")
        .args(["archive", commit])
        .stdout(Stdio::piped())
        .spawn()
        .context("starting git")?;
    let stdout = archive.stdout.take().context("git archive has no output")?;
    succeed(
        Command::new("tar")
            .args(["-x", "-m", "-C"])
            .arg(tree)
            .stdin(stdout),
    )?;
    ensure!(archive.wait()?.success(), "git archive {commit} failed");
    Ok(())
}
