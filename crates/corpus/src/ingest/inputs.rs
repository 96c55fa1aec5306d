//! Which files a command reads: the files and folders given, in an order that depends on names
//! alone. It opens none of them.

use std::collections::{BTreeSet, VecDeque};
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use documents::LeftOut;

use crate::error::CorpusError;
use crate::sources::Source;

/// A file to read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Input {
    pub(crate) source: Source,
    /// Its path relative to the folder that was given; its file name when it was given itself.
    pub(crate) name: String,
    /// Where it is.
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
    /// When it was written last, in nanoseconds since 1970.
    pub(crate) modified_ns: i64,
}

#[cfg(test)]
impl Input {
    /// A filing of no name and no bytes, for tests to fill in.
    pub(crate) fn filing() -> Self {
        Self {
            source: Source::Filings,
            name: String::new(),
            path: PathBuf::new(),
            bytes: 0,
            modified_ns: 0,
        }
    }
}

/// The inputs among the files and folders given.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Sorted by name.
    pub(crate) inputs: Vec<Input>,
    /// What lies in a folder and is no input, with the reason.
    pub(crate) ignored: Vec<LeftOut>,
    /// What may hold inputs but cannot be read.
    pub(crate) unreadable: Vec<LeftOut>,
}

/// Finds the inputs among `given` files and folders. What a folder holds is read once, however
/// many links lead to it.
///
/// # Errors
/// When one of `given` cannot be read, or holds no input at all.
pub(crate) fn find_inputs(given: &[PathBuf], source: Source) -> Result<Found, CorpusError> {
    let mut found = Found::default();
    let mut seen = BTreeSet::new();
    for path in given {
        if seen.insert(path) {
            found.add(path, source)?;
        } else {
            found.ignored.push(given_again(path));
        }
    }
    found.inputs.sort();
    for input in std::mem::take(&mut found.inputs) {
        if found.inputs.last() == Some(&input) {
            found.ignored.push(given_again(&input.path));
        } else {
            found.inputs.push(input);
        }
    }
    found.ignored.sort_by(|a, b| a.path.cmp(&b.path));
    found.unreadable.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

impl Found {
    /// Adds the inputs of a file or folder that was given.
    fn add(&mut self, path: &Path, source: Source) -> Result<(), CorpusError> {
        let before = (self.inputs.len(), self.unreadable.len());
        let first_ignored = self.ignored.len();
        let failed = |operation| {
            move |source| CorpusError::Read {
                operation,
                path: path.to_owned(),
                source,
            }
        };
        let metadata = path.metadata().map_err(failed("find"))?;
        if metadata.is_dir() {
            let first = list(path).map_err(failed("list"))?;
            Walk::new(path, source, self).run(&metadata, first);
        } else if metadata.is_file() {
            self.inputs.push(lone_file(path, &metadata, source)?);
        } else {
            return Err(failed("read")(io::Error::other(
                "it is neither a file nor a folder. tenk reads an input more than once: write the output of a pipe to a file first",
            )));
        }
        if (self.inputs.len(), self.unreadable.len()) == before {
            let other = other_source(&self.ignored[first_ignored..], source);
            return Err(CorpusError::NoInput {
                path: path.to_owned(),
                option: source.option(),
                file_names: source.file_names(),
                other_option: other.map(Source::option),
            });
        }
        Ok(())
    }
}

/// A file that was given itself: it is read whatever its name, unless the name is that of another source.
fn lone_file(path: &Path, metadata: &Metadata, source: Source) -> Result<Input, CorpusError> {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    match Source::of_file_name(&name) {
        Some(other) if other != source => Err(CorpusError::OtherSource {
            path: path.to_owned(),
            option: other.option(),
        }),
        _ => Ok(Input {
            source,
            name: name.into_owned(),
            path: path.to_owned(),
            bytes: metadata.len(),
            modified_ns: modified_ns(metadata),
        }),
    }
}

/// The first other source that would read some of what was left out.
fn other_source(ignored: &[LeftOut], source: Source) -> Option<Source> {
    let names = || {
        ignored
            .iter()
            .filter_map(|left_out| left_out.path.rsplit('/').next())
    };
    let mut others = Source::ALL.into_iter().filter(|other| *other != source);
    let is_input = |other: Source, name: &str| why_ignored(name, other, false).is_none();
    others.find(|other| names().any(|name| is_input(*other, name)))
}

fn given_again(path: &Path) -> LeftOut {
    LeftOut::new(path.to_string_lossy(), "given more than once; it is read once")
}

/// The entries of a folder, the first by name last, where the walk takes the next one: what it
/// finds must not depend on the file system.
fn list(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut entries = folder
        .read_dir()?
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<Vec<_>>>()?;
    entries.sort_by(|a, b| b.cmp(a));
    Ok(entries)
}

/// A walk through one given folder: its own folders first, then those that links lead to, so that
/// a file has the name of where it lies rather than of a link.
struct Walk<'a> {
    given: &'a Path,
    source: Source,
    found: &'a mut Found,
    /// Device and inode of each folder that has been entered.
    entered: BTreeSet<(u64, u64)>,
    links: VecDeque<PathBuf>,
}

impl<'a> Walk<'a> {
    fn new(given: &'a Path, source: Source, found: &'a mut Found) -> Self {
        Self {
            given,
            source,
            found,
            entered: BTreeSet::new(),
            links: VecDeque::new(),
        }
    }

    fn run(mut self, metadata: &Metadata, first: Vec<PathBuf>) {
        self.entered.insert(identity(metadata));
        self.walk(first);
        while let Some(link) = self.links.pop_front() {
            match link.metadata() {
                Ok(metadata) if self.entered.contains(&identity(&metadata)) => {
                    self.ignore(&link, "a link to a folder that is read already");
                }
                Ok(metadata) => {
                    let entries = self.enter(&link, &metadata);
                    self.walk(entries);
                }
                Err(error) => self.unreadable(&link, &error),
            }
        }
    }

    fn walk(&mut self, mut to_visit: Vec<PathBuf>) {
        while let Some(path) = to_visit.pop() {
            match path.metadata() {
                Ok(metadata) if metadata.is_dir() => {
                    if self.is_ignored(&path, true) {
                    } else if path.is_symlink() {
                        self.links.push_back(path);
                    } else if !self.entered.contains(&identity(&metadata)) {
                        to_visit.extend(self.enter(&path, &metadata));
                    }
                }
                _ if self.is_ignored(&path, false) => {}
                Ok(metadata) if metadata.is_file() => self.input(path, &metadata),
                Ok(_) => self.ignore(&path, "neither a file nor a folder"),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    self.ignore(&path, "a link that leads nowhere");
                }
                Err(error) => self.unreadable(&path, &error),
            }
        }
    }

    /// The entries of a folder, none when it cannot be listed.
    fn enter(&mut self, folder: &Path, metadata: &Metadata) -> Vec<PathBuf> {
        self.entered.insert(identity(metadata));
        list(folder).unwrap_or_else(|error| {
            self.unreadable(folder, &error);
            Vec::new()
        })
    }

    fn input(&mut self, path: PathBuf, metadata: &Metadata) {
        let name = path.strip_prefix(self.given).unwrap_or(&path);
        self.found.inputs.push(Input {
            source: self.source,
            name: name.to_string_lossy().into_owned(),
            path,
            bytes: metadata.len(),
            modified_ns: modified_ns(metadata),
        });
    }

    fn is_ignored(&mut self, path: &Path, is_folder: bool) -> bool {
        let file_name = path.file_name().unwrap_or_default().to_string_lossy();
        let reason = why_ignored(&file_name, self.source, is_folder);
        if let Some(reason) = &reason {
            self.ignore(path, reason);
        }
        reason.is_some()
    }

    fn ignore(&mut self, path: &Path, reason: &str) {
        let left_out = LeftOut::new(path.to_string_lossy(), reason);
        self.found.ignored.push(left_out);
    }

    fn unreadable(&mut self, path: &Path, error: &io::Error) {
        let left_out = LeftOut::new(path.to_string_lossy(), cannot_be_read(error));
        self.found.unreadable.push(left_out);
    }
}

/// Why a file or folder could not be read, the same words for the same reason.
pub(crate) fn cannot_be_read(error: &io::Error) -> String {
    format!("cannot be read: {}", error.kind())
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

fn modified_ns(metadata: &Metadata) -> i64 {
    metadata
        .mtime()
        .saturating_mul(1_000_000_000)
        .saturating_add(metadata.mtime_nsec())
}

fn why_ignored(file_name: &str, source: Source, is_folder: bool) -> Option<String> {
    if file_name.starts_with('.') {
        Some("a hidden file".to_owned())
    } else if is_folder {
        None
    } else if file_name == "SOURCES.tsv" {
        Some("a list of sources, not an input".to_owned())
    } else {
        (!source.is_input_name(file_name)).then(|| format!("not named as {}", source.file_names()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(folder: &Path, name: &str) -> PathBuf {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::File::create_new(&path).unwrap();
        path
    }

    fn names(found: &Found) -> Vec<&str> {
        found.inputs.iter().map(|input| input.name.as_str()).collect()
    }

    #[test]
    fn what_is_neither_a_file_nor_a_folder_is_refused_with_the_way_out() {
        let pipe = PathBuf::from("/dev/null");
        let refused = find_inputs(std::slice::from_ref(&pipe), Source::Wiki).unwrap_err();
        assert!(matches!(&refused, CorpusError::Read { path, .. } if *path == pipe));
        let source = std::error::Error::source(&refused).unwrap().to_string();
        assert!(
            source.contains("pipe") && source.contains("to a file"),
            "{source}"
        );
    }

    #[test]
    fn inputs_come_sorted_by_name_whatever_the_order_given() {
        let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for name in ["b.htm", "sub/a.txt", "SOURCES.tsv", ".hidden", ".git/config"] {
            put(a.path(), name);
        }
        let lone = put(b.path(), "a.htm");
        let folder = a.path().to_path_buf();
        let found = find_inputs(&[folder.clone(), lone.clone()], Source::Filings).unwrap();
        assert_eq!(names(&found), ["a.htm", "b.htm", "sub/a.txt"]);
        assert_eq!(
            found.inputs,
            find_inputs(&[lone, folder], Source::Filings).unwrap().inputs
        );
        assert_eq!(found.ignored.len(), 3, "{:?}", found.ignored);
    }

    #[test]
    fn files_of_a_folder_that_are_not_named_as_filings_are_left_out_with_a_reason() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.HTM", "b.nc", "0000000009-94-000003", "c.txt.txt"] {
            put(folder.path(), name);
        }
        for name in [
            "filings.tsv",
            "notes.md",
            "logo.jpg",
            "report.pdf",
            "R2.xml",
            "x.json",
        ] {
            put(folder.path(), name);
        }
        let found = find_inputs(&[folder.path().to_path_buf()], Source::Filings).unwrap();
        assert_eq!(
            names(&found),
            ["0000000009-94-000003", "a.HTM", "b.nc", "c.txt.txt"]
        );
        assert_eq!(found.ignored.len(), 6);
        assert!(
            found
                .ignored
                .iter()
                .all(|left_out| left_out.reason.contains(".htm"))
        );
        // A file that is given by its own name is read whatever the name.
        let lone = put(folder.path(), "report.doc");
        assert_eq!(
            names(&find_inputs(&[lone], Source::Filings).unwrap()),
            ["report.doc"]
        );
    }

    #[test]
    fn a_folder_without_inputs_and_a_missing_one_are_errors_that_name_them() {
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), "SOURCES.tsv");
        let given = folder.path().to_path_buf();
        let empty = find_inputs(std::slice::from_ref(&given), Source::Filings);
        assert!(matches!(empty, Err(CorpusError::NoInput { path, .. }) if path == given));
        let missing = find_inputs(&[folder.path().join("nowhere")], Source::Filings);
        assert!(matches!(missing, Err(CorpusError::Read { .. })));
    }

    #[test]
    fn a_folder_of_another_source_is_refused_with_what_is_looked_for_and_the_other_option() {
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), "a.htm");
        let refused = find_inputs(&[folder.path().to_path_buf()], Source::Texts).unwrap_err();
        let said = refused.to_string();
        assert!(
            said.contains("--texts") && said.contains(".jsonl.zst") && said.contains("for --filings"),
            "{said}"
        );
    }

    #[test]
    fn a_lone_file_that_is_named_as_another_source_is_refused_with_its_option() {
        let folder = tempfile::tempdir().unwrap();
        for (name, given, option) in [
            ("a.jsonl", Source::Filings, "--texts"),
            ("b.jsonl.zst", Source::Wiki, "--texts"),
            ("c.xml.bz2", Source::Filings, "--wiki"),
        ] {
            let lone = put(folder.path(), name);
            let said = find_inputs(&[lone], given).unwrap_err().to_string();
            assert!(said.contains(name) && said.contains(option), "{said}");
        }
        let lone = put(folder.path(), "lines.txt");
        assert_eq!(
            names(&find_inputs(&[lone], Source::Texts).unwrap()),
            ["lines.txt"]
        );
    }

    #[test]
    fn what_is_given_twice_is_read_once_and_listed() {
        let folder = tempfile::tempdir().unwrap();
        let (lone, whole) = (put(folder.path(), "a.txt"), folder.path().to_path_buf());
        for given in [
            [lone.clone(), lone.clone()],
            [whole.clone(), whole.clone()],
            [whole.clone(), lone.clone()],
        ] {
            let found = find_inputs(&given, Source::Filings).unwrap();
            assert_eq!(names(&found), ["a.txt"]);
            let [listed] = &found.ignored[..] else {
                panic!("{:?}", found.ignored)
            };
            assert!(given.iter().any(|path| path.to_str() == Some(&listed.path)));
            assert!(
                listed.reason.contains("given more than once"),
                "{}",
                listed.reason
            );
        }
    }

    #[test]
    fn an_empty_folder_is_an_error_although_another_one_holds_something_unreadable() {
        let (broken, empty) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let circle = broken.path().join("self");
        std::os::unix::fs::symlink(&circle, &circle).unwrap();
        let (broken, empty) = (broken.path().to_path_buf(), empty.path().to_path_buf());
        let found = find_inputs(std::slice::from_ref(&broken), Source::Filings).unwrap();
        assert_eq!(found.unreadable.len(), 1);
        let refused = find_inputs(&[broken, empty.clone()], Source::Filings);
        assert!(matches!(refused, Err(CorpusError::NoInput { path, .. }) if path == empty));
    }

    #[test]
    fn a_folder_of_dumps_gives_its_dumps_alone() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.xml.bz2", "a.XML", "AA/wiki_00", "readme.txt", "README"] {
            put(folder.path(), name);
        }
        let found = find_inputs(&[folder.path().to_path_buf()], Source::Wiki).unwrap();
        assert_eq!(names(&found), ["AA/wiki_00", "a.XML", "b.xml.bz2"]);
        assert_eq!(found.ignored.len(), 2, "{:?}", found.ignored);
    }

    #[test]
    fn folders_that_links_lead_to_are_read_once_and_circles_end() {
        use std::os::unix::fs::symlink;
        let (folder, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let inside = |name: &str| folder.path().join(name);
        put(folder.path(), "sub/deep/a.txt");
        put(outside.path(), "b.txt");
        symlink(folder.path(), inside("sub/deep/up")).unwrap();
        symlink(inside("sub"), inside("again")).unwrap();
        symlink(outside.path(), inside("outside")).unwrap();
        symlink(outside.path(), inside("outside-too")).unwrap();
        symlink(inside("self"), inside("self")).unwrap();
        symlink(inside("gone"), inside("nowhere")).unwrap();
        // Two folders that lead to each other.
        let (pine, oak) = (outside.path().join("pine"), outside.path().join("oak"));
        for (here, there) in [(&pine, &oak), (&oak, &pine)] {
            std::fs::create_dir(here).unwrap();
            symlink(there, here.join("other")).unwrap();
        }

        let found = find_inputs(&[folder.path().to_path_buf()], Source::Filings).unwrap();
        assert_eq!(names(&found), ["outside/b.txt", "sub/deep/a.txt"]);
        let twice = |left_out: &&LeftOut| left_out.reason == "a link to a folder that is read already";
        let twice: Vec<&str> = found
            .ignored
            .iter()
            .filter(twice)
            .map(|left_out| {
                left_out
                    .path
                    .strip_prefix(&*folder.path().to_string_lossy())
                    .unwrap()
            })
            .collect();
        assert_eq!(
            twice,
            [
                "/again",
                "/outside-too",
                "/outside/oak/other",
                "/outside/pine/other",
                "/sub/deep/up"
            ]
        );
        assert_eq!(found.unreadable.len(), 1, "{:?}", found.unreadable);
        assert!(found.unreadable[0].path.ends_with("/self"));
    }

    #[test]
    fn a_folder_that_cannot_be_listed_is_named_and_the_rest_is_found() {
        // Even root cannot reach what lies deeper than the longest path: a chain of folders, and
        // another one moved to its end.
        let folder = tempfile::tempdir().unwrap();
        let chain = |top: &str, names: usize| {
            let long = "x".repeat(200);
            (0..names).fold(folder.path().join(top), |path, _| path.join(&long))
        };
        std::fs::create_dir_all(chain("a", 18)).unwrap();
        put(&chain("b", 3), "lost.txt");
        std::fs::rename(folder.path().join("b"), chain("a", 18).join("b")).unwrap();
        put(folder.path(), "found.txt");

        let found = find_inputs(&[folder.path().to_path_buf()], Source::Filings).unwrap();
        assert_eq!(names(&found), ["found.txt"]);
        assert_eq!(found.unreadable.len(), 1, "{:?}", found.unreadable);
        let unreadable = &found.unreadable[0];
        assert!(unreadable.path.contains("/b/x") && unreadable.reason.starts_with("cannot be read: "));
    }

    #[test]
    fn a_folder_without_permission_is_named_and_the_rest_is_found() {
        use std::fs::Permissions;
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), "found.txt");
        put(folder.path(), "closed/lost.txt");
        let closed = folder.path().join("closed");
        std::fs::set_permissions(&closed, Permissions::from_mode(0o000)).unwrap();
        let is_root = closed.read_dir().is_ok();
        let found = find_inputs(&[folder.path().to_path_buf()], Source::Filings);
        std::fs::set_permissions(&closed, Permissions::from_mode(0o700)).unwrap();
        let found = found.unwrap();
        if is_root {
            assert_eq!(names(&found), ["closed/lost.txt", "found.txt"]);
            return;
        }
        assert_eq!(names(&found), ["found.txt"]);
        assert_eq!(found.unreadable.len(), 1, "{:?}", found.unreadable);
        assert_eq!(found.unreadable[0].reason, "cannot be read: permission denied");
    }
}
