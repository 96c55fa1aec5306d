//! `supply`: what others wrote and tenk is built of.
//!
//! Every package has a license that `deny.toml` allows and comes, with its checksum, from a registry
//! that it names; the lock files fit their manifests and every call of cargo holds to them; base
//! images are named by their digest; and the packages that `docs/security.md` lists as unmaintained
//! are still the ones in use.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use regex::Regex;
use serde::Deserialize;
use spdx::{Expression, ParseMode};

use crate::metadata::{Metadata, Package};
use crate::outcome::Outcome;
use crate::sources::read;

/// The part of cargo-deny's configuration that is held here too.
#[derive(Debug, Deserialize)]
struct Policy {
    licenses: Licenses,
    sources: Sources,
}

#[derive(Debug, Deserialize)]
struct Licenses {
    allow: Vec<String>,
    exceptions: Vec<Exception>,
}

#[derive(Debug, Deserialize)]
struct Exception {
    #[serde(rename = "crate")]
    name: String,
    allow: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Sources {
    allow_registry: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct LockFile {
    package: Vec<Locked>,
}

#[derive(Debug, Deserialize)]
struct Locked {
    name: String,
    version: String,
    source: Option<String>,
    checksum: Option<String>,
}

/// Folders of the workspace and of the fuzz targets, which are a workspace of their own.
const WORKSPACES: [&str; 2] = ["", "fuzz"];
/// Where commands for a shell stand.
const SCRIPTS: [&str; 4] = ["Makefile", ".ci/run", "scripts", "launch"];
/// Cargo's commands that would resolve dependencies anew without `--locked`.
const RESOLVES: &str =
    r"\bcargo (bench|build|check|clippy|doc|install|metadata|mutants|run|rustc|test|tree)\b";
/// The page with the table of unmaintained packages.
const PAGE: &str = "docs/security.md";

/// Holds the repository to it.
pub(crate) fn check(root: &Path) -> Result<Outcome> {
    let policy: Policy = toml::from_str(&read(&root.join("deny.toml"))?).context("deny.toml")?;
    let mut packages = Vec::new();
    let mut locked = Vec::new();
    for workspace in WORKSPACES {
        let folder = root.join(workspace);
        packages.extend(Metadata::of(&folder)?.packages);
        let file = folder.join("Cargo.lock");
        let lock: LockFile = toml::from_str(&read(&file)?).with_context(|| file.display().to_string())?;
        locked.extend(lock.package);
    }
    let mut findings = licenses(&packages, &policy.licenses)?;
    findings.extend(sources(&locked, &policy.sources.allow_registry));
    let mut scripts = Vec::new();
    for place in SCRIPTS {
        files_of(&root.join(place), &mut scripts)?;
    }
    for path in &scripts {
        let shown = path.strip_prefix(root).unwrap_or(path).display().to_string();
        let text = String::from_utf8_lossy(
            &std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?,
        )
        .into_owned();
        findings.extend(
            unlocked(&text)?
                .into_iter()
                .chain(unpinned(&text)?)
                .map(|(line, what)| format!("{shown}:{line}: {what}")),
        );
    }
    findings.extend(not_in_use(&read(&root.join(PAGE))?, &locked)?);
    Ok(Outcome {
        looked_at: format!("{} packages, {} scripts", locked.len(), scripts.len()),
        findings,
    })
}

fn licenses(packages: &[Package], policy: &Licenses) -> Result<Vec<String>> {
    let exceptions: BTreeMap<&str, &[String]> = policy
        .exceptions
        .iter()
        .map(|exception| (&*exception.name, &*exception.allow))
        .collect();
    let mut findings = Vec::new();
    for package in packages.iter().filter(|package| package.source.is_some()) {
        let own = exceptions.get(&*package.name).copied().unwrap_or_default();
        let Some(license) = &package.license else {
            findings.push(format!("{} {} names no license", package.name, package.version));
            continue;
        };
        let expression = Expression::parse_mode(license, ParseMode::LAX)
            .with_context(|| format!("the license of {} {}", package.name, package.version))?;
        let allowed = |requirement: &spdx::LicenseReq| {
            let name = requirement.to_string();
            policy.allow.iter().chain(own).any(|allowed| *allowed == name)
        };
        if !expression.evaluate(allowed) {
            findings.push(format!(
                "{} {} is under {license}, which deny.toml does not allow",
                package.name, package.version
            ));
        }
    }
    Ok(findings)
}

/// Packages that come from elsewhere, or without a checksum.
fn sources(locked: &[Locked], registries: &[String]) -> Vec<String> {
    let from_elsewhere = |package: &&Locked| {
        package.source.as_ref().is_some_and(|source| {
            let registry = source.strip_prefix("registry+");
            !registry.is_some_and(|registry| registries.iter().any(|allowed| allowed == registry))
                || package.checksum.is_none()
        })
    };
    locked
        .iter()
        .filter(from_elsewhere)
        .map(|package| {
            format!(
                "{} {} comes from {}, which deny.toml does not allow, or has no checksum",
                package.name,
                package.version,
                package.source.as_deref().unwrap_or_default()
            )
        })
        .collect()
}

/// Files at `path` or below it.
fn files_of(path: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    if path.is_file() {
        found.push(path.to_path_buf());
        return Ok(());
    }
    let cannot_list = || format!("cannot list {}", path.display());
    let mut entries = std::fs::read_dir(path)
        .with_context(cannot_list)?
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<Vec<_>>>()
        .with_context(cannot_list)?;
    entries.sort();
    entries.iter().try_for_each(|entry| files_of(entry, found))
}

/// Lines that call cargo without `--locked`; a continued line counts as one.
fn unlocked(text: &str) -> Result<Vec<(usize, String)>> {
    let resolves = Regex::new(RESOLVES)?;
    let mut findings = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        let mut whole = line.to_owned();
        while whole.ends_with('\\') {
            whole.pop();
            whole += lines.next().map_or("", |(_, next)| next);
        }
        let is_comment = whole.trim_start().starts_with('#');
        if !is_comment && resolves.is_match(&whole) && !whole.contains("--locked") {
            findings.push((index + 1, "cargo is called without --locked".to_owned()));
        }
    }
    Ok(findings)
}

/// Base images that are named by a tag alone, which may mean another image tomorrow.
fn unpinned(text: &str) -> Result<Vec<(usize, String)>> {
    let base = Regex::new(r"^(?:FROM|From:)\s+(\S+)")?;
    let digest = Regex::new("@sha256:[0-9a-f]{64}$")?;
    let images = text
        .lines()
        .enumerate()
        .filter_map(|(index, line)| Some((index, base.captures(line)?[1].to_owned())));
    Ok(images
        .filter(|(_, image)| !digest.is_match(image))
        .map(|(index, image)| (index + 1, format!("the image {image} has no digest")))
        .collect())
}

/// Rows of the page's table whose package and version no lock file has.
fn not_in_use(page: &str, locked: &[Locked]) -> Result<Vec<String>> {
    let row = Regex::new(r"(?m)^\| `([a-z0-9_-]+) ([0-9.]+)`")?;
    let listed: Vec<(String, String)> = row
        .captures_iter(page)
        .map(|row| (row[1].to_owned(), row[2].to_owned()))
        .collect();
    if listed.is_empty() {
        return Ok(vec![format!("{PAGE} has no table of unmaintained packages")]);
    }
    let is_locked = |name: &str, version: &str| {
        let core = |locked: &Locked| locked.version.split('+').next() == Some(version);
        locked.iter().any(|package| package.name == name && core(package))
    };
    Ok(listed
        .iter()
        .filter(|(name, version)| !is_locked(name, version))
        .map(|(name, version)| format!("{PAGE} lists {name} {version}, which no lock file has"))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, license: Option<&str>) -> Package {
        Package {
            id: name.to_owned(),
            name: name.to_owned(),
            version: "1.0.0".to_owned(),
            source: Some("registry".to_owned()),
            license: license.map(str::to_owned),
            repository: None,
            manifest_path: PathBuf::new(),
        }
    }

    #[test]
    fn a_license_is_allowed_for_all_or_for_one_package() {
        let policy = Licenses {
            allow: vec!["MIT".to_owned()],
            exceptions: vec![Exception {
                name: "b".to_owned(),
                allow: vec!["MPL-2.0".to_owned()],
            }],
        };
        let packages = [
            package("a", Some("MIT/GPL-3.0")),
            package("a", Some("MIT AND GPL-3.0-only")),
            package("b", Some("MPL-2.0")),
            package("c", Some("MPL-2.0")),
            package("d", None),
        ];
        let findings = licenses(&packages, &policy).unwrap();
        assert_eq!(findings.len(), 3, "{findings:?}");
        assert!(
            findings[0].contains("a 1.0.0 is under MIT AND GPL"),
            "{findings:?}"
        );
        assert!(findings[1].contains("c 1.0.0 is under MPL-2.0"), "{findings:?}");
        assert!(findings[2].contains("d 1.0.0 names no license"), "{findings:?}");
    }

    #[test]
    fn a_package_comes_from_an_allowed_registry_with_its_checksum() {
        let locked = |source: Option<&str>, checksum: Option<&str>| Locked {
            name: "a".to_owned(),
            version: "1.0.0".to_owned(),
            source: source.map(str::to_owned),
            checksum: checksum.map(str::to_owned),
        };
        let registries = ["https://registry".to_owned()];
        let good = [
            locked(None, None),
            locked(Some("registry+https://registry"), Some("1")),
        ];
        assert_eq!(sources(&good, &registries), [] as [&str; 0]);
        for bad in [
            locked(Some("registry+https://registry"), None),
            locked(Some("registry+https://other"), Some("1")),
            locked(Some("git+https://registry"), Some("1")),
        ] {
            assert_eq!(sources(&[bad], &registries).len(), 1);
        }
    }

    #[test]
    fn calls_of_cargo_without_the_lock_file_are_found_over_continued_lines() {
        let text =
            "cargo build\ncargo build \\\n --locked\n# cargo test\ncargo fmt\n\tcargo run -p x --locked\n";
        let lines: Vec<usize> = unlocked(text).unwrap().iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [1]);
    }

    #[test]
    fn an_image_needs_a_digest() {
        let pinned = format!(
            "FROM a:1@sha256:{}\nFROM a:1 AS b\n From: c\nFrom: c:2\n",
            "0".repeat(64)
        );
        let lines: Vec<usize> = unpinned(&pinned).unwrap().iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [2, 4]);
    }

    #[test]
    fn a_listed_package_that_is_gone_is_found() {
        let locked = [Locked {
            name: "a".to_owned(),
            version: "1.2.3+4".to_owned(),
            source: None,
            checksum: None,
        }];
        assert_eq!(not_in_use("| `a 1.2.3` | x |", &locked).unwrap(), [] as [&str; 0]);
        assert_eq!(not_in_use("| `a 1.2.4` | x |", &locked).unwrap().len(), 1);
        assert_eq!(not_in_use("no table", &locked).unwrap().len(), 1);
    }
}
