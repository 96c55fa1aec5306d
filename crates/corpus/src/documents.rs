//! Reads a documents folder back, in one fixed order: the files of its manifest, line by line.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use rayon::prelude::*;
use serde::de::DeserializeOwned;

use crate::docs_manifest::DocsManifest;
use crate::document::Document;
use crate::error::CorpusError;
use crate::progress::Progress;

/// JSON that is in memory at once; with the documents parsed from it and their tokens this bounds
/// the memory of every pass (one larger document is read alone).
const WINDOW_BYTES: usize = 16 << 20;

type FileLines = BufReader<zstd::Decoder<'static, BufReader<File>>>;

/// The documents of a folder, streamed.
pub struct DocumentReader {
    folder: PathBuf,
    manifest: DocsManifest,
    next_file: usize,
    current: Option<(Arc<PathBuf>, FileLines, u64)>,
}

/// One document as it stands in its file.
#[derive(Debug)]
pub(crate) struct DocumentLine {
    pub(crate) text: String,
    file: Arc<PathBuf>,
    number: u64,
}

impl DocumentReader {
    /// Opens a documents folder.
    ///
    /// # Errors
    /// [`CorpusError::NotDocs`] when its manifest is missing or does not fit its files.
    pub fn open(docs: &Path) -> Result<Self, CorpusError> {
        let manifest = DocsManifest::open(docs)?;
        for file in &manifest.files {
            let path = docs.join(&file.name);
            let found = path.metadata().map_or(0, |metadata| metadata.len());
            if found != file.bytes {
                let reason = format!(
                    "{} has {found} bytes, the manifest says {}",
                    file.name, file.bytes
                );
                return Err(CorpusError::NotDocs {
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
        })
    }

    /// What the folder says about itself.
    pub fn manifest(&self) -> &DocsManifest {
        &self.manifest
    }

    pub(crate) fn next_line(&mut self) -> Option<Result<DocumentLine, CorpusError>> {
        loop {
            let Some((file, lines, number)) = &mut self.current else {
                let name = &self.manifest.files.get(self.next_file)?.name;
                let path = self.folder.join(name);
                self.next_file += 1;
                match open_lines(&path) {
                    Ok(lines) => self.current = Some((Arc::new(path), lines, 0)),
                    Err(error) => return Some(Err(error)),
                }
                continue;
            };
            let mut text = String::new();
            *number += 1;
            let (file, number) = (Arc::clone(file), *number);
            match lines.read_line(&mut text) {
                Ok(0) => self.current = None,
                Ok(_) => return Some(Ok(DocumentLine { text, file, number })),
                Err(source) => {
                    self.current = None;
                    self.next_file = self.manifest.files.len();
                    return Some(Err(CorpusError::DamagedDocs {
                        path: file.to_path_buf(),
                        line: number,
                        source,
                    }));
                }
            }
        }
    }

    /// The next lines, up to [`WINDOW_BYTES`]; empty at the end.
    fn next_window(&mut self) -> Result<Vec<DocumentLine>, CorpusError> {
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

impl std::fmt::Debug for DocumentReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DocumentReader")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

impl Iterator for DocumentReader {
    type Item = Result<Document, CorpusError>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.next_line()?.and_then(|line| line.parse()))
    }
}

impl DocumentLine {
    /// Reads the line as a document, or as the part of one that `T` names.
    pub(crate) fn parse<T: DeserializeOwned>(&self) -> Result<T, CorpusError> {
        serde_json::from_str(&self.text).map_err(|source| CorpusError::DamagedDocs {
            path: self.file.to_path_buf(),
            line: self.number,
            source: source.into(),
        })
    }
}

fn open_lines(path: &Path) -> Result<FileLines, CorpusError> {
    let open = || zstd::Decoder::new(File::open(path)?);
    let decoder = open().map_err(|source| CorpusError::Read {
        operation: "open",
        path: path.to_path_buf(),
        source,
    })?;
    Ok(BufReader::with_capacity(1 << 18, decoder))
}

/// Applies `map` to every document on the pool's threads and `sink` to the results, in the order
/// of the folder whatever the number of threads; the next lines are read meanwhile.
pub(crate) fn map_documents<T: Send>(
    mut reader: DocumentReader,
    pool: &rayon::ThreadPool,
    progress: &dyn Progress,
    map: impl Fn(&DocumentLine) -> Result<T, CorpusError> + Sync,
    mut sink: impl FnMut(T) -> Result<(), CorpusError>,
) -> Result<(), CorpusError> {
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
            let mapped: Vec<Result<T, CorpusError>> = pool.install(|| window.par_iter().map(&map).collect());
            progress.advance(window.iter().map(|line| line.text.len() as u64).sum());
            for item in mapped {
                sink(item?)?;
            }
        }
        Ok(())
    })
}
