//! The parts of a manifest: shards, sources, what is held out.

use std::collections::BTreeMap;
use std::path::Path;

use durable::FileName;
use serde::{Deserialize, Serialize};

use crate::{ShardError, ShardSummary};

/// One shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShardEntry {
    /// File name without extension.
    pub name: FileName,
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
    pub fn new(name: FileName, summary: &ShardSummary, by_source: BTreeMap<String, SourceRange>) -> Self {
        Self {
            name,
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

/// Which forms, and which items of their text, are in a corpus.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subset {
    /// Sources of documents, sorted; all where there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forms: Vec<String>,
    /// Items as the forms number them (`1A`, `II.1A`), in the order of the forms; the whole text where
    /// there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<String>,
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
    pub name: FileName,
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
    pub fn new(name: FileName, summary: &ShardSummary) -> Self {
        Self {
            name,
            documents: summary.documents,
            tokens: summary.tokens,
            blocks: summary.blocks,
            bin_sha256: summary.bin_hash.clone(),
            idx_sha256: summary.idx_hash.clone(),
        }
    }
}

impl ShardEntry {
    /// The ranges of the sources follow each other and fill the shard.
    pub(super) fn check(&self, path: &Path) -> Result<(), ShardError> {
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
            next.first_document = next.first_document.saturating_add(range.documents);
            next.first_block = next.first_block.saturating_add(range.blocks);
            next.tokens = next.tokens.saturating_add(range.tokens);
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
