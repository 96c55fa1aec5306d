//! `documents.jsonl.zst`: which document lies where, a JSON object a line, in zstd frames of
//! 1,024 rows with a seek table, so that one row costs one frame.
//!
//! Rows stand in the order of the shards and of the documents in each, then those of the
//! held-out files in the order of their sources.

use std::fs::File;
use std::io::Write;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use durable::{FileName, Storage};
use serde::{Deserialize, Serialize};

use crate::names::documents_name;
use crate::seek_table::{self, FOOTER_BYTES, FrameSize};
use crate::streamed::StreamedFile;
use crate::{DOCUMENTS_FILE, DocumentSpan, ShardError};

/// Rows of a frame; the last frame may have fewer.
pub const ROWS_PER_FRAME: usize = 1024;
const COMPRESSION_LEVEL: i32 = 3;
const WHAT: &str = "a row of documents.jsonl.zst";

/// A document of the corpus and where its tokens are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DocumentRow {
    /// The document's id.
    pub id: String,
    /// Its source, which for a held-out document names its file too.
    pub source: String,
    /// Its shard; `None` if it is held out.
    pub shard: Option<u32>,
    /// Its index in the shard or in the held-out file.
    pub document: u32,
    /// Its first block there.
    pub first_block: u64,
    /// Number of its blocks.
    pub blocks: u64,
    /// Tokens before it in the file.
    pub token_offset: u64,
    /// Number of its tokens.
    pub tokens: u64,
    /// [`DocumentSpan::checksum`].
    pub checksum: String,
    /// The filer's Central Index Key.
    pub cik: Option<String>,
    /// The filer's name.
    pub company: Option<String>,
    /// Accession number.
    pub accession: Option<String>,
    /// Filing date, `YYYY-MM-DD`.
    pub filed: Option<String>,
    /// Title of the page or article.
    pub title: Option<String>,
}

impl DocumentRow {
    /// The row of a document just written; the facts about its filer are added by the caller.
    pub fn new(
        id: impl Into<String>,
        source: impl Into<String>,
        shard: Option<u32>,
        span: &DocumentSpan,
    ) -> Self {
        Self {
            id: id.into(),
            source: source.into(),
            shard,
            document: span.document,
            first_block: span.first_block,
            blocks: span.blocks,
            token_offset: span.token_offset,
            tokens: span.tokens,
            checksum: span.checksum.clone(),
            cik: None,
            company: None,
            accession: None,
            filed: None,
            title: None,
        }
    }
}

/// A row's id and place alone, for a search through all rows.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct DocumentPlace {
    /// The document's id.
    pub id: String,
    /// Its shard; `None` if it is held out.
    pub shard: Option<u32>,
    /// Its index in the shard or in the held-out file.
    pub document: u32,
}

/// What the manifest keeps of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DocumentsFile {
    /// Name of the file.
    pub file: FileName,
    /// Its length.
    pub bytes: u64,
    /// Its rows.
    pub rows: u64,
    /// Its frames without the seek table.
    pub frames: u64,
    /// Rows of a frame.
    pub rows_per_frame: u64,
    /// SHA-256 of the file in hex.
    pub sha256: String,
}

impl Default for DocumentsFile {
    /// An entry of no rows.
    fn default() -> Self {
        Self {
            file: documents_name(),
            bytes: 0,
            rows: 0,
            frames: 0,
            rows_per_frame: 0,
            sha256: String::new(),
        }
    }
}

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

/// Most bytes of a frame, packed or unpacked, and of the seek table. A frame of 1,024 usual rows has
/// a third of a MiB; a foreign file may claim 4 GiB, which is refused before memory is taken.
const MAX_PIECE_BYTES: usize = 64 << 20;

fn refuse_large(path: &Path, what: &str, bytes: usize) -> Result<(), ShardError> {
    if bytes <= MAX_PIECE_BYTES {
        return Ok(());
    }
    Err(problem(
        path,
        format!("{what} has {bytes} bytes, more than the {MAX_PIECE_BYTES} that are read"),
    ))
}

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

fn problem(path: &Path, problem: String) -> ShardError {
    ShardError::Documents {
        path: path.to_path_buf(),
        problem,
    }
}

#[cfg(test)]
mod tests {
    use durable::DISK;

    use super::*;
    use crate::small_corpus::change;

    fn row(number: u32) -> DocumentRow {
        let span = DocumentSpan {
            document: number,
            first_block: u64::from(number) * 2,
            blocks: 2,
            token_offset: u64::from(number) * 30,
            tokens: 30,
            checksum: format!("{number:016x}"),
        };
        DocumentRow {
            company: Some("A \"quoted\" name\n".into()),
            ..DocumentRow::new("id", "10-K", Some(0), &span)
        }
    }

    fn written(rows: u32) -> (tempfile::TempDir, DocumentsFile, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = DocumentsWriter::create(&DISK, folder.path()).unwrap();
        (0..rows).for_each(|number| writer.push(&row(number)).unwrap());
        let file = writer.finish().unwrap();
        let path = folder.path().join(DOCUMENTS_FILE);
        (folder, file, path)
    }

    #[test]
    fn rows_are_found_by_number_around_the_frame_size() {
        for rows in [0, 1, 1023, 1024, 1025, 2048, 2049] {
            let (_folder, file, path) = written(rows);
            let reader = DocumentsReader::open(&path).unwrap();
            assert_eq!(
                (file.rows, file.frames),
                (rows.into(), rows.div_ceil(1024).into())
            );
            assert_eq!(reader.num_frames() as u64, file.frames);
            for number in [0, 1, 1023, 1024, 2047, 2048] {
                match reader.row(number.into()) {
                    Ok(found) => assert_eq!(found, row(number)),
                    Err(ShardError::OutOfRange { .. }) => assert!(number >= rows),
                    Err(other) => panic!("{other}"),
                }
            }
            assert_eq!(
                reader.rows().map(|row| row.unwrap().document).collect::<Vec<_>>(),
                (0..rows).collect::<Vec<_>>()
            );
            let places: Vec<u32> = reader.places().map(|place| place.unwrap().document).collect();
            assert_eq!(places, (0..rows).collect::<Vec<_>>());
            let some = (0..u64::from(rows)).step_by(700);
            let found = reader.rows_at(some.clone()).unwrap();
            assert!(
                some.zip(found)
                    .all(|(number, row)| u64::from(row.document) == number)
            );
        }
    }

    #[test]
    fn any_zstd_program_reads_the_whole_file() {
        let (_folder, file, path) = written(1500);
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(bytes.len() as u64, file.bytes);
        assert_eq!(durable::sha256_hex(&bytes), file.sha256);
        let text = String::from_utf8(zstd::stream::decode_all(&bytes[..]).unwrap()).unwrap();
        let rows: Vec<DocumentRow> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(rows.len(), 1500);
        assert_eq!(rows[1200], row(1200));
    }

    #[test]
    fn damage_is_named_with_its_frame() {
        let (_folder, _, path) = written(1500);
        change(&path, |bytes| bytes[100] ^= 1);
        let reader = DocumentsReader::open(&path).unwrap();
        let error = reader.row(3).unwrap_err();
        assert!(error.to_string().contains("frame 0 at byte 0"), "{error}");
        assert_eq!(reader.row(1024).unwrap(), row(1024), "the next frame is sound");
    }

    /// One zstd frame and a seek table that claims `claimed` for it.
    fn crafted(frame: &[u8], claimed: FrameSize) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(DOCUMENTS_FILE);
        let mut bytes = frame.to_vec();
        bytes.extend(seek_table::encode(&[claimed]));
        durable::commit_bytes(&DISK, &path, &bytes).unwrap();
        (folder, path)
    }

    #[test]
    fn a_frame_that_claims_or_unpacks_to_more_than_is_read_is_refused_before_it_is_unpacked() {
        let frame = zstd::bulk::compress(&vec![b' '; MAX_PIECE_BYTES + 1], 1).unwrap();
        let compressed = u32::try_from(frame.len()).unwrap();
        for (claimed, expected) in [
            (u32::MAX, "4294967295 bytes, more than"),
            (67_108_865, "67108865 bytes, more than"),
            // The table lies: the frame has more than it says.
            (100, "is damaged"),
        ] {
            let size = FrameSize {
                compressed,
                decompressed: claimed,
            };
            let (_folder, path) = crafted(&frame, size);
            let error = DocumentsReader::open(&path).unwrap().frame(0).unwrap_err();
            let text = error.to_string();
            assert!(
                text.contains("frame 0 at byte 0") && text.contains(expected),
                "{text}"
            );
            assert!(text.contains(DOCUMENTS_FILE), "{text}");
        }
    }

    #[test]
    fn a_compressed_frame_or_a_table_of_gigabytes_in_a_file_of_holes_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(DOCUMENTS_FILE);
        let size = FrameSize {
            compressed: u32::MAX,
            decompressed: 1,
        };
        let table = seek_table::encode(&[size]);
        let file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)
            .unwrap();
        file.write_all_at(&table, u64::from(u32::MAX)).unwrap();
        let error = DocumentsReader::open(&path).unwrap().frame(0).unwrap_err();
        assert!(error.to_string().contains("4294967295 bytes"), "{error}");

        // A footer that claims 2^31 frames: a table of 16 GiB.
        let mut footer = table[table.len() - FOOTER_BYTES..].to_vec();
        footer[..4].copy_from_slice(&(1_u32 << 31).to_le_bytes());
        file.write_all_at(&footer, 17 << 30).unwrap();
        let error = DocumentsReader::open(&path).unwrap_err();
        assert!(error.to_string().contains("its seek table has"), "{error}");
    }

    #[test]
    fn a_cut_file_is_refused_at_opening() {
        for length in [0, 5, 40] {
            let (_folder, _, path) = written(10);
            change(&path, |bytes| bytes.truncate(length));
            let error = DocumentsReader::open(&path).unwrap_err();
            assert!(matches!(error, ShardError::Documents { .. }), "{error}");
        }
        let (_folder, _, path) = written(10);
        change(&path, |bytes| drop(bytes.drain(..10)));
        let error = DocumentsReader::open(&path).unwrap_err();
        assert!(error.to_string().contains("seek table"), "{error}");
    }
}
