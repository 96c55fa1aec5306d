//! `layout`: rules of the code itself, beside those of the manifests.
//!
//! No cycle between the files of a package; no tuple of more than two values in a parameter list of a
//! function or method (closures may take them: there the caller decides); no function over
//! [`MAX_LINES`] lines; no crowded folder where a newcomer starts. Tests are left out.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result};

use crate::code::cycles::{self, knots};
use crate::code::imports::FileGraph;
use crate::code::members::members;
use crate::code::shape::Shape;
use crate::code::tree::{SourceFile, Tree};

/// From the line of `fn` to that of the closing brace.
pub(crate) const MAX_LINES: usize = 60;

/// Functions that may be longer: file, function, reason.
const LONG_FUNCTIONS: [(&str, &str, &str); 0] = [];

/// Folders that are rooms by purpose, and how many entries they may have.
const ROOMS: [&str; 2] = ["crates/corpus/src", "crates/trainer/src"];
const MAX_ENTRIES: usize = 15;

pub(crate) fn findings(root: &Path) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    let mut long = BTreeSet::new();
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
            for function in shape
                .functions
                .iter()
                .filter(|function| function.lines > MAX_LINES)
            {
                let place = (file.path.display().to_string(), function.name.clone());
                if !is_excepted(&place) {
                    let (name, line, lines) = (&function.name, function.line, function.lines);
                    findings.push(format!(
                        "{}, line {line}: `{name}` has {lines} lines, more than {MAX_LINES}: name its steps",
                        place.0
                    ));
                }
                long.insert(place);
            }
        }
    }
    findings.extend(unused_exceptions(&long));
    findings.extend(crowded_rooms(root)?);
    Ok(findings)
}

/// The cycles of a package, each with the line of every import on its way.
fn circles(tree: &Tree) -> Vec<String> {
    let graph = FileGraph::of(tree);
    let knots = knots(&graph, tree.files.len());
    knots
        .iter()
        .map(|knot| cycles::describe(knot, &graph, tree))
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

fn is_excepted(place: &(String, String)) -> bool {
    LONG_FUNCTIONS
        .iter()
        .any(|(file, function, _)| (*file, *function) == (&place.0, &place.1))
}

fn unused_exceptions(long: &BTreeSet<(String, String)>) -> Vec<String> {
    let unused = LONG_FUNCTIONS
        .iter()
        .filter(|(file, function, _)| !long.contains(&((*file).to_owned(), (*function).to_owned())));
    unused
        .map(|(file, function, _)| format!("{file}: `{function}` is not long any more: take it off the list"))
        .collect()
}

fn crowded_rooms(root: &Path) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    for room in ROOMS {
        let folder = root.join(room);
        if folder.is_dir() {
            let cannot_list = || format!("cannot list {}", folder.display());
            let entries = folder.read_dir().with_context(cannot_list)?.count();
            if entries > MAX_ENTRIES {
                findings.push(format!(
                    "{room} has {entries} entries at its top, more than {MAX_ENTRIES}: give files that belong \
                     together a folder"
                ));
            }
        }
    }
    Ok(findings)
}

#[cfg(test)]
mod tests;
