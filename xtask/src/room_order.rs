//! `layout`: the rooms of a crate import each other in one direction, which `docs/design.md` states.
//!
//! The order is the fenced block marked `rooms`, one folder a line: `folder: a > b > c`, where a room may
//! import those behind it. A room is what stands in the folder: a file, or a file and the folder of its name.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::code::imports::FileGraph;
use crate::code::members::members;
use crate::code::tree::Tree;
use crate::sources::read;

const DESIGN: &str = "docs/design.md";

/// Files that belong to no room: those that a crate begins with, and the one that gathers the errors of all
/// rooms.
const NO_ROOMS: [&str; 3] = ["lib", "main", "error"];

/// The rooms of a folder, each of which may import those behind it.
#[derive(Debug, PartialEq, Eq)]
struct RoomOrder {
    folder: PathBuf,
    rooms: Vec<String>,
}

pub(crate) fn findings(root: &Path) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    let orders = parse(&read(&root.join(DESIGN))?)?;
    let members = members(root)?;
    for order in &orders {
        let owner = members
            .iter()
            .find(|member| order.folder.starts_with(&member.folder));
        let Some(member) = owner else {
            findings.push(format!(
                "{DESIGN} orders {}, which is in no crate",
                order.folder.display()
            ));
            continue;
        };
        findings.extend(order.findings(&Tree::read(root, member)?));
    }
    Ok(findings)
}

fn parse(design: &str) -> Result<Vec<RoomOrder>> {
    let mut blocks = design.split("```rooms\n").skip(1);
    let (Some(block), None) = (blocks.next(), blocks.next()) else {
        bail!("{DESIGN} needs exactly one fenced block marked ```rooms");
    };
    let lines = block.lines().take_while(|line| !line.starts_with("```"));
    lines
        .filter(|line| !line.trim().is_empty())
        .map(|line| {
            let (folder, rooms) = line
                .split_once(':')
                .with_context(|| format!("{DESIGN}: `{line}` is not `folder: a > b > c`"))?;
            Ok(RoomOrder {
                folder: PathBuf::from(folder.trim()),
                rooms: rooms.split('>').map(|room| room.trim().to_owned()).collect(),
            })
        })
        .collect()
}

impl RoomOrder {
    fn findings(&self, tree: &Tree) -> Vec<String> {
        let folder = self.folder.display();
        let found: Vec<Option<String>> = tree.files.iter().map(|file| self.room_of(&file.path)).collect();
        let mut findings = Vec::new();
        for room in &self.rooms {
            if !found.iter().flatten().any(|found| found == room) {
                findings.push(format!(
                    "{DESIGN} orders the room {room} of {folder}, which is not there"
                ));
            }
        }
        let mut unordered: Vec<&String> = found
            .iter()
            .flatten()
            .filter(|room| !self.rooms.contains(room))
            .collect();
        unordered.sort();
        unordered.dedup();
        findings.extend(
            unordered
                .iter()
                .map(|room| format!("{folder} has the room {room}, which the order in {DESIGN} lacks")),
        );
        findings.extend(self.imports_back(tree, &found));
        findings
    }

    /// Imports of a room that stands before, given the room of each file.
    fn imports_back(&self, tree: &Tree, room_of: &[Option<String>]) -> Vec<String> {
        let place_of = |file: usize| {
            let room = room_of[file].as_ref()?;
            self.rooms.iter().position(|ordered| ordered == room)
        };
        let mut findings = Vec::new();
        for (from, targets) in &FileGraph::of(tree).edges {
            for (to, mention) in targets {
                let (Some(own), Some(other)) = (place_of(*from), place_of(*to)) else {
                    continue;
                };
                if other < own {
                    findings.push(format!(
                        "{}, line {}: `{}` leads from the room {} back to {}",
                        tree.files[*from].path.display(),
                        mention.line,
                        mention.path.join("::"),
                        self.rooms[own],
                        self.rooms[other]
                    ));
                }
            }
        }
        findings
    }

    /// The room of a file; none where it is outside of the folder or belongs to no room.
    fn room_of(&self, file: &Path) -> Option<String> {
        let first = file.strip_prefix(&self.folder).ok()?.components().next()?;
        let name = Path::new(first.as_os_str()).file_stem()?.to_str()?;
        (!NO_ROOMS.contains(&name)).then(|| name.to_owned())
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "writes into a throwaway tree")]
mod tests {
    use std::fs;

    use super::*;

    fn found(order: &str) -> Vec<String> {
        let root = tempfile::tempdir().unwrap();
        let files = [
            ("Cargo.toml", "[workspace]\nmembers = [\"crates/*\"]\n"),
            ("crates/p/Cargo.toml", "[package]\nname = \"p\"\n"),
            ("crates/p/src/lib.rs", "mod a;\nmod b;\nmod error;\n"),
            ("crates/p/src/a.rs", "mod c;\nuse crate::b::B;\n"),
            ("crates/p/src/a/c.rs", "pub struct C;\n"),
            (
                "crates/p/src/b.rs",
                "pub struct B;\n\nfn f() { crate::a::c::g() }\n",
            ),
            ("crates/p/src/error.rs", "use crate::{a::E, b::F};\n"),
        ];
        let design = format!("```rooms\n{order}\n```\n");
        for (path, text) in files.into_iter().chain([("docs/design.md", design.as_str())]) {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        findings(root.path()).unwrap()
    }

    #[test]
    fn an_import_against_the_order_is_found_with_its_line() {
        assert_eq!(
            found("crates/p/src: a > b"),
            ["crates/p/src/b.rs, line 3: `crate::a::c::g` leads from the room b back to a"]
        );
        assert_eq!(
            found("crates/p/src: b > a"),
            ["crates/p/src/a.rs, line 2: `crate::b::B` leads from the room a back to b"]
        );
        assert_eq!(found("crates/p/src/a: c"), [] as [&str; 0]);
    }

    #[test]
    fn a_room_that_is_not_there_or_not_in_the_order_is_found() {
        let found_there = found("crates/p/src: b > d");
        assert!(found_there[0].contains("the room d of crates/p/src, which is not there"));
        assert!(
            found_there[1].contains("has the room a, which the order"),
            "{found_there:?}"
        );
        assert!(found("crates/q/src: a")[0].contains("in no crate"));
    }

    #[test]
    fn a_design_without_an_order_or_with_a_bad_line_is_an_error() {
        parse("# Design\n").unwrap_err();
        parse("```rooms\na > b\n```\n").unwrap_err();
    }

    #[test]
    fn the_rooms_of_this_repository_keep_their_order() {
        let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        assert_eq!(findings(root).unwrap(), [] as [&str; 0]);
    }
}
