//! The bytes before the rows of a packing file.
//!
//! All numbers are little-endian:
//!
//! | offset | bytes | type | content |
//! |---|---|---|---|
//! | 0 | 8 | bytes | magic `TENKPACK` |
//! | 8 | 4 | u32 | version, 1 |
//! | 12 | 4 | u32 | mode: 0 = `full-sentences`, 1 = `doc-sentences`, 2 = `contiguous` |
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
use std::path::Path;

use crate::{PackedSequence, PackingMode, ShardError};

const MAGIC: [u8; 8] = *b"TENKPACK";
/// Version of the packing format.
pub const PACKING_FORMAT_VERSION: u32 = 1;
/// Bytes before the source table.
pub(super) const FIXED_BYTES: usize = 104;
/// Bytes of a row.
pub(super) const ROW_BYTES: usize = 16;
/// Where the header states the offset of the first row.
const ROWS_AT: Range<usize> = 32..40;
const HASH_BYTES: usize = 32;

/// All that stands before the rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PackingHeader {
    pub(super) mode: PackingMode,
    pub(super) max_length: u32,
    pub(super) num_rows: usize,
    pub(super) corpus_hash: String,
    pub(super) rows_hash: String,
    pub(super) sources: Vec<PackedSource>,
}

/// Rows of one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PackedSource {
    pub(super) name: String,
    pub(super) rows: Range<usize>,
}

/// A header as it was read: what it says, and where header and rows lie.
#[derive(Debug)]
pub(super) struct ParsedHeader {
    pub(super) header: PackingHeader,
    /// End of the source table; up to 15 bytes of padding follow.
    pub(super) end: usize,
    /// Offset of the first row.
    pub(super) rows_at: usize,
}

impl PackingHeader {
    /// Header, source table and padding up to the first row.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut table = Vec::new();
        for source in &self.sources {
            table.extend((source.rows.start as u64).to_le_bytes());
            table.extend((source.rows.len() as u64).to_le_bytes());
            table.extend(u32_of(source.name.len()).to_le_bytes());
            table.extend(source.name.as_bytes());
        }
        let rows_at = (FIXED_BYTES + table.len()).next_multiple_of(ROW_BYTES);
        let mut bytes = Vec::with_capacity(rows_at);
        bytes.extend(MAGIC);
        for number in [
            PACKING_FORMAT_VERSION,
            self.mode.code(),
            self.max_length,
            u32_of(self.sources.len()),
        ] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend((self.num_rows as u64).to_le_bytes());
        bytes.extend((rows_at as u64).to_le_bytes());
        bytes.extend(from_hex(&self.corpus_hash));
        bytes.extend(from_hex(&self.rows_hash));
        bytes.extend(table);
        bytes.resize(rows_at, 0);
        bytes
    }

    /// Reads the header at the start of `bytes`.
    ///
    /// # Errors
    /// [`ShardError::Header`] naming the field that is wrong; [`ShardError::Length`] where
    /// `bytes` end too early.
    pub(super) fn parse(path: &Path, bytes: &[u8]) -> Result<ParsedHeader, ShardError> {
        let mut cursor = Cursor { path, bytes, at: 0 };
        cursor.magic_and_version()?;
        let mode = cursor.mode()?;
        let (max_length, num_sources) = (cursor.u32()?, cursor.u32()? as usize);
        let (num_rows, rows_at) = (cursor.size()?, cursor.size()?);
        let (corpus_hash, rows_hash) = (cursor.hash()?, cursor.hash()?);
        let sources = cursor.sources(num_sources, num_rows)?;
        let end = cursor.at;
        if rows_at < end || rows_at - end >= ROW_BYTES {
            let expected = end.next_multiple_of(ROW_BYTES);
            return Err(ShardError::header(path, "offset of the rows", expected, rows_at));
        }
        let header = Self {
            mode,
            max_length,
            num_rows,
            corpus_hash,
            rows_hash,
            sources,
        };
        Ok(ParsedHeader { header, end, rows_at })
    }
}

/// The offset of the first row that the fixed part of a header states, unchecked: how much of
/// a file has to be read before [`PackingHeader::parse`].
pub(super) fn stated_rows_at(fixed: &[u8]) -> u64 {
    let bytes = fixed.get(ROWS_AT).and_then(|bytes| bytes.first_chunk());
    bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// The bytes of a row.
pub(super) fn encode_row(row: &PackedSequence) -> [u8; ROW_BYTES] {
    let mut bytes = [0; ROW_BYTES];
    let fields = [row.shard, row.block, row.token_offset, row.length];
    for (chunk, field) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(fields) {
        *chunk = field.to_le_bytes();
    }
    bytes
}

/// The row of its bytes.
pub(super) fn decode_row(bytes: &[u8]) -> PackedSequence {
    let field = |index: usize| {
        let chunk = bytes.as_chunks::<4>().0.get(index);
        chunk.map_or(0, |field| u32::from_le_bytes(*field))
    };
    PackedSequence {
        shard: field(0),
        block: field(1),
        token_offset: field(2),
        length: field(3),
    }
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
        let bytes = self.take(4)?.first_chunk();
        Ok(bytes.map_or(0, |bytes| u32::from_le_bytes(*bytes)))
    }

    fn size(&mut self) -> Result<usize, ShardError> {
        let number = self
            .take(8)?
            .first_chunk()
            .map_or(0, |bytes| u64::from_le_bytes(*bytes));
        Ok(usize::try_from(number).unwrap_or(usize::MAX))
    }

    fn hash(&mut self) -> Result<String, ShardError> {
        Ok(to_hex(self.take(HASH_BYTES)?))
    }

    fn magic_and_version(&mut self) -> Result<(), ShardError> {
        let magic = self.take(MAGIC.len())?;
        if magic != MAGIC {
            let found = String::from_utf8_lossy(magic).escape_debug().to_string();
            return Err(ShardError::header(self.path, "magic", "TENKPACK", found));
        }
        let version = self.u32()?;
        if version == PACKING_FORMAT_VERSION {
            return Ok(());
        }
        let expected = PACKING_FORMAT_VERSION;
        Err(ShardError::header(self.path, "version", expected, version))
    }

    fn mode(&mut self) -> Result<PackingMode, ShardError> {
        let code = self.u32()?;
        PackingMode::from_code(code).ok_or_else(|| {
            let known = PackingMode::ALL.map(|mode| format!("{} ({})", mode.code(), mode.name()));
            ShardError::header(self.path, "mode", known.join(" or "), code)
        })
    }

    /// The source table; rows must follow each other and be all.
    fn sources(&mut self, count: usize, num_rows: usize) -> Result<Vec<PackedSource>, ShardError> {
        let (mut sources, mut next) = (Vec::new(), 0usize);
        for _ in 0..count {
            let source = self.source()?;
            if source.rows.start != next {
                let (field, found) = ("first row of a source", source.rows.start);
                return Err(ShardError::header(self.path, field, next, found));
            }
            next = source.rows.end;
            sources.push(source);
        }
        if next != num_rows {
            return Err(ShardError::header(self.path, "number of rows", next, num_rows));
        }
        Ok(sources)
    }

    fn source(&mut self) -> Result<PackedSource, ShardError> {
        let (first, rows, name_bytes) = (self.size()?, self.size()?, self.u32()? as usize);
        let name = std::str::from_utf8(self.take(name_bytes)?).map(str::to_owned);
        let name =
            name.map_err(|_| ShardError::header(self.path, "source name", "UTF-8", "something else"))?;
        Ok(PackedSource {
            name,
            rows: first..first.saturating_add(rows),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_byte_table_of_the_documentation_is_the_code() {
        let rows = include_str!("format.rs")
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
    fn a_header_reads_back_as_it_was_written() {
        let header = PackingHeader {
            mode: PackingMode::Contiguous,
            max_length: 512,
            num_rows: 7,
            corpus_hash: "0123456789abcdef".repeat(4),
            rows_hash: "fedcba9876543210".repeat(4),
            sources: vec![
                PackedSource {
                    name: "10-K".to_owned(),
                    rows: 0..7,
                },
                PackedSource {
                    name: "wiki".to_owned(),
                    rows: 7..7,
                },
            ],
        };
        let bytes = header.encode();
        assert_eq!(stated_rows_at(&bytes), bytes.len() as u64);
        let parsed = PackingHeader::parse(Path::new("x"), &bytes).unwrap();
        assert_eq!((&parsed.header, parsed.rows_at), (&header, bytes.len()));
        assert_eq!(parsed.end, FIXED_BYTES + 2 * (20 + 4));
        assert_eq!(stated_rows_at(&bytes[..39]), 0);
    }

    #[test]
    fn a_row_reads_back_as_it_was_written() {
        let row = PackedSequence {
            shard: 1,
            block: 0x0102_0304,
            token_offset: u32::MAX,
            length: 510,
        };
        assert_eq!(decode_row(&encode_row(&row)), row);
        assert_eq!(encode_row(&row)[4..8], [4, 3, 2, 1]);
    }
}
