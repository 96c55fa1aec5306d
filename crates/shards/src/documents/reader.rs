//! Reads rows of a corpus by their number, or all of them.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::frame::{ROWS_PER_FRAME, WHAT, problem, refuse_large};
use super::row::{DocumentPlace, DocumentRow};
use crate::ShardError;
use crate::seek_table::{self, FOOTER_BYTES, FrameSize};

/// Reads rows by their number.
#[derive(Debug)]
pub struct DocumentsReader {
    path: PathBuf,
    file: File,
    /// Offset, compressed and decompressed size of each frame.
    frames: Vec<(u64, FrameSize)>,
}

impl DocumentsReader {
    /// Opens a file and reads its seek table.
    ///
    /// # Errors
    /// [`ShardError::Read`] if it is missing; [`ShardError::Documents`] if it has no fitting
    /// seek table.
    pub fn open(path: &Path) -> Result<Self, ShardError> {
        let read = |source| ShardError::Read {
            path: path.to_path_buf(),
            source,
        };
        let file = durable::open_file(path).map_err(read)?;
        let bytes = file.metadata().map_err(read)?.len();
        let mut footer = [0; FOOTER_BYTES];
        let Some(footer_at) = bytes.checked_sub(FOOTER_BYTES as u64) else {
            return Err(problem(
                path,
                format!("it has {bytes} bytes, too few for a seek table"),
            ));
        };
        file.read_exact_at(&mut footer, footer_at).map_err(read)?;
        let table_bytes = seek_table::table_bytes(&footer).map_err(|text| problem(path, text))?;
        let Some(table_at) = bytes.checked_sub(table_bytes as u64) else {
            return Err(problem(
                path,
                format!("it is shorter than its seek table of {table_bytes} bytes"),
            ));
        };
        refuse_large(path, "its seek table", table_bytes)?;
        let mut table = vec![0; table_bytes];
        file.read_exact_at(&mut table, table_at).map_err(read)?;
        let sizes = seek_table::decode(&table, table_at).map_err(|text| problem(path, text))?;
        let mut next = 0;
        let frames = sizes.into_iter().map(|size| {
            let offset = next;
            next += u64::from(size.compressed);
            (offset, size)
        });
        Ok(Self {
            path: path.to_path_buf(),
            file,
            frames: frames.collect(),
        })
    }

    /// Number of frames.
    pub fn num_frames(&self) -> usize {
        self.frames.len()
    }

    /// Offset of a frame in the file.
    pub(crate) fn frame_offset(&self, frame: usize) -> Option<u64> {
        self.frames.get(frame).map(|(offset, _)| *offset)
    }

    /// The rows of a frame.
    ///
    /// # Errors
    /// [`ShardError::OutOfRange`], [`ShardError::Documents`] for a damaged frame,
    /// [`ShardError::Json`] for a row that is no row.
    pub fn frame(&self, frame: usize) -> Result<Vec<DocumentRow>, ShardError> {
        let text = self.frame_bytes(frame)?;
        let lines = line_ranges(&text).into_iter();
        lines.map(|line| self.parse(&text[line])).collect()
    }

    /// The row with number `row`.
    ///
    /// # Errors
    /// As [`Self::frame`].
    pub fn row(&self, row: u64) -> Result<DocumentRow, ShardError> {
        let mut rows = self.rows_at([row])?;
        rows.pop().ok_or_else(|| self.no_row(row))
    }

    fn no_row(&self, row: u64) -> ShardError {
        ShardError::OutOfRange {
            path: self.path.clone(),
            what: "row",
            index: row,
            count: (self.frames.len() * ROWS_PER_FRAME) as u64,
        }
    }

    /// The rows with these numbers, which rise; each frame is read once.
    ///
    /// # Errors
    /// As [`Self::row`].
    pub fn rows_at(&self, numbers: impl IntoIterator<Item = u64>) -> Result<Vec<DocumentRow>, ShardError> {
        let mut rows = Vec::new();
        let mut frame: Option<(usize, Vec<u8>, Vec<Range<usize>>)> = None;
        for number in numbers {
            let index = usize::try_from(number).map_err(|_| self.no_row(number))?;
            let wanted = index / ROWS_PER_FRAME;
            if frame.as_ref().is_none_or(|(number, ..)| *number != wanted) {
                if wanted >= self.frames.len() {
                    return Err(self.no_row(number));
                }
                let text = self.frame_bytes(wanted)?;
                let lines = line_ranges(&text);
                frame = Some((wanted, text, lines));
            }
            let line = frame.as_ref().and_then(|(_, text, lines)| {
                let range = lines.get(index % ROWS_PER_FRAME)?;
                text.get(range.clone())
            });
            rows.push(self.parse(line.ok_or_else(|| self.no_row(number))?)?);
        }
        Ok(rows)
    }

    /// Ids and places of all rows in order, a frame in memory at a time.
    pub fn places(&self) -> impl Iterator<Item = Result<DocumentPlace, ShardError>> + '_ {
        (0..self.frames.len()).flat_map(|frame| {
            let places = self.frame_bytes(frame).and_then(|text| {
                let lines = line_ranges(&text).into_iter();
                lines.map(|line| self.parse(&text[line])).collect()
            });
            match places {
                Ok(places) => Vec::into_iter(places).map(Ok).collect(),
                Err(error) => vec![Err(error)],
            }
        })
    }

    /// All rows in order, a frame in memory at a time.
    pub fn rows(&self) -> impl Iterator<Item = Result<DocumentRow, ShardError>> + '_ {
        (0..self.frames.len()).flat_map(|frame| match self.frame(frame) {
            Ok(rows) => rows.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error)],
        })
    }

    fn frame_bytes(&self, frame: usize) -> Result<Vec<u8>, ShardError> {
        let &(offset, size) = self.frames.get(frame).ok_or_else(|| ShardError::OutOfRange {
            path: self.path.clone(),
            what: "frame",
            index: frame as u64,
            count: self.frames.len() as u64,
        })?;
        for bytes in [size.compressed, size.decompressed] {
            refuse_large(
                &self.path,
                &format!("frame {frame} at byte {offset}"),
                bytes as usize,
            )?;
        }
        let mut compressed = vec![0; size.compressed as usize];
        self.file
            .read_exact_at(&mut compressed, offset)
            .map_err(|source| ShardError::Read {
                path: self.path.clone(),
                source,
            })?;
        let text = zstd::bulk::decompress(&compressed, size.decompressed as usize).map_err(|error| {
            problem(
                &self.path,
                format!("frame {frame} at byte {offset} is damaged ({error})"),
            )
        })?;
        if text.len() != size.decompressed as usize {
            let found = text.len();
            return Err(problem(
                &self.path,
                format!("frame {frame} at byte {offset} has {found} bytes"),
            ));
        }
        Ok(text)
    }

    fn parse<'l, T: Deserialize<'l>>(&self, line: &'l [u8]) -> Result<T, ShardError> {
        serde_json::from_slice(line).map_err(|source| ShardError::Json {
            path: self.path.clone(),
            what: WHAT,
            source,
        })
    }
}

/// Where the lines of a frame lie, without their ends.
fn line_ranges(text: &[u8]) -> Vec<Range<usize>> {
    let mut start = 0;
    let lines = text.split(|&byte| byte == b'\n').map(|line| {
        let range = start..start + line.len();
        start = range.end + 1;
        range
    });
    lines.filter(|line| !line.is_empty()).collect()
}
