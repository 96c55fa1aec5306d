//! The repository's own files, in sorted order.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

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
