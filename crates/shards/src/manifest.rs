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

use crate::{DocumentsFile, ShardError, ShardSummary, TokenWidth};

/// Name of the manifest.
pub const MANIFEST_FILE: &str = "manifest.json";
/// Version of the manifest's format.
pub const MANIFEST_FORMAT_VERSION: u32 = 1;
const KIND: &str = "corpus";

/// What a corpus folder says about itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    /// Earliest filing date, held-out documents included, `YYYY-MM-DD`.
    pub filed_earliest: Option<String>,
    /// Latest filing date, held-out documents included, `YYYY-MM-DD`.
    pub filed_latest: Option<String>,
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

/// How evenly tokens are spread over the shards.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Balance {
    /// The mean shard has at least 50 times the tokens of the largest document, and all shards
    /// are within 2 % of it.
    WithinTwoPercent,
    /// As even as whole documents allow.
    #[default]
    WholeDocuments,
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
        self.balance = self.measured_balance();
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

    fn measured_balance(&self) -> Balance {
        let count = u64::try_from(self.shards.len()).unwrap_or(u64::MAX).max(1);
        let total = self.num_tokens();
        let enough = total
            >= self
                .largest_document_tokens
                .saturating_mul(50)
                .saturating_mul(count);
        // |tokens - total / count| <= 2 % of it, without rounding
        let even = self.shards.iter().all(|shard| {
            let difference = u128::from(shard.tokens * count).abs_diff(u128::from(total));
            difference * 50 <= u128::from(total)
        });
        if enough && even {
            Balance::WithinTwoPercent
        } else {
            Balance::WholeDocuments
        }
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
