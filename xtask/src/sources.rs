//! The repository's own files, in sorted order, and what cargo knows about its packages.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::de::DeserializeOwned;

/// All files under `folder` whose name ends in `.EXTENSION`, sorted; build outputs left out.
pub(crate) fn files_under(folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    collect(folder, extension, &mut found)?;
    found.sort();
    Ok(found)
}

fn collect(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) -> Result<()> {
    let cannot_list = || format!("cannot list {}", folder.display());
    for entry in fs::read_dir(folder).with_context(cannot_list)? {
        let entry = entry.with_context(cannot_list)?;
        let path = entry.path();
        if entry.file_type().with_context(cannot_list)?.is_dir() {
            if entry.file_name() != "target" {
                collect(&path, extension, found)?;
            }
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    Ok(())
}

/// A file's text, with its name in the error.
pub(crate) fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// The folder of a workspace member, wherever the workspace keeps it; `None` if it has none.
pub(crate) fn member_folder(root: &Path, name: &str) -> Option<PathBuf> {
    [root.join("crates").join(name), root.join(name)]
        .into_iter()
        .find(|folder| folder.join("Cargo.toml").is_file())
}

/// The answer of `cargo metadata` for Linux on `x86_64`, as far as `T` looks at it.
pub(crate) fn cargo_metadata<T: DeserializeOwned>(root: &Path) -> Result<T> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--filter-platform"])
        .arg("x86_64-unknown-linux-gnu")
        .current_dir(root)
        .output()
        .context("cannot run cargo metadata")?;
    if !output.status.success() {
        bail!(
            "cargo metadata failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    serde_json::from_slice(&output.stdout).context("cannot read the answer of cargo metadata")
}
