//! The modules of a package, each with what it defines and what it names.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use anyhow::{Context, Result, bail};
use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Item, ItemMod, UseTree};

use super::members::Member;
use super::tests_only::{attributes_of, is_for_tests, take_out_tests};
use crate::sources::{files_under, read};

/// All modules of a package's library and programs.
#[derive(Default)]
pub(crate) struct Tree {
    pub(crate) files: Vec<SourceFile>,
    pub(crate) modules: Vec<Module>,
    /// How the programs call the package's library, and its root module.
    pub(crate) library: Option<(String, usize)>,
}

/// A file that belongs to the package and is not for tests alone.
pub(crate) struct SourceFile {
    /// From the root of the repository.
    pub(crate) path: PathBuf,
    pub(crate) text: String,
    /// Those of its lines that are not for tests.
    pub(crate) lines: usize,
    /// Its code without the tests.
    pub(crate) syntax: Rc<syn::File>,
}

/// A module, whether it has a file or stands in its parent's.
#[derive(Debug)]
pub(crate) struct Module {
    pub(crate) file: usize,
    pub(crate) root: usize,
    pub(crate) parent: Option<usize>,
    pub(crate) children: BTreeMap<String, usize>,
    /// Names of the items that stand in it.
    pub(crate) defined: BTreeSet<String>,
    pub(crate) imports: Vec<Import>,
    /// Paths of two names and more in its code, outside of imports.
    pub(crate) mentions: Vec<Mention>,
}

/// One name that a `use` brings; a glob has none.
#[derive(Debug)]
pub(crate) struct Import {
    pub(crate) name: Option<String>,
    pub(crate) mention: Mention,
}

/// A path as it is written, and its line.
#[derive(Debug, Clone)]
pub(crate) struct Mention {
    pub(crate) path: Vec<String>,
    pub(crate) line: usize,
}

impl Tree {
    /// Reads a package: `src/lib.rs`, `src/main.rs` and the programs in `src/bin`, with all their modules.
    pub(crate) fn read(root: &Path, member: &Member) -> Result<Self> {
        let mut tree = Self::default();
        let source = root.join(&member.folder).join("src");
        let library = source.join("lib.rs");
        if library.is_file() {
            let module = tree.add_target(root, &library)?;
            tree.library = Some((member.name.replace('-', "_"), module));
        }
        let mut programs = vec![source.join("main.rs")];
        if source.join("bin").is_dir() {
            programs.extend(files_under(&source.join("bin"), "rs")?);
        }
        for program in programs.iter().filter(|program| program.is_file()) {
            tree.add_target(root, program)?;
        }
        Ok(tree)
    }

    fn add_target(&mut self, root: &Path, path: &Path) -> Result<usize> {
        let folder = path.parent().unwrap_or(root).to_owned();
        let module = self.modules.len();
        let reader = FileReader { root, path, folder };
        self.add_file(&reader, None)?;
        Ok(module)
    }

    fn add_file(&mut self, reader: &FileReader<'_>, parent: Option<usize>) -> Result<Option<usize>> {
        let text = read(reader.path)?;
        let mut syntax =
            syn::parse_file(&text).with_context(|| format!("cannot parse {}", reader.path.display()))?;
        if is_for_tests(&syntax.attrs) {
            return Ok(None);
        }
        let lines = text.lines().count().saturating_sub(take_out_tests(&mut syntax));
        let syntax = Rc::new(syntax);
        let file = self.files.len();
        let path = reader.path.strip_prefix(reader.root).unwrap_or(reader.path);
        self.files.push(SourceFile {
            path: path.to_owned(),
            text,
            lines,
            syntax: Rc::clone(&syntax),
        });
        self.add_module(reader, file, parent, &syntax.items).map(Some)
    }

    fn add_module(
        &mut self,
        reader: &FileReader<'_>,
        file: usize,
        parent: Option<usize>,
        items: &[Item],
    ) -> Result<usize> {
        let id = self.modules.len();
        self.modules.push(Module {
            file,
            root: parent.map_or(id, |parent| self.modules[parent].root),
            parent,
            children: BTreeMap::new(),
            defined: BTreeSet::new(),
            imports: Vec::new(),
            mentions: Vec::new(),
        });
        for item in items {
            match item {
                Item::Mod(module) => {
                    if let Some(child) = self.add_child(reader, file, id, module)? {
                        self.modules[id].children.insert(name_of(&module.ident), child);
                    }
                }
                item => self.add_item(id, item),
            }
        }
        Ok(id)
    }

    fn add_child(
        &mut self,
        reader: &FileReader<'_>,
        file: usize,
        parent: usize,
        module: &ItemMod,
    ) -> Result<Option<usize>> {
        let name = name_of(&module.ident);
        if let Some((_, items)) = &module.content {
            let folder = reader.folder.join(name);
            let inside = FileReader { folder, ..*reader };
            return self.add_module(&inside, file, Some(parent), items).map(Some);
        }
        let (path, folder) = reader.place_of(&name, module)?;
        let reader = FileReader {
            path: &path,
            folder,
            ..*reader
        };
        self.add_file(&reader, Some(parent))
    }

    fn add_item(&mut self, module: usize, item: &Item) {
        if let Some(name) = defined_name(item) {
            let exported = matches!(item, Item::Macro(_)) && is_exported(item);
            let root = self.modules[module].root;
            if exported && root != module {
                // `#[macro_export]` puts the macro at the top of the crate.
                let path = self.path_of(module, &name);
                let mention = Mention { path, line: 0 };
                let name = Some(name.clone());
                self.modules[root].imports.push(Import { name, mention });
            }
            self.modules[module].defined.insert(name);
        }
        let mut reader = ItemReader {
            module: &mut self.modules[module],
        };
        reader.visit_item(item);
    }

    fn path_of(&self, module: usize, name: &str) -> Vec<String> {
        let mut path = vec![name.to_owned()];
        let mut inner = module;
        while let Some(parent) = self.modules[inner].parent {
            let mut names = self.modules[parent].children.iter();
            let own = names.find(|(_, id)| **id == inner).map(|(name, _)| name.clone());
            path.insert(0, own.unwrap_or_default());
            inner = parent;
        }
        path.insert(0, "crate".to_owned());
        path
    }
}

/// Where a file stands, and where its modules are looked for.
struct FileReader<'a> {
    root: &'a Path,
    path: &'a Path,
    folder: PathBuf,
}

impl FileReader<'_> {
    /// The file of `mod name;` and the folder of its own modules.
    fn place_of(&self, name: &str, module: &ItemMod) -> Result<(PathBuf, PathBuf)> {
        if let Some(path) = path_attribute(module) {
            let path = self.path.parent().unwrap_or(self.root).join(path);
            let folder = path.parent().unwrap_or(self.root).to_owned();
            return Ok((path, folder));
        }
        let folder = self.folder.join(name);
        let beside = folder.with_extension("rs");
        let within = folder.join("mod.rs");
        match [beside, within].into_iter().find(|path| path.is_file()) {
            Some(path) => Ok((path, folder)),
            None => bail!("{}: the module {name} has no file", self.path.display()),
        }
    }
}

fn path_attribute(module: &ItemMod) -> Option<String> {
    module.attrs.iter().find_map(|attribute| match &attribute.meta {
        syn::Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
            syn::Expr::Lit(literal) => match &literal.lit {
                syn::Lit::Str(path) => Some(path.value()),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    })
}

fn is_exported(item: &Item) -> bool {
    attributes_of(item)
        .iter()
        .any(|attribute| attribute.path().is_ident("macro_export"))
}

fn defined_name(item: &Item) -> Option<String> {
    let ident = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::TraitAlias(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(name_of(ident))
}

fn name_of(ident: &proc_macro2::Ident) -> String {
    let name = ident.to_string();
    name.strip_prefix("r#").map(str::to_owned).unwrap_or(name)
}

/// Puts the paths of an item into its module.
struct ItemReader<'m> {
    module: &'m mut Module,
}

impl ItemReader<'_> {
    fn mention(&mut self, path: Vec<String>, line: usize) {
        if path.len() > 1 && path[0] != "Self" {
            self.module.mentions.push(Mention { path, line });
        }
    }

    fn import(&mut self, before: &[String], tree: &UseTree) {
        let with = |name: &proc_macro2::Ident| [before, &[name_of(name)]].concat();
        match tree {
            UseTree::Path(path) => self.import(&with(&path.ident), &path.tree),
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.import(before, tree);
                }
            }
            UseTree::Glob(glob) => self.add_import(None, before.to_vec(), glob.star_token.spans[0]),
            UseTree::Name(name) if name.ident == "self" => {
                self.add_import(before.last().cloned(), before.to_vec(), name.ident.span());
            }
            UseTree::Name(name) => {
                self.add_import(Some(name_of(&name.ident)), with(&name.ident), name.ident.span());
            }
            UseTree::Rename(rename) => {
                let path = if rename.ident == "self" {
                    before.to_vec()
                } else {
                    with(&rename.ident)
                };
                self.add_import(Some(name_of(&rename.rename)), path, rename.ident.span());
            }
        }
    }

    fn add_import(&mut self, name: Option<String>, path: Vec<String>, span: proc_macro2::Span) {
        let line = span.start().line;
        let mention = Mention { path, line };
        self.module.imports.push(Import { name, mention });
    }

    /// Paths in what a macro is given, which `syn` leaves as it stands.
    fn read_tokens(&mut self, tokens: TokenStream) {
        let (mut path, mut line, mut colons) = (Vec::new(), 0, 0);
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.mention(std::mem::take(&mut path), line);
                    }
                    line = if path.is_empty() {
                        ident.span().start().line
                    } else {
                        line
                    };
                    path.push(name_of(&ident));
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                other => {
                    self.mention(std::mem::take(&mut path), line);
                    colons = 0;
                    if let TokenTree::Group(group) = other {
                        self.read_tokens(group.stream());
                    }
                }
            }
        }
        self.mention(path, line);
    }
}

impl<'ast> Visit<'ast> for ItemReader<'_> {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if item.leading_colon.is_none() {
            self.import(&[], &item.tree);
        }
    }

    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    fn visit_attribute(&mut self, _: &'ast syn::Attribute) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.leading_colon.is_none() {
            let names: Vec<String> = path.segments.iter().map(|part| name_of(&part.ident)).collect();
            let line = path
                .segments
                .first()
                .map_or(0, |part| part.ident.span().start().line);
            self.mention(names, line);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        self.visit_path(&item.path);
        self.read_tokens(item.tokens.clone());
    }
}
