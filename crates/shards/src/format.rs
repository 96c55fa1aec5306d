//! The shard format, byte by byte: the indexed dataset of Megatron-LM, version 1.
//!
//! All numbers are little-endian. `.bin` is the tokens and nothing else, back to back, each
//! `uint16` or `int32`. `.idx` has no padding, so its columns are not aligned:
//!
//! | offset | bytes | type | content |
//! |---|---|---|---|
//! | 0 | 9 | bytes | magic `MMIDIDX` and two zero bytes |
//! | 9 | 8 | u64 | version, 1 |
//! | 17 | 1 | u8 | type of a token: 8 = `uint16`, 4 = `int32` |
//! | 18 | 8 | u64 | S, the number of sequences; a sequence is a block |
//! | 26 | 8 | u64 | D, the number of document indices: one more than documents |
//! | 34 | 4 S | i32 | length of each sequence in tokens |
//! | 34 + 4 S | 8 S | i64 | offset of each sequence in `.bin` in bytes |
//! | 34 + 12 S | 8 D | i64 | first sequence of each document; the first is 0, the last is S |
//!
//! An empty shard has a `.bin` of no bytes and an `.idx` of the header and one document
//! index, 0.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::ShardError;

/// First bytes of every `.idx`.
pub const MAGIC: [u8; 9] = *b"MMIDIDX\0\0";
/// The only version there is.
pub const VERSION: u64 = 1;
/// Bytes before the first column.
pub const HEADER_BYTES: usize = 34;

const LENGTH_BYTES: u64 = 4;
const POINTER_BYTES: u64 = 8;
const DOCUMENT_BYTES: u64 = 8;

/// Megatron-LM stores vocabularies below this size in 16 bits; the same rule here, so that its
/// tools choose what we chose.
const SMALLEST_WIDE_VOCABULARY: usize = 65_500;

/// How a token is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
pub enum TokenWidth {
    /// Two bytes, tokens 0 to 65,535.
    #[serde(rename = "uint16")]
    #[default]
    U16,
    /// Four bytes, tokens 0 to 2,147,483,647.
    #[serde(rename = "int32")]
    I32,
}

impl TokenWidth {
    /// The narrowest width for a vocabulary.
    pub fn for_vocab_size(vocab_size: usize) -> Self {
        if vocab_size < SMALLEST_WIDE_VOCABULARY {
            Self::U16
        } else {
            Self::I32
        }
    }

    /// Bytes of a token.
    pub fn bytes(self) -> usize {
        match self {
            Self::U16 => 2,
            Self::I32 => 4,
        }
    }

    /// The type code in the header.
    pub fn code(self) -> u8 {
        match self {
            Self::U16 => 8,
            Self::I32 => 4,
        }
    }

    /// The largest token that can be stored.
    pub fn max_token(self) -> u32 {
        match self {
            Self::U16 => u16::MAX.into(),
            Self::I32 => i32::MAX.unsigned_abs(),
        }
    }

    /// The name that the manifest uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::U16 => "uint16",
            Self::I32 => "int32",
        }
    }

    fn from_code(code: u8) -> Option<Self> {
        [Self::U16, Self::I32]
            .into_iter()
            .find(|width| width.code() == code)
    }
}

/// What the first 34 bytes of an `.idx` say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// How tokens are stored.
    pub width: TokenWidth,
    /// Number of sequences (blocks).
    pub num_sequences: u64,
    /// Number of document indices: documents + 1.
    pub num_document_indices: u64,
}

impl Header {
    /// The header as bytes.
    pub fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..9].copy_from_slice(&MAGIC);
        bytes[9..17].copy_from_slice(&VERSION.to_le_bytes());
        bytes[17] = self.width.code();
        bytes[18..26].copy_from_slice(&self.num_sequences.to_le_bytes());
        bytes[26..34].copy_from_slice(&self.num_document_indices.to_le_bytes());
        bytes
    }

    /// Reads the header of an `.idx` that is `file_bytes` long; `path` is named in errors.
    ///
    /// # Errors
    /// [`ShardError::Length`] if the file is not exactly as long as the header says;
    /// [`ShardError::Header`] if a field is not as in the byte table.
    pub fn parse(path: &Path, start: &[u8], file_bytes: u64) -> Result<Self, ShardError> {
        let Some(bytes) = start.first_chunk::<HEADER_BYTES>() else {
            return Err(ShardError::Length {
                path: path.to_path_buf(),
                expected_bytes: HEADER_BYTES as u64,
                found_bytes: file_bytes,
            });
        };
        if bytes[..9] != MAGIC {
            let found = String::from_utf8_lossy(&bytes[..9]).escape_debug().to_string();
            return Err(ShardError::header(
                path,
                "magic",
                "MMIDIDX and two zero bytes",
                found,
            ));
        }
        let version = u64_at(bytes, 9);
        if version != VERSION {
            return Err(ShardError::header(path, "version", VERSION, version));
        }
        let Some(width) = TokenWidth::from_code(bytes[17]) else {
            return Err(ShardError::header(
                path,
                "token type",
                "8 (uint16) or 4 (int32)",
                bytes[17],
            ));
        };
        let header = Self {
            width,
            num_sequences: u64_at(bytes, 18),
            num_document_indices: u64_at(bytes, 26),
        };
        header.check_counts(path, file_bytes)?;
        Ok(header)
    }

    fn check_counts(self, path: &Path, file_bytes: u64) -> Result<(), ShardError> {
        if self.num_document_indices == 0 {
            return Err(ShardError::header(
                path,
                "number of document indices",
                "at least 1",
                0,
            ));
        }
        match self.idx_bytes() {
            None => Err(ShardError::header(
                path,
                "number of sequences",
                format_args!("what {file_bytes} bytes can hold"),
                self.num_sequences,
            )),
            Some(expected_bytes) if expected_bytes != file_bytes => Err(ShardError::Length {
                path: path.to_path_buf(),
                expected_bytes,
                found_bytes: file_bytes,
            }),
            Some(_) => Ok(()),
        }
    }

    /// Length of the whole `.idx`; `None` if the counts are absurd.
    pub fn idx_bytes(self) -> Option<u64> {
        let sequences = self.num_sequences.checked_mul(LENGTH_BYTES + POINTER_BYTES)?;
        let documents = self.num_document_indices.checked_mul(DOCUMENT_BYTES)?;
        sequences.checked_add(documents)?.checked_add(HEADER_BYTES as u64)
    }

    /// Number of documents.
    pub fn num_documents(self) -> u64 {
        self.num_document_indices.saturating_sub(1)
    }
}

fn u64_at(bytes: &[u8; HEADER_BYTES], at: usize) -> u64 {
    bytes[at..]
        .first_chunk()
        .map_or(0, |field| u64::from_le_bytes(*field))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Header = Header {
        width: TokenWidth::U16,
        num_sequences: 3,
        num_document_indices: 2,
    };
    const IDX_BYTES: u64 = 34 + 3 * 12 + 2 * 8;

    fn parse(bytes: &[u8]) -> Result<Header, ShardError> {
        Header::parse(Path::new("x.idx"), bytes, IDX_BYTES)
    }

    fn bad_field(change: impl FnOnce(&mut [u8])) -> &'static str {
        let mut bytes = HEADER.to_bytes();
        change(&mut bytes);
        match parse(&bytes) {
            Err(ShardError::Header { field, .. }) => field,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_header_round_trips() {
        assert_eq!(parse(&HEADER.to_bytes()).unwrap(), HEADER);
    }

    #[test]
    fn the_byte_table_of_the_documentation_is_the_code() {
        let table = include_str!("format.rs")
            .lines()
            .take_while(|line| line.starts_with("//!"))
            .filter_map(|line| line.strip_prefix("//! | "))
            .filter(|line| line.starts_with(|c: char| c.is_ascii_digit()))
            .map(|line| line.split(" | ").map(str::to_owned).collect::<Vec<_>>());
        let rows: Vec<Vec<String>> = table.collect();
        assert_eq!(rows.len(), 8);
        let mut expected = 0;
        for row in &rows[..5] {
            assert_eq!(row[0].parse::<usize>().unwrap(), expected, "{row:?}");
            expected += row[1].parse::<usize>().unwrap();
        }
        assert_eq!(expected, HEADER_BYTES);
        let starts: Vec<&str> = rows[5..].iter().map(|row| row[0].as_str()).collect();
        assert_eq!(starts, ["34", "34 + 4 S", "34 + 12 S"]);
        assert_eq!(HEADER.idx_bytes(), Some(IDX_BYTES));
    }

    #[test]
    fn a_wrong_magic_is_named() {
        assert_eq!(bad_field(|bytes| bytes[0] = b'X'), "magic");
    }

    #[test]
    fn another_version_is_named() {
        assert_eq!(bad_field(|bytes| bytes[9] = 2), "version");
    }

    #[test]
    fn an_unknown_token_type_is_named() {
        assert_eq!(bad_field(|bytes| bytes[17] = 1), "token type");
    }

    #[test]
    fn no_document_index_is_named() {
        assert_eq!(bad_field(|bytes| bytes[26] = 0), "number of document indices");
    }

    #[test]
    fn a_count_that_overflows_is_named() {
        assert_eq!(bad_field(|bytes| bytes[18..26].fill(0xFF)), "number of sequences");
    }

    #[test]
    fn a_file_of_another_length_than_its_counts_is_refused() {
        for bytes in [IDX_BYTES - 1, IDX_BYTES + 1] {
            let error = Header::parse(Path::new("x.idx"), &HEADER.to_bytes(), bytes).unwrap_err();
            assert!(
                matches!(
                    error,
                    ShardError::Length {
                        expected_bytes: IDX_BYTES,
                        ..
                    }
                ),
                "{error}"
            );
        }
        let error = Header::parse(Path::new("x.idx"), &HEADER.to_bytes()[..33], 33).unwrap_err();
        assert!(matches!(
            error,
            ShardError::Length {
                expected_bytes: 34,
                found_bytes: 33,
                ..
            }
        ));
    }

    #[test]
    fn the_width_follows_the_vocabulary() {
        assert_eq!(TokenWidth::for_vocab_size(50_265), TokenWidth::U16);
        assert_eq!(TokenWidth::for_vocab_size(65_499), TokenWidth::U16);
        assert_eq!(TokenWidth::for_vocab_size(65_500), TokenWidth::I32);
    }
}
