//! The tokens of all documents on disk, between the two passes of `build`, and the little that
//! is kept of each in memory. It does not know shards.
//!
//! One record a document, little-endian: length of the facts (u32), number of blocks (u32), the
//! facts as JSON, tokens of each block (u32 each), the tokens (u16 or u32 each).

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use durable::{DurableError, Operation};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

use crate::document::{Document, document_text_blocks};
use crate::error::CorpusError;
use crate::split::{DocumentHead, FilerKey};

const HEADER_BYTES: usize = 8;

/// A document as tokens.
#[derive(Debug)]
pub(crate) struct TokenisedDocument {
    pub(crate) facts: DocumentFacts,
    /// Hash of what the document says, id included: identifies the text that a corpus was made of.
    pub(crate) text_hash: u128,
    pub(crate) block_tokens: Vec<u32>,
    pub(crate) tokens: Vec<u32>,
}

/// What of a document goes into the corpus beside its tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DocumentFacts {
    pub(crate) id: String,
    pub(crate) source: String,
    pub(crate) cik: Option<String>,
    pub(crate) company: Option<String>,
    pub(crate) filed: Option<String>,
    pub(crate) title: Option<String>,
}

/// What is kept in memory of each document: 48 bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SpooledDocument {
    pub(crate) id_hash: u128,
    pub(crate) offset: u64,
    pub(crate) filer: FilerKey,
    /// Fits: the record's length does.
    pub(crate) tokens: u32,
    pub(crate) record_bytes: u32,
    /// Which source, as an index.
    pub(crate) source: u32,
}

/// A record read back.
#[derive(Debug)]
pub(crate) struct SpoolRecord {
    pub(crate) facts: DocumentFacts,
    pub(crate) block_tokens: Vec<u32>,
    pub(crate) tokens: Vec<u32>,
}

/// Appends records.
pub(crate) struct SpoolWriter {
    path: PathBuf,
    file: BufWriter<File>,
    token_bytes: usize,
    offset: u64,
}

/// Reads records at their offsets, from any thread.
#[derive(Debug)]
pub(crate) struct Spool {
    path: PathBuf,
    file: File,
    token_bytes: usize,
}

impl TokenisedDocument {
    /// Encodes the blocks of a document, each closed by the newline token.
    pub(crate) fn new(
        document: &Document,
        newline: u32,
        mut encode: impl FnMut(&str, &mut Vec<u32>),
    ) -> Self {
        let mut tokens = Vec::new();
        let mut block_tokens = Vec::new();
        let mut text = xxhash_rust::xxh3::Xxh3::new();
        text.update(document.id.as_bytes());
        for block in document_text_blocks(document) {
            let first = tokens.len();
            encode(block, &mut tokens);
            tokens.push(newline);
            block_tokens.push(u32::try_from(tokens.len() - first).unwrap_or(u32::MAX));
            text.update(b"\n");
            text.update(block.as_bytes());
        }
        Self {
            facts: DocumentFacts::of(document),
            text_hash: text.digest128(),
            block_tokens,
            tokens,
        }
    }
}

impl DocumentFacts {
    fn of(document: &Document) -> Self {
        Self {
            id: document.id.clone(),
            source: document.source.clone(),
            cik: document.cik.clone(),
            company: document.company.clone(),
            filed: document.filed.clone(),
            title: document.title.clone(),
        }
    }

    pub(crate) fn head(&self) -> DocumentHead {
        DocumentHead {
            id: self.id.clone(),
            source: self.source.clone(),
            cik: self.cik.clone(),
            company: self.company.clone(),
        }
    }

    pub(crate) fn id_hash(&self) -> u128 {
        xxh3_128(self.id.as_bytes())
    }
}

impl SpoolWriter {
    pub(crate) fn create(path: &Path, token_bytes: usize) -> Result<Self, CorpusError> {
        let file = scratch_file(path)?;
        let file = BufWriter::with_capacity(1 << 20, file);
        Ok(Self {
            path: path.to_path_buf(),
            file,
            token_bytes,
            offset: 0,
        })
    }

    /// Appends a document; returns where it lies and its length in bytes.
    pub(crate) fn append(&mut self, document: &TokenisedDocument) -> Result<(u64, u32), CorpusError> {
        let facts = serde_json::to_vec(&document.facts).map_err(|source| CorpusError::Json { source })?;
        let mut record = Vec::with_capacity(
            HEADER_BYTES + facts.len() + 4 * (document.block_tokens.len() + document.tokens.len()),
        );
        for count in [facts.len(), document.block_tokens.len()] {
            record.extend_from_slice(&u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
        }
        record.extend_from_slice(&facts);
        record.extend(
            document
                .block_tokens
                .iter()
                .flat_map(|tokens| tokens.to_le_bytes()),
        );
        let token_bytes = self.token_bytes;
        for token in &document.tokens {
            record.extend_from_slice(&token.to_le_bytes()[..token_bytes]);
        }
        self.write(&record)?;
        let offset = self.offset;
        self.offset += record.len() as u64;
        let record_bytes = u32::try_from(record.len()).map_err(|_| CorpusError::DocumentTooLarge {
            id: document.facts.id.clone(),
            bytes: record.len() as u64,
        })?;
        Ok((offset, record_bytes))
    }

    pub(crate) fn finish(self) -> Result<Spool, CorpusError> {
        let Self {
            path,
            file,
            token_bytes,
            ..
        } = self;
        let file = file
            .into_inner()
            .map_err(|error| DurableError::new(Operation::Write, &path, error.into_error()))?;
        Ok(Spool {
            path,
            file,
            token_bytes,
        })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), CorpusError> {
        let written = self.file.write_all(bytes);
        Ok(written.map_err(|source| DurableError::new(Operation::Write, &self.path, source))?)
    }
}

impl Spool {
    pub(crate) fn read(&self, document: &SpooledDocument) -> Result<SpoolRecord, CorpusError> {
        let failed = |source| CorpusError::Read {
            operation: "read",
            path: self.path.clone(),
            source,
        };
        let mut bytes = vec![0; document.record_bytes as usize];
        self.file
            .read_exact_at(&mut bytes, document.offset)
            .map_err(failed)?;
        parse_record(&bytes, self.token_bytes).ok_or_else(|| failed(std::io::ErrorKind::InvalidData.into()))
    }
}

/// A new file that is written and read back through one handle: what is read is what was written,
/// whatever happens to its name.
pub(crate) fn scratch_file(path: &Path) -> Result<File, CorpusError> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .open(path);
    Ok(file.map_err(|source| DurableError::new(Operation::Create, path, source))?)
}

fn parse_record(bytes: &[u8], token_bytes: usize) -> Option<SpoolRecord> {
    let (header, rest) = bytes.split_at_checked(HEADER_BYTES)?;
    let counts = numbers(header, 4);
    let (facts, rest) = rest.split_at_checked(counts[0] as usize)?;
    let (blocks, tokens) = rest.split_at_checked(4 * counts[1] as usize)?;
    Some(SpoolRecord {
        facts: serde_json::from_slice(facts).ok()?,
        block_tokens: numbers(blocks, 4),
        tokens: numbers(tokens, token_bytes),
    })
}

fn numbers(bytes: &[u8], width: usize) -> Vec<u32> {
    let number = |bytes: &[u8]| {
        bytes
            .iter()
            .rev()
            .fold(0, |number, byte| number << 8 | u32::from(*byte))
    };
    bytes.chunks_exact(width).map(number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{Block, BlockKind};

    fn document(texts: &[&str]) -> Document {
        Document {
            id: "wiki:1:2".into(),
            source: "wiki".into(),
            title: Some("Title".into()),
            blocks: texts
                .iter()
                .map(|text| Block::new(BlockKind::Paragraph, *text))
                .collect(),
            ..Document::default()
        }
    }

    fn encode_bytes(text: &str, out: &mut Vec<u32>) {
        out.extend(text.bytes().map(u32::from));
    }

    #[test]
    fn records_come_back_in_any_order_at_both_token_widths() {
        for token_bytes in [2, 4] {
            let folder = tempfile::tempdir().unwrap();
            let mut writer = SpoolWriter::create(&folder.path().join("spool"), token_bytes).unwrap();
            let documents = [document(&["ab", "c"]), document(&[]), document(&["\u{1}"])];
            let mut spooled = Vec::new();
            for document in &documents {
                let tokenised = TokenisedDocument::new(document, 10, encode_bytes);
                let (offset, record_bytes) = writer.append(&tokenised).unwrap();
                let filer = crate::split::Filers::default().add(&tokenised.facts.head());
                spooled.push((
                    SpooledDocument {
                        id_hash: 0,
                        offset,
                        filer,
                        tokens: 0,
                        record_bytes,
                        source: 0,
                    },
                    tokenised,
                ));
            }
            let spool = writer.finish().unwrap();
            for (document, tokenised) in spooled.iter().rev() {
                let record = spool.read(document).unwrap();
                assert_eq!(record.facts, tokenised.facts);
                assert_eq!(record.block_tokens, tokenised.block_tokens);
                assert_eq!(record.tokens, tokenised.tokens);
            }
        }
    }

    #[test]
    fn every_block_ends_in_the_newline_token_and_furniture_is_left_out() {
        let mut with_furniture = document(&["ab", "c"]);
        with_furniture
            .blocks
            .insert(1, Block::new(BlockKind::PageFurniture, "12"));
        let tokenised = TokenisedDocument::new(&with_furniture, 10, encode_bytes);
        assert_eq!(tokenised.tokens, [97, 98, 10, 99, 10]);
        assert_eq!(tokenised.block_tokens, [3, 2]);
    }
}
