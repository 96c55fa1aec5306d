//! Files are opened through `durable` alone, which waits for no pipe and says how large a file may be.

use std::path::Path;

use anyhow::Result;
use regex::Regex;

use crate::code::members::members;
use crate::code::tree::{Mention, SourceFile, Tree};

/// Files that open others themselves: what a user names on the command line may be a pipe, and what the
/// system tells stands in no folder of anybody.
const EXCEPTIONS: [(&str, &str); 7] = [
    (
        "crates/config-file/src/load.rs",
        "a configuration that a user names",
    ),
    ("crates/fetch/src/edgar/companies.rs", "lists that a user names"),
    (
        "crates/corpus/src/selection/exclude.rs",
        "a list that a user names",
    ),
    ("crates/embed-cli/src/lines.rs", "texts that a user names"),
    ("crates/trainer/src/ranks/affinity.rs", "/proc"),
    ("crates/trainer/src/run/watch/crowd.rs", "/proc"),
    ("crates/trainer/src/run/plan/memory.rs", "/sys/fs/cgroup"),
];
/// Folders of the products.
const PRODUCTS: [&str; 2] = ["crates", "corpus-tools"];
/// Crates for tests alone, and the one that opens.
const EXEMPT: [&str; 3] = ["crates/durable", "crates/nccl-stand-in", "crates/test-data"];
/// A module for the tests of other crates, which is built with the feature `testing`.
const FOR_TESTS: &str = "testing.rs";

/// How paths end that open a file and wait for a pipe.
const OPENS: [[&str; 2]; 3] = [["File", "open"], ["fs", "read"], ["fs", "read_to_string"]];
/// This one only begins to: what matters is the call that opens.
const OPTIONS: [&str; 2] = ["OpenOptions", "new"];

/// Where a file of a product is opened in another way, and exceptions that are none any more.
pub(crate) fn findings(root: &Path) -> Result<Vec<String>> {
    let (mut findings, mut used) = (Vec::new(), Vec::new());
    let is_looked_at = |folder: &Path| {
        PRODUCTS.iter().any(|product| folder.starts_with(product))
            && !EXEMPT.iter().any(|exempt| folder.starts_with(exempt))
    };
    for member in members(root)? {
        if !is_looked_at(&member.folder) {
            continue;
        }
        for place in opened(&Tree::read(root, &member)?)? {
            match EXCEPTIONS.iter().find(|(file, _)| *file == place.file) {
                Some((file, _)) => used.push(*file),
                None => findings.push(format!(
                    "{}, line {}: a file is opened by durable::open_file, read_file, read_text or open_own",
                    place.file, place.line
                )),
            }
        }
    }
    let unused = EXCEPTIONS.iter().filter(|(file, _)| !used.contains(file));
    findings.extend(unused.map(|(file, _)| format!("{file} opens no file itself: take it off the list")));
    Ok(findings)
}

/// Where a file is opened past `durable`.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    file: String,
    line: usize,
}

/// The places of a package, but for files of the system, whose names its code has.
fn opened(tree: &Tree) -> Result<Vec<Place>> {
    let next_open = Regex::new(r"\b(open_own|open)\(")?;
    let mut found = Vec::new();
    for module in &tree.modules {
        let file = &tree.files[module.file];
        if file.path.ends_with(FOR_TESTS) {
            continue;
        }
        let imports = module.imports.iter().map(|import| &import.mention);
        for mention in module.mentions.iter().chain(imports) {
            if opens_past_durable(mention, file, &next_open) {
                found.push(Place {
                    file: file.path.display().to_string(),
                    line: mention.line,
                });
            }
        }
    }
    Ok(found)
}

fn opens_past_durable(mention: &Mention, file: &SourceFile, next_open: &Regex) -> bool {
    let ends_in = |end: &[&str; 2]| {
        let names = mention.path.iter().rev().zip(end.iter().rev());
        mention.path.len() >= 2 && names.take(2).all(|(found, name)| found == name)
    };
    let from = file
        .text
        .lines()
        .skip(mention.line.saturating_sub(1))
        .collect::<Vec<&str>>();
    let is_of_the_system = from.first().is_some_and(|line| line.contains("\"/proc/"));
    if OPENS.iter().any(ends_in) {
        return !is_of_the_system;
    }
    ends_in(&OPTIONS) && {
        let rest = from.join("\n");
        // A file that must not be there yet is no pipe.
        next_open.captures(&rest).is_some_and(|call| {
            let before = call.get(0).map_or(0, |call| call.start());
            &call[1] != "open_own" && !rest[..before].contains("create_new(true)")
        })
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "writes into a throwaway tree")]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_that_is_opened_past_durable_is_found_with_its_line() {
        let text = "\
use std::fs::{self, File, OpenOptions};
// fs::read is not it
fn a() { File::open(path); }
fn b() { std::fs::read_to_string(\"/proc/stat\"); fs::read_dir(p); }
fn c() { println!(\"{:?}\", std::fs::read(&path)); }
fn d() {
    durable::open_own(OpenOptions::new().append(true), path);
    let mut options = OpenOptions::new();
    durable::open_own(options.read(true), path);
    OpenOptions::new().create_new(true).open(path);
    fs::OpenOptions::new()
        .append(true)
        .open(path);
}
#[cfg(test)]
mod tests { fn e() { fs::read(p); } }
";
        let root = tempfile::tempdir().unwrap();
        let source = root.path().join("crates/p/src");
        fs::create_dir_all(&source).unwrap();
        let manifest = "[workspace]\nmembers = [\"crates/*\"]\n";
        fs::write(root.path().join("Cargo.toml"), manifest).unwrap();
        fs::write(source.with_file_name("Cargo.toml"), "[package]\nname = \"p\"\n").unwrap();
        fs::write(source.join("lib.rs"), text).unwrap();
        let member = &members(root.path()).unwrap()[0];
        let found = opened(&Tree::read(root.path(), member).unwrap()).unwrap();
        let lines: Vec<usize> = found.iter().map(|place| place.line).collect();
        assert_eq!(lines, [3, 5, 11]);
    }

    #[test]
    fn every_file_of_the_products_is_opened_through_durable() {
        let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        assert_eq!(findings(root).unwrap(), Vec::<String>::new());
    }
}
