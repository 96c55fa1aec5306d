//! Reads one shard. The only mmap of the project is here, and the only `unsafe` of this crate.
//!
//! [`ReadMode::Pread`] reads the same files with plain system calls, slower and without
//! `unsafe`; both modes pass the same tests.

use std::borrow::Cow;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use memmap2::Mmap;

use crate::ShardError;
use crate::format::{HEADER_BYTES, Header, TokenWidth};
use crate::writer::with_extension;

// tokens are used as they lie in the mapped file
const _: () = assert!(
    cfg!(target_endian = "little"),
    "shards are read on little-endian machines only"
);

/// How files are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReadMode {
    /// Map the files into memory: no copy, the page cache is the buffer.
    #[default]
    Mmap,
    /// Read the index into memory and tokens by `pread`: for file systems that cannot map.
    Pread,
}

/// A read-only file: mapped, in memory, or read piece by piece.
#[derive(Debug)]
pub(crate) enum FileBytes {
    Mapped(Mmap),
    Memory(Vec<u8>),
    OnDisk { file: File, bytes: u64 },
}

/// What [`FileBytes::open`] does with a file in [`ReadMode::Pread`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unmapped {
    InMemory,
    OnDisk,
}

impl FileBytes {
    /// Opens a file of the corpus.
    pub(crate) fn open(path: &Path, mode: ReadMode, unmapped: Unmapped) -> Result<Self, ShardError> {
        Self::open_io(path, mode, unmapped).map_err(|source| ShardError::Read {
            path: path.to_path_buf(),
            source,
        })
    }

    fn open_io(path: &Path, mode: ReadMode, unmapped: Unmapped) -> std::io::Result<Self> {
        let file = File::open(path)?;
        let bytes = file.metadata()?.len();
        match (mode, unmapped) {
            _ if bytes == 0 => Ok(Self::Memory(Vec::new())),
            (ReadMode::Mmap, _) => Ok(Self::Mapped(map(&file)?)),
            (ReadMode::Pread, Unmapped::OnDisk) => Ok(Self::OnDisk { file, bytes }),
            (ReadMode::Pread, Unmapped::InMemory) => {
                let mut content = vec![0; usize::try_from(bytes).map_err(std::io::Error::other)?];
                file.read_exact_at(&mut content, 0)?;
                Ok(Self::Memory(content))
            }
        }
    }

    /// Length in bytes.
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Mapped(map) => map.len() as u64,
            Self::Memory(content) => content.len() as u64,
            Self::OnDisk { bytes, .. } => *bytes,
        }
    }

    /// The content of a file that is mapped or in memory; empty for one on disk.
    pub(crate) fn as_slice(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Memory(content) => content,
            Self::OnDisk { .. } => &[],
        }
    }

    /// The bytes of `range`; an error of the system if the file has become shorter.
    fn read(&self, range: Range<u64>) -> std::io::Result<Cow<'_, [u8]>> {
        let usize_of = |number: u64| usize::try_from(number).map_err(std::io::Error::other);
        let (start, end) = (usize_of(range.start)?, usize_of(range.end)?);
        match self {
            Self::OnDisk { file, .. } => {
                let mut content = vec![0; end - start];
                file.read_exact_at(&mut content, range.start)?;
                Ok(Cow::Owned(content))
            }
            _ => match self.as_slice().get(start..end) {
                Some(bytes) => Ok(Cow::Borrowed(bytes)),
                None => Err(std::io::ErrorKind::UnexpectedEof.into()),
            },
        }
    }
}

#[expect(
    unsafe_code,
    reason = "mapping a file is sound only while nobody changes it; see SAFETY"
)]
fn map(file: &File) -> std::io::Result<Mmap> {
    // SAFETY: the bytes of a mapping must not change while it lives. `ShardWriter::finish` and
    // `Packing::write` keep that promise for every file that is opened here: they write beside,
    // rename and make the file read-only, and nothing in the project opens such a file for
    // writing. Who overrides file permissions breaks it; `ReadMode::Pread` is there for them.
    unsafe { Mmap::map(file) }
}

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

/// The tokens of a block, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenSlice<'a> {
    /// Two bytes a token.
    U16(Cow<'a, [u16]>),
    /// Four bytes a token.
    I32(Cow<'a, [i32]>),
}

impl<'a> TokenSlice<'a> {
    fn new(width: TokenWidth, bytes: Cow<'a, [u8]>) -> Self {
        match width {
            TokenWidth::U16 => Self::U16(cast(bytes, u16::from_le_bytes)),
            TokenWidth::I32 => Self::I32(cast(bytes, i32::from_le_bytes)),
        }
    }

    /// Number of tokens.
    pub fn len(&self) -> usize {
        match self {
            Self::U16(tokens) => tokens.len(),
            Self::I32(tokens) => tokens.len(),
        }
    }

    /// Whether there is no token.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The token at `index`.
    ///
    /// # Panics
    /// If there is no such token, as indexing a slice does.
    pub fn get(&self, index: usize) -> u32 {
        match self {
            Self::U16(tokens) => tokens[index].into(),
            Self::I32(tokens) => tokens[index].cast_unsigned(),
        }
    }

    /// Appends the tokens of `range` to `out`.
    ///
    /// # Panics
    /// If the range goes beyond the block, as slicing does.
    pub fn copy_into(&self, out: &mut Vec<u32>, range: Range<usize>) {
        match self {
            Self::U16(tokens) => out.extend(tokens[range].iter().map(|&token| u32::from(token))),
            Self::I32(tokens) => out.extend(tokens[range].iter().map(|token| token.cast_unsigned())),
        }
    }

    /// All tokens.
    pub fn to_vec(&self) -> Vec<u32> {
        let mut tokens = Vec::with_capacity(self.len());
        self.copy_into(&mut tokens, 0..self.len());
        tokens
    }
}

/// Bytes as numbers: in place where they are aligned (a mapping begins on a page and blocks on
/// multiples of the width), copied by `decode` where they are not.
fn cast<T: bytemuck::Pod, const N: usize>(bytes: Cow<'_, [u8]>, decode: fn([u8; N]) -> T) -> Cow<'_, [T]> {
    let copy = |bytes: &[u8]| bytes.as_chunks().0.iter().map(|chunk| decode(*chunk)).collect();
    match bytes {
        Cow::Borrowed(bytes) => match bytemuck::try_cast_slice(bytes) {
            Ok(numbers) => Cow::Borrowed(numbers),
            Err(_) => Cow::Owned(copy(bytes)),
        },
        Cow::Owned(bytes) => Cow::Owned(copy(&bytes)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{change, documents, shard_of, write_shard};

    const MODES: [ReadMode; 2] = [ReadMode::Mmap, ReadMode::Pread];

    /// Two documents of 2 and 1 blocks.
    fn sound() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shard");
        write_shard(
            &path,
            TokenWidth::U16,
            &[vec![vec![1, 2], vec![3]], vec![vec![4, 5, 6]]],
        );
        (folder, path)
    }

    /// The error of opening a shard whose `extension` was edited, the same in both modes.
    fn broken(extension: &str, edit: impl Fn(&mut Vec<u8>)) -> ShardError {
        let (_folder, path) = sound();
        change(&with_extension(&path, extension), edit);
        let [mapped, read] = MODES.map(|mode| ShardReader::open_with(&path, mode).unwrap_err());
        assert_eq!(mapped.to_string(), read.to_string());
        mapped
    }

    fn broken_column(at: usize, value: u8) -> (&'static str, usize) {
        match broken("idx", |bytes| bytes[at] = value) {
            ShardError::Column { column, index, .. } => (column, index),
            other => panic!("{other}"),
        }
    }

    const LENGTHS: usize = 34;
    const POINTERS: usize = LENGTHS + 3 * 4;
    const DOCUMENTS: usize = POINTERS + 3 * 8;

    #[test]
    fn a_negative_length_is_named() {
        assert_eq!(broken_column(LENGTHS + 4 + 3, 0x80), ("length", 1));
    }

    #[test]
    fn a_pointer_that_does_not_follow_is_named() {
        assert_eq!(broken_column(POINTERS, 2), ("pointer", 0));
        assert_eq!(broken_column(POINTERS + 8, 2), ("pointer", 1));
        assert_eq!(broken_column(LENGTHS, 1), ("pointer", 1));
    }

    #[test]
    fn a_document_index_that_falls_or_goes_too_far_is_named() {
        assert_eq!(broken_column(DOCUMENTS, 1), ("document index", 0));
        assert_eq!(broken_column(DOCUMENTS + 8, 4), ("document index", 1));
        assert_eq!(broken_column(DOCUMENTS + 8 + 7, 0x80), ("document index", 1));
        assert_eq!(broken_column(DOCUMENTS + 16, 2), ("document index", 2));
        assert_eq!(broken_column(DOCUMENTS + 16, 1), ("document index", 2));
    }

    #[test]
    fn a_bin_of_another_length_is_refused() {
        let shorter = broken("bin", |bytes| bytes.truncate(11));
        assert!(matches!(
            shorter,
            ShardError::Length {
                expected_bytes: 12,
                found_bytes: 11,
                ..
            }
        ));
        let longer = broken("bin", |bytes| bytes.push(0));
        assert!(matches!(
            longer,
            ShardError::Length {
                expected_bytes: 12,
                found_bytes: 13,
                ..
            }
        ));
        let empty = broken("bin", Vec::clear);
        assert!(matches!(
            empty,
            ShardError::Length {
                expected_bytes: 12,
                found_bytes: 0,
                ..
            }
        ));
    }

    #[test]
    fn a_damaged_header_is_refused() {
        assert!(matches!(
            broken("idx", Vec::clear),
            ShardError::Length {
                expected_bytes: 34,
                ..
            }
        ));
        assert!(matches!(
            broken("idx", |bytes| bytes[0] = 0),
            ShardError::Header { field: "magic", .. }
        ));
        let cut = broken("idx", |bytes| bytes.truncate(60));
        assert!(matches!(cut, ShardError::Length { found_bytes: 60, .. }));
        let huge = broken("idx", |bytes| bytes[18..26].fill(0xFF));
        assert!(matches!(
            huge,
            ShardError::Header {
                field: "number of sequences",
                ..
            }
        ));
        let documents = broken("idx", |bytes| bytes[26..34].fill(0xFF));
        assert!(matches!(
            documents,
            ShardError::Header {
                field: "number of sequences",
                ..
            }
        ));
    }

    #[test]
    fn a_missing_file_is_named() {
        let (_folder, path) = sound();
        std::fs::remove_file(with_extension(&path, "bin")).unwrap();
        let error = ShardReader::open(&path).unwrap_err();
        assert!(error.to_string().contains("shard.bin: check"), "{error}");
    }

    #[test]
    fn a_block_beyond_the_shard_is_an_error() {
        let (_folder, path) = sound();
        let error = ShardReader::open(&path).unwrap().block(3).unwrap_err();
        assert!(matches!(
            error,
            ShardError::OutOfRange {
                what: "block",
                index: 3,
                count: 3,
                ..
            }
        ));
    }

    #[test]
    fn an_empty_shard_opens() {
        for mode in MODES {
            let (_folder, shard) = shard_of(&[]);
            let shard = ShardReader::open_with(shard.path(), mode).unwrap();
            assert_eq!(
                (shard.num_blocks(), shard.num_documents(), shard.num_tokens()),
                (0, 0, 0)
            );
            assert!(shard.block(0).is_err());
        }
    }

    #[test]
    fn documents_without_blocks_are_passed_over() {
        let (_folder, shard) = shard_of(&[vec![], vec![vec![1]], vec![], vec![vec![2], vec![3]], vec![]]);
        assert_eq!(shard.num_documents(), 5);
        let documents: Vec<usize> = (0..3).map(|block| shard.document_of_block(block)).collect();
        assert_eq!(documents, [1, 3, 3]);
        let blocks: Vec<_> = (0..5).map(|document| shard.document_blocks(document)).collect();
        assert_eq!(blocks, [0..0, 0..1, 1..1, 1..3, 3..3]);
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(documents in documents(9), wide: bool, pread: bool) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("shard-00000-of-00001");
            let width = if wide { TokenWidth::I32 } else { TokenWidth::U16 };
            let offset = if wide { 1 << 20 } else { 0 };
            let documents: Vec<Vec<Vec<u32>>> = documents
                .iter()
                .map(|blocks| blocks.iter().map(|b| b.iter().map(|t| t + offset).collect()).collect())
                .collect();
            let summary = write_shard(&path, width, &documents);
            let shard = ShardReader::open_with(&path, MODES[usize::from(pread)]).unwrap();
            prop_assert_eq!(shard.width(), width);
            prop_assert_eq!(shard.num_documents(), documents.len());
            prop_assert_eq!(shard.num_tokens(), summary.tokens);
            for (index, blocks) in documents.iter().enumerate() {
                let range = shard.document_blocks(index);
                prop_assert_eq!(range.len(), blocks.len());
                for (block, expected) in range.zip(blocks) {
                    let tokens = shard.block(block).unwrap();
                    prop_assert_eq!(&tokens.to_vec(), expected);
                    prop_assert_eq!(tokens.get(expected.len() - 1), *expected.last().unwrap());
                    prop_assert_eq!(shard.block_length(block), expected.len());
                    prop_assert_eq!(shard.document_of_block(block), index);
                }
            }
        }

        #[test]
        fn any_bytes_give_an_error_and_no_panic(idx in prop::collection::vec(any::<u8>(), 0..120), keep_header: bool) {
            let (_folder, path) = sound();
            change(&with_extension(&path, "idx"), |bytes| {
                if keep_header {
                    bytes.truncate(18);
                    bytes.extend(&idx);
                } else {
                    bytes.clone_from(&idx);
                }
            });
            for mode in MODES {
                prop_assert!(ShardReader::open_with(&path, mode).is_err());
            }
        }
    }
}
