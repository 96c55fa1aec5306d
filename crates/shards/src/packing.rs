//! The packing file: every training sequence of a corpus as a row, built once and mapped.
//!
//! [`mod@format`] has the byte table. Rows are grouped by source, within one in the order of
//! the shards. Opening checks the header; the rows are hashed by [`Packing::verify`].

mod build;
mod format;

use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};

use durable::{Sha256Writer, Storage, sha256_hex};

pub use format::PACKING_FORMAT_VERSION;
use format::{FIXED_BYTES, PackingHeader, ROW_BYTES, decode_row, stated_rows_at};

use crate::error::Damage;
use crate::reader::{FileBytes, Unmapped};
use crate::{Corpus, PackedSequence, PackingMode, ReadMode, ShardError, packing_name};

/// A source table is shorter than this, so that a header with a wrong offset is still read whole.
const USUAL_HEADER_BYTES: u64 = 1 << 16;
/// Most bytes of a header with its source table, which is read whole.
const MOST_HEADER_BYTES: u64 = 16 << 20;
/// Bytes that [`Packing::verify`] holds at a time where the file is not mapped.
const VERIFY_BYTES: u64 = 1 << 20;

/// The rows of a packing, mapped or on disk.
#[derive(Debug)]
pub struct Packing {
    path: PathBuf,
    content: FileBytes,
    header: PackingHeader,
    rows_at: usize,
    hash: String,
}

impl Packing {
    /// Opens the packing of a corpus, or builds it and writes it into the corpus folder. For
    /// one process at a time: the others open it afterwards.
    ///
    /// # Errors
    /// As [`Self::open_with`], [`Self::check_corpus`] and [`Self::write`].
    pub fn open_or_build(
        storage: &dyn Storage,
        corpus: &Corpus,
        mode: PackingMode,
        max_length: u32,
    ) -> Result<Self, ShardError> {
        let path = corpus.folder().join(packing_name(mode, max_length));
        if !path.exists() {
            Self::write(storage, corpus, (mode, max_length), &path)?;
        }
        let packing = Self::open_with(&path, corpus.read_mode())?;
        packing.check_corpus(corpus)?;
        Ok(packing)
    }

    /// Opens a packing file, mapped.
    ///
    /// # Errors
    /// As [`Self::open_with`].
    pub fn open(path: &Path) -> Result<Self, ShardError> {
        Self::open_with(path, ReadMode::Mmap)
    }

    /// Opens a packing file and checks its header, its source table and its length. The rows
    /// are hashed by [`Self::verify`] only.
    ///
    /// # Errors
    /// [`ShardError::Read`], [`ShardError::Header`] or [`ShardError::Length`].
    pub fn open_with(path: &Path, mode: ReadMode) -> Result<Self, ShardError> {
        let content = FileBytes::open(path, mode, Unmapped::OnDisk)?;
        Self::parse(path.to_path_buf(), content)
    }

    fn parse(path: PathBuf, content: FileBytes) -> Result<Self, ShardError> {
        let read = |range: Range<u64>| {
            content.read(range).map_err(|source| ShardError::Read {
                path: path.clone(),
                source,
            })
        };
        let fixed = read(0..content.len().min(FIXED_BYTES as u64))?;
        let header_bytes = stated_rows_at(&fixed).max(USUAL_HEADER_BYTES);
        if header_bytes > MOST_HEADER_BYTES {
            let expected = format!("at most {MOST_HEADER_BYTES}");
            return Err(ShardError::header(
                &path,
                "offset of the rows",
                expected,
                header_bytes,
            ));
        }
        let before_rows = read(0..content.len().min(header_bytes))?;
        let parsed = PackingHeader::parse(&path, &before_rows)?;
        let hash = sha256_hex(&before_rows[..parsed.end]);
        let rows_bytes = parsed.header.num_rows.saturating_mul(ROW_BYTES);
        let expected_bytes = rows_bytes.saturating_add(parsed.rows_at) as u64;
        if content.len() != expected_bytes {
            return Err(ShardError::Length {
                path,
                expected_bytes,
                found_bytes: content.len(),
            });
        }
        drop((fixed, before_rows));
        Ok(Self {
            header: parsed.header,
            rows_at: parsed.rows_at,
            hash,
            path,
            content,
        })
    }

    /// Refuses a packing that was made from another corpus.
    ///
    /// # Errors
    /// [`ShardError::PackingOfOtherCorpus`] naming both hashes.
    pub fn check_corpus(&self, corpus: &Corpus) -> Result<(), ShardError> {
        if self.corpus_hash() == corpus.corpus_hash() {
            return Ok(());
        }
        Err(ShardError::PackingOfOtherCorpus {
            path: self.path.clone(),
            expected: corpus.corpus_hash().to_owned(),
            found: self.corpus_hash().to_owned(),
        })
    }

    /// Hashes the rows, a piece in memory at a time.
    ///
    /// # Errors
    /// [`ShardError::Damaged`] if they are not those that were written.
    pub fn verify(&self) -> Result<(), ShardError> {
        let mut hasher = Sha256Writer::new(std::io::sink());
        let (mut at, end) = (self.rows_at as u64, self.content.len());
        while at < end {
            let piece = self.read(at..end.min(at + VERIFY_BYTES))?;
            // a sink takes everything
            let _ = hasher.write_all(&piece);
            at += piece.len() as u64;
        }
        if hasher.finish().1 == self.header.rows_hash {
            return Ok(());
        }
        let place = Damage {
            offset_bytes: Some(self.rows_at as u64),
            document: None,
        };
        Err(ShardError::Damaged {
            file: self.path.clone(),
            place,
        })
    }

    fn read(&self, range: Range<u64>) -> Result<std::borrow::Cow<'_, [u8]>, ShardError> {
        self.content.read(range).map_err(|source| ShardError::Read {
            path: self.path.clone(),
            source,
        })
    }

    /// Its file; for one that was built without a file, where that would be.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// SHA-256 in hex over header and source table, which hold the hash of the rows: equal for
    /// equal packings of equal corpora.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// How blocks are put into sequences.
    pub fn mode(&self) -> PackingMode {
        self.header.mode
    }

    /// Tokens of a full sequence, `<s>` and the last `</s>` included.
    pub fn max_length(&self) -> u32 {
        self.header.max_length
    }

    /// Hash of the corpus that it was made from.
    pub fn corpus_hash(&self) -> &str {
        &self.header.corpus_hash
    }

    /// Number of rows of all sources.
    pub fn num_rows(&self) -> usize {
        self.header.num_rows
    }

    /// The sources in order with the rows of each.
    pub fn sources(&self) -> impl Iterator<Item = (&str, Range<usize>)> {
        let sources = self.header.sources.iter();
        sources.map(|source| (source.name.as_str(), source.rows.clone()))
    }

    /// The rows of a source; `None` if there is no such source.
    pub fn for_source(&self, name: &str) -> Option<Range<usize>> {
        self.sources()
            .find(|(source, _)| *source == name)
            .map(|(_, rows)| rows)
    }

    /// A row.
    ///
    /// # Errors
    /// [`ShardError::OutOfRange`] if there is no such row; [`ShardError::Read`] if the disk
    /// fails.
    pub fn row(&self, index: usize) -> Result<PackedSequence, ShardError> {
        if index >= self.num_rows() {
            return Err(ShardError::OutOfRange {
                path: self.path.clone(),
                what: "row",
                index: index as u64,
                count: self.num_rows() as u64,
            });
        }
        let start = (self.rows_at + index * ROW_BYTES) as u64;
        Ok(decode_row(&self.read(start..start + ROW_BYTES as u64)?))
    }
}

#[cfg(test)]
mod tests;
