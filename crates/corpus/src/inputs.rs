//! Which files a command reads: the files and folders given, in an order that depends on names
//! alone. It opens none of them.

use std::path::{Path, PathBuf};

use crate::docs_writer::LeftOut;
use crate::error::CorpusError;

/// A file to read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Input {
    /// Its path relative to the folder that was given; its file name when it was given itself.
    pub(crate) name: String,
    /// Where it is.
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
}

/// Which files of a folder are inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Every file may be a filing: its content decides.
    Filings,
    /// Only `.xml` and `.bz2` files are dumps.
    Wiki,
}

/// Finds the inputs among `given` files and folders, sorted by name; what lies in a folder and is
/// no input goes to `ignored` with the reason.
pub(crate) fn find_inputs(
    given: &[PathBuf],
    kind: Kind,
    ignored: &mut Vec<LeftOut>,
) -> Result<Vec<Input>, CorpusError> {
    let mut inputs = Vec::new();
    for path in given {
        let before = inputs.len();
        let metadata = path.metadata().map_err(|source| CorpusError::Read {
            operation: "find",
            path: path.clone(),
            source,
        })?;
        if metadata.is_dir() {
            walk(path, path, kind, &mut inputs, ignored)?;
        } else {
            let name = path
                .file_name()
                .unwrap_or(path.as_os_str())
                .to_string_lossy()
                .into_owned();
            inputs.push(Input {
                name,
                path: path.clone(),
                bytes: metadata.len(),
            });
        }
        if inputs.len() == before {
            return Err(CorpusError::NoInput { path: path.clone() });
        }
    }
    inputs.sort();
    inputs.dedup();
    ignored.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(inputs)
}

fn walk(
    given: &Path,
    folder: &Path,
    kind: Kind,
    inputs: &mut Vec<Input>,
    ignored: &mut Vec<LeftOut>,
) -> Result<(), CorpusError> {
    let failed = |source| CorpusError::Read {
        operation: "list",
        path: folder.to_path_buf(),
        source,
    };
    for entry in folder.read_dir().map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let file_name = path.file_name().unwrap_or_default().to_string_lossy();
        let metadata = path.metadata();
        if let Some(reason) = why_ignored(
            &file_name,
            kind,
            metadata.as_ref().is_ok_and(std::fs::Metadata::is_dir),
        ) {
            ignored.push(LeftOut::new(path.to_string_lossy(), reason));
            continue;
        }
        match metadata {
            Ok(metadata) if metadata.is_dir() => walk(given, &path, kind, inputs, ignored)?,
            Ok(metadata) if metadata.is_file() => {
                let name = path
                    .strip_prefix(given)
                    .unwrap_or(&path)
                    .to_string_lossy()
                    .into_owned();
                inputs.push(Input {
                    name,
                    path,
                    bytes: metadata.len(),
                });
            }
            Ok(_) => ignored.push(LeftOut::new(
                path.to_string_lossy(),
                "neither a file nor a folder",
            )),
            Err(_) => ignored.push(LeftOut::new(path.to_string_lossy(), "a link that leads nowhere")),
        }
    }
    Ok(())
}

fn why_ignored(file_name: &str, kind: Kind, is_folder: bool) -> Option<&'static str> {
    let extension = Path::new(file_name).extension().unwrap_or_default();
    let is_dump = extension.eq_ignore_ascii_case("bz2") || extension.eq_ignore_ascii_case("xml");
    if file_name.starts_with('.') {
        Some("a hidden file")
    } else if is_folder {
        None
    } else if file_name == "SOURCES.tsv" {
        Some("a list of sources, not an input")
    } else if kind == Kind::Wiki && !is_dump {
        Some("not a dump (.xml, .xml.bz2)")
    } else {
        None
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

    #[test]
    fn inputs_come_sorted_by_name_whatever_the_order_given() {
        let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for name in ["b.htm", "sub/a.txt", "SOURCES.tsv", ".hidden", ".git/config"] {
            put(a.path(), name);
        }
        let lone = put(b.path(), "a.htm");
        let folder = a.path().to_path_buf();
        let mut ignored = Vec::new();
        let found = find_inputs(&[folder.clone(), lone.clone()], Kind::Filings, &mut ignored).unwrap();
        let names: Vec<&str> = found.iter().map(|input| input.name.as_str()).collect();
        assert_eq!(names, ["a.htm", "b.htm", "sub/a.txt"]);
        assert_eq!(
            found,
            find_inputs(&[lone, folder], Kind::Filings, &mut Vec::new()).unwrap()
        );
        assert_eq!(ignored.len(), 3, "{ignored:?}");
    }

    #[test]
    fn a_folder_without_inputs_and_a_missing_one_are_errors_that_name_them() {
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), "SOURCES.tsv");
        let given = folder.path().to_path_buf();
        let empty = find_inputs(std::slice::from_ref(&given), Kind::Filings, &mut Vec::new());
        assert!(matches!(empty, Err(CorpusError::NoInput { path }) if path == given));
        let missing = find_inputs(&[folder.path().join("nowhere")], Kind::Filings, &mut Vec::new());
        assert!(matches!(missing, Err(CorpusError::Read { .. })));
    }

    #[test]
    fn a_folder_of_dumps_gives_its_dumps_alone() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.xml.bz2", "a.XML", "readme.txt"] {
            put(folder.path(), name);
        }
        let mut ignored = Vec::new();
        let found = find_inputs(&[folder.path().to_path_buf()], Kind::Wiki, &mut ignored).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(ignored[0].reason, "not a dump (.xml, .xml.bz2)");
    }
}
