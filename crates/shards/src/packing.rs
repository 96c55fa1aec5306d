//! The packing file: every training sequence of a corpus as a row, built once and mapped.
//!
//! All numbers are little-endian:
//!
//! | offset | bytes | type | content |
//! |---|---|---|---|
//! | 0 | 8 | bytes | magic `TENKPACK` |
//! | 8 | 4 | u32 | version, 1 |
//! | 12 | 4 | u32 | mode: 0 = `full-sentences` |
//! | 16 | 4 | u32 | T, tokens of a sequence, `<s>` and the last `</s>` included |
//! | 20 | 4 | u32 | number of sources |
//! | 24 | 8 | u64 | R, the number of rows |
//! | 32 | 8 | u64 | offset of the first row, a multiple of 16 |
//! | 40 | 32 | bytes | SHA-256 of the corpus ([`crate::Manifest::hash`]) |
//! | 72 | 32 | bytes | SHA-256 of the rows |
//! | 104 | - | - | for each source in order of its name: u64 first row, u64 rows, u32 length of the name, the name in UTF-8 |
//! | stated | 16 R | 4 x u32 | rows: shard, block, token offset, length |
//!
//! Rows are grouped by source, within one in the order of the shards.

use std::ops::Range;
use std::path::{Path, PathBuf};

use durable::{DurableError, Operation, Storage, commit_bytes, sha256_hex};

use crate::error::Damage;
use crate::reader::{FileBytes, Unmapped};
use crate::{
    Corpus, PackedSequence, PackingMode, ReadMode, ShardError, ShardReader, pack_shard, packing_name,
};

const MAGIC: [u8; 8] = *b"TENKPACK";
/// Version of the packing format.
pub const PACKING_FORMAT_VERSION: u32 = 1;
const FIXED_BYTES: usize = 104;
const ROW_BYTES: usize = 16;
const HASH_BYTES: usize = 32;

/// The rows of a packing, in memory or mapped.
#[derive(Debug)]
pub struct Packing {
    path: PathBuf,
    content: FileBytes,
    mode: PackingMode,
    max_length: u32,
    corpus_hash: String,
    rows_hash: String,
    sources: Vec<PackedSource>,
    rows_at: usize,
    num_rows: usize,
    hash: String,
}

/// Rows of one source.
#[derive(Debug, Clone, PartialEq, Eq)]
struct PackedSource {
    name: String,
    rows: Range<usize>,
}

impl Packing {
    /// Packs all sources of a corpus, in memory.
    ///
    /// # Errors
    /// As [`pack_shard`] and [`Corpus::shard`].
    pub fn build(corpus: &Corpus, mode: PackingMode, max_length: u32) -> Result<Self, ShardError> {
        let (mut rows, mut sources) = (Vec::new(), Vec::new());
        for source in corpus.sources() {
            let first = rows.len() / ROW_BYTES;
            for (index, entry) in (0..).zip(&corpus.manifest().shards) {
                let Some(range) = entry.by_source.get(source).filter(|range| range.blocks > 0) else {
                    continue;
                };
                let reader: &ShardReader = corpus.shard(index)?;
                let blocks = usize_of(range.first_block)..usize_of(range.first_block + range.blocks);
                for row in pack_shard(index, reader, blocks, max_length, mode)? {
                    let fields = [row.shard, row.block, row.token_offset, row.length];
                    rows.extend(fields.into_iter().flat_map(u32::to_le_bytes));
                }
            }
            sources.push(PackedSource {
                name: source.to_owned(),
                rows: first..rows.len() / ROW_BYTES,
            });
        }
        let content = encode(corpus.corpus_hash(), mode, max_length, &sources, &rows);
        let path = corpus.folder().join(packing_name(mode, max_length));
        Self::parse(path, FileBytes::Memory(content))
    }

    /// Opens the packing of a corpus, or builds it and writes it into the corpus folder. For
    /// one process at a time: the others open it afterwards.
    ///
    /// # Errors
    /// As [`Self::open`], [`Self::build`] and [`Self::write`].
    pub fn open_or_build(
        storage: &dyn Storage,
        corpus: &Corpus,
        mode: PackingMode,
        max_length: u32,
    ) -> Result<Self, ShardError> {
        let path = corpus.folder().join(packing_name(mode, max_length));
        if path.exists() {
            let packing = Self::open_with(&path, corpus.read_mode())?;
            packing.check_corpus(corpus)?;
            return Ok(packing);
        }
        let packing = Self::build(corpus, mode, max_length)?;
        packing.write(storage, &path)?;
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
        let content = FileBytes::open(path, mode, Unmapped::InMemory)?;
        Self::parse(path.to_path_buf(), content)
    }

    fn parse(path: PathBuf, content: FileBytes) -> Result<Self, ShardError> {
        let mut cursor = Cursor {
            path: &path,
            bytes: content.as_slice(),
            at: 0,
        };
        let header = cursor.header()?;
        let sources = cursor.sources(header.num_sources, header.num_rows)?;
        let before_rows = cursor.at;
        if header.rows_at < before_rows || header.rows_at - before_rows >= ROW_BYTES {
            let expected = before_rows.next_multiple_of(ROW_BYTES);
            return Err(ShardError::header(
                &path,
                "offset of the rows",
                expected,
                header.rows_at,
            ));
        }
        let expected_bytes = header
            .num_rows
            .saturating_mul(ROW_BYTES)
            .saturating_add(header.rows_at) as u64;
        if content.len() != expected_bytes {
            return Err(ShardError::Length {
                path,
                expected_bytes,
                found_bytes: content.len(),
            });
        }
        let hash = sha256_hex(&content.as_slice()[..before_rows]);
        Ok(Self {
            mode: header.mode,
            max_length: header.max_length,
            corpus_hash: header.corpus_hash,
            rows_hash: header.rows_hash,
            rows_at: header.rows_at,
            num_rows: header.num_rows,
            sources,
            hash,
            path,
            content,
        })
    }

    /// Writes the packing to `path` and makes it read-only.
    ///
    /// # Errors
    /// [`ShardError::Durable`] if the disk does not take it.
    pub fn write(&self, storage: &dyn Storage, path: &Path) -> Result<(), ShardError> {
        commit_bytes(storage, path, self.content.as_slice())?;
        let read_only = storage.set_read_only(path);
        Ok(read_only.map_err(|source| DurableError::new(Operation::Write, path, source))?)
    }

    /// Refuses a packing that was made from another corpus.
    ///
    /// # Errors
    /// [`ShardError::Header`] naming both hashes.
    pub fn check_corpus(&self, corpus: &Corpus) -> Result<(), ShardError> {
        if self.corpus_hash == corpus.corpus_hash() {
            return Ok(());
        }
        let (expected, found) = (corpus.corpus_hash(), &self.corpus_hash);
        Err(ShardError::header(&self.path, "corpus hash", expected, found))
    }

    /// Hashes the rows.
    ///
    /// # Errors
    /// [`ShardError::Damaged`] if they are not those that were written.
    pub fn verify(&self) -> Result<(), ShardError> {
        let rows = &self.content.as_slice()[self.rows_at..];
        if sha256_hex(rows) == self.rows_hash {
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

    /// SHA-256 in hex over header and source table, which hold the hash of the rows: equal for
    /// equal packings of equal corpora.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// How blocks are put into sequences.
    pub fn mode(&self) -> PackingMode {
        self.mode
    }

    /// Tokens of a full sequence, `<s>` and the last `</s>` included.
    pub fn max_length(&self) -> u32 {
        self.max_length
    }

    /// Hash of the corpus that it was made from.
    pub fn corpus_hash(&self) -> &str {
        &self.corpus_hash
    }

    /// Number of rows of all sources.
    pub fn num_rows(&self) -> usize {
        self.num_rows
    }

    /// The sources in order with the rows of each.
    pub fn sources(&self) -> impl Iterator<Item = (&str, Range<usize>)> {
        self.sources
            .iter()
            .map(|source| (source.name.as_str(), source.rows.clone()))
    }

    /// The rows of a source; `None` if there is no such source.
    pub fn for_source(&self, name: &str) -> Option<Range<usize>> {
        self.sources()
            .find(|(source, _)| *source == name)
            .map(|(_, rows)| rows)
    }

    /// A row.
    ///
    /// # Panics
    /// If there is no such row, as indexing a slice does.
    pub fn row(&self, index: usize) -> PackedSequence {
        assert!(index < self.num_rows, "row {index} of {}", self.num_rows);
        let start = self.rows_at + index * ROW_BYTES;
        let bytes = &self.content.as_slice()[start..start + ROW_BYTES];
        let field = |at: usize| {
            bytes[at..]
                .first_chunk()
                .map_or(0, |field| u32::from_le_bytes(*field))
        };
        PackedSequence {
            shard: field(0),
            block: field(4),
            token_offset: field(8),
            length: field(12),
        }
    }
}

fn usize_of(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn encode(
    corpus_hash: &str,
    mode: PackingMode,
    max_length: u32,
    sources: &[PackedSource],
    rows: &[u8],
) -> Vec<u8> {
    let mut table = Vec::new();
    for source in sources {
        table.extend((source.rows.start as u64).to_le_bytes());
        table.extend((source.rows.len() as u64).to_le_bytes());
        table.extend(u32_of(source.name.len()).to_le_bytes());
        table.extend(source.name.as_bytes());
    }
    let rows_at = (FIXED_BYTES + table.len()).next_multiple_of(ROW_BYTES);
    let mut content = Vec::with_capacity(rows_at + rows.len());
    content.extend(MAGIC);
    for number in [
        PACKING_FORMAT_VERSION,
        mode.code(),
        max_length,
        u32_of(sources.len()),
    ] {
        content.extend(number.to_le_bytes());
    }
    content.extend(((rows.len() / ROW_BYTES) as u64).to_le_bytes());
    content.extend((rows_at as u64).to_le_bytes());
    content.extend(from_hex(corpus_hash));
    content.extend(from_hex(&sha256_hex(rows)));
    content.extend(table);
    content.resize(rows_at, 0);
    content.extend(rows);
    content
}

fn u32_of(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// 64 hex digits as bytes; a digit that is none counts as 0, which no hash of ours has.
fn from_hex(text: &str) -> [u8; HASH_BYTES] {
    let mut bytes = [0; HASH_BYTES];
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().as_chunks::<2>().0) {
        let digit = |at: usize| char::from(digits[at]).to_digit(16).unwrap_or(0);
        *byte = u8::try_from(digit(0) << 4 | digit(1)).unwrap_or(0);
    }
    bytes
}

fn to_hex(bytes: &[u8]) -> String {
    let digit = |number: u8| char::from_digit(u32::from(number), 16).unwrap_or('0');
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

struct FixedHeader {
    mode: PackingMode,
    max_length: u32,
    num_sources: usize,
    num_rows: usize,
    rows_at: usize,
    corpus_hash: String,
    rows_hash: String,
}

/// Reads the header from the start on.
struct Cursor<'a> {
    path: &'a Path,
    bytes: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn take(&mut self, count: usize) -> Result<&[u8], ShardError> {
        let end = self.at.saturating_add(count);
        let taken = self.bytes.get(self.at..end).ok_or_else(|| ShardError::Length {
            path: self.path.to_path_buf(),
            expected_bytes: end as u64,
            found_bytes: self.bytes.len() as u64,
        })?;
        self.at = end;
        Ok(taken)
    }

    fn u32(&mut self) -> Result<u32, ShardError> {
        Ok(self
            .take(4)?
            .first_chunk()
            .map_or(0, |bytes| u32::from_le_bytes(*bytes)))
    }

    fn size(&mut self) -> Result<usize, ShardError> {
        Ok(self
            .take(8)?
            .first_chunk()
            .map_or(0, |bytes| usize_of(u64::from_le_bytes(*bytes))))
    }

    fn header(&mut self) -> Result<FixedHeader, ShardError> {
        let magic = self.take(MAGIC.len())?;
        if magic != MAGIC {
            let found = String::from_utf8_lossy(magic).escape_debug().to_string();
            return Err(ShardError::header(self.path, "magic", "TENKPACK", found));
        }
        let version = self.u32()?;
        if version != PACKING_FORMAT_VERSION {
            return Err(ShardError::header(
                self.path,
                "version",
                PACKING_FORMAT_VERSION,
                version,
            ));
        }
        let code = self.u32()?;
        let Some(mode) = PackingMode::from_code(code) else {
            return Err(ShardError::header(self.path, "mode", "0 (full-sentences)", code));
        };
        Ok(FixedHeader {
            mode,
            max_length: self.u32()?,
            num_sources: self.u32()? as usize,
            num_rows: self.size()?,
            rows_at: self.size()?,
            corpus_hash: to_hex(self.take(HASH_BYTES)?),
            rows_hash: to_hex(self.take(HASH_BYTES)?),
        })
    }

    /// The source table; rows must follow each other and be all.
    fn sources(&mut self, count: usize, num_rows: usize) -> Result<Vec<PackedSource>, ShardError> {
        let (mut sources, mut next) = (Vec::new(), 0usize);
        for _ in 0..count {
            let (first, rows, name_bytes) = (self.size()?, self.size()?, self.u32()? as usize);
            let name = self.take(name_bytes)?;
            let Ok(name) = std::str::from_utf8(name) else {
                return Err(ShardError::header(
                    self.path,
                    "source name",
                    "UTF-8",
                    "something else",
                ));
            };
            let name = name.to_owned();
            if first != next {
                return Err(ShardError::header(
                    self.path,
                    "first row of a source",
                    next,
                    first,
                ));
            }
            next = next.saturating_add(rows);
            sources.push(PackedSource {
                name,
                rows: first..next,
            });
        }
        if next != num_rows {
            return Err(ShardError::header(self.path, "number of rows", next, num_rows));
        }
        Ok(sources)
    }
}

#[cfg(test)]
mod tests {
    use durable::DISK;

    use super::*;
    use crate::read_sequence;
    use crate::testing::{change, mode_bits, small_corpus};

    const MODE: PackingMode = PackingMode::FullSentences;

    fn written() -> (crate::testing::SmallCorpus, PathBuf) {
        let small = small_corpus();
        let corpus = Corpus::open(&small.folder).unwrap();
        Packing::open_or_build(&DISK, &corpus, MODE, 10).unwrap();
        let path = small.folder.join("packing-full-sentences-10.idx");
        (small, path)
    }

    fn broken(edit: impl FnOnce(&mut Vec<u8>)) -> ShardError {
        let (_small, path) = written();
        change(&path, edit);
        Packing::open(&path).unwrap_err()
    }

    #[test]
    fn rows_are_grouped_by_source_in_the_order_of_the_shards() {
        let small = small_corpus();
        let corpus = Corpus::open(&small.folder).unwrap();
        let packing = Packing::build(&corpus, MODE, 10).unwrap();
        let names: Vec<&str> = packing.sources().map(|(name, _)| name).collect();
        assert_eq!(names, ["10-K", "10-K/A", "wiki"]);
        for source in names {
            let mut tokens = Vec::new();
            for index in packing.for_source(source).unwrap() {
                let row = packing.row(index);
                read_sequence(corpus.shard(row.shard).unwrap(), &row, 2, &mut tokens).unwrap();
            }
            tokens.retain(|&token| token != 2);
            let documents = small.shards.iter().flatten().filter(|(name, _)| *name == source);
            let expected: Vec<u32> = documents.flat_map(|(_, blocks)| blocks.concat()).collect();
            assert_eq!(tokens, expected, "{source}");
        }
        assert_eq!(packing.for_source("10-Q"), None);
        assert_eq!((packing.mode(), packing.max_length()), (MODE, 10));
    }

    #[test]
    fn a_written_packing_opens_as_it_was_built() {
        let (small, path) = written();
        let corpus = Corpus::open(&small.folder).unwrap();
        let built = Packing::build(&corpus, MODE, 10).unwrap();
        for mode in [ReadMode::Mmap, ReadMode::Pread] {
            let opened = Packing::open_with(&path, mode).unwrap();
            assert_eq!(opened.hash(), built.hash());
            assert_eq!(opened.num_rows(), built.num_rows());
            assert!((0..built.num_rows()).all(|row| opened.row(row) == built.row(row)));
            opened.verify().unwrap();
            opened.check_corpus(&corpus).unwrap();
        }
        assert_eq!(mode_bits(&path) & 0o222, 0);
        let other = Packing::build(&corpus, MODE, 11).unwrap();
        assert_ne!(other.hash(), built.hash());
    }

    #[test]
    fn the_byte_table_of_the_documentation_is_the_code() {
        let rows = include_str!("packing.rs")
            .lines()
            .take_while(|line| line.starts_with("//!"));
        let fixed = rows.filter_map(|line| {
            let mut cells = line.strip_prefix("//! | ")?.split(" | ");
            Some((
                cells.next()?.parse::<usize>().ok()?,
                cells.next()?.parse::<usize>().ok()?,
            ))
        });
        let end = fixed.fold(0, |expected, (offset, bytes)| {
            assert_eq!(offset, expected);
            offset + bytes
        });
        assert_eq!(end, FIXED_BYTES);
    }

    #[test]
    fn every_malformed_header_is_named() {
        let field = |edit: fn(&mut Vec<u8>)| match broken(edit) {
            ShardError::Header { field, .. } => field,
            other => panic!("{other}"),
        };
        assert_eq!(field(|bytes| bytes[0] = b'X'), "magic");
        assert_eq!(field(|bytes| bytes[8] = 2), "version");
        assert_eq!(field(|bytes| bytes[12] = 9), "mode");
        assert_eq!(field(|bytes| bytes[24] ^= 1), "number of rows");
        assert_eq!(field(|bytes| bytes[32] = 0), "offset of the rows");
        assert_eq!(field(|bytes| bytes[104] = 1), "first row of a source");
        assert_eq!(field(|bytes| bytes[124] = 0xFF), "source name");
    }

    #[test]
    fn a_file_of_another_length_is_refused() {
        for edit in [
            |bytes: &mut Vec<u8>| bytes.truncate(bytes.len() - 1),
            |bytes: &mut Vec<u8>| bytes.push(0),
            |bytes: &mut Vec<u8>| bytes.truncate(110),
            |bytes: &mut Vec<u8>| bytes.clear(),
        ] {
            assert!(matches!(broken(edit), ShardError::Length { .. }));
        }
    }

    #[test]
    fn changed_rows_are_found_by_verify() {
        let (_small, path) = written();
        change(&path, |bytes| *bytes.last_mut().unwrap() ^= 1);
        let error = Packing::open(&path).unwrap().verify().unwrap_err();
        assert!(matches!(error, ShardError::Damaged { .. }));
    }

    #[test]
    fn a_packing_of_another_corpus_is_refused() {
        let (small, path) = written();
        change(&path, |bytes| bytes[40] ^= 1);
        let corpus = Corpus::open(&small.folder).unwrap();
        let error = Packing::open_or_build(&DISK, &corpus, MODE, 10).unwrap_err();
        assert!(matches!(
            error,
            ShardError::Header {
                field: "corpus hash",
                ..
            }
        ));
    }
}
