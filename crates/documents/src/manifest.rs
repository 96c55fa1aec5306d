//! The manifest of a documents folder: what is in it and what it was made from. Written last;
//! readers refuse a folder without one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use durable::{FileName, MOST_JSON_BYTES, read_text};
use serde::{Deserialize, Serialize};

use crate::error::DocumentsError;

/// Version of the layout of a documents folder.
pub const DOCS_FORMAT_VERSION: u32 = 2;

/// Name of the manifest inside a documents folder.
pub const DOCS_MANIFEST: &str = "manifest.json";

/// Name of the list of inputs: an [`InputFile`] a line. It is not part of the manifest, which
/// readers hold in memory.
pub const INPUTS_LIST: &str = "inputs.jsonl";

/// Most bytes of an input that is read whole, a full submission: EDGAR takes some hundred MB in one.
pub const MOST_INPUT_BYTES: u64 = 2 << 30;

/// Most JSON of all documents of a folder, a pebibyte: sums of what a manifest states do not overflow.
const MOST_FOLDER_BYTES: u64 = 1 << 50;

/// `manifest.json` of a documents folder; also what `ingest` reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DocsManifest {
    /// Layout of the folder.
    pub format_version: u32,
    /// The program that wrote it; information only.
    pub program_version: String,
    /// The documents files, in the order in which they are read.
    pub files: Vec<DocsFile>,
    /// Documents by source.
    pub documents: BTreeMap<String, u64>,
    /// Inputs left out on purpose, by reason; each is listed in `skipped.jsonl`.
    pub skipped: BTreeMap<String, u64>,
    /// Inputs that could not be used, by reason; each is listed in `rejected.jsonl`.
    pub rejected: BTreeMap<String, u64>,
    /// The files that were read.
    pub inputs: Inputs,
}

/// The files that a documents folder was made from; each is listed in `inputs.jsonl`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inputs {
    /// How many there are.
    pub files: u64,
    /// Their lengths together.
    pub bytes: u64,
    /// SHA-256 of the list.
    pub sha256: String,
}

/// One file of documents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DocsFile {
    /// Its name inside the folder.
    pub name: FileName,
    /// Documents (lines) in it.
    pub documents: u64,
    /// Its length before compression.
    pub json_bytes: u64,
    /// Its length on disk.
    pub bytes: u64,
    /// SHA-256 of what is on disk.
    pub sha256: String,
}

/// One file that was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputFile {
    /// Its path as given or found.
    pub path: String,
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of its content.
    pub sha256: String,
}

impl DocsManifest {
    /// Reads and checks the manifest of a documents folder.
    ///
    /// # Errors
    /// [`DocumentsError::NotDocs`] when it is missing, not a manifest or of another version.
    pub fn open(docs: &Path) -> Result<Self, DocumentsError> {
        let path = docs.join(DOCS_MANIFEST);
        let not_docs = |reason: String| DocumentsError::NotDocs {
            path: docs.to_path_buf(),
            reason,
        };
        let text = read_text(&path, MOST_JSON_BYTES)
            .map_err(|error| not_docs(format!("{DOCS_MANIFEST}: {error}")))?;
        let manifest: Self =
            serde_json::from_str(&text).map_err(|error| not_docs(format!("{DOCS_MANIFEST}: {error}")))?;
        if manifest.format_version != DOCS_FORMAT_VERSION {
            let found = manifest.format_version;
            return Err(not_docs(format!(
                "format_version is {found}, this program reads {DOCS_FORMAT_VERSION}"
            )));
        }
        let mut names = BTreeSet::new();
        if let Some(twice) = manifest.files.iter().find(|file| !names.insert(&file.name)) {
            return Err(not_docs(format!("{DOCS_MANIFEST} lists {} twice", twice.name)));
        }
        if let Some(empty) = manifest.files.iter().find(|file| file.json_bytes == 0) {
            return Err(not_docs(format!(
                "{DOCS_MANIFEST} says that {} holds nothing",
                empty.name
            )));
        }
        let json_bytes = manifest.json_bytes();
        if json_bytes > MOST_FOLDER_BYTES {
            return Err(not_docs(format!(
                "{DOCS_MANIFEST} says {json_bytes} bytes of JSON, more than the {MOST_FOLDER_BYTES} that a folder may have"
            )));
        }
        Ok(manifest)
    }

    /// Identifies the documents: SHA-256 over the hashes of the files in order.
    pub fn hash(&self) -> String {
        let hashes: String = self.files.iter().map(|file| file.sha256.as_str()).collect();
        durable::sha256_hex(hashes.as_bytes())
    }

    /// All documents.
    pub fn num_documents(&self) -> u64 {
        sum(self.documents.values().copied())
    }

    /// Length of all documents files before compression.
    pub fn json_bytes(&self) -> u64 {
        sum(self.files.iter().map(|file| file.json_bytes))
    }
}

/// A sum of counts that a manifest states: it may state anything.
pub(crate) fn sum(counts: impl Iterator<Item = u64>) -> u64 {
    counts.fold(0, u64::saturating_add)
}
