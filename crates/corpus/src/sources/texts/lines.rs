//! The lines of a file of texts, each with its number, from any place on. A line is in memory up to
//! a bound; a longer one is passed over. It does not look at what a line says.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::CorpusError;

/// Most bytes of a line: ten times what the longest filings have.
pub(super) const MOST_LINE_BYTES: u64 = 64 << 20;

/// How a file begins that zstd packed.
const ZSTD: &[u8] = b"\x28\xb5\x2f\xfd";
/// How a frame begins that zstd passes over, behind a byte from 0x50 to 0x5f; a packed file may begin with one.
const SKIPPABLE: &[u8] = b"\x2a\x4d\x18";
/// What files are named that zstd packed.
const ZSTD_ENDING: &str = "zst";
/// How files begin that other programs packed, or that hold something else.
const OTHERS: [(&[u8], &str); 5] = [
    (b"\x1f\x8b", "a gzip stream"),
    (b"BZh", "a bzip2 stream"),
    (b"\xfd7zXZ", "an xz stream"),
    (b"PK\x03\x04", "a zip archive"),
    (b"PAR1", "a Parquet file"),
];
/// How texts begin that are not UTF-8.
const UTF_16: [&[u8]; 4] = [b"\xff\xfe", b"\xfe\xff", b"{\0", b"\0{"];
const MARK_BYTES: u64 = 8;
const BUFFER_BYTES: usize = 1 << 18;

/// A place between two lines of a file of texts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TextsPlace {
    /// Bytes before it, of the file or of what is unpacked from it.
    offset: u64,
    /// Lines before it.
    lines: u64,
}

/// A line without its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Line {
    Text(Vec<u8>),
    /// More than [`MOST_LINE_BYTES`].
    TooLong,
}

/// Reads lines.
pub(super) struct Lines {
    path: PathBuf,
    reader: Box<dyn BufRead + Send>,
    place: TextsPlace,
    most_bytes: u64,
}

impl TextsPlace {
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }
}

impl Lines {
    /// Opens a file at a place; what is packed is unpacked up to there.
    pub(super) fn open(path: &Path, place: &TextsPlace) -> Result<Self, CorpusError> {
        let failed = |source| damaged(path, place.lines + 1, source);
        Ok(Self {
            reader: open_at(path, place.offset).map_err(failed)?,
            path: path.to_path_buf(),
            place: place.clone(),
            most_bytes: MOST_LINE_BYTES,
        })
    }

    /// The same with another bound.
    #[cfg(test)]
    pub(super) fn up_to(self, most_bytes: u64) -> Self {
        Self { most_bytes, ..self }
    }

    /// Where the next line begins.
    pub(super) fn place(&self) -> &TextsPlace {
        &self.place
    }

    /// The next line that is not blank, with its number, from 1; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<(u64, Line)>, CorpusError> {
        loop {
            let number = self.place.lines + 1;
            let line = self.read_line();
            match line.map_err(|source| damaged(&self.path, number, source))? {
                Some(Line::Text(line)) if line.trim_ascii().is_empty() => {}
                line => return Ok(line.map(|line| (number, line))),
            }
        }
    }

    fn read_line(&mut self) -> io::Result<Option<Line>> {
        let mut line = Vec::new();
        let within = self.most_bytes.saturating_add(1);
        let mut bytes = (&mut self.reader).take(within).read_until(b'\n', &mut line)? as u64;
        if bytes == 0 {
            return Ok(None);
        }
        let is_ended = line.pop_if(|last| *last == b'\n').is_some();
        let is_too_long = line.len() as u64 > self.most_bytes;
        if is_too_long && !is_ended {
            bytes += self.reader.skip_until(b'\n')? as u64;
        }
        if self.place.offset == 0 && line.starts_with(b"\xef\xbb\xbf") {
            line.drain(..3);
        }
        self.place.offset += bytes;
        self.place.lines += 1;
        Ok(Some(if is_too_long {
            Line::TooLong
        } else {
            Line::Text(line)
        }))
    }
}

fn open_at(path: &Path, offset: u64) -> io::Result<Box<dyn BufRead + Send>> {
    let mut file = durable::open_file(path)?;
    let mut mark = Vec::new();
    (&mut file).take(MARK_BYTES).read_to_end(&mut mark)?;
    if let Some((_, what)) = OTHERS.iter().find(|(begin, _)| mark.starts_with(begin)) {
        let problem = format!("it is {what}; give JSON lines, as they are or packed with zstd");
        return Err(invalid(problem));
    }
    if is_zstd(&mark) {
        file.seek(SeekFrom::Start(0))?;
        let mut reader = BufReader::with_capacity(BUFFER_BYTES, zstd::Decoder::new(file)?);
        refuse_utf_16(reader.fill_buf()?)?;
        io::copy(&mut (&mut reader).take(offset), &mut io::sink())?;
        return Ok(Box::new(reader));
    }
    let ending = path.extension();
    if ending.is_some_and(|ending| ending.eq_ignore_ascii_case(ZSTD_ENDING)) {
        let problem = "it is named .zst, but zstd did not pack it; pack it, or name it .jsonl";
        return Err(invalid(problem.to_owned()));
    }
    refuse_utf_16(&mark)?;
    file.seek(SeekFrom::Start(offset))?;
    Ok(Box::new(BufReader::<File>::with_capacity(BUFFER_BYTES, file)))
}

fn is_zstd(mark: &[u8]) -> bool {
    let is_skippable = matches!(mark, [0x50..=0x5f, rest @ ..] if rest.starts_with(SKIPPABLE));
    mark.starts_with(ZSTD) || is_skippable
}

fn refuse_utf_16(begin: &[u8]) -> io::Result<()> {
    if UTF_16.iter().any(|mark| begin.starts_with(mark)) {
        let problem = "it is UTF-16 text; give JSON lines in UTF-8, as they are or packed with zstd";
        return Err(invalid(problem.to_owned()));
    }
    Ok(())
}

fn invalid(problem: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

fn damaged(path: &Path, line: u64, source: io::Error) -> CorpusError {
    CorpusError::DamagedTexts {
        path: path.to_path_buf(),
        line,
        source,
    }
}
