//! Reads the files of a tokenizer folder, naming the one that cannot be read. They may be somebody
//! else's.

use std::path::Path;

use serde::Deserialize;

use crate::TokenizerError;
use crate::folder::ordered::{Json, Object};

/// Most bytes of a file of a tokenizer: those of a vocabulary of a million entries have some 60 MB.
const MOST_BYTES: u64 = 128 << 20;

pub(crate) fn read(path: &Path) -> Result<Vec<u8>, TokenizerError> {
    durable::read_file(path, MOST_BYTES).map_err(|source| TokenizerError::Read {
        path: path.to_path_buf(),
        source,
    })
}

pub(crate) fn parse<'a, T: Deserialize<'a>>(path: &Path, bytes: &'a [u8]) -> Result<T, TokenizerError> {
    serde_json::from_slice(bytes).map_err(|source| TokenizerError::Json {
        path: path.to_path_buf(),
        source,
    })
}

/// An object in the order of the file; `None` where there is no file.
pub(crate) fn object(path: &Path) -> Result<Option<Object<Json>>, TokenizerError> {
    if !path.exists() {
        return Ok(None);
    }
    parse(path, &read(path)?).map(Some)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use durable::testing::{lay_pipe, within_a_minute};

    use crate::folder::manifest::MANIFEST_FILE;
    use crate::{Tokenizer, TokenizerError};

    /// A tokenizer as `tenk-corpus tokenizer` writes it, with the files that others lay beside.
    fn written() -> (tempfile::TempDir, PathBuf) {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("tokenizer");
        let texts = std::iter::once("low low lower lowest".to_owned());
        let tokenizer = crate::train(texts, 300).unwrap();
        tokenizer
            .save(&durable::DISK, &folder, 512, serde_json::Value::Null)
            .unwrap();
        for name in ["special_tokens_map.json", "added_tokens.json"] {
            if !folder.join(name).exists() {
                durable::commit_bytes(&durable::DISK, &folder.join(name), b"{}").unwrap();
            }
        }
        Tokenizer::open(&folder).unwrap();
        (root, folder)
    }

    fn refused(folder: PathBuf) -> (PathBuf, String) {
        match within_a_minute(move || Tokenizer::open(&folder)) {
            Err(TokenizerError::Read { path, source }) => (path, source.to_string()),
            other => panic!("{other:?}"),
        }
    }

    /// Files that are read, and those that have to go before they are.
    const READ: [(&str, &[&str]); 7] = [
        ("tokenizer.json", &[]),
        ("vocab.json", &["tokenizer.json"]),
        ("merges.txt", &["tokenizer.json"]),
        (MANIFEST_FILE, &[]),
        ("tokenizer_config.json", &[]),
        ("special_tokens_map.json", &[]),
        ("added_tokens.json", &[]),
    ];

    #[test]
    fn a_pipe_under_the_name_of_any_file_of_a_tokenizer_is_refused_at_once() {
        for (name, gone) in READ {
            let (_root, folder) = written();
            for gone in gone {
                std::fs::remove_file(folder.join(gone)).unwrap();
            }
            lay_pipe(&folder.join(name)).unwrap();
            let (path, reason) = refused(folder.clone());
            assert_eq!(path, folder.join(name));
            assert!(reason.contains("it is a pipe"), "{name}: {reason}");
        }
    }

    #[test]
    fn a_file_of_a_tebibyte_is_refused_before_memory_is_taken_for_it() {
        for (name, gone) in READ {
            let (_root, folder) = written();
            for gone in gone {
                std::fs::remove_file(folder.join(gone)).unwrap();
            }
            let file = std::fs::OpenOptions::new().write(true).open(folder.join(name));
            file.unwrap().set_len(1 << 40).unwrap();
            let (path, reason) = refused(folder.clone());
            assert_eq!(path, folder.join(name));
            assert!(reason.contains("at most"), "{name}: {reason}");
        }
    }
}
