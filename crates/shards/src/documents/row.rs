//! A row, and what the manifest keeps of all of them.

use durable::FileName;
use serde::{Deserialize, Serialize};

use crate::DocumentSpan;
use crate::names::documents_name;

/// A document of the corpus and where its tokens are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DocumentRow {
    /// The document's id.
    pub id: String,
    /// Its source, which for a held-out document names its file too.
    pub source: String,
    /// Its shard; `None` if it is held out.
    pub shard: Option<u32>,
    /// Its index in the shard or in the held-out file.
    pub document: u32,
    /// Its first block there.
    pub first_block: u64,
    /// Number of its blocks.
    pub blocks: u64,
    /// Tokens before it in the file.
    pub token_offset: u64,
    /// Number of its tokens.
    pub tokens: u64,
    /// [`DocumentSpan::checksum`].
    pub checksum: String,
    /// The filer's Central Index Key.
    pub cik: Option<String>,
    /// The filer's name.
    pub company: Option<String>,
    /// Accession number.
    pub accession: Option<String>,
    /// Filing date, `YYYY-MM-DD`.
    pub filed: Option<String>,
    /// Title of the page or article.
    pub title: Option<String>,
}

impl DocumentRow {
    /// The row of a document just written; the facts about its filer are added by the caller.
    pub fn new(
        id: impl Into<String>,
        source: impl Into<String>,
        shard: Option<u32>,
        span: &DocumentSpan,
    ) -> Self {
        Self {
            id: id.into(),
            source: source.into(),
            shard,
            document: span.document,
            first_block: span.first_block,
            blocks: span.blocks,
            token_offset: span.token_offset,
            tokens: span.tokens,
            checksum: span.checksum.clone(),
            cik: None,
            company: None,
            accession: None,
            filed: None,
            title: None,
        }
    }
}

/// A row's id and place alone, for a search through all rows.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct DocumentPlace {
    /// The document's id.
    pub id: String,
    /// Its shard; `None` if it is held out.
    pub shard: Option<u32>,
    /// Its index in the shard or in the held-out file.
    pub document: u32,
}

/// What the manifest keeps of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DocumentsFile {
    /// Name of the file.
    pub file: FileName,
    /// Its length.
    pub bytes: u64,
    /// Its rows.
    pub rows: u64,
    /// Its frames without the seek table.
    pub frames: u64,
    /// Rows of a frame.
    pub rows_per_frame: u64,
    /// SHA-256 of the file in hex.
    pub sha256: String,
}

impl Default for DocumentsFile {
    /// An entry of no rows.
    fn default() -> Self {
        Self {
            file: documents_name(),
            bytes: 0,
            rows: 0,
            frames: 0,
            rows_per_frame: 0,
            sha256: String::new(),
        }
    }
}
