//! Cycles of a file graph, and how many levels it has.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::imports::FileGraph;
use super::tree::{Mention, Tree};

/// Files that all reach each other by imports.
#[derive(Debug)]
pub(crate) struct Cycle {
    pub(crate) files: BTreeSet<usize>,
    /// The shortest way around: each file names the next one, and the last the first.
    pub(crate) shortest: Vec<usize>,
}

/// The groups of files that import each other in a circle.
pub(crate) fn cycles(graph: &FileGraph, num_files: usize) -> Vec<Cycle> {
    let reached: Vec<BTreeSet<usize>> = (0..num_files).map(|file| reached_from(graph, file)).collect();
    let mut seen: BTreeSet<usize> = BTreeSet::new();
    let mut cycles = Vec::new();
    for file in 0..num_files {
        if !reached[file].contains(&file) || seen.contains(&file) {
            continue;
        }
        let back = reached[file]
            .iter()
            .filter(|other| reached[**other].contains(&file));
        let files: BTreeSet<usize> = back.copied().collect();
        seen.extend(&files);
        let through_each = files.iter().filter_map(|start| shortest_through(graph, *start));
        let shortest = through_each.min_by_key(Vec::len).unwrap_or_default();
        cycles.push(Cycle { files, shortest });
    }
    cycles
}

/// A cycle, with the line of each import on its shortest way around.
pub(crate) fn describe(cycle: &Cycle, graph: &FileGraph, tree: &Tree) -> String {
    let name = |file: usize| tree.files[file].path.display();
    let mut lines = vec![format!(
        "{} files import each other in a circle:",
        cycle.files.len()
    )];
    let nexts = cycle.shortest.iter().cycle().skip(1);
    for (from, to) in cycle.shortest.iter().zip(nexts) {
        let Mention { path, line } = &graph.edges[from][to];
        let path = path.join("::");
        lines.push(format!(
            "{}, line {line}: `{path}` stands in {}",
            name(*from),
            name(*to)
        ));
    }
    if cycle.files.len() > cycle.shortest.len() {
        let all: Vec<String> = cycle.files.iter().map(|file| name(*file).to_string()).collect();
        lines.push(format!("all of them: {}", all.join(", ")));
    }
    lines.join("\n    ")
}

/// How many files the longest chain of imports has, where files that import each other count once.
pub(crate) fn levels(graph: &FileGraph, num_files: usize) -> usize {
    let mut group: BTreeMap<usize, usize> = (0..num_files).map(|file| (file, file)).collect();
    for cycle in cycles(graph, num_files) {
        let first = cycle.files.first().copied().unwrap_or_default();
        group.extend(cycle.files.iter().map(|file| (*file, first)));
    }
    let mut edges: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    for from in 0..num_files {
        let targets = graph.targets(from).map(|to| group[&to]);
        let outside = targets.filter(|to| *to != group[&from]);
        edges.entry(group[&from]).or_default().extend(outside);
    }
    let mut known = BTreeMap::new();
    (0..num_files)
        .map(|file| depth(group[&file], &edges, &mut known))
        .max()
        .unwrap_or(0)
}

fn depth(
    group: usize,
    edges: &BTreeMap<usize, BTreeSet<usize>>,
    known: &mut BTreeMap<usize, usize>,
) -> usize {
    if let Some(depth) = known.get(&group) {
        return *depth;
    }
    let below = edges[&group].iter().map(|to| depth(*to, edges, known)).max();
    let own = 1 + below.unwrap_or(0);
    known.insert(group, own);
    own
}

fn reached_from(graph: &FileGraph, start: usize) -> BTreeSet<usize> {
    let mut reached = BTreeSet::new();
    let mut open = vec![start];
    while let Some(file) = open.pop() {
        open.extend(graph.targets(file).filter(|to| reached.insert(*to)));
    }
    reached
}

fn shortest_through(graph: &FileGraph, start: usize) -> Option<Vec<usize>> {
    let mut seen = BTreeSet::new();
    let mut open = VecDeque::from([vec![start]]);
    while let Some(path) = open.pop_front() {
        for to in graph.targets(*path.last()?) {
            if to == start {
                return Some(path);
            }
            if seen.insert(to) {
                open.push_back([path.as_slice(), &[to]].concat());
            }
        }
    }
    None
}
