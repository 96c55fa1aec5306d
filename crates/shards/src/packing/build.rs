//! Packs a corpus shard by shard, holding the rows of one shard and source at a time.
//!
//! The header stands before the rows and has their hash, so the corpus is packed twice: once
//! to count and hash, once to write. Packing reads the lengths of blocks alone, 12 bytes each.

use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::Path;

use durable::{DurableError, Operation, Sha256Writer, Storage, commit_file};

use super::Packing;
use super::format::{PackedSource, PackingHeader, ROW_BYTES, encode_row};
use crate::reader::FileBytes;
use crate::{Corpus, PackedSequence, PackingMode, ShardError, pack_shard, packing_name};

impl Packing {
    /// Packs all sources of a corpus into a file without a name in the system's temporary
    /// folder: for one that may not or need not be kept.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn build(corpus: &Corpus, mode: PackingMode, max_length: u32) -> Result<Self, ShardError> {
        let path = corpus.folder().join(packing_name(mode, max_length));
        let failed = |source| {
            let folder = std::env::temp_dir();
            ShardError::from(DurableError::new(Operation::Write, &folder, source))
        };
        let mut file = BufWriter::new(tempfile::tempfile().map_err(failed)?);
        let written = write_all(corpus, mode, max_length, &mut file)?;
        written.and_then(|()| file.flush()).map_err(failed)?;
        let mut file = file.into_inner().map_err(|error| failed(error.into_error()))?;
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        let content = FileBytes::of(file, corpus.read_mode()).map_err(|source| ShardError::Read {
            path: path.clone(),
            source,
        })?;
        Self::parse(path, content)
    }

    /// Packs all sources of a corpus into a file at `path`, which appears whole or not at all
    /// and is made read-only.
    ///
    /// # Errors
    /// As [`pack_shard`] and [`Corpus::shard`]; [`ShardError::Durable`] if the disk does not
    /// take it.
    pub fn write(
        storage: &dyn Storage,
        corpus: &Corpus,
        (mode, max_length): (PackingMode, u32),
        path: &Path,
    ) -> Result<(), ShardError> {
        let mut stopped = None;
        let committed = commit_file(storage, path, |file| {
            write_all(corpus, mode, max_length, file).unwrap_or_else(|error| {
                stopped = Some(error);
                Err(std::io::Error::other("the corpus cannot be packed"))
            })
        });
        if let Some(error) = stopped {
            return Err(error);
        }
        committed?;
        let read_only = storage.set_read_only(path);
        Ok(read_only.map_err(|source| DurableError::new(Operation::Write, path, source))?)
    }
}

/// Writes header and rows: an error of the corpus outside, of the file inside.
fn write_all(
    corpus: &Corpus,
    mode: PackingMode,
    max_length: u32,
    file: &mut dyn Write,
) -> Result<std::io::Result<()>, ShardError> {
    let header = header(corpus, mode, max_length)?;
    let mut written = file.write_all(&header.encode());
    for source in corpus.sources() {
        for_each_row(corpus, source, (mode, max_length), |row| {
            if written.is_ok() {
                written = file.write_all(&encode_row(row));
            }
        })?;
    }
    Ok(written)
}

/// Counts and hashes the rows.
fn header(corpus: &Corpus, mode: PackingMode, max_length: u32) -> Result<PackingHeader, ShardError> {
    let mut hasher = Sha256Writer::new(std::io::sink());
    let (mut sources, mut num_rows) = (Vec::new(), 0);
    for name in corpus.sources() {
        let first = num_rows;
        for_each_row(corpus, name, (mode, max_length), |row| {
            // a sink takes everything
            let _ = hasher.write_all(&encode_row(row));
        })?;
        num_rows = usize::try_from(hasher.num_bytes()).unwrap_or(usize::MAX) / ROW_BYTES;
        sources.push(PackedSource {
            name: name.to_owned(),
            rows: first..num_rows,
        });
    }
    Ok(PackingHeader {
        mode,
        max_length,
        num_rows,
        corpus_hash: corpus.corpus_hash().to_owned(),
        rows_hash: hasher.finish().1,
        sources,
    })
}

/// Calls `act` with every row of a source, in the order of the shards.
fn for_each_row(
    corpus: &Corpus,
    source: &str,
    (mode, max_length): (PackingMode, u32),
    mut act: impl FnMut(&PackedSequence),
) -> Result<(), ShardError> {
    let index_of = |block: u64| usize::try_from(block).unwrap_or(usize::MAX);
    for (index, entry) in (0..).zip(&corpus.manifest().shards) {
        let Some(range) = entry.by_source.get(source).filter(|range| range.blocks > 0) else {
            continue;
        };
        let blocks = index_of(range.first_block)..index_of(range.first_block + range.blocks);
        let rows = pack_shard(index, corpus.shard(index)?, blocks, max_length, mode)?;
        rows.iter().for_each(&mut act);
    }
    Ok(())
}
