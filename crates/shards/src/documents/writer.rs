//! Writes the rows of a corpus.

use std::io::Write;
use std::path::{Path, PathBuf};

use durable::Storage;

use super::frame::{ROWS_PER_FRAME, WHAT, problem, refuse_large};
use super::row::{DocumentRow, DocumentsFile};
use crate::names::documents_name;
use crate::seek_table::{self, FrameSize};
use crate::streamed::StreamedFile;
use crate::{DOCUMENTS_FILE, ShardError};

const COMPRESSION_LEVEL: i32 = 3;

/// Writes the file, a frame in memory at a time.
#[derive(Debug)]
pub struct DocumentsWriter<'s> {
    file: StreamedFile<'s>,
    path: PathBuf,
    frame: Vec<u8>,
    rows_in_frame: usize,
    rows: u64,
    frames: Vec<FrameSize>,
}

impl<'s> DocumentsWriter<'s> {
    /// Begins `documents.jsonl.zst` in `folder`.
    ///
    /// # Errors
    /// [`ShardError::Durable`] if the folder cannot be written to.
    pub fn create(storage: &'s dyn Storage, folder: &Path) -> Result<Self, ShardError> {
        let path = folder.join(DOCUMENTS_FILE);
        let file = StreamedFile::create(storage, &path)?;
        Ok(Self {
            file,
            path,
            frame: Vec::new(),
            rows_in_frame: 0,
            rows: 0,
            frames: Vec::new(),
        })
    }

    /// Appends a row.
    ///
    /// # Errors
    /// [`ShardError::Durable`] if the disk does not take it.
    pub fn push(&mut self, row: &DocumentRow) -> Result<(), ShardError> {
        serde_json::to_writer(&mut self.frame, row).map_err(|source| ShardError::Json {
            path: self.path.clone(),
            what: WHAT,
            source,
        })?;
        self.frame.push(b'\n');
        // Never write what is refused on reading.
        refuse_large(&self.path, "a frame of its rows", self.frame.len())?;
        self.rows += 1;
        self.rows_in_frame += 1;
        if self.rows_in_frame == ROWS_PER_FRAME {
            self.end_frame()?;
        }
        Ok(())
    }

    fn end_frame(&mut self) -> Result<(), ShardError> {
        let compressed = compress(&self.frame)
            .map_err(|error| problem(&self.path, format!("a frame cannot be compressed: {error}")))?;
        self.file.write(&compressed)?;
        let size = |bytes: &[u8]| u32::try_from(bytes.len());
        let (Ok(compressed), Ok(decompressed)) = (size(&compressed), size(&self.frame)) else {
            return Err(problem(&self.path, "a frame is larger than 4 GiB".to_owned()));
        };
        self.frames.push(FrameSize {
            compressed,
            decompressed,
        });
        self.frame.clear();
        self.rows_in_frame = 0;
        Ok(())
    }

    /// Writes the seek table and gives the file its name.
    ///
    /// # Errors
    /// [`ShardError::Durable`] if the disk does not take it.
    pub fn finish(mut self) -> Result<DocumentsFile, ShardError> {
        if self.rows_in_frame > 0 {
            self.end_frame()?;
        }
        self.file.write(&seek_table::encode(&self.frames))?;
        let (sha256, bytes) = self.file.finish()?;
        Ok(DocumentsFile {
            file: documents_name(),
            bytes,
            rows: self.rows,
            frames: self.frames.len() as u64,
            rows_per_frame: ROWS_PER_FRAME as u64,
            sha256,
        })
    }
}

fn compress(frame: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = zstd::stream::Encoder::new(Vec::new(), COMPRESSION_LEVEL)?;
    encoder.include_checksum(true)?;
    encoder.include_contentsize(true)?;
    encoder.set_pledged_src_size(Some(frame.len() as u64))?;
    encoder.write_all(frame)?;
    encoder.finish()
}
