//! Which file of a package names which other: imports and paths, followed to where the item stands.
//!
//! A name that a module only passes on (`pub use`) leads to the file that defines it, and `mod name;` alone
//! is no import.

use std::collections::{BTreeMap, BTreeSet};

use super::tree::{Mention, Tree};

/// Edges between the files of one package, by their index in [`Tree::files`].
#[derive(Debug, Default)]
pub(crate) struct FileGraph {
    /// The first place where a file names the other.
    pub(crate) edges: BTreeMap<usize, BTreeMap<usize, Mention>>,
}

/// What a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Target {
    Module(usize),
    /// An item that stands in this module.
    ItemOf(usize),
}

impl FileGraph {
    pub(crate) fn of(tree: &Tree) -> Self {
        let mut graph = Self::default();
        for (id, module) in tree.modules.iter().enumerate() {
            let imports = module.imports.iter().map(|import| &import.mention);
            let real = imports.filter(|mention| mention.line > 0);
            for mention in real.chain(&module.mentions) {
                for target in tree.resolve(id, &mention.path) {
                    graph.add(module.file, tree.file_of(target), mention);
                }
            }
        }
        graph
    }

    fn add(&mut self, from: usize, to: usize, mention: &Mention) {
        if from != to {
            let place = self.edges.entry(from).or_default().entry(to);
            let first = place.or_insert_with(|| mention.clone());
            if mention.line < first.line {
                *first = mention.clone();
            }
        }
    }

    pub(crate) fn targets(&self, from: usize) -> impl Iterator<Item = usize> {
        self.edges
            .get(&from)
            .into_iter()
            .flat_map(|targets| targets.keys().copied())
    }
}

/// Names that are being looked up, so that imports that name each other end.
type Open = BTreeSet<(usize, String)>;

impl Tree {
    fn file_of(&self, target: Target) -> usize {
        let (Target::Module(module) | Target::ItemOf(module)) = target;
        self.modules[module].file
    }

    /// Everything that a path in `module` may mean in this package; nothing if it leads out of it.
    fn resolve(&self, module: usize, path: &[String]) -> BTreeSet<Target> {
        self.follow(module, path, &mut Open::new())
    }

    fn follow(&self, module: usize, path: &[String], open: &mut Open) -> BTreeSet<Target> {
        let Some((first, rest)) = path.split_first() else {
            return BTreeSet::new();
        };
        let mut reached = self.first_of(module, first, open);
        for name in rest {
            reached = reached
                .into_iter()
                .flat_map(|target| match target {
                    Target::Module(inner) => self.within(inner, name, open),
                    Target::ItemOf(_) => BTreeSet::from([target]),
                })
                .collect();
        }
        reached
    }

    fn first_of(&self, module: usize, name: &str, open: &mut Open) -> BTreeSet<Target> {
        let only = |module: usize| BTreeSet::from([Target::Module(module)]);
        match name {
            "crate" => only(self.modules[module].root),
            "self" => only(module),
            "super" => self.modules[module].parent.map(only).unwrap_or_default(),
            _ => {
                let found = self.lookup(module, name, open);
                match &self.library {
                    Some((library, root)) if found.is_empty() && library == name => only(*root),
                    _ => found,
                }
            }
        }
    }

    /// What `name` means after a path that leads to `module`. What is not found there was made by a macro.
    fn within(&self, module: usize, name: &str, open: &mut Open) -> BTreeSet<Target> {
        if matches!(name, "super" | "self") {
            return self.first_of(module, name, open);
        }
        let found = self.lookup(module, name, open);
        if found.is_empty() {
            BTreeSet::from([Target::ItemOf(module)])
        } else {
            found
        }
    }

    fn lookup(&self, id: usize, name: &str, open: &mut Open) -> BTreeSet<Target> {
        let mut found = BTreeSet::new();
        if !open.insert((id, name.to_owned())) {
            return found;
        }
        let module = &self.modules[id];
        found.extend(module.children.get(name).copied().map(Target::Module));
        if module.defined.contains(name) {
            found.insert(Target::ItemOf(id));
        }
        for import in module
            .imports
            .iter()
            .filter(|import| import.name.as_deref() == Some(name))
        {
            found.extend(self.follow(id, &import.mention.path, open));
        }
        if found.is_empty() {
            for glob in module.imports.iter().filter(|import| import.name.is_none()) {
                for target in self.follow(id, &glob.mention.path, open) {
                    if let Target::Module(inner) = target {
                        found.extend(self.lookup(inner, name, open));
                    }
                }
            }
        }
        open.remove(&(id, name.to_owned()));
        found
    }
}
