//! `layout`: rules of the code itself, beside those of the manifests.
//!
//! No cycle between the files of a package; no tuple of more than two values in a parameter list of a
//! function or method (closures may take them: there the caller decides); no function over
//! [`MAX_LINES`] lines; no crowded folder where a newcomer starts. Tests are left out.

use std::path::Path;

use anyhow::{Context, Result};

use crate::code::cycles::{self, cycles};
use crate::code::imports::FileGraph;
use crate::code::members::members;
use crate::code::shape::Shape;
use crate::code::tree::{SourceFile, Tree};

/// From the line of `fn` to that of the closing brace.
pub(crate) const MAX_LINES: usize = 60;

/// Folders that are rooms by purpose, and how many entries they may have.
const ROOMS: [&str; 2] = ["crates/corpus/src", "crates/trainer/src"];
const MAX_ENTRIES: usize = 15;

pub(crate) fn findings(root: &Path) -> Result<Vec<String>> {
    let mut findings = code_findings(root)?;
    findings.extend(crowded_rooms(root, &ROOMS)?);
    Ok(findings)
}

/// What is wrong with the code of each package.
fn code_findings(root: &Path) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    for member in members(root)? {
        let tree = Tree::read(root, &member)?;
        findings.extend(
            circles(&tree)
                .into_iter()
                .map(|circle| format!("{}: {circle}", member.name)),
        );
        for file in &tree.files {
            let shape = Shape::of(file);
            findings.extend(tuples(file, &shape));
            findings.extend(long_functions(file, &shape));
        }
    }
    Ok(findings)
}

/// The cycles of a package, each with the line of every import on its way.
fn circles(tree: &Tree) -> Vec<String> {
    let graph = FileGraph::of(tree);
    let cycles = cycles(&graph, tree.files.len());
    cycles
        .iter()
        .map(|cycle| cycles::describe(cycle, &graph, tree))
        .collect()
}

/// Parameters that hide several behind one.
fn tuples(file: &SourceFile, shape: &Shape) -> Vec<String> {
    let path = file.path.display();
    let found = shape.tuples.iter().map(|tuple| {
        let (function, line, values) = (&tuple.function, tuple.line, tuple.values);
        format!("{path}, line {line}: `{function}` takes a tuple of {values} values: a struct names them")
    });
    found.collect()
}

fn long_functions(file: &SourceFile, shape: &Shape) -> Vec<String> {
    let path = file.path.display();
    let long = shape
        .functions
        .iter()
        .filter(|function| function.lines > MAX_LINES);
    let found = long.map(|function| {
        let (name, line, lines) = (&function.name, function.line, function.lines);
        format!("{path}, line {line}: `{name}` has {lines} lines, more than {MAX_LINES}: name its steps")
    });
    found.collect()
}

fn crowded_rooms(root: &Path, rooms: &[&str]) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    for room in rooms {
        let folder = root.join(room);
        if !folder.is_dir() {
            findings.push(format!(
                "the list of rooms names {room}, which is no folder here: it has moved, or is gone"
            ));
            continue;
        }
        let cannot_list = || format!("cannot list {}", folder.display());
        let entries = folder.read_dir().with_context(cannot_list)?.count();
        if entries > MAX_ENTRIES {
            findings.push(format!(
                "{room} has {entries} entries at its top, more than {MAX_ENTRIES}: give files that belong \
                 together a folder"
            ));
        }
    }
    Ok(findings)
}

#[cfg(test)]
mod tests;
