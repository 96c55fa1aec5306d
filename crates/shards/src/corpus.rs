//! A corpus folder, opened: the manifest, and its files on first use.
//!
//! Opening checks the manifest's hash and of every file its length and header; a shard's index
//! is checked when it is first used, so that a large corpus opens at once. Contents are hashed
//! by [`crate::verify`].

use std::collections::BTreeSet;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::format::{HEADER_BYTES, Header};
use crate::writer::with_extension;
use crate::{
    DocumentRow, DocumentsReader, Manifest, ReadMode, ShardError, ShardReader, TokenWidth, shard_name,
};

/// An open corpus folder.
#[derive(Debug)]
pub struct Corpus {
    folder: PathBuf,
    mode: ReadMode,
    manifest: Manifest,
    shards: Vec<OnceLock<ShardReader>>,
    documents: DocumentsReader,
}

impl Corpus {
    /// Opens a corpus folder, files mapped.
    ///
    /// # Errors
    /// See [`Self::open_with`].
    pub fn open(folder: &Path) -> Result<Self, ShardError> {
        Self::open_with(folder, ReadMode::Mmap)
    }

    /// Opens a corpus folder.
    ///
    /// # Errors
    /// As [`Manifest::read`]; [`ShardError::Read`] for a missing file; [`ShardError::Length`]
    /// or [`ShardError::Header`] for one that was cut or is of another kind;
    /// [`ShardError::Manifest`] where a file and the manifest differ.
    pub fn open_with(folder: &Path, mode: ReadMode) -> Result<Self, ShardError> {
        let manifest = Manifest::read(folder)?;
        let manifest_path = folder.join(crate::MANIFEST_FILE);
        let width = manifest.token_width;
        for (index, entry) in (0..).zip(&manifest.shards) {
            let name = shard_name(index, manifest.num_shards);
            if entry.name != name {
                return Err(ShardError::manifest(
                    &manifest_path,
                    "shards.name",
                    name,
                    &entry.name,
                ));
            }
            let counts = [entry.blocks, entry.documents, entry.tokens];
            check_pair(&manifest_path, &folder.join(&name), width, counts)?;
        }
        for file in manifest.held_out.sources.values() {
            let counts = [file.blocks, file.documents, file.tokens];
            check_pair(&manifest_path, &folder.join(&file.name), width, counts)?;
        }
        let documents_path = folder.join(&manifest.documents_file.file);
        check_length(&documents_path, manifest.documents_file.bytes)?;
        Ok(Self {
            folder: folder.to_path_buf(),
            mode,
            shards: manifest.shards.iter().map(|_| OnceLock::new()).collect(),
            documents: DocumentsReader::open(&documents_path)?,
            manifest,
        })
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// How its files are read.
    pub fn read_mode(&self) -> ReadMode {
        self.mode
    }

    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Hash of the corpus: [`Manifest::hash`].
    pub fn corpus_hash(&self) -> &str {
        &self.manifest.corpus_hash
    }

    /// Names of the sources in order.
    pub fn sources(&self) -> impl Iterator<Item = &str> {
        self.manifest.sources.keys().map(String::as_str)
    }

    /// Number of shards.
    pub fn num_shards(&self) -> u32 {
        self.manifest.num_shards
    }

    /// A shard, opened on first use.
    ///
    /// # Errors
    /// [`ShardError::OutOfRange`], or as [`ShardReader::open_with`].
    pub fn shard(&self, index: u32) -> Result<&ShardReader, ShardError> {
        let slot = self
            .shards
            .get(index as usize)
            .ok_or_else(|| ShardError::OutOfRange {
                path: self.folder.clone(),
                what: "shard",
                index: index.into(),
                count: self.shards.len() as u64,
            })?;
        if let Some(shard) = slot.get() {
            return Ok(shard);
        }
        let path = self.folder.join(&self.manifest.shards[index as usize].name);
        let opened = ShardReader::open_with(&path, self.mode)?;
        // two threads may open it at the same time: one of the two equal readers stays
        Ok(slot.get_or_init(|| opened))
    }

    /// All shards in order, opened as they come.
    pub fn shards(&self) -> impl Iterator<Item = Result<&ShardReader, ShardError>> {
        (0..self.num_shards()).map(|index| self.shard(index))
    }

    /// The held-out file of a source; `None` if it has none.
    ///
    /// # Errors
    /// As [`ShardReader::open_with`].
    pub fn held_out(&self, source: &str) -> Result<Option<ShardReader>, ShardError> {
        let Some(file) = self.manifest.held_out.sources.get(source) else {
            return Ok(None);
        };
        ShardReader::open_with(&self.folder.join(&file.name), self.mode).map(Some)
    }

    /// Names of the sources with a held-out file, in order.
    pub fn held_out_sources(&self) -> impl Iterator<Item = &str> {
        self.manifest.held_out.sources.keys().map(String::as_str)
    }

    /// The list of documents.
    pub fn documents(&self) -> &DocumentsReader {
        &self.documents
    }

    /// The row of a document of a shard.
    ///
    /// # Errors
    /// [`ShardError::OutOfRange`], [`ShardError::Documents`].
    pub fn document_row(&self, shard: u32, document: usize) -> Result<DocumentRow, ShardError> {
        let shards = &self.manifest.shards;
        let count = shards.get(shard as usize).map_or(0, |entry| entry.documents);
        self.check_document(document, count)?;
        let before: u64 = shards[..shard as usize].iter().map(|entry| entry.documents).sum();
        let row = self.documents.row(before + document as u64)?;
        self.check_row(row, Some(shard), document)
    }

    /// The rows of documents of shards, in the order of shard and document; each frame of the
    /// list is read once.
    ///
    /// # Errors
    /// As [`Self::document_row`].
    pub fn document_rows(&self, documents: &BTreeSet<(u32, usize)>) -> Result<Vec<DocumentRow>, ShardError> {
        let mut before = Vec::with_capacity(self.manifest.shards.len());
        let mut sum = 0;
        for entry in &self.manifest.shards {
            before.push(sum);
            sum += entry.documents;
        }
        let number = |&(shard, document): &(u32, usize)| {
            let entry = self.manifest.shards.get(shard as usize);
            self.check_document(document, entry.map_or(0, |entry| entry.documents))?;
            Ok(before[shard as usize] + document as u64)
        };
        let numbers = documents
            .iter()
            .map(number)
            .collect::<Result<Vec<u64>, ShardError>>()?;
        let rows = self.documents.rows_at(numbers)?.into_iter();
        let checked = rows.zip(documents);
        checked
            .map(|(row, &(shard, document))| self.check_row(row, Some(shard), document))
            .collect()
    }

    /// The row of a document of a source's held-out file.
    ///
    /// # Errors
    /// [`ShardError::OutOfRange`], [`ShardError::Documents`], [`ShardError::UnknownSource`].
    pub fn held_out_row(&self, source: &str, document: usize) -> Result<DocumentRow, ShardError> {
        let files = &self.manifest.held_out.sources;
        let Some(file) = files.get(source) else {
            return Err(ShardError::UnknownSource {
                source_name: source.to_owned(),
                known: files.keys().cloned().collect::<Vec<_>>().join(", "),
            });
        };
        self.check_document(document, file.documents)?;
        let earlier = files.iter().take_while(|(name, _)| name.as_str() < source);
        let before = self.manifest.num_documents() + earlier.map(|(_, file)| file.documents).sum::<u64>();
        let row = self.documents.row(before + document as u64)?;
        self.check_row(row, None, document)
    }

    fn check_document(&self, document: usize, count: u64) -> Result<(), ShardError> {
        if (document as u64) < count {
            return Ok(());
        }
        let path = self.folder.clone();
        Err(ShardError::OutOfRange {
            path,
            what: "document",
            index: document as u64,
            count,
        })
    }

    /// A row must name the place that it was found by.
    fn check_row(
        &self,
        row: DocumentRow,
        shard: Option<u32>,
        document: usize,
    ) -> Result<DocumentRow, ShardError> {
        if row.shard == shard && row.document as usize == document {
            return Ok(row);
        }
        Err(ShardError::Documents {
            path: self.folder.join(&self.manifest.documents_file.file),
            problem: format!(
                "rows are not in the order of the shards: {} is out of place",
                row.id
            ),
        })
    }
}

/// Checks header and lengths of a shard against the manifest's blocks, documents and tokens.
fn check_pair(
    manifest: &Path,
    shard: &Path,
    width: TokenWidth,
    [blocks, documents, tokens]: [u64; 3],
) -> Result<(), ShardError> {
    let idx = with_extension(shard, "idx");
    let header = read_header(&idx)?;
    let name = || {
        shard
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    };
    let differs = |field: &str, expected: String, found: String| {
        Err(ShardError::manifest(
            manifest,
            format!("{field} of {}", name()),
            expected,
            found,
        ))
    };
    if header.width != width {
        return differs(
            "token_width",
            header.width.name().to_owned(),
            width.name().to_owned(),
        );
    }
    if header.num_sequences != blocks {
        return differs("blocks", header.num_sequences.to_string(), blocks.to_string());
    }
    if header.num_documents() != documents {
        return differs(
            "documents",
            header.num_documents().to_string(),
            documents.to_string(),
        );
    }
    check_length(
        &with_extension(shard, "bin"),
        tokens.saturating_mul(width.bytes() as u64),
    )
}

fn read_header(path: &Path) -> Result<Header, ShardError> {
    let read = |source| ShardError::Read {
        path: path.to_path_buf(),
        source,
    };
    let file = durable::open_file(path).map_err(read)?;
    let bytes = file.metadata().map_err(read)?.len();
    let mut start = [0; HEADER_BYTES];
    let available = usize::try_from(bytes).unwrap_or(HEADER_BYTES).min(HEADER_BYTES);
    file.read_exact_at(&mut start[..available], 0).map_err(read)?;
    Header::parse(path, &start[..available], bytes)
}

fn check_length(path: &Path, expected_bytes: u64) -> Result<(), ShardError> {
    let metadata = std::fs::metadata(path);
    let found_bytes = metadata
        .map_err(|source| ShardError::Read {
            path: path.to_path_buf(),
            source,
        })?
        .len();
    if found_bytes != expected_bytes {
        return Err(ShardError::Length {
            path: path.to_path_buf(),
            expected_bytes,
            found_bytes,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::small_corpus::{change, small_corpus};

    #[test]
    fn a_corpus_opens_with_all_that_was_written() {
        let small = small_corpus();
        for mode in [ReadMode::Mmap, ReadMode::Pread] {
            let corpus = Corpus::open_with(&small.folder, mode).unwrap();
            assert_eq!(corpus.sources().collect::<Vec<_>>(), ["10-K", "10-K/A", "wiki"]);
            assert_eq!(corpus.held_out_sources().collect::<Vec<_>>(), ["10-K", "10-K/A"]);
            assert_eq!((corpus.num_shards(), corpus.shards().count()), (4, 4));
            assert_eq!(corpus.read_mode(), mode);
            for (shard, expected) in corpus.shards().zip(&small.shards) {
                let shard = shard.unwrap();
                assert_eq!(shard.num_documents(), expected.len());
                let blocks = (0..shard.num_blocks()).map(|block| shard.block(block).unwrap().to_vec());
                assert!(blocks.eq(expected.iter().flat_map(|(_, blocks)| blocks.clone())));
            }
            assert_eq!(corpus.held_out("10-K").unwrap().unwrap().num_documents(), 2);
            assert!(corpus.held_out("wiki").unwrap().is_none());
            assert!(matches!(
                corpus.shard(4),
                Err(ShardError::OutOfRange { what: "shard", .. })
            ));
        }
    }

    #[test]
    fn documents_are_found_by_place() {
        let small = small_corpus();
        let corpus = Corpus::open(&small.folder).unwrap();
        let row = corpus.document_row(1, 1).unwrap();
        assert_eq!((row.id.as_str(), row.source.as_str()), ("doc-1-1", "wiki"));
        assert_eq!(corpus.document_row(3, 0).unwrap().id, "doc-3-0");
        let some = corpus.document_rows(&[(3, 1), (0, 0), (1, 1)].into()).unwrap();
        let ids: Vec<&str> = some.iter().map(|row| row.id.as_str()).collect();
        assert_eq!(ids, ["doc-0-0", "doc-1-1", "doc-3-1"]);
        for wrong in [(2, 0), (9, 0)] {
            let error = corpus.document_rows(&[(0, 0), wrong].into()).unwrap_err();
            assert!(matches!(error, ShardError::OutOfRange { what: "document", .. }));
        }
        for (source, document, id) in [
            ("10-K", 0, "10-K-held-out-0"),
            ("10-K", 1, "10-K-held-out-1"),
            ("10-K/A", 0, "10-K/A-held-out-0"),
        ] {
            assert_eq!(corpus.held_out_row(source, document).unwrap().id, id);
        }
        assert!(matches!(
            corpus.document_row(2, 0),
            Err(ShardError::OutOfRange { .. })
        ));
        assert!(matches!(
            corpus.document_row(9, 0),
            Err(ShardError::OutOfRange { .. })
        ));
        assert!(matches!(
            corpus.held_out_row("wiki", 0),
            Err(ShardError::UnknownSource { .. })
        ));
    }

    #[test]
    fn a_file_that_was_cut_or_swapped_is_refused_at_opening() {
        let refused = |file: &str, edit: fn(&mut Vec<u8>)| {
            let small = small_corpus();
            change(&small.folder.join(file), edit);
            Corpus::open(&small.folder).unwrap_err()
        };
        let cut: fn(&mut Vec<u8>) = |bytes| bytes.truncate(bytes.len().saturating_sub(1));
        for file in [
            "shard-00001-of-00004.bin",
            "shard-00002-of-00004.idx",
            "valid-10-K.bin",
            "documents.jsonl.zst",
        ] {
            assert!(matches!(refused(file, cut), ShardError::Length { .. }), "{file}");
        }
        let error = refused("shard-00003-of-00004.idx", |bytes| bytes[17] = 4);
        assert!(matches!(error, ShardError::Manifest { field, .. } if field.starts_with("token_width")));
        let small = small_corpus();
        let name = |index: u32| small.folder.join(format!("shard-0000{index}-of-00004.idx"));
        let other = std::fs::read(name(1)).unwrap();
        change(&name(0), |bytes| *bytes = other);
        let error = Corpus::open(&small.folder).unwrap_err();
        assert!(
            matches!(error, ShardError::Manifest { field, .. } if field == "blocks of shard-00000-of-00004")
        );
    }

    #[test]
    fn a_missing_shard_is_named() {
        let small = small_corpus();
        std::fs::remove_file(small.folder.join("shard-00001-of-00004.idx")).unwrap();
        let error = Corpus::open(&small.folder).unwrap_err();
        assert!(error.to_string().contains("shard-00001-of-00004.idx"), "{error}");
    }
}
