//! One segment of documents as tokens on disk, between the two passes of `build`. It does not
//! know shards.
//!
//! A segment is a scratch folder (see `scratch.rs`) with `spool` and `fingerprints` (a record of
//! fixed size a document, see `fingerprint.rs`). A record of the spool, little-endian: XXH3-64 of
//! the rest (u64), length of the facts (u32), number of blocks (u32), the facts as JSON, tokens of
//! each block (u32 each), the tokens (u16 or u32 each).

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use documents::{Document, document_text_blocks};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::build::fingerprint::Fingerprint;
use crate::error::CorpusError;
use crate::selection::drop_reason::{DropReason, DroppedCounts};
use crate::work::record::part;
use crate::work::scratch::{ScratchFolder, ScratchWriter, Sealed, SealedFile, Trust, not_as_written};

const HASH_BYTES: usize = 8;
const HEADER_BYTES: usize = 8;
const SPOOL: &str = "spool";
const FINGERPRINTS: &str = "fingerprints";

/// A document as tokens, or why it is none.
#[derive(Debug)]
pub(crate) enum TokenizedDocument {
    Taken(Box<TakenDocument>),
    Dropped(DropReason),
}

/// A document as tokens.
#[derive(Debug)]
pub(crate) struct TakenDocument {
    pub(crate) facts: DocumentFacts,
    pub(crate) fingerprint: Fingerprint,
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

/// What a segment says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SegmentFacts {
    /// What the segment was made of and how; another job's segment is not used.
    pub(crate) key: String,
    pub(crate) documents: u32,
    /// Names of the sources in the order of their first document.
    pub(crate) sources: Vec<String>,
    pub(crate) dropped: DroppedCounts,
}

/// A record read back.
#[derive(Debug)]
pub(crate) struct SpoolRecord {
    pub(crate) facts: DocumentFacts,
    pub(crate) block_tokens: Vec<u32>,
    pub(crate) tokens: Vec<u32>,
}

/// Writes a segment.
pub(crate) struct SegmentWriter {
    folder: ScratchFolder,
    spool: ScratchWriter,
    fingerprints: ScratchWriter,
    token_bytes: usize,
    offset: u64,
    facts: SegmentFacts,
    sources: BTreeMap<String, u32>,
}

/// Reads a segment, from any thread.
#[derive(Debug)]
pub(crate) struct Segment {
    folder: PathBuf,
    spool: SealedFile,
    fingerprints: SealedFile,
    token_bytes: usize,
    pub(crate) facts: SegmentFacts,
}

impl TakenDocument {
    /// Encodes the blocks of a document, each closed by the newline token.
    pub(crate) fn new<E>(
        document: &Document,
        newline: u32,
        mut encode: impl FnMut(&str, &mut Vec<u32>) -> Result<(), E>,
    ) -> Result<Self, E> {
        let (mut tokens, mut block_tokens) = (Vec::new(), Vec::new());
        for block in document_text_blocks(document) {
            let first = tokens.len();
            encode(block, &mut tokens)?;
            tokens.push(newline);
            block_tokens.push(u32::try_from(tokens.len() - first).unwrap_or(u32::MAX));
        }
        Ok(Self {
            facts: DocumentFacts::of(document),
            fingerprint: Fingerprint::of(document),
            block_tokens,
            tokens,
        })
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
}

impl SegmentWriter {
    /// Begins the segment `folder`; what a killed writer of it left is removed.
    pub(crate) fn create(folder: &Path, key: &str, token_bytes: usize) -> Result<Self, CorpusError> {
        let scratch = ScratchFolder::create(folder)?;
        Ok(Self {
            spool: scratch.file(SPOOL)?,
            fingerprints: scratch.file(FINGERPRINTS)?,
            folder: scratch,
            token_bytes,
            offset: 0,
            facts: SegmentFacts {
                key: key.to_owned(),
                ..SegmentFacts::default()
            },
            sources: BTreeMap::new(),
        })
    }

    pub(crate) fn add(&mut self, document: &TokenizedDocument) -> Result<(), CorpusError> {
        match document {
            TokenizedDocument::Dropped(reason) => self.facts.dropped.add(*reason),
            TokenizedDocument::Taken(document) => self.append(document)?,
        }
        Ok(())
    }

    fn append(&mut self, document: &TakenDocument) -> Result<(), CorpusError> {
        let record = self.record(document)?;
        let record_bytes = u32::try_from(record.len()).map_err(|_| CorpusError::DocumentTooLarge {
            id: document.facts.id.clone(),
            bytes: record.len() as u64,
        })?;
        let fingerprint = Fingerprint {
            record_offset: self.offset,
            record_bytes,
            // A token takes at least two bytes of a record whose length fits.
            tokens: u32::try_from(document.tokens.len()).unwrap_or(u32::MAX),
            source: self.source(&document.facts.source),
            ..document.fingerprint.clone()
        };
        self.spool.write(&record)?;
        self.fingerprints.write(&fingerprint.to_bytes())?;
        self.offset += record.len() as u64;
        self.facts.documents += 1;
        Ok(())
    }

    fn record(&self, document: &TakenDocument) -> Result<Vec<u8>, CorpusError> {
        let facts = serde_json::to_vec(&document.facts).map_err(|source| CorpusError::Json { source })?;
        let mut record = Vec::with_capacity(
            HASH_BYTES
                + HEADER_BYTES
                + facts.len()
                + 4 * (document.block_tokens.len() + document.tokens.len()),
        );
        record.extend_from_slice(&[0; HASH_BYTES]);
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
        for token in &document.tokens {
            record.extend_from_slice(&token.to_le_bytes()[..self.token_bytes]);
        }
        let hash = xxh3_64(&record[HASH_BYTES..]);
        record[..HASH_BYTES].copy_from_slice(&hash.to_le_bytes());
        Ok(record)
    }

    fn source(&mut self, name: &str) -> u32 {
        if let Some(index) = self.sources.get(name) {
            return *index;
        }
        let index = u32::try_from(self.sources.len()).unwrap_or(u32::MAX);
        self.sources.insert(name.to_owned(), index);
        self.facts.sources.push(name.to_owned());
        index
    }

    /// Gives the segment its name.
    pub(crate) fn finish(self) -> Result<(), CorpusError> {
        self.folder.finish(self.facts, [self.spool, self.fingerprints])?;
        Ok(())
    }
}

impl Segment {
    /// Opens a segment; `None` if there is none of this key that is whole.
    ///
    /// # Errors
    /// [`CorpusError::Read`] when it is there and cannot be read.
    pub(crate) fn open(
        folder: &Path,
        (key, trust): (&str, Trust),
        token_bytes: usize,
    ) -> Result<Option<Self>, CorpusError> {
        let failed = |source| CorpusError::Read {
            operation: "read",
            path: folder.to_path_buf(),
            source,
        };
        let sealed = Sealed::<SegmentFacts>::open(folder, trust)?;
        let Some(sealed) = sealed.filter(|sealed| sealed.facts.key == key) else {
            return Ok(None);
        };
        Ok(Some(Self {
            spool: sealed.file(SPOOL).map_err(failed)?,
            fingerprints: sealed.file(FINGERPRINTS).map_err(failed)?,
            folder: folder.to_path_buf(),
            token_bytes,
            facts: sealed.facts,
        }))
    }

    /// Calls `each` with every document in order.
    pub(crate) fn for_each(
        &self,
        mut each: impl FnMut(u32, Fingerprint) -> Result<(), CorpusError>,
    ) -> Result<(), CorpusError> {
        let failed = |source| self.failed(FINGERPRINTS, source);
        let mut file = self.fingerprints.reader();
        let mut bytes = [0; Fingerprint::BYTES];
        for index in 0..self.facts.documents {
            file.read_exact(&mut bytes).map_err(failed)?;
            each(index, Fingerprint::from_bytes(&bytes))?;
        }
        file.expect_end().map_err(failed)
    }

    /// The fingerprint of the document that arrived after `index` others.
    pub(crate) fn fingerprint(&self, index: u32) -> Result<Fingerprint, CorpusError> {
        let mut bytes = [0; Fingerprint::BYTES];
        self.fingerprints
            .read_exact_at(&mut bytes, u64::from(index) * Fingerprint::BYTES as u64)
            .map_err(|source| self.failed(FINGERPRINTS, source))?;
        Ok(Fingerprint::from_bytes(&bytes))
    }

    /// The tokens of the document that arrived after `index` others, and what is known of it.
    pub(crate) fn record(&self, index: u32) -> Result<(SpoolRecord, Fingerprint), CorpusError> {
        let fingerprint = self.fingerprint(index)?;
        let mut bytes = vec![0; fingerprint.record_bytes as usize];
        self.spool
            .read_exact_at(&mut bytes, fingerprint.record_offset)
            .map_err(|source| self.failed(SPOOL, source))?;
        let record =
            parse_record(&bytes, self.token_bytes).ok_or_else(|| self.failed(SPOOL, not_as_written()))?;
        Ok((record, fingerprint))
    }

    fn failed(&self, name: &str, source: io::Error) -> CorpusError {
        CorpusError::Read {
            operation: "read",
            path: self.folder.join(name),
            source,
        }
    }
}

fn parse_record(bytes: &[u8], token_bytes: usize) -> Option<SpoolRecord> {
    let (hash, rest) = bytes.split_at_checked(HASH_BYTES)?;
    if u64::from_le_bytes(part(hash, 0)) != xxh3_64(rest) {
        return None;
    }
    let (header, rest) = rest.split_at_checked(HEADER_BYTES)?;
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
    use documents::{Block, BlockKind};

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

    #[expect(clippy::unnecessary_wraps, reason = "an encoder may fail")]
    fn encode_bytes(text: &str, out: &mut Vec<u32>) -> Result<(), CorpusError> {
        out.extend(text.bytes().map(u32::from));
        Ok(())
    }

    fn taken(document: &Document) -> TokenizedDocument {
        TokenizedDocument::Taken(Box::new(TakenDocument::new(document, 10, encode_bytes).unwrap()))
    }

    #[test]
    fn records_come_back_in_any_order_at_both_token_widths() {
        for token_bytes in [2, 4] {
            let root = tempfile::tempdir().unwrap();
            let folder = root.path().join("segment");
            let mut writer = SegmentWriter::create(&folder, "key", token_bytes).unwrap();
            let documents = [document(&["ab", "c"]), document(&[]), document(&["\u{1}"])];
            for document in &documents {
                writer.add(&taken(document)).unwrap();
            }
            writer
                .add(&TokenizedDocument::Dropped(DropReason::NoText))
                .unwrap();
            writer.finish().unwrap();
            for trust in [Trust::Known, Trust::Found] {
                let segment = Segment::open(&folder, ("key", trust), token_bytes)
                    .unwrap()
                    .unwrap();
                assert_eq!(segment.facts.sources, ["wiki"]);
                for (index, document) in (0..3).zip(&documents).rev() {
                    let TokenizedDocument::Taken(expected) = taken(document) else {
                        unreachable!()
                    };
                    let (record, fingerprint) = segment.record(index).unwrap();
                    assert_eq!(record.facts, expected.facts);
                    assert_eq!(record.block_tokens, expected.block_tokens);
                    assert_eq!(record.tokens, expected.tokens);
                    assert_eq!(fingerprint.signature, expected.fingerprint.signature);
                }
                let mut indices = Vec::new();
                segment
                    .for_each(|index, fingerprint| {
                        assert_eq!(fingerprint, segment.fingerprint(index).unwrap());
                        indices.push(index);
                        Ok(())
                    })
                    .unwrap();
                assert_eq!(indices, [0, 1, 2]);
            }
        }
    }

    #[test]
    fn a_segment_is_whole_or_absent_and_one_of_another_job_is_not_used() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("segment");
        let mut writer = SegmentWriter::create(&folder, "key", 2).unwrap();
        writer.add(&taken(&document(&["a"]))).unwrap();
        drop(writer);
        let open = |key| Segment::open(&folder, (key, Trust::Found), 2).unwrap();
        assert!(open("key").is_none());
        let writer = SegmentWriter::create(&folder, "key", 2).unwrap();
        writer.finish().unwrap();
        assert!(open("other key").is_none());
        assert_eq!(open("key").unwrap().facts.documents, 0);
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_segment_that_changes_behind_its_reader_is_an_error_that_names_the_file() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("segment");
        let mut writer = SegmentWriter::create(&folder, "key", 2).unwrap();
        writer.add(&taken(&document(&["some text"]))).unwrap();
        writer.finish().unwrap();
        let read = || {
            let segment = Segment::open(&folder, ("key", Trust::Known), 2).unwrap().unwrap();
            let mut index_read = None;
            segment.for_each(|index, _| {
                index_read = Some(index);
                Ok(())
            })?;
            segment.record(index_read.unwrap()).map(drop)
        };
        read().unwrap();
        for name in [SPOOL, FINGERPRINTS] {
            let path = folder.join(name);
            let whole = std::fs::read(&path).unwrap();
            for at in (0..whole.len()).step_by(7) {
                let mut changed = whole.clone();
                changed[at] ^= 1;
                durable::commit_bytes(&durable::DISK, &path, &changed).unwrap();
                let error = read().unwrap_err();
                assert!(
                    matches!(&error, CorpusError::Read { path: named, .. } if *named == path),
                    "{error}"
                );
            }
            durable::commit_bytes(&durable::DISK, &path, &whole).unwrap();
        }
    }

    #[test]
    fn every_block_ends_in_the_newline_token_and_furniture_is_left_out() {
        let mut with_furniture = document(&["ab", "c"]);
        with_furniture
            .blocks
            .insert(1, Block::new(BlockKind::PageFurniture, "12"));
        let taken = TakenDocument::new(&with_furniture, 10, encode_bytes).unwrap();
        assert_eq!(taken.tokens, [97, 98, 10, 99, 10]);
        assert_eq!(taken.block_tokens, [3, 2]);
    }
}
