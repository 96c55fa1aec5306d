//! The manifest of a documents folder: what is in it and what it was made from. Written last;
//! readers refuse a folder without one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use durable::{FileName, MOST_JSON_BYTES, read_text};
use serde::{Deserialize, Serialize};

use crate::error::DocumentsError;

/// Version of the layout of a documents folder. Version 3 has the tables of a document, more of
/// its sections, and the markup that left nothing; it is read wherever version 2 is.
pub const DOCS_FORMAT_VERSION: u32 = 3;

/// The first version whose filings have their items.
const FIRST_DOCS_FORMAT_WITH_ITEMS: u32 = 3;

/// What the name of a file of filings begins with.
const FILINGS: &str = "filings-";

/// The oldest version that is still read.
const OLDEST_DOCS_FORMAT_VERSION: u32 = 2;

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
    /// Markup that left nothing in the text of its document, by name: templates of Wikipedia.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub markup_left_out: BTreeMap<String, u64>,
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
        let found = manifest.format_version;
        if !(OLDEST_DOCS_FORMAT_VERSION..=DOCS_FORMAT_VERSION).contains(&found) {
            return Err(not_docs(format!(
                "format_version is {found}, this program reads {OLDEST_DOCS_FORMAT_VERSION} to {DOCS_FORMAT_VERSION}"
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

    /// Refuses a folder whose filings were read before anybody looked for items in them: of each item
    /// it would seem that the filing has none.
    ///
    /// # Errors
    /// [`DocumentsError::NoItems`].
    pub fn refuse_without_items(&self, docs: &Path) -> Result<(), DocumentsError> {
        let mut names = self.files.iter().map(|file| file.name.as_str());
        if self.format_version < FIRST_DOCS_FORMAT_WITH_ITEMS && names.any(|name| name.starts_with(FILINGS)) {
            return Err(DocumentsError::NoItems {
                path: docs.to_path_buf(),
            });
        }
        Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BlockKind, SectionStatus, reader::DocumentReader};

    /// Written by `tenk-corpus ingest` when the version was 2; it stays as it is.
    const FORMAT_2: &str = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/golden/documents_format_2"
    );

    #[test]
    fn a_folder_of_format_2_is_read() {
        let docs = Path::new(FORMAT_2);
        let manifest = DocsManifest::open(docs).unwrap();
        assert_eq!(manifest.format_version, 2);
        let refused = manifest.refuse_without_items(docs).unwrap_err();
        assert!(refused.to_string().contains("tenk-corpus ingest"), "{refused}");
        let documents: Vec<_> = DocumentReader::open(docs)
            .unwrap()
            .map(|document| document.unwrap())
            .collect();
        assert_eq!(documents.len(), 2);
        let (filing, text) = (&documents[0], &documents[1]);
        assert_eq!(filing.blocks[2].text, "Oak | 17");
        assert_eq!(filing.blocks[2].kind, BlockKind::TableRow);
        assert!(filing.tables.is_empty());
        assert_eq!(text.sections[0].item, "7");
        assert_eq!(text.sections[0].status, SectionStatus::Stated);
    }

    #[test]
    fn a_folder_of_a_later_or_older_format_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let text = std::fs::read_to_string(Path::new(FORMAT_2).join(DOCS_MANIFEST)).unwrap();
        for version in [1, DOCS_FORMAT_VERSION + 1] {
            let other = text.replace("\"format_version\": 2", &format!("\"format_version\": {version}"));
            assert_ne!(other, text);
            let path = folder.path().join(DOCS_MANIFEST);
            durable::commit_bytes(&durable::DISK, &path, other.as_bytes()).unwrap();
            let message = DocsManifest::open(folder.path()).unwrap_err().to_string();
            assert!(message.contains("this program reads 2 to 3"), "{message}");
        }
    }
}
