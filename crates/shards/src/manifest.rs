//! `manifest.json` of a corpus folder: what is in it, by hash.
//!
//! The manifest carries the hash of its own content fields, which is the hash of the corpus:
//! every file is hashed in them. `made_from` is information (program version, inputs, times)
//! and not part of the hash: two builds of one corpus are equal.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use durable::{FileName, MOST_JSON_BYTES, Storage, commit_bytes, read_file, sha256_hex};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::names::PACKING_PREFIX;
use crate::writer::with_extension;
use crate::{Balance, DocumentsFile, ShardError, Spread, TOKENIZER_FOLDER, TokenWidth};

mod entries;

pub use entries::{HeldOut, HeldOutFile, ShardEntry, SourceCounts, SourceRange, Subset, Window};

/// Name of the manifest.
pub const MANIFEST_FILE: &str = "manifest.json";
/// Version of the manifest's format.
pub const MANIFEST_FORMAT_VERSION: u32 = 1;
const KIND: &str = "corpus";

/// What a corpus folder says about itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of this format; set by [`Manifest::write`].
    pub format_version: u32,
    /// Always `corpus`; set by [`Manifest::write`].
    pub kind: String,
    /// [`Manifest::hash`]; set by [`Manifest::write`].
    pub corpus_hash: String,
    /// Hash of the tokenizer whose ids the shards hold.
    pub tokenizer_hash: String,
    /// SHA-256 of each file in the corpus's `tokenizer/` folder by name; empty in a corpus of
    /// before they were kept.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tokenizer_files: BTreeMap<FileName, String>,
    /// Its number of entries.
    pub vocab_size: usize,
    /// The token that ends every block.
    pub newline_token: u32,
    /// How tokens are stored.
    pub token_width: TokenWidth,
    /// Number of shards.
    pub num_shards: u32,
    /// The shards in order.
    pub shards: Vec<ShardEntry>,
    /// How evenly tokens are spread over the shards; set by [`Manifest::write`].
    pub balance: Balance,
    /// Tokens of the largest document, below which no spread can be evened out.
    pub largest_document_tokens: u64,
    /// Counts of each source over all shards, held-out documents not included.
    pub sources: BTreeMap<String, SourceCounts>,
    /// What was kept apart.
    pub held_out: HeldOut,
    /// Earliest date of a document, held-out ones included, `YYYY-MM-DD`: its filing date; for a
    /// wiki page the day of its revision.
    pub filed_earliest: Option<String>,
    /// Latest date of a document, held-out ones included. It bounds what the corpus knows where
    /// no document is undated.
    pub filed_latest: Option<String>,
    /// Documents without a date, held-out ones included; none where there is a window. A corpus
    /// that counted no days of wiki pages does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undated: Option<u64>,
    /// The days between which documents were taken; `None` if all were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    /// The forms and items that were taken; `None` if all were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subset: Option<Subset>,
    /// The list of documents.
    pub documents_file: DocumentsFile,
    /// Documents that are in neither shards nor held-out files, counted by reason.
    pub dropped: BTreeMap<String, u64>,
    /// Program version, inputs, times: information, not part of the hash.
    pub made_from: Value,
}

impl Manifest {
    /// SHA-256 in hex of the content fields: all but `made_from` and the hash itself.
    pub fn hash(&self) -> String {
        let content = Self {
            corpus_hash: String::new(),
            made_from: Value::Null,
            ..self.clone()
        };
        // a struct of maps with string keys always is JSON
        sha256_hex(&serde_json::to_vec(&content).unwrap_or_default())
    }

    /// Tokens over all shards.
    pub fn num_tokens(&self) -> u64 {
        sum(self.shards.iter().map(|shard| shard.tokens))
    }

    /// Documents over all shards.
    pub fn num_documents(&self) -> u64 {
        sum(self.shards.iter().map(|shard| shard.documents))
    }

    /// Every file that the manifest names: where it is in the folder, and its SHA-256.
    pub fn files(&self) -> Vec<(PathBuf, &str)> {
        let shards = self.shards.iter();
        let shards = shards.map(|entry| (&entry.name, &entry.bin_sha256, &entry.idx_sha256));
        let held_out = self.held_out.sources.values();
        let held_out = held_out.map(|file| (&file.name, &file.bin_sha256, &file.idx_sha256));
        let pairs = shards.chain(held_out).flat_map(|(name, bin, idx)| {
            let name = Path::new(name.as_str());
            [
                (with_extension(name, "bin"), bin.as_str()),
                (with_extension(name, "idx"), idx.as_str()),
            ]
        });
        let tokenizer = self.tokenizer_files.iter();
        let tokenizer =
            tokenizer.map(|(name, sha256)| (Path::new(TOKENIZER_FOLDER).join(name), sha256.as_str()));
        let documents = &self.documents_file;
        let documents = (PathBuf::from(documents.file.as_str()), documents.sha256.as_str());
        pairs.chain(tokenizer).chain([documents]).collect()
    }

    /// Fills in version, kind, balance and hash and writes `manifest.json` into `folder`.
    ///
    /// # Errors
    /// [`ShardError::Durable`] if the disk does not take it.
    pub fn write(&mut self, storage: &dyn Storage, folder: &Path) -> Result<(), ShardError> {
        self.format_version = MANIFEST_FORMAT_VERSION;
        KIND.clone_into(&mut self.kind);
        self.balance = self.spread().balance();
        self.corpus_hash = self.hash();
        let path = folder.join(MANIFEST_FILE);
        self.check_files(&path)?;
        let mut bytes = serde_json::to_vec_pretty(self).map_err(not_json(&path))?;
        bytes.push(b'\n');
        // Never write what is refused on reading.
        if bytes.len() as u64 > MOST_JSON_BYTES {
            let expected = format!("at most {MOST_JSON_BYTES}, so with fewer shards");
            return Err(ShardError::manifest(
                &path,
                "its length in bytes",
                expected,
                bytes.len(),
            ));
        }
        Ok(commit_bytes(storage, &path, &bytes)?)
    }

    /// How even the shards are.
    pub fn spread(&self) -> Spread {
        let shard_tokens: Vec<u64> = self.shards.iter().map(|shard| shard.tokens).collect();
        Spread::of(&shard_tokens, self.largest_document_tokens)
    }

    /// Reads `manifest.json` of `folder` and checks its version, its hash and that its parts
    /// agree with each other.
    ///
    /// # Errors
    /// [`ShardError::Read`], [`ShardError::Json`], or [`ShardError::Manifest`] naming the field
    /// that does not fit.
    pub fn read(folder: &Path) -> Result<Self, ShardError> {
        let path = folder.join(MANIFEST_FILE);
        let bytes = read_file(&path, MOST_JSON_BYTES).map_err(|source| ShardError::Read {
            path: path.clone(),
            source,
        })?;
        check_kind(&path, &bytes)?;
        // from the text, not from a value: serde_json then names line and column
        let manifest: Self = serde_json::from_slice(&bytes).map_err(not_json(&path))?;
        let hash = manifest.hash();
        if manifest.corpus_hash != hash {
            return Err(ShardError::manifest(
                &path,
                "corpus_hash",
                hash,
                manifest.corpus_hash,
            ));
        }
        manifest.check(&path)?;
        Ok(manifest)
    }

    /// No two entries are the same file, and none is one that has its name from this program.
    fn check_files(&self, path: &Path) -> Result<(), ShardError> {
        let mut seen = BTreeSet::new();
        for (file, _) in self.files() {
            let name = file.to_string_lossy().into_owned();
            if [MANIFEST_FILE, TOKENIZER_FOLDER].contains(&name.as_str()) || name.starts_with(PACKING_PREFIX)
            {
                let expected = "the name of no other file of a corpus";
                return Err(ShardError::manifest(path, "the name of a file", expected, name));
            }
            if !seen.insert(file) {
                return Err(ShardError::manifest(
                    path,
                    "the name of two files",
                    "two names",
                    name,
                ));
            }
        }
        Ok(())
    }

    /// Counts of the parts must add up to those of the whole.
    fn check(&self, path: &Path) -> Result<(), ShardError> {
        self.check_files(path)?;
        if self.shards.len() as u64 != u64::from(self.num_shards) {
            return Err(ShardError::manifest(
                path,
                "num_shards",
                self.shards.len(),
                self.num_shards,
            ));
        }
        let mut sums: BTreeMap<&str, SourceCounts> = BTreeMap::new();
        for shard in &self.shards {
            shard.check(path)?;
            for (source, range) in &shard.by_source {
                let sum = sums.entry(source).or_default();
                sum.documents = sum.documents.saturating_add(range.documents);
                sum.tokens = sum.tokens.saturating_add(range.tokens);
                sum.blocks = sum.blocks.saturating_add(range.blocks);
            }
        }
        let counts = |counts: &SourceCounts| format!("{counts:?}");
        for (source, stated) in &self.sources {
            let sum = sums.remove(source.as_str()).unwrap_or_default();
            if sum != *stated {
                let field = format!("sources.{source}");
                return Err(ShardError::manifest(path, field, counts(&sum), counts(stated)));
            }
        }
        if let Some((source, sum)) = sums.into_iter().find(|(_, sum)| *sum != SourceCounts::default()) {
            return Err(ShardError::manifest(
                path,
                format!("sources.{source}"),
                counts(&sum),
                "missing",
            ));
        }
        let held_out = sum(self.held_out.sources.values().map(|file| file.documents));
        let rows = self.num_documents().saturating_add(held_out);
        if self.documents_file.rows != rows {
            let found = self.documents_file.rows;
            return Err(ShardError::manifest(path, "documents_file.rows", rows, found));
        }
        Ok(())
    }
}

/// Whether it is a corpus's manifest of this version. The rest of what another program wrote is not
/// known.
fn check_kind(path: &Path, bytes: &[u8]) -> Result<(), ShardError> {
    let value: Value = serde_json::from_slice(bytes).map_err(not_json(path))?;
    let kind = value.get("kind").and_then(Value::as_str).unwrap_or("missing");
    if kind != KIND {
        return Err(ShardError::manifest(path, "kind", KIND, kind));
    }
    let version = value.get("format_version").and_then(Value::as_u64).unwrap_or(0);
    if version == u64::from(MANIFEST_FORMAT_VERSION) {
        return Ok(());
    }
    let expected = MANIFEST_FORMAT_VERSION;
    Err(ShardError::manifest(path, "format_version", expected, version))
}

fn not_json(path: &Path) -> impl FnOnce(serde_json::Error) -> ShardError {
    let path = path.to_path_buf();
    move |source| ShardError::Json {
        path,
        what: "a manifest",
        source,
    }
}

/// A sum of counts that a manifest states: it may state anything.
fn sum(counts: impl Iterator<Item = u64>) -> u64 {
    counts.fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests;
