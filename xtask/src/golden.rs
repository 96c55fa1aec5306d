//! `golden-update`: writes `tests/golden/NAME/` anew by `tests/parity/NAME_fixtures.py`.
//!
//! The scripts run the peers themselves, with the Python environment that
//! `scripts/setup.sh peers` makes. What changes is for the committer to explain.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::outcome::Outcome;
use crate::sources::files_under;

pub(crate) fn update(root: &Path) -> Result<Outcome> {
    let python = peers_python(root)?;
    let mut written = Vec::new();
    for script in files_under(&root.join("tests/parity"), "py")? {
        let stem = script.file_stem().unwrap_or_default().to_string_lossy();
        let Some(name) = stem.strip_suffix("_fixtures") else {
            continue;
        };
        let folder = format!("tests/golden/{name}");
        run(Command::new(&python).arg(&script).arg(&folder).current_dir(root))?;
        written.push(folder);
    }
    if written.is_empty() {
        bail!("tests/parity/ has no *_fixtures.py");
    }
    Ok(Outcome {
        looked_at: format!("wrote {}; look at git diff --stat", written.join(", ")),
        findings: Vec::new(),
    })
}

/// The interpreter of the peers' environment.
fn peers_python(root: &Path) -> Result<String> {
    let output = Command::new(root.join("scripts/setup.sh"))
        .arg("paths")
        .output()
        .context("cannot run scripts/setup.sh")?;
    let paths = String::from_utf8(output.stdout).context("scripts/setup.sh printed no text")?;
    let peers = paths
        .lines()
        .find_map(|line| line.strip_prefix("PEERS="))
        .context("scripts/setup.sh paths printed no PEERS=")?;
    let python = format!("{peers}/bin/python");
    if !Path::new(&python).exists() {
        bail!("there is no {python}; run `make peers` first");
    }
    Ok(python)
}

fn run(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("cannot run {command:?}"))?;
    if !status.success() {
        bail!("{command:?} failed: {status}");
    }
    Ok(())
}
