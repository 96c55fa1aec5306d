//! Writes one shard: tokens stream to disk, the index columns stay in memory until the end.

use std::io::Write;
use std::path::{Path, PathBuf};

use durable::{DurableError, Operation, Sha256Writer, Storage, commit_file};
use xxhash_rust::xxh3::Xxh3Default;

use crate::ShardError;
use crate::format::{Header, TokenWidth};
use crate::streamed::StreamedFile;

/// Writes `PATH.bin` and `PATH.idx`. Nothing has its final name before [`Self::finish`]; the
/// `.idx` comes last. Dropped unfinished, it removes what it wrote. Memory: four bytes a block
/// and eight a document.
#[derive(Debug)]
pub struct ShardWriter<'s> {
    storage: &'s dyn Storage,
    path: PathBuf,
    width: TokenWidth,
    bin: StreamedFile<'s>,
    lengths: Vec<i32>,
    document_indices: Vec<u64>,
    num_tokens: u64,
    document: DocumentStart,
    encoded: Vec<u8>,
}

/// What a finished shard holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardSummary {
    /// Tokens in all.
    pub tokens: u64,
    /// Blocks in all.
    pub blocks: u64,
    /// Documents in all.
    pub documents: u64,
    /// SHA-256 of the `.bin` in hex.
    pub bin_hash: String,
    /// SHA-256 of the `.idx` in hex.
    pub idx_hash: String,
}

/// Where a document lies in its shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentSpan {
    /// Index of the document in the shard.
    pub document: u32,
    /// Index of its first block.
    pub first_block: u64,
    /// Number of its blocks.
    pub blocks: u64,
    /// Tokens before it.
    pub token_offset: u64,
    /// Number of its tokens.
    pub tokens: u64,
    /// XXH3-64 over each block's length (u32) and stored bytes, as 16 hex digits: by it
    /// `verify` tells which document of a damaged shard is damaged.
    pub checksum: String,
}

/// The document that is being written.
#[derive(Default)]
struct DocumentStart {
    first_block: usize,
    token_offset: u64,
    hasher: Xxh3Default,
}

impl std::fmt::Debug for DocumentStart {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("DocumentStart")
            .field("first_block", &self.first_block)
            .field("token_offset", &self.token_offset)
            .finish_non_exhaustive()
    }
}

impl<'s> ShardWriter<'s> {
    /// Begins a shard; `path` has no extension (`corpus/shard-00017-of-00256`). The caller
    /// sees to it that no other process writes the same shard.
    ///
    /// # Errors
    /// [`ShardError::Durable`] if the folder cannot be written to.
    pub fn create(storage: &'s dyn Storage, path: &Path, width: TokenWidth) -> Result<Self, ShardError> {
        Ok(Self {
            storage,
            path: path.to_path_buf(),
            width,
            bin: StreamedFile::create(storage, &with_extension(path, "bin"))?,
            lengths: Vec::new(),
            document_indices: vec![0],
            num_tokens: 0,
            document: DocumentStart::default(),
            encoded: Vec::new(),
        })
    }

    /// Appends a block to the current document.
    ///
    /// # Errors
    /// [`ShardError::TokenTooLarge`] or [`ShardError::BlockLength`], both before anything is
    /// written; [`ShardError::Durable`] if the disk does not take it.
    pub fn push_block(&mut self, tokens: &[u32]) -> Result<(), ShardError> {
        let length = self.check_block(tokens)?;
        self.encoded.clear();
        match self.width {
            TokenWidth::U16 => {
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "check_block compared with the maximum"
                )]
                self.encoded
                    .extend(tokens.iter().flat_map(|&token| (token as u16).to_le_bytes()));
            }
            TokenWidth::I32 => self
                .encoded
                .extend(tokens.iter().flat_map(|token| token.to_le_bytes())),
        }
        self.document.hasher.update(&length.to_le_bytes());
        self.document.hasher.update(&self.encoded);
        self.bin.write(&self.encoded)?;
        self.lengths.push(length);
        self.num_tokens += tokens.len() as u64;
        Ok(())
    }

    fn check_block(&self, tokens: &[u32]) -> Result<i32, ShardError> {
        let length = self.check_length(tokens.len())?;
        let largest = tokens.iter().copied().max().unwrap_or(0);
        if largest > self.width.max_token() {
            return Err(ShardError::TokenTooLarge {
                path: self.path.clone(),
                token: largest,
                block: self.lengths.len(),
                width: self.width.name(),
            });
        }
        Ok(length)
    }

    /// The index stores lengths as i32; 0 would be a block that no sequence could show.
    fn check_length(&self, tokens: usize) -> Result<i32, ShardError> {
        match i32::try_from(tokens) {
            Ok(length) if length > 0 && length < i32::MAX => Ok(length),
            _ => {
                let (path, block) = (self.path.clone(), self.lengths.len());
                Err(ShardError::BlockLength { path, block, tokens })
            }
        }
    }

    /// Ends the current document, which may have no block, and tells where it lies.
    ///
    /// # Errors
    /// None today; the signature leaves room for checks of the index.
    pub fn end_document(&mut self) -> Result<DocumentSpan, ShardError> {
        let started = std::mem::take(&mut self.document);
        let span = DocumentSpan {
            document: u32::try_from(self.document_indices.len() - 1).unwrap_or(u32::MAX),
            first_block: started.first_block as u64,
            blocks: (self.lengths.len() - started.first_block) as u64,
            token_offset: started.token_offset,
            tokens: self.num_tokens - started.token_offset,
            checksum: format!("{:016x}", started.hasher.digest()),
        };
        self.document_indices.push(self.lengths.len() as u64);
        self.document.first_block = self.lengths.len();
        self.document.token_offset = self.num_tokens;
        Ok(span)
    }

    /// Tokens written so far.
    pub fn num_tokens(&self) -> u64 {
        self.num_tokens
    }

    /// Blocks written so far.
    pub fn num_blocks(&self) -> usize {
        self.lengths.len()
    }

    /// Flushes both files to disk, gives them their names and makes them read-only: readers
    /// map them, and a mapped file must never change.
    ///
    /// # Errors
    /// [`ShardError::UnfinishedDocument`] if blocks follow the last [`Self::end_document`];
    /// [`ShardError::Durable`] if the disk does not take it.
    pub fn finish(self) -> Result<ShardSummary, ShardError> {
        if self.document.first_block != self.lengths.len() {
            let first_block = self.document.first_block;
            return Err(ShardError::UnfinishedDocument {
                path: self.path.clone(),
                first_block,
            });
        }
        let Self {
            storage,
            path,
            width,
            bin,
            lengths,
            document_indices,
            num_tokens,
            ..
        } = self;
        let (bin_hash, _) = bin.finish()?;
        let idx_hash = write_idx(storage, &path, width, &lengths, &document_indices)?;
        Ok(ShardSummary {
            tokens: num_tokens,
            blocks: lengths.len() as u64,
            documents: document_indices.len() as u64 - 1,
            bin_hash,
            idx_hash,
        })
    }
}

fn write_idx(
    storage: &dyn Storage,
    shard: &Path,
    width: TokenWidth,
    lengths: &[i32],
    document_indices: &[u64],
) -> Result<String, ShardError> {
    let path = with_extension(shard, "idx");
    let mut hash = String::new();
    commit_file(storage, &path, |file| {
        let mut hashed = Sha256Writer::new(file);
        write_columns(&mut hashed, width, lengths, document_indices)?;
        hash = hashed.finish().1;
        Ok(())
    })?;
    let read_only = storage.set_read_only(&path);
    read_only.map_err(|source| DurableError::new(Operation::Write, &path, source))?;
    Ok(hash)
}

fn write_columns(
    file: &mut dyn Write,
    width: TokenWidth,
    lengths: &[i32],
    document_indices: &[u64],
) -> std::io::Result<()> {
    let header = Header {
        width,
        num_sequences: lengths.len() as u64,
        num_document_indices: document_indices.len() as u64,
    };
    file.write_all(&header.to_bytes())?;
    for length in lengths {
        file.write_all(&length.to_le_bytes())?;
    }
    let mut pointer = 0u64;
    for length in lengths {
        file.write_all(&pointer.to_le_bytes())?;
        pointer += u64::from(length.unsigned_abs()) * width.bytes() as u64;
    }
    for index in document_indices {
        file.write_all(&index.to_le_bytes())?;
    }
    Ok(())
}

/// `path` with an extension added: names of shards may hold dots.
pub(crate) fn with_extension(path: &Path, extension: &str) -> PathBuf {
    let mut name = path.as_os_str().to_os_string();
    name.push(".");
    name.push(extension);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use std::fs::read_dir;

    use durable::DISK;
    use durable::testing::at_every_call;

    use super::*;
    use crate::ShardReader;
    use crate::small_corpus::{mode_bits, write_shard};

    fn writer(folder: &Path) -> ShardWriter<'static> {
        ShardWriter::create(&DISK, &folder.join("shard"), TokenWidth::U16).unwrap()
    }

    #[test]
    fn a_tiny_shard_has_exactly_the_bytes_of_megatron() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shard");
        write_shard(
            &path,
            TokenWidth::U16,
            &[vec![vec![1, 2, 3], vec![258]], vec![], vec![vec![65_535]]],
        );
        let bin = std::fs::read(folder.path().join("shard.bin")).unwrap();
        assert_eq!(bin, [1, 0, 2, 0, 3, 0, 2, 1, 255, 255]);
        let mut idx = b"MMIDIDX\0\0".to_vec();
        idx.extend([1, 0, 0, 0, 0, 0, 0, 0, 8]);
        idx.extend([3, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0]);
        idx.extend([3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0]);
        idx.extend([
            0, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0,
        ]);
        idx.extend([0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]);
        idx.extend([2, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(std::fs::read(folder.path().join("shard.idx")).unwrap(), idx);
    }

    #[test]
    fn an_empty_shard_is_an_empty_file_and_a_header() {
        let folder = tempfile::tempdir().unwrap();
        let summary = write_shard(&folder.path().join("shard"), TokenWidth::I32, &[]);
        assert_eq!((summary.tokens, summary.blocks, summary.documents), (0, 0, 0));
        assert!(std::fs::read(folder.path().join("shard.bin")).unwrap().is_empty());
        assert_eq!(std::fs::read(folder.path().join("shard.idx")).unwrap().len(), 42);
    }

    #[test]
    fn the_summary_and_the_spans_say_what_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = writer(folder.path());
        writer.push_block(&[1, 2]).unwrap();
        writer.push_block(&[3]).unwrap();
        let first = writer.end_document().unwrap();
        writer.push_block(&[4]).unwrap();
        let second = writer.end_document().unwrap();
        assert_eq!((first.document, first.first_block, first.blocks), (0, 0, 2));
        assert_eq!((first.token_offset, first.tokens), (0, 3));
        assert_eq!((second.document, second.first_block, second.blocks), (1, 2, 1));
        assert_eq!((second.token_offset, second.tokens), (3, 1));
        assert_ne!(first.checksum, second.checksum);
        let summary = writer.finish().unwrap();
        assert_eq!((summary.tokens, summary.blocks, summary.documents), (4, 3, 2));
        for (extension, hash) in [("bin", summary.bin_hash), ("idx", summary.idx_hash)] {
            let path = folder.path().join("shard").with_extension(extension);
            assert_eq!(durable::sha256_file(&path).unwrap(), hash);
            assert_eq!(mode_bits(&path) & 0o222, 0, "{extension} is read-only");
        }
    }

    #[test]
    fn the_checksum_tells_where_blocks_end() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = writer(folder.path());
        writer.push_block(&[1, 2]).unwrap();
        writer.push_block(&[3]).unwrap();
        let first = writer.end_document().unwrap();
        writer.push_block(&[1]).unwrap();
        writer.push_block(&[2, 3]).unwrap();
        assert_ne!(first.checksum, writer.end_document().unwrap().checksum);
    }

    #[test]
    fn a_token_that_does_not_fit_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut narrow = writer(folder.path());
        narrow.push_block(&[65_535]).unwrap();
        let error = narrow.push_block(&[0, 65_536]).unwrap_err();
        assert!(matches!(
            error,
            ShardError::TokenTooLarge {
                token: 65_536,
                block: 1,
                width: "uint16",
                ..
            }
        ));
        let path = folder.path().join("wide");
        let mut wide = ShardWriter::create(&DISK, &path, TokenWidth::I32).unwrap();
        wide.push_block(&[65_536, 0x7FFF_FFFF]).unwrap();
        let error = wide.push_block(&[0x8000_0000]).unwrap_err();
        assert!(matches!(error, ShardError::TokenTooLarge { width: "int32", .. }));
    }

    #[test]
    fn block_lengths_beyond_the_index_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = writer(folder.path());
        let error = writer.push_block(&[]).unwrap_err();
        assert!(matches!(error, ShardError::BlockLength { tokens: 0, .. }));
        let most = i32::MAX.unsigned_abs() as usize;
        assert!(writer.check_length(most).is_err());
        assert_eq!(writer.check_length(most - 1).unwrap(), i32::MAX - 1);
    }

    #[test]
    fn blocks_without_the_end_of_their_document_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = writer(folder.path());
        writer.push_block(&[1]).unwrap();
        let error = writer.finish().unwrap_err();
        assert!(matches!(
            error,
            ShardError::UnfinishedDocument { first_block: 0, .. }
        ));
        assert_eq!(read_dir(folder.path()).unwrap().count(), 0, "nothing is left");
    }

    #[test]
    fn what_a_killed_writer_left_is_written_anew() {
        let folder = tempfile::tempdir().unwrap();
        let mut killed = writer(folder.path());
        killed.push_block(&[1; 100]).unwrap();
        std::mem::forget(killed);
        write_shard(&folder.path().join("shard"), TokenWidth::U16, &[vec![vec![7]]]);
        let reader = ShardReader::open(&folder.path().join("shard")).unwrap();
        assert_eq!(reader.block(0).unwrap().to_vec(), [7]);
        assert_eq!(read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_shard_is_whole_or_its_index_is_absent_whichever_call_fails() {
        let calls = at_every_call(|storage| {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("shard");
            let written = ShardWriter::create(storage, &path, TokenWidth::U16).and_then(|mut writer| {
                writer.push_block(&[1, 2, 3])?;
                writer.end_document()?;
                writer.finish()
            });
            let index_exists = with_extension(&path, "idx").exists();
            assert!(index_exists || written.is_err());
            if index_exists {
                let reader = ShardReader::open(&path).unwrap();
                assert_eq!(reader.block(0).unwrap().to_vec(), [1, 2, 3]);
            }
        });
        assert!(calls > 5, "{calls}");
    }
}
