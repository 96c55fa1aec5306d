//! `figures`: how large the code is and how its files hang together, package by package.
//!
//! Tests are left out. A public item is one that is declared `pub`, methods included, fields not. The
//! levels of a package are the files on the longest chain of imports between its files.

use std::path::Path;

use anyhow::Result;

use crate::code::cycles::{cycles, levels};
use crate::code::imports::FileGraph;
use crate::code::members::members;
use crate::code::shape::Shape;
use crate::code::tree::{SourceFile, Tree};
use crate::code_rules;

const LONG_FILE: usize = 400;

/// What is counted, for one package or for all.
#[derive(Debug, Default)]
struct Figures {
    files: usize,
    lines: usize,
    public_items: usize,
    levels: usize,
    cycles: usize,
    files_in_cycles: usize,
    long_files: usize,
    long_files_with_tests: usize,
    functions: usize,
    long_functions: usize,
    tuples: usize,
}

/// The table, then every file that is long, and what the rules of the code find.
pub(crate) fn text(root: &Path) -> Result<String> {
    let mut text = HEADER.to_owned();
    let mut long_files = Vec::new();
    let mut all = Figures::default();
    for member in members(root)? {
        let tree = Tree::read(root, &member)?;
        let mut figures = Figures::of(&tree);
        for file in &tree.files {
            figures.add_file(file, &Shape::of(file));
            if file.lines > LONG_FILE {
                long_files.push(format!("{}: {} lines", file.path.display(), file.lines));
            }
        }
        text += &figures.row(&member.name);
        all.add(&figures);
    }
    let named = [long_files, code_rules::findings(root)?].concat();
    Ok(format!("{text}{}\n{}\n", all.row("all"), named.join("\n")))
}

const HEADER: &str = "\
| package | files | lines | public items | levels | cycles | files in them | files over 400 lines | with their tests \
| functions | over 60 lines | tuple parameters |
|---|---|---|---|---|---|---|---|---|---|---|---|
";

impl Figures {
    fn of(tree: &Tree) -> Self {
        let graph = FileGraph::of(tree);
        let cycles = cycles(&graph, tree.files.len());
        Self {
            files: tree.files.len(),
            levels: levels(&graph, tree.files.len()),
            cycles: cycles.len(),
            files_in_cycles: cycles.iter().map(|cycle| cycle.files.len()).sum(),
            ..Self::default()
        }
    }

    fn add_file(&mut self, file: &SourceFile, shape: &Shape) {
        let long = shape
            .functions
            .iter()
            .filter(|function| function.lines > code_rules::MAX_LINES);
        self.lines += file.lines;
        self.public_items += shape.public_items;
        self.long_files += usize::from(file.lines > LONG_FILE);
        self.long_files_with_tests += usize::from(file.text.lines().count() > LONG_FILE);
        self.functions += shape.functions.len();
        self.long_functions += long.count();
        self.tuples += shape.tuples.len();
    }

    /// Sums, and the most levels of a package.
    fn add(&mut self, other: &Self) {
        self.files += other.files;
        self.lines += other.lines;
        self.public_items += other.public_items;
        self.levels = self.levels.max(other.levels);
        self.cycles += other.cycles;
        self.files_in_cycles += other.files_in_cycles;
        self.long_files += other.long_files;
        self.long_files_with_tests += other.long_files_with_tests;
        self.functions += other.functions;
        self.long_functions += other.long_functions;
        self.tuples += other.tuples;
    }

    fn row(&self, name: &str) -> String {
        let cells = [
            self.files,
            self.lines,
            self.public_items,
            self.levels,
            self.cycles,
            self.files_in_cycles,
            self.long_files,
            self.long_files_with_tests,
            self.functions,
            self.long_functions,
            self.tuples,
        ];
        let cells: Vec<String> = cells.iter().map(usize::to_string).collect();
        format!("| {name} | {} |\n", cells.join(" | "))
    }
}
