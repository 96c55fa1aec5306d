//! Reads a documents folder back, in one fixed order: the files of its manifest, line by line.

use std::fs::File;
use std::io::{self, BufReader};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use rayon::prelude::*;
use serde::de::DeserializeOwned;

use crate::bounded_line::next_line;
use crate::document::Document;
use crate::error::DocumentsError;
use crate::manifest::{DocsManifest, sum};
use crate::progress::Progress;

/// JSON that is in memory at once; with the documents parsed from it and their tokens this bounds
/// the memory of every pass (one larger document is read alone).
const WINDOW_BYTES: usize = 16 << 20;

/// Most JSON of one document: that of the longest filings has some ten MB.
pub const MOST_DOCUMENT_BYTES: u64 = 256 << 20;

type FileLines = BufReader<zstd::Decoder<'static, BufReader<File>>>;

/// The documents of a folder, streamed.
pub struct DocumentReader {
    folder: PathBuf,
    manifest: DocsManifest,
    next_file: usize,
    current: Option<FileBeingRead>,
    /// Where the lines that are wanted begin, counted over all files; in order and apart.
    wanted: Vec<Range<u64>>,
    /// Where the next line begins.
    position: u64,
    /// A longer line is refused.
    most_line_bytes: u64,
}

struct FileBeingRead {
    path: Arc<PathBuf>,
    lines: FileLines,
    /// Lines read.
    number: u64,
    /// JSON that it has by the manifest, and how much of it was not read yet.
    json_bytes: u64,
    left_bytes: u64,
}

/// One document as it stands in its file.
#[derive(Debug)]
pub struct DocumentLine {
    /// The document as JSON, with the line's end.
    pub text: String,
    /// Where it begins, counted over all files before compression.
    pub start: u64,
    file: Arc<PathBuf>,
    number: u64,
}

impl DocumentReader {
    /// Opens a documents folder.
    ///
    /// # Errors
    /// [`DocumentsError::NotDocs`] when its manifest is missing or does not fit its files.
    pub fn open(docs: &Path) -> Result<Self, DocumentsError> {
        Self::open_ranges(docs, std::iter::once(0..u64::MAX).collect())
    }

    /// Opens a documents folder for the documents that begin in one of `wanted`, byte ranges of
    /// all files' JSON one after the other. Files without one are not read.
    ///
    /// # Errors
    /// As [`DocumentReader::open`].
    pub fn open_ranges(docs: &Path, wanted: Vec<Range<u64>>) -> Result<Self, DocumentsError> {
        let manifest = DocsManifest::open(docs)?;
        for file in &manifest.files {
            let path = docs.join(&file.name);
            let found = path.metadata().map_or(0, |metadata| metadata.len());
            if found != file.bytes {
                let reason = format!(
                    "{} has {found} bytes, the manifest says {}",
                    file.name, file.bytes
                );
                return Err(DocumentsError::NotDocs {
                    path: docs.to_path_buf(),
                    reason,
                });
            }
        }
        Ok(Self {
            folder: docs.to_path_buf(),
            manifest,
            next_file: 0,
            current: None,
            wanted,
            position: 0,
            most_line_bytes: MOST_DOCUMENT_BYTES,
        })
    }

    /// What the folder says about itself.
    pub fn manifest(&self) -> &DocsManifest {
        &self.manifest
    }

    /// How much JSON is going to be read.
    pub fn wanted_bytes(&self) -> u64 {
        let end = self.manifest.json_bytes();
        let bytes = |range: &Range<u64>| range.end.min(end).saturating_sub(range.start);
        self.wanted.iter().map(bytes).sum()
    }

    /// The next document as it stands in its file; `None` at the end.
    pub fn next_line(&mut self) -> Option<Result<DocumentLine, DocumentsError>> {
        loop {
            let Some(file) = &mut self.current else {
                match self.open_next()? {
                    Ok(file) => self.current = Some(file),
                    Err(error) => return Some(Err(error)),
                }
                continue;
            };
            let start = self.position;
            match file.next_line(self.most_line_bytes) {
                Ok(None) => self.current = None,
                Ok(Some(text)) => {
                    self.position += text.len() as u64;
                    if self.wanted.iter().any(|range| range.contains(&start)) {
                        return Some(Ok(DocumentLine {
                            text,
                            start,
                            file: Arc::clone(&file.path),
                            number: file.number,
                        }));
                    }
                    if self.wanted.last().is_none_or(|last| last.end <= start) {
                        self.stop();
                    }
                }
                Err(source) => {
                    let error = DocumentsError::DamagedDocs {
                        path: file.path.to_path_buf(),
                        line: file.number,
                        source,
                    };
                    self.stop();
                    return Some(Err(error));
                }
            }
        }
    }

    /// Opens the next file that has wanted lines; `None` when there is no more.
    fn open_next(&mut self) -> Option<Result<FileBeingRead, DocumentsError>> {
        loop {
            let file = self.manifest.files.get(self.next_file)?;
            // A file that was cut short does not move those after it.
            let before = &self.manifest.files[..self.next_file];
            self.position = sum(before.iter().map(|file| file.json_bytes));
            self.next_file += 1;
            let (first, end) = (self.position, self.position.saturating_add(file.json_bytes));
            if self
                .wanted
                .iter()
                .any(|range| range.start < end && first < range.end)
            {
                let path = self.folder.join(&file.name);
                return Some(open_lines(&path).map(|lines| FileBeingRead {
                    path: Arc::new(path),
                    lines,
                    number: 0,
                    json_bytes: file.json_bytes,
                    left_bytes: file.json_bytes,
                }));
            }
        }
    }

    fn stop(&mut self) {
        self.current = None;
        self.next_file = self.manifest.files.len();
    }

    /// The next lines, up to [`WINDOW_BYTES`]; empty at the end.
    fn next_window(&mut self) -> Result<Vec<DocumentLine>, DocumentsError> {
        let (mut window, mut bytes) = (Vec::new(), 0);
        while bytes < WINDOW_BYTES {
            let Some(line) = self.next_line().transpose()? else {
                break;
            };
            bytes += line.text.len();
            window.push(line);
        }
        Ok(window)
    }
}

impl FileBeingRead {
    /// The next line; the file has as much JSON as the manifest says, no more and no less.
    fn next_line(&mut self, most_bytes: u64) -> io::Result<Option<String>> {
        self.number += 1;
        let differs = |found: &str| {
            let problem = format!(
                "it has {found} than the {} bytes of JSON that the manifest says",
                self.json_bytes
            );
            Err(io::Error::new(io::ErrorKind::InvalidData, problem))
        };
        match next_line(&mut self.lines, most_bytes.min(self.left_bytes)) {
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge && self.left_bytes < most_bytes => {
                differs("more")
            }
            Ok(None) if self.left_bytes > 0 => differs("less"),
            Ok(Some(line)) => {
                self.left_bytes -= line.len() as u64;
                Ok(Some(line))
            }
            read => read,
        }
    }
}

impl std::fmt::Debug for DocumentReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DocumentReader")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

impl Iterator for DocumentReader {
    type Item = Result<Document, DocumentsError>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.next_line()?.and_then(|line| line.parse()))
    }
}

impl DocumentLine {
    /// Reads the line as a document, or as the part of one that `T` names.
    ///
    /// # Errors
    /// [`DocumentsError::DamagedDocs`] when it is none.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, DocumentsError> {
        serde_json::from_str(&self.text).map_err(|source| DocumentsError::DamagedDocs {
            path: self.file.to_path_buf(),
            line: self.number,
            source: source.into(),
        })
    }
}

fn open_lines(path: &Path) -> Result<FileLines, DocumentsError> {
    let open = || zstd::Decoder::new(durable::open_file(path)?);
    let decoder = open().map_err(|source| DocumentsError::Read {
        operation: "open",
        path: path.to_path_buf(),
        source,
    })?;
    Ok(BufReader::with_capacity(1 << 18, decoder))
}

/// Applies `map` to every document on the pool's threads and `sink` to the results, in the order
/// of the folder whatever the number of threads; the next lines are read meanwhile.
///
/// # Errors
/// What the folder's files, `map` and `sink` say.
pub fn map_documents<T: Send, E: From<DocumentsError> + Send>(
    mut reader: DocumentReader,
    pool: &rayon::ThreadPool,
    progress: &dyn Progress,
    map: impl Fn(&DocumentLine) -> Result<T, E> + Sync,
    mut sink: impl FnMut(T) -> Result<(), E>,
) -> Result<(), E> {
    std::thread::scope(|scope| {
        let (send, receive) = sync_channel(1);
        scope.spawn(move || {
            loop {
                let window = reader.next_window();
                let is_last = window.as_ref().map_or(true, Vec::is_empty);
                // A failed send means that the other side has ended with an error.
                if send.send(window).is_err() || is_last {
                    return;
                }
            }
        });
        for window in receive {
            let window = window?;
            let mapped: Vec<Result<T, E>> = pool.install(|| window.par_iter().map(&map).collect());
            progress.advance(window.iter().map(|line| line.text.len() as u64).sum());
            for item in mapped {
                sink(item?)?;
            }
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests;
