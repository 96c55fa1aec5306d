//! `manifest.json` of a corpus folder: what is in it, by hash.
//!
//! The manifest carries the hash of its own content fields, which is the hash of the corpus:
//! every file is hashed in them. `made_from` is information (program version, inputs, times)
//! and not part of the hash: two builds of one corpus are equal.

use std::collections::BTreeMap;
use std::path::Path;

use durable::{Storage, commit_bytes, sha256_hex};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Balance, DocumentsFile, ShardError, ShardSummary, Spread, TokenWidth};

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
    pub tokenizer_files: BTreeMap<String, String>,
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
    /// The list of documents.
    pub documents_file: DocumentsFile,
    /// Documents that are in neither shards nor held-out files, counted by reason.
    pub dropped: BTreeMap<String, u64>,
    /// Program version, inputs, times: information, not part of the hash.
    pub made_from: Value,
}

/// One shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShardEntry {
    /// File name without extension.
    pub name: String,
    /// Its tokens.
    pub tokens: u64,
    /// Its documents.
    pub documents: u64,
    /// Its blocks.
    pub blocks: u64,
    /// SHA-256 of the `.bin`.
    pub bin_sha256: String,
    /// SHA-256 of the `.idx`.
    pub idx_sha256: String,
    /// Where the documents of each source are; in order of the names, without gaps.
    pub by_source: BTreeMap<String, SourceRange>,
}

impl ShardEntry {
    /// The entry of a finished shard.
    pub fn new(
        name: impl Into<String>,
        summary: &ShardSummary,
        by_source: BTreeMap<String, SourceRange>,
    ) -> Self {
        Self {
            name: name.into(),
            tokens: summary.tokens,
            documents: summary.documents,
            blocks: summary.blocks,
            bin_sha256: summary.bin_hash.clone(),
            idx_sha256: summary.idx_hash.clone(),
            by_source,
        }
    }
}

/// The documents of one source in one shard.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceRange {
    /// Index of the first document.
    pub first_document: u64,
    /// Number of documents.
    pub documents: u64,
    /// Index of the first block.
    pub first_block: u64,
    /// Number of blocks.
    pub blocks: u64,
    /// Number of tokens.
    pub tokens: u64,
}

/// Counts of one source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceCounts {
    /// Documents.
    pub documents: u64,
    /// Tokens.
    pub tokens: u64,
    /// Blocks.
    pub blocks: u64,
}

/// Which days documents may have, all `YYYY-MM-DD`; documents without a date are not taken.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// The first day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The last day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// From this day on documents are held out, whoever filed them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_out_from: Option<String>,
}

/// What was kept apart from training.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeldOut {
    /// The rule in words.
    pub rule: String,
    /// Seed of the rule's hash, if it has one.
    pub seed: Option<u64>,
    /// Share of companies that the rule aims at.
    pub fraction: f64,
    /// The held-out file of each source.
    pub sources: BTreeMap<String, HeldOutFile>,
}

/// The held-out file of one source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeldOutFile {
    /// File name without extension.
    pub name: String,
    /// Its documents.
    pub documents: u64,
    /// Its tokens.
    pub tokens: u64,
    /// Its blocks.
    pub blocks: u64,
    /// SHA-256 of the `.bin`.
    pub bin_sha256: String,
    /// SHA-256 of the `.idx`.
    pub idx_sha256: String,
}

impl HeldOutFile {
    /// The entry of a finished held-out file.
    pub fn new(name: impl Into<String>, summary: &ShardSummary) -> Self {
        Self {
            name: name.into(),
            documents: summary.documents,
            tokens: summary.tokens,
            blocks: summary.blocks,
            bin_sha256: summary.bin_hash.clone(),
            idx_sha256: summary.idx_hash.clone(),
        }
    }
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
        self.shards.iter().map(|shard| shard.tokens).sum()
    }

    /// Documents over all shards.
    pub fn num_documents(&self) -> u64 {
        self.shards.iter().map(|shard| shard.documents).sum()
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
        let mut bytes = serde_json::to_vec_pretty(self).map_err(|source| ShardError::Json {
            path: path.clone(),
            what: "a manifest",
            source,
        })?;
        bytes.push(b'\n');
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
        let bytes = std::fs::read(&path).map_err(|source| ShardError::Read {
            path: path.clone(),
            source,
        })?;
        let json = |source| ShardError::Json {
            path: path.clone(),
            what: "a manifest",
            source,
        };
        let value: Value = serde_json::from_slice(&bytes).map_err(json)?;
        let kind = value.get("kind").and_then(Value::as_str).unwrap_or("missing");
        if kind != KIND {
            return Err(ShardError::manifest(&path, "kind", KIND, kind));
        }
        let version = value.get("format_version").and_then(Value::as_u64).unwrap_or(0);
        if version != u64::from(MANIFEST_FORMAT_VERSION) {
            return Err(ShardError::manifest(
                &path,
                "format_version",
                MANIFEST_FORMAT_VERSION,
                version,
            ));
        }
        // from the text, not from `value`: serde_json then names line and column
        let manifest: Self = serde_json::from_slice(&bytes).map_err(json)?;
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

    /// Counts of the parts must add up to those of the whole.
    fn check(&self, path: &Path) -> Result<(), ShardError> {
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
                sum.documents += range.documents;
                sum.tokens += range.tokens;
                sum.blocks += range.blocks;
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
        let held_out: u64 = self.held_out.sources.values().map(|file| file.documents).sum();
        let rows = self.num_documents() + held_out;
        if self.documents_file.rows != rows {
            let found = self.documents_file.rows;
            return Err(ShardError::manifest(path, "documents_file.rows", rows, found));
        }
        Ok(())
    }
}

impl ShardEntry {
    /// The ranges of the sources follow each other and fill the shard.
    fn check(&self, path: &Path) -> Result<(), ShardError> {
        let mut next = SourceRange::default();
        for (source, range) in &self.by_source {
            if (range.first_document, range.first_block) != (next.first_document, next.first_block) {
                return Err(ShardError::manifest(
                    path,
                    format!("shards.{}.by_source.{source}", self.name),
                    format!("document {}, block {}", next.first_document, next.first_block),
                    format!("document {}, block {}", range.first_document, range.first_block),
                ));
            }
            next.first_document += range.documents;
            next.first_block += range.blocks;
            next.tokens += range.tokens;
        }
        let sums = (next.first_document, next.first_block, next.tokens);
        let stated = (self.documents, self.blocks, self.tokens);
        if sums != stated {
            return Err(ShardError::manifest(
                path,
                format!("shards.{} (documents, blocks, tokens)", self.name),
                format!("{sums:?}"),
                format!("{stated:?}"),
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{change, small_corpus};

    #[test]
    fn a_manifest_reads_as_it_was_written() {
        let corpus = small_corpus();
        assert_eq!(Manifest::read(&corpus.folder).unwrap(), corpus.manifest);
    }

    #[test]
    fn the_hash_covers_content_and_not_information() {
        let manifest = small_corpus().manifest;
        let other = Manifest {
            made_from: json!({"program": "another"}),
            ..manifest.clone()
        };
        assert_eq!(other.hash(), manifest.hash());
        let other = Manifest {
            newline_token: 6,
            ..manifest.clone()
        };
        assert_ne!(other.hash(), manifest.hash());
    }

    fn field_of(edit: impl FnOnce(&mut Manifest)) -> String {
        let corpus = small_corpus();
        let mut manifest = corpus.manifest;
        edit(&mut manifest);
        manifest.write(&durable::DISK, &corpus.folder).unwrap();
        match Manifest::read(&corpus.folder) {
            Err(ShardError::Manifest { field, .. }) => field,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn counts_that_do_not_add_up_are_named() {
        assert_eq!(field_of(|m| m.num_shards = 5), "num_shards");
        assert_eq!(field_of(|m| m.documents_file.rows += 1), "documents_file.rows");
        let counts = |m: &mut Manifest| m.sources.get_mut("wiki").unwrap().tokens += 1;
        assert_eq!(field_of(counts), "sources.wiki");
        assert_eq!(
            field_of(|m| m.sources.retain(|source, _| source != "10-K")),
            "sources.10-K"
        );
        assert_eq!(
            field_of(|m| m.shards[0].by_source.get_mut("wiki").unwrap().first_block += 1),
            "shards.shard-00000-of-00004.by_source.wiki"
        );
        assert!(field_of(|m| m.shards[1].tokens += 1).starts_with("shards.shard-00001-of-00004"));
    }

    fn text_error(from: &str, to: &str) -> ShardError {
        let corpus = small_corpus();
        change(&corpus.folder.join(MANIFEST_FILE), |bytes| {
            let text = String::from_utf8(std::mem::take(bytes)).unwrap();
            assert!(text.contains(from));
            *bytes = text.replacen(from, to, 1).into_bytes();
        });
        Manifest::read(&corpus.folder).unwrap_err()
    }

    #[test]
    fn an_edited_manifest_is_refused_by_its_hash() {
        let error = text_error("\"newline_token\": 5", "\"newline_token\": 6");
        assert!(matches!(error, ShardError::Manifest { field, .. } if field == "corpus_hash"));
    }

    #[test]
    fn another_kind_or_version_or_key_is_refused() {
        let error = text_error("\"kind\": \"corpus\"", "\"kind\": \"docs\"");
        assert!(matches!(error, ShardError::Manifest { field, .. } if field == "kind"));
        let error = text_error("\"format_version\": 1", "\"format_version\": 2");
        assert!(matches!(error, ShardError::Manifest { field, .. } if field == "format_version"));
        let error = text_error("\"vocab_size\"", "\"vocabulary_size\"");
        assert!(matches!(error, ShardError::Json { .. }));
    }

    #[test]
    fn balance_is_measured() {
        let mut manifest = small_corpus().manifest;
        assert_eq!(manifest.balance, Balance::WholeDocuments);
        let mut set = |tokens: [u64; 4], largest: u64| {
            manifest
                .shards
                .iter_mut()
                .zip(tokens)
                .for_each(|(shard, tokens)| shard.tokens = tokens);
            manifest.largest_document_tokens = largest;
            manifest.spread().balance()
        };
        assert_eq!(set([1000, 1010, 990, 1000], 20), Balance::WithinTwoPercent);
        assert_eq!(set([1000, 1011, 990, 999], 20), Balance::WholeDocuments);
        assert_eq!(set([1000, 1000, 1000, 1000], 21), Balance::WholeDocuments);
    }
}
