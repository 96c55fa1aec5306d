//! The tokenizer folder: the five files and the manifest of what they were made from.

use std::path::Path;

use durable::{Storage, commit_dir};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Tokenizer, TokenizerError};

/// Name of the manifest in a tokenizer folder.
pub const MANIFEST_FILE: &str = "manifest.json";
/// Version of the manifest's format.
pub const MANIFEST_FORMAT_VERSION: u32 = 1;
const KIND: &str = "tokenizer";

/// What a tokenizer folder says about itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FolderManifest {
    /// Version of this format.
    pub format_version: u32,
    /// Always `tokenizer`.
    pub kind: String,
    /// [`Tokenizer::hash`].
    pub tokenizer_hash: String,
    /// Entries of the vocabulary.
    pub vocab_size: usize,
    /// Entries that were asked for; more than `vocab_size` when the text had fewer merges.
    pub requested_vocab_size: Option<usize>,
    /// Longest sequence, `<s>` and `</s>` included, as written into `tokenizer_config.json`.
    pub model_max_length: usize,
    /// Inputs, program version and times: information, never compared.
    pub made_from: Value,
}

impl Tokenizer {
    /// Writes the folder `folder` whole or not at all: the five files and the manifest, into
    /// which `made_from` goes as it is.
    ///
    /// # Errors
    /// [`TokenizerError::Durable`] when the folder exists or cannot be written.
    pub fn save(
        &self,
        storage: &dyn Storage,
        folder: &Path,
        model_max_length: usize,
        made_from: Value,
    ) -> Result<(), TokenizerError> {
        let mut files = self.files(model_max_length)?;
        files.push((MANIFEST_FILE, self.manifest_bytes(model_max_length, made_from)?));
        commit_dir(storage, folder, |staged| {
            for (name, content) in &files {
                staged.write_file(name, |file| file.write_all(content))?;
            }
            Ok(())
        })
    }

    fn manifest_bytes(&self, model_max_length: usize, made_from: Value) -> Result<Vec<u8>, TokenizerError> {
        let manifest = FolderManifest {
            format_version: MANIFEST_FORMAT_VERSION,
            kind: KIND.to_owned(),
            tokenizer_hash: self.hash().to_owned(),
            vocab_size: self.vocab_size(),
            requested_vocab_size: self.requested_vocab_size(),
            model_max_length,
            made_from,
        };
        let mut bytes = serde_json::to_vec_pretty(&manifest).map_err(|source| TokenizerError::Serialize {
            file: MANIFEST_FILE,
            source,
        })?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}

/// Compares the folder's manifest, if it has one of this kind, with the tokenizer in it and
/// takes over the size that was asked for. A Hugging Face folder has none; other folders'
/// manifests are not ours to judge.
pub(crate) fn check_manifest(folder: &Path, tokenizer: &mut Tokenizer) -> Result<(), TokenizerError> {
    let path = folder.join(MANIFEST_FILE);
    let bytes = match durable::read_file(&path, durable::MOST_JSON_BYTES) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(TokenizerError::Read { path, source }),
    };
    let json = |source| TokenizerError::Json {
        path: path.clone(),
        source,
    };
    let value: Value = serde_json::from_slice(&bytes).map_err(json)?;
    if value.get("kind").and_then(Value::as_str) != Some(KIND) {
        return Ok(());
    }
    let differs = |field, expected: &dyn ToString, found: &dyn ToString| {
        Err(TokenizerError::Manifest {
            path: path.clone(),
            field,
            expected: expected.to_string(),
            found: found.to_string(),
        })
    };
    let version = value.get("format_version").and_then(Value::as_u64).unwrap_or(0);
    if version != u64::from(MANIFEST_FORMAT_VERSION) {
        return differs("format_version", &MANIFEST_FORMAT_VERSION, &version);
    }
    let manifest: FolderManifest = serde_json::from_value(value).map_err(json)?;
    if manifest.vocab_size != tokenizer.vocab_size() {
        return differs("vocab_size", &tokenizer.vocab_size(), &manifest.vocab_size);
    }
    if manifest.tokenizer_hash != tokenizer.hash() {
        return differs("tokenizer_hash", &tokenizer.hash(), &manifest.tokenizer_hash);
    }
    tokenizer.set_requested_vocab_size(manifest.requested_vocab_size);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use durable::{DISK, commit_bytes};
    use serde_json::json;

    fn tokenizer() -> Tokenizer {
        let texts = ["net sales rose and net sales fell", "sales of sales"].map(String::from);
        crate::train(texts.into_iter(), 400).unwrap()
    }

    fn saved() -> (tempfile::TempDir, std::path::PathBuf) {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("tokenizer");
        tokenizer()
            .save(&DISK, &folder, 512, json!({"inputs": ["docs"]}))
            .unwrap();
        (root, folder)
    }

    fn replace(path: &Path, from: &str, to: &str) {
        let text = std::fs::read_to_string(path).unwrap();
        assert!(text.contains(from), "{from:?} is not in {}", path.display());
        commit_bytes(&DISK, path, text.replacen(from, to, 1).as_bytes()).unwrap();
    }

    fn lacks(folder: &Path) -> String {
        match Tokenizer::open(folder) {
            Err(TokenizerError::Unfit { lacks, .. }) => lacks,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_saved_folder_opens_as_the_same_tokenizer() {
        let (_root, folder) = saved();
        let (expected, opened) = (tokenizer(), Tokenizer::open(&folder).unwrap());
        assert_eq!(opened.hash(), expected.hash());
        assert_eq!(opened.requested_vocab_size(), Some(400));
        assert!(opened.vocab_size() < 400);
        assert_eq!(opened.files(512).unwrap(), expected.files(512).unwrap());
    }

    #[test]
    fn vocab_and_merges_alone_open_as_the_same_tokenizer() {
        let (_root, folder) = saved();
        std::fs::remove_file(folder.join("tokenizer.json")).unwrap();
        assert_eq!(Tokenizer::open(&folder).unwrap().hash(), tokenizer().hash());
    }

    #[test]
    fn a_folder_is_never_overwritten() {
        let (_root, folder) = saved();
        let error = tokenizer().save(&DISK, &folder, 512, Value::Null).unwrap_err();
        assert!(matches!(error, TokenizerError::Durable(_)));
    }

    #[test]
    fn an_empty_folder_is_no_tokenizer() {
        let root = tempfile::tempdir().unwrap();
        let error = Tokenizer::open(root.path()).unwrap_err();
        assert!(matches!(error, TokenizerError::NoTokenizer { .. }));
    }

    #[test]
    fn a_manifest_of_another_tokenizer_is_refused_naming_the_field() {
        let (_root, folder) = saved();
        let hash = tokenizer().hash().to_owned();
        replace(&folder.join(MANIFEST_FILE), &hash, &"0".repeat(64));
        let error = Tokenizer::open(&folder).unwrap_err();
        assert!(matches!(
            error,
            TokenizerError::Manifest {
                field: "tokenizer_hash",
                ..
            }
        ));
    }

    #[test]
    fn a_manifest_of_a_later_format_is_refused() {
        let (_root, folder) = saved();
        replace(
            &folder.join(MANIFEST_FILE),
            "\"format_version\": 1",
            "\"format_version\": 2",
        );
        let error = Tokenizer::open(&folder).unwrap_err();
        assert!(matches!(
            error,
            TokenizerError::Manifest {
                field: "format_version",
                ..
            }
        ));
    }

    /// A saved folder whose `tokenizer.json` has `to` for `from`, read by `class`.
    fn changed(class: &str, from: &str, to: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        let (root, folder) = saved();
        std::fs::remove_file(folder.join(MANIFEST_FILE)).unwrap();
        replace(&folder.join("tokenizer.json"), from, to);
        replace(&folder.join("tokenizer_config.json"), "RobertaTokenizer", class);
        (root, folder)
    }

    #[test]
    fn what_cannot_serve_a_corpus_is_refused_naming_what_lacks() {
        for (from, to, expected) in [
            ("\"<pad>\": 1", "\"<pat>\": 1", "<pad>"),
            ("\"<pad>\": 1", "\"<pad>\": 1001", "1001"),
            ("\"type\": \"BPE\"", "\"type\": \"WordPiece\"", "WordPiece"),
            ("\"Ġ\": ", "\"Ġ__\": ", "no id"),
            ("\"ÿ\": ", "\"ÿ__\": ", "0xff"),
        ] {
            let (_root, folder) = changed("RobertaTokenizer", from, to);
            let lacks = lacks(&folder);
            assert!(lacks.contains(expected), "{from} -> {to}: {lacks}");
        }
        let (_root, folder) = changed("PreTrainedTokenizerFast", "\"dropout\": null", "\"dropout\": 0.1");
        assert!(lacks(&folder).contains("dropout"));
    }

    #[test]
    fn the_class_decides_whether_tokenizer_json_is_obeyed_and_a_note_says_what_is_not() {
        for (from, to, word) in [
            (
                "\"normalizer\": null",
                "\"normalizer\": {\"type\": \"NFC\"}",
                "normalizer",
            ),
            ("\"use_regex\": true", "\"use_regex\": false", "use_regex"),
            (
                "\"type\": \"ByteLevel\"",
                "\"type\": \"Whitespace\"",
                "Whitespace",
            ),
            (
                "\"ignore_merges\": false",
                "\"ignore_merges\": true",
                "ignore_merges",
            ),
            (
                "\"byte_fallback\": false",
                "\"byte_fallback\": true",
                "byte_fallback",
            ),
        ] {
            for (class, by_library) in [("RobertaTokenizer", false), ("PreTrainedTokenizerFast", true)] {
                let (_root, folder) = changed(class, from, to);
                let tokenizer = Tokenizer::open(&folder).unwrap();
                assert_eq!(tokenizer.encodes_by_library(), by_library, "{class}: {to}");
                let notes = tokenizer.notes().concat();
                assert!(notes.contains(word), "{class}: {to}: {notes}");
            }
        }
    }

    #[test]
    fn broken_files_are_named() {
        let (_root, folder) = saved();
        commit_bytes(&DISK, &folder.join("tokenizer.json"), b"{").unwrap();
        assert!(matches!(
            Tokenizer::open(&folder),
            Err(TokenizerError::Json { .. })
        ));
        std::fs::remove_file(folder.join("tokenizer.json")).unwrap();
        commit_bytes(&DISK, &folder.join("merges.txt"), b"#version: 0.2\na b\nabc\n").unwrap();
        assert!(matches!(
            Tokenizer::open(&folder),
            Err(TokenizerError::MergeLine { line: 3, .. })
        ));
    }
}
