//! Reads one shard.
//!
//! [`ReadMode::Pread`] reads the same files as [`ReadMode::Mmap`] with plain system calls,
//! slower and without `unsafe`; both modes pass the same tests.

mod file_bytes;
mod token_slice;

use std::ops::Range;
use std::path::{Path, PathBuf};

pub use file_bytes::ReadMode;
pub(crate) use file_bytes::{FileBytes, Unmapped};
pub use token_slice::TokenSlice;

use crate::ShardError;
use crate::format::{HEADER_BYTES, Header, TokenWidth};
use crate::writer::with_extension;

/// An open shard. All of its index is checked by [`Self::open`].
#[derive(Debug)]
pub struct ShardReader {
    path: PathBuf,
    header: Header,
    index: FileBytes,
    tokens: FileBytes,
}

impl ShardReader {
    /// Opens `PATH.bin` and `PATH.idx`, mapped.
    ///
    /// # Errors
    /// See [`Self::open_with`].
    pub fn open(path_without_extension: &Path) -> Result<Self, ShardError> {
        Self::open_with(path_without_extension, ReadMode::Mmap)
    }

    /// Opens a shard and checks magic, version, type, exact lengths of both files and every
    /// entry of the index.
    ///
    /// # Errors
    /// [`ShardError::Read`] if a file is missing; [`ShardError::Header`], [`ShardError::Length`]
    /// or [`ShardError::Column`] naming what is wrong.
    pub fn open_with(path_without_extension: &Path, mode: ReadMode) -> Result<Self, ShardError> {
        let idx_path = with_extension(path_without_extension, "idx");
        let index = FileBytes::open(&idx_path, mode, Unmapped::InMemory)?;
        let header = Header::parse(&idx_path, index.as_slice(), index.len())?;
        let bin_path = with_extension(path_without_extension, "bin");
        let tokens = FileBytes::open(&bin_path, mode, Unmapped::OnDisk)?;
        let shard = Self {
            path: path_without_extension.to_path_buf(),
            header,
            index,
            tokens,
        };
        shard.check_sequences(&idx_path, &bin_path)?;
        shard.check_documents(&idx_path)?;
        Ok(shard)
    }

    /// Every length is at least 0 and every pointer follows from the lengths before it.
    fn check_sequences(&self, idx_path: &Path, bin_path: &Path) -> Result<(), ShardError> {
        let width = self.width().bytes() as u64;
        let wrong = |column, index, expected: String, found| ShardError::Column {
            path: idx_path.to_path_buf(),
            column,
            index,
            expected,
            found,
        };
        let mut next = 0u64;
        for (index, (length, pointer)) in self.lengths().iter().zip(self.pointers()).enumerate() {
            let (length, pointer) = (i32::from_le_bytes(*length), u64::from_le_bytes(*pointer));
            if length < 0 {
                return Err(wrong("length", index, "at least 0".to_owned(), length.into()));
            }
            if pointer != next {
                return Err(wrong("pointer", index, next.to_string(), pointer.cast_signed()));
            }
            next = next.saturating_add(u64::from(length.unsigned_abs()) * width);
        }
        if next != self.tokens.len() {
            return Err(ShardError::Length {
                path: bin_path.to_path_buf(),
                expected_bytes: next,
                found_bytes: self.tokens.len(),
            });
        }
        Ok(())
    }

    /// Document indices begin at 0, never fall, and end at the number of sequences.
    fn check_documents(&self, idx_path: &Path) -> Result<(), ShardError> {
        let wrong = |index, expected: String, found| ShardError::Column {
            path: idx_path.to_path_buf(),
            column: "document index",
            index,
            expected,
            found,
        };
        let indices = self.document_indices();
        let end = i64::try_from(self.header.num_sequences).unwrap_or(i64::MAX);
        let mut previous = 0;
        for (index, found) in indices.iter().map(|bytes| i64::from_le_bytes(*bytes)).enumerate() {
            if index == 0 && found != 0 {
                return Err(wrong(index, "0".to_owned(), found));
            }
            if found < previous || found > end {
                return Err(wrong(index, format!("between {previous} and {end}"), found));
            }
            previous = found;
        }
        if previous != end {
            return Err(wrong(indices.len() - 1, end.to_string(), previous));
        }
        Ok(())
    }

    fn lengths(&self) -> &[[u8; 4]] {
        self.column(HEADER_BYTES, self.num_blocks())
    }

    fn pointers(&self) -> &[[u8; 8]] {
        self.column(HEADER_BYTES + 4 * self.num_blocks(), self.num_blocks())
    }

    fn document_indices(&self) -> &[[u8; 8]] {
        self.column(HEADER_BYTES + 12 * self.num_blocks(), self.num_documents() + 1)
    }

    /// `count` entries of `N` bytes from `start` on; their place was checked with the header.
    fn column<const N: usize>(&self, start: usize, count: usize) -> &[[u8; N]] {
        let bytes = self.index.as_slice().get(start..start + count * N);
        bytes.unwrap_or_default().as_chunks().0
    }

    /// Path of the shard without extension.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How tokens are stored.
    pub fn width(&self) -> TokenWidth {
        self.header.width
    }

    /// Number of blocks.
    pub fn num_blocks(&self) -> usize {
        usize::try_from(self.header.num_sequences).unwrap_or(usize::MAX)
    }

    /// Number of documents.
    pub fn num_documents(&self) -> usize {
        usize::try_from(self.header.num_documents()).unwrap_or(usize::MAX)
    }

    /// Number of tokens.
    pub fn num_tokens(&self) -> u64 {
        self.tokens.len() / self.width().bytes() as u64
    }

    /// Number of tokens of a block.
    ///
    /// # Panics
    /// If there is no such block, as indexing a slice does.
    pub fn block_length(&self, block: usize) -> usize {
        let length = i32::from_le_bytes(self.lengths()[block]);
        // checked by open
        usize::try_from(length).unwrap_or(0)
    }

    /// Number of tokens before a block.
    ///
    /// # Panics
    /// If there is no such block, as indexing a slice does.
    pub fn tokens_before(&self, block: usize) -> u64 {
        u64::from_le_bytes(self.pointers()[block]) / self.width().bytes() as u64
    }

    /// The tokens of a block.
    ///
    /// # Errors
    /// [`ShardError::OutOfRange`] if there is no such block; [`ShardError::Read`] if the disk
    /// fails.
    pub fn block(&self, block: usize) -> Result<TokenSlice<'_>, ShardError> {
        if block >= self.num_blocks() {
            return Err(ShardError::OutOfRange {
                path: self.path.clone(),
                what: "block",
                index: block as u64,
                count: self.header.num_sequences,
            });
        }
        let pointer = u64::from_le_bytes(self.pointers()[block]);
        let bytes = (self.block_length(block) * self.width().bytes()) as u64;
        let content = self
            .tokens
            .read(pointer..pointer + bytes)
            .map_err(|source| ShardError::Read {
                path: with_extension(&self.path, "bin"),
                source,
            })?;
        Ok(TokenSlice::new(self.width(), content))
    }

    /// The stored bytes of a block, for checksums.
    pub(crate) fn block_bytes(&self, block: usize) -> Result<Vec<u8>, ShardError> {
        Ok(match self.block(block)? {
            TokenSlice::U16(tokens) => bytemuck::cast_slice(&tokens).to_vec(),
            TokenSlice::I32(tokens) => bytemuck::cast_slice(&tokens).to_vec(),
        })
    }

    /// The blocks of a document.
    ///
    /// # Panics
    /// If there is no such document, as indexing a slice does.
    pub fn document_blocks(&self, document: usize) -> Range<usize> {
        let indices = self.document_indices();
        let index = |at: usize| usize::try_from(u64::from_le_bytes(indices[at])).unwrap_or(usize::MAX);
        index(document)..index(document + 1)
    }

    /// The document that a block belongs to.
    ///
    /// # Panics
    /// If there is no such block, as indexing a slice does.
    pub fn document_of_block(&self, block: usize) -> usize {
        assert!(
            block < self.num_blocks(),
            "block {block} of {}",
            self.num_blocks()
        );
        let indices = self.document_indices();
        indices.partition_point(|index| u64::from_le_bytes(*index) <= block as u64) - 1
    }
}

#[cfg(test)]
mod tests;
