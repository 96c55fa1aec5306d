//! Set-up trusts only a cache that it finished, and says what to do where it cannot go on.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};
use tests::{program, repository, run, run_ok};

/// Runs `scripts/setup.sh` offline on a cache and returns its message; it must fail.
fn refused(part: &str, cache: &Path, libtorch: Option<&str>) -> Result<String> {
    let mut command = Command::new(repository().join("scripts/setup.sh"));
    command
        .arg(part)
        .env("TENK_CACHE", cache)
        .env("TENK_OFFLINE", "1");
    command.env_remove("LIBTORCH").env_remove("LIBTORCH_USE_PYTORCH");
    if let Some(libtorch) = libtorch {
        command.env("LIBTORCH", libtorch);
    }
    let output = run(&mut command, Duration::from_mins(1))?;
    ensure!(
        output.status.code() == Some(1),
        "set-up ended with {}",
        output.status
    );
    Ok(String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn offline_set_up_with_an_empty_cache_names_what_is_missing() -> Result<()> {
    let cache = tempfile::tempdir()?;
    let message = refused("build", cache.path(), None)?;
    ensure!(
        message.contains("TENK_OFFLINE=1") && message.contains("libtorch"),
        "{message}"
    );
    let message = refused("peers", cache.path(), None)?;
    ensure!(message.contains("peers"), "{message}");
    Ok(())
}

#[test]
fn an_interrupted_set_up_leaves_nothing_that_the_next_one_trusts() -> Result<()> {
    let cache = tempfile::tempdir()?;
    let half = cache.path().join("libtorch-2.11.0-cpu/lib");
    std::fs::create_dir_all(&half)?;
    std::fs::copy("/proc/self/exe", half.join("libtorch_cpu.so"))?;
    let message = refused("build", cache.path(), None)?;
    ensure!(message.contains("libtorch is not in"), "{message}");
    Ok(())
}

#[test]
fn a_libtorch_of_the_user_that_is_none_is_refused_by_name() -> Result<()> {
    let cache = tempfile::tempdir()?;
    let message = refused("build", cache.path(), Some("/nowhere/libtorch"))?;
    ensure!(message.contains("LIBTORCH=/nowhere/libtorch"), "{message}");
    Ok(())
}

/// `name==version` lines, names as the index compares them.
fn pins(text: &str) -> std::collections::BTreeMap<String, String> {
    let pin = |line: &str| {
        let (name, version) = line.trim_end_matches('\\').trim().split_once("==")?;
        Some((name.to_lowercase().replace(['_', '.'], "-"), version.to_owned()))
    };
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(pin)
        .collect()
}

#[test]
fn every_package_of_the_peers_has_one_version_and_a_hash() -> Result<()> {
    let folder = repository().join("benches/peers");
    let lock = std::fs::read_to_string(folder.join("requirements.lock"))?;
    let locked = pins(&lock);
    for (name, version) in pins(&std::fs::read_to_string(folder.join("requirements.txt"))?) {
        ensure!(
            locked.get(&name) == Some(&version),
            "{name}=={version} is not in the lock"
        );
    }
    let lines: Vec<&str> = lock.lines().filter(|line| !line.starts_with('#')).collect();
    for (index, line) in lines
        .iter()
        .enumerate()
        .filter(|(_, line)| !line.starts_with(' '))
    {
        let next = lines
            .get(index + 1)
            .is_some_and(|next| next.trim().starts_with("--hash=sha256:"));
        ensure!(line.contains("==") && next, "{line} has no version or no hash");
    }
    ensure!(
        locked.contains_key("zstandard"),
        "datasets opens .jsonl.zst files through zstandard"
    );
    Ok(())
}

/// A CUDA build of libtorch first on `LD_LIBRARY_PATH` loads the GPU's libraries through `libtorch.so`, of which
/// a program uses no symbol: a linker that is left alone drops it, and no GPU is ever found.
#[test]
fn programs_ask_for_libtorch_so_itself() -> Result<()> {
    for name in ["tenk-pretrain", "tenk-embed"] {
        let mut command = Command::new("readelf");
        let listing = run_ok(
            command.arg("--dynamic").arg(program(name)?),
            Duration::from_mins(1),
        )?;
        let needed = listing
            .lines()
            .any(|line| line.contains("(NEEDED)") && line.ends_with("[libtorch.so]"));
        ensure!(needed, "{name} lacks libtorch.so:\n{listing}");
    }
    Ok(())
}
