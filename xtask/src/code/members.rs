//! The packages of the workspace.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::sources::read;

/// A package of the workspace: its name and its folder under the root.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
}

#[derive(Deserialize)]
struct Manifest {
    workspace: Option<WorkspaceSection>,
    package: Option<PackageSection>,
}

#[derive(Deserialize)]
struct WorkspaceSection {
    members: Vec<String>,
}

#[derive(Deserialize)]
struct PackageSection {
    name: String,
}

/// The packages that the root manifest names, sorted by name. `folder/*` stands for each folder in it.
pub(crate) fn members(root: &Path) -> Result<Vec<Member>> {
    let workspace = manifest(root)?.workspace;
    let mut folders = Vec::new();
    for member in workspace
        .context("the root Cargo.toml has no [workspace]")?
        .members
    {
        match member.strip_suffix("/*") {
            Some(folder) => folders.extend(packages_in(root, folder)?),
            None => folders.push(PathBuf::from(member)),
        }
    }
    let mut members = Vec::new();
    for folder in folders {
        if let Some(package) = manifest(&root.join(&folder))?.package {
            let name = package.name;
            members.push(Member { name, folder });
        }
    }
    members.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(members)
}

fn packages_in(root: &Path, folder: &str) -> Result<Vec<PathBuf>> {
    let listed = root.join(folder);
    let cannot_list = || format!("cannot list {}", listed.display());
    let mut found = Vec::new();
    for entry in listed.read_dir().with_context(cannot_list)? {
        let name = entry.with_context(cannot_list)?.file_name();
        if listed.join(&name).join("Cargo.toml").is_file() {
            found.push(Path::new(folder).join(name));
        }
    }
    Ok(found)
}

fn manifest(folder: &Path) -> Result<Manifest> {
    let path = folder.join("Cargo.toml");
    toml::from_str(&read(&path)?).with_context(|| format!("cannot read {}", path.display()))
}
