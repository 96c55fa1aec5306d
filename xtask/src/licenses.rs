//! `licenses`: the license texts of every crate that is linked into the programs.
//!
//! They are taken out of the packages as the registry has them, with those of the C code inside. A
//! package without one has that of another package of the same repository, else the text in
//! `launch/licenses/NAME.txt`; where there is neither, the command fails, and so does `make dist`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::metadata::{Metadata, Node, Package};
use crate::outcome::Outcome;

/// The packages of the programs.
const PROGRAMS: [&str; 3] = ["corpus-tools", "embed-cli", "trainer"];

/// How names of such files begin, in small letters.
const BEGINNINGS: [&str; 6] = [
    "licence",
    "license",
    "copying",
    "copyright",
    "notice",
    "unlicense",
];

/// Source files may be called so too.
const OF_SOURCES: [&str; 6] = ["c", "h", "py", "rs", "sh", "toml"];

/// Texts that packages lack.
const OWN_TEXTS: &str = "launch/licenses";

/// The table of what was copied.
const TABLE: &str = "README";

/// Copies them into the new folder `out`, one folder a package.
pub(crate) fn collect(root: &Path, out: &Path) -> Result<Outcome> {
    let metadata = Metadata::of(root)?;
    let packages = metadata.linked();
    let mut outcome = Outcome {
        looked_at: format!("{} packages, each with its license", packages.len()),
        findings: Vec::new(),
    };
    let mut table = String::from("What is linked into the programs, and under which license:\n\n");
    for package in &packages {
        let texts = texts_of(package, &packages, root)?;
        if texts.is_empty() {
            outcome.findings.push(format!(
                "{} {} has no license text; put it into {OWN_TEXTS}/{}.txt",
                package.name, package.version, package.name
            ));
        }
        let folder = format!("{}-{}", package.name, package.version);
        copy(&texts, &out.join(&folder))?;
        let license = package.license.as_deref().unwrap_or("see its folder");
        writeln!(table, "{folder}: {license}")?;
    }
    write_table(&out.join(TABLE), &table)?;
    Ok(outcome)
}

#[expect(
    clippy::disallowed_methods,
    reason = "into a folder that only counts once scripts/dist.sh has packed it"
)]
fn write_table(path: &Path, table: &str) -> Result<()> {
    fs::write(path, table).with_context(|| format!("cannot write {}", path.display()))
}

/// A license text and its path below the package.
type Text = (PathBuf, PathBuf);

/// Those of the package, else of one from its repository, else our own copy.
fn texts_of(package: &Package, packages: &[&Package], root: &Path) -> Result<Vec<Text>> {
    let own = texts_in(package.folder())?;
    if !own.is_empty() {
        return Ok(own);
    }
    let own_copy = root.join(OWN_TEXTS).join(format!("{}.txt", package.name));
    if own_copy.is_file() {
        return Ok(vec![(own_copy, PathBuf::from("LICENSE.txt"))]);
    }
    let is_sibling = |other: &&&Package| {
        package.repository.is_some() && other.repository == package.repository && other.id != package.id
    };
    for sibling in packages.iter().filter(is_sibling) {
        let texts = texts_in(sibling.folder())?;
        if !texts.is_empty() {
            return Ok(texts);
        }
    }
    Ok(Vec::new())
}

/// All license texts below a folder, sorted.
fn texts_in(folder: &Path) -> Result<Vec<Text>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        let cannot_list = || format!("cannot list {}", next.display());
        for entry in fs::read_dir(&next).with_context(cannot_list)? {
            let entry = entry.with_context(cannot_list)?;
            let path = entry.path();
            if entry.file_type().with_context(cannot_list)?.is_dir() {
                folders.push(path);
            } else if is_license(&path) {
                let below = path.strip_prefix(folder).unwrap_or(&path).to_path_buf();
                found.push((path, below));
            }
        }
    }
    found.sort();
    Ok(found)
}

fn is_license(path: &Path) -> bool {
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .to_lowercase();
    let extension = path.extension().unwrap_or_default().to_string_lossy();
    BEGINNINGS.iter().any(|beginning| name.starts_with(beginning))
        && !OF_SOURCES.contains(&extension.as_ref())
}

fn copy(texts: &[Text], folder: &Path) -> Result<()> {
    for (from, below) in texts {
        let to = folder.join(below);
        let parent = to.parent().unwrap_or(folder);
        let copied = fs::create_dir_all(parent).and_then(|()| fs::copy(from, &to));
        copied.with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    }
    Ok(())
}

impl Package {
    fn folder(&self) -> &Path {
        self.manifest_path.parent().unwrap_or(Path::new("."))
    }
}

impl Metadata {
    /// The packages of others that the programs are built of, build scripts included, because these
    /// write code; sorted by name and version.
    fn linked(&self) -> Vec<&Package> {
        let nodes: BTreeMap<&str, &Node> = self.resolve.nodes.iter().map(|node| (&*node.id, node)).collect();
        let is_program = |package: &&Package| package.source.is_none() && PROGRAMS.contains(&&*package.name);
        let programs = self.packages.iter().filter(is_program);
        let mut waiting: Vec<&str> = programs.map(|package| &*package.id).collect();
        let mut reached = BTreeSet::new();
        while let Some(id) = waiting.pop() {
            if !reached.insert(id) {
                continue;
            }
            let dependencies = nodes.get(id).into_iter().flat_map(|node| &node.deps);
            let linked = dependencies.filter(|dependency| !dependency.is_only_for_tests());
            waiting.extend(linked.map(|dependency| &*dependency.pkg));
        }
        let is_linked = |package: &&Package| package.source.is_some() && reached.contains(&*package.id);
        let mut linked: Vec<&Package> = self.packages.iter().filter(is_linked).collect();
        linked.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
        linked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(root: &Path, name: &str, repository: &str, files: &[&str]) -> Package {
        let folder = root.join("registry").join(name);
        for file in files {
            let path = folder.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            write_table(&path, name).unwrap();
        }
        fs::create_dir_all(&folder).unwrap();
        Package {
            id: name.to_owned(),
            name: name.to_owned(),
            version: "1.0.0".to_owned(),
            source: Some("registry".to_owned()),
            license: Some("MIT".to_owned()),
            repository: Some(repository.to_owned()),
            manifest_path: folder.join("Cargo.toml"),
        }
    }

    #[test]
    fn a_package_brings_its_texts_or_those_of_its_repository_or_none() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let packages = [
            package(root, "a", "x", &["LICENSE-MIT", "c/COPYING", "src/license.rs"]),
            package(root, "a-sys", "x", &["src/lib.rs"]),
            package(root, "b", "y", &[]),
        ];
        let all: Vec<&Package> = packages.iter().collect();
        let texts = |index: usize| -> Vec<PathBuf> {
            let texts = texts_of(all[index], &all, root).unwrap();
            texts.into_iter().map(|(_, below)| below).collect()
        };
        let expected = [PathBuf::from("LICENSE-MIT"), PathBuf::from("c/COPYING")];
        assert_eq!(texts(0), expected);
        assert_eq!(texts(1), expected);
        assert_eq!(texts(2), [] as [PathBuf; 0]);
    }

    #[test]
    fn every_package_of_the_programs_has_a_license() {
        let out = tempfile::tempdir().unwrap();
        let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        let outcome = collect(root, out.path()).unwrap();
        assert_eq!(outcome.findings, [] as [&str; 0]);
        let table = fs::read_to_string(out.path().join(TABLE)).unwrap();
        assert!(table.contains("\ntch-") && table.contains("\nnpyz-"), "{table}");
    }
}
