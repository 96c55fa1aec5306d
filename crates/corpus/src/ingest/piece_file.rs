//! What became of the inputs of one piece of `ingest`, on disk between its passes. It does not
//! decide which documents are written.
//!
//! A piece is a scratch folder (see `scratch.rs`) with `entries` and `ids` (a record of fixed size
//! a document). An entry, little-endian: kind (u8), length of its head (u32),
//! length of its body (u32), length of the body's text (u64); the head as JSON; the body, which
//! only a document has, its line of JSON as one zstd frame. A record of `ids`: hash of the id
//! (u128), hash of the content (u128), index of the input in the segment (u32).

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use documents::{Document, InputFile, LeftOut, json_line};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use crate::error::CorpusError;
use crate::sources::{Source, StreamPlace};
use crate::work::record::part;
use crate::work::scratch::{ScratchFolder, ScratchReader, ScratchWriter, Sealed, Trust, not_as_written};

/// Changes when a piece's content does.
pub(super) const PIECE_FORMAT: u32 = 5;

const ENTRIES: &str = "entries";
const IDS: &str = "ids";
const ENTRY_BYTES: usize = 17;
const ID_BYTES: usize = 36;

/// Documents between the passes are written once and read once: the least effort is enough.
const COMPRESSION_LEVEL: i32 = 1;

thread_local! {
    /// Making one costs more than compressing a short document.
    static COMPRESSOR: RefCell<Option<zstd::bulk::Compressor<'static>>> = const { RefCell::new(None) };
}

/// A document ready to be written; made on worker threads.
#[derive(Debug)]
pub(super) struct PreparedDocument {
    head: PieceHead,
    content: u128,
    json_bytes: u64,
    frame: Vec<u8>,
}

/// What is known of a document without its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PieceHead {
    pub(super) id: String,
    pub(super) source: String,
    /// Markup of its text that left nothing in it, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) markup_left_out: BTreeMap<String, u64>,
}

/// What stands in a piece, in the order of the inputs.
#[derive(Debug)]
pub(super) enum Entry<D> {
    /// What follows is of this input.
    Input(InputFile),
    Document(D),
    Skipped(LeftOut),
    Rejected(LeftOut),
}

/// A document read back: its head and its line of JSON.
pub(super) type StoredDocument = (PieceHead, Vec<u8>);

/// What the pieces of a segment are made of, and by which readers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Origin {
    /// Identifies the inputs and the options; another job's piece is not used.
    pub(super) key: String,
    /// Of what read them; another one's piece is not used either.
    pub(super) reader_version: u32,
}

/// What a piece says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PieceFacts {
    pub(super) origin: Origin,
    /// Where in its stream it begins.
    pub(super) from: u64,
    /// Where the next piece begins; the last one has none.
    pub(super) next: Option<StreamPlace>,
    /// Documents in it.
    pub(super) documents: u64,
}

/// The identity of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DocumentIdentity {
    pub(super) id: u128,
    pub(super) content: u128,
    /// Index of the input in the segment.
    pub(super) input: u32,
}

/// Writes a piece.
pub(super) struct PieceWriter {
    folder: ScratchFolder,
    entries: ScratchWriter,
    ids: ScratchWriter,
    num_inputs: u32,
    facts: PieceFacts,
}

/// Reads the entries of a piece in order.
pub(super) struct PieceReader {
    path: PathBuf,
    entries: ScratchReader,
}

impl PreparedDocument {
    pub(super) fn head(&self) -> &PieceHead {
        &self.head
    }

    /// Notes the markup of its text that left nothing in it.
    pub(super) fn leaves_out(&mut self, markup: BTreeMap<String, u64>) {
        self.head.markup_left_out = markup;
    }

    /// Length of its line of JSON.
    pub(super) fn json_bytes(&self) -> u64 {
        self.json_bytes
    }

    pub(super) fn new(document: &Document) -> Result<Self, CorpusError> {
        let json = json_line(document)?;
        Ok(Self {
            head: PieceHead {
                id: document.id.clone(),
                source: document.source.clone(),
                markup_left_out: BTreeMap::new(),
            },
            content: content_hash(document),
            json_bytes: json.len() as u64,
            frame: compress(&json).map_err(|source| CorpusError::Compress {
                id: document.id.clone(),
                source,
            })?,
        })
    }
}

fn compress(json: &[u8]) -> std::io::Result<Vec<u8>> {
    COMPRESSOR.with_borrow_mut(|kept| {
        let compressor = match kept {
            Some(compressor) => compressor,
            None => kept.insert(zstd::bulk::Compressor::new(COMPRESSION_LEVEL)?),
        };
        compressor.compress(json)
    })
}

impl PieceWriter {
    /// Begins the piece `folder`. `num_inputs`: how many inputs of its segment have begun before.
    pub(super) fn create(
        folder: &Path,
        origin: &Origin,
        from: u64,
        num_inputs: u32,
    ) -> Result<Self, CorpusError> {
        // One of another job, or of another version of an input or of its reader.
        crate::work::scratch::remove_folder(folder)?;
        let scratch = ScratchFolder::create(folder)?;
        Ok(Self {
            entries: scratch.file(ENTRIES)?,
            ids: scratch.file(IDS)?,
            folder: scratch,
            num_inputs,
            facts: PieceFacts {
                origin: origin.clone(),
                from,
                ..PieceFacts::default()
            },
        })
    }

    pub(super) fn add(&mut self, entry: &Entry<PreparedDocument>) -> Result<(), CorpusError> {
        match entry {
            Entry::Input(input) => {
                self.num_inputs += 1;
                self.put(b'i', &json_line(input)?, (0, &[]))
            }
            Entry::Skipped(left_out) => self.put(b's', &json_line(left_out)?, (0, &[])),
            Entry::Rejected(left_out) => self.put(b'r', &json_line(left_out)?, (0, &[])),
            Entry::Document(document) => {
                let head = json_line(&document.head)?;
                self.put(b'd', &head, (document.json_bytes, &document.frame))?;
                self.ids
                    .write(&xxh3_128(document.head.id.as_bytes()).to_le_bytes())?;
                self.ids.write(&document.content.to_le_bytes())?;
                self.ids.write(&self.num_inputs.saturating_sub(1).to_le_bytes())?;
                self.facts.documents += 1;
                Ok(())
            }
        }
    }

    fn put(&mut self, kind: u8, head: &[u8], (json_bytes, body): (u64, &[u8])) -> Result<(), CorpusError> {
        let mut lengths = [0; ENTRY_BYTES];
        lengths[0] = kind;
        for (at, length) in [(1, head.len()), (5, body.len())] {
            let length = u32::try_from(length).map_err(|_| CorpusError::DocumentTooLarge {
                id: String::from_utf8_lossy(head).trim_end().to_owned(),
                bytes: length as u64,
            })?;
            lengths[at..at + 4].copy_from_slice(&length.to_le_bytes());
        }
        lengths[9..].copy_from_slice(&json_bytes.to_le_bytes());
        for bytes in [&lengths, head, body] {
            self.entries.write(bytes)?;
        }
        Ok(())
    }

    /// Ends the piece; `next` is where the next one begins.
    pub(super) fn finish(mut self, next: Option<StreamPlace>) -> Result<(), CorpusError> {
        self.facts.next = next;
        self.folder.finish(self.facts, [self.entries, self.ids])?;
        Ok(())
    }
}

impl PieceReader {
    pub(super) fn open(folder: &Path) -> Result<Self, CorpusError> {
        let (path, entries, _) = open(folder, ENTRIES)?;
        Ok(Self { path, entries })
    }

    /// The next entry and how much memory it takes; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<(Entry<StoredDocument>, usize)>, CorpusError> {
        let read = self.read_entry();
        read.map_err(|source| failed(&self.path, source))
    }

    fn read_entry(&mut self) -> std::io::Result<Option<(Entry<StoredDocument>, usize)>> {
        let mut kind = [0];
        if self.entries.read(&mut kind)? == 0 {
            return Ok(None);
        }
        let mut lengths = [0; ENTRY_BYTES - 1];
        self.entries.read_exact(&mut lengths)?;
        let [head, body] = [0, 4].map(|at| u32::from_le_bytes(part(&lengths, at)) as usize);
        let json_bytes = usize::try_from(u64::from_le_bytes(part(&lengths, 8))).unwrap_or(usize::MAX);
        // Lengths that the disk has changed are not worth their memory.
        let mut bytes = Vec::new();
        (&mut self.entries)
            .take((head + body) as u64)
            .read_to_end(&mut bytes)?;
        if bytes.len() != head + body {
            return Err(not_as_written());
        }
        let (head, body) = bytes.split_at(head);
        let entry = match kind[0] {
            b'i' => Entry::Input(of_json(head)?),
            b's' => Entry::Skipped(of_json(head)?),
            b'r' => Entry::Rejected(of_json(head)?),
            b'd' => Entry::Document((of_json(head)?, decompress(body, json_bytes)?)),
            _ => return Err(not_as_written()),
        };
        // Of small entries most is what holds them.
        let own = 2 * size_of::<Entry<StoredDocument>>();
        Ok(Some((entry, own + bytes.len() + json_bytes)))
    }
}

/// Calls `each` with the identity of every document of a piece in order.
pub(super) fn for_each_id(
    folder: &Path,
    mut each: impl FnMut(DocumentIdentity) -> Result<(), CorpusError>,
) -> Result<(), CorpusError> {
    let (path, mut file, facts) = open(folder, IDS)?;
    let mut record = [0; ID_BYTES];
    for _ in 0..facts.documents {
        file.read_exact(&mut record)
            .map_err(|source| failed(&path, source))?;
        each(DocumentIdentity {
            id: u128::from_le_bytes(part(&record, 0)),
            content: u128::from_le_bytes(part(&record, 16)),
            input: u32::from_le_bytes(part(&record, 32)),
        })?;
    }
    file.expect_end().map_err(|source| failed(&path, source))
}

fn of_json<T: serde::de::DeserializeOwned>(head: &[u8]) -> std::io::Result<T> {
    serde_json::from_slice(head).map_err(|_| not_as_written())
}

fn decompress(frame: &[u8], length: usize) -> std::io::Result<Vec<u8>> {
    // Said twice: a length that the disk has changed is not worth its memory.
    let said = zstd::zstd_safe::get_frame_content_size(frame).ok().flatten();
    if said != Some(length as u64) {
        return Err(not_as_written());
    }
    zstd::bulk::decompress(frame, length).map_err(|_| not_as_written())
}

/// A file of a piece that this process has written or looked at.
fn open(folder: &Path, name: &str) -> Result<(PathBuf, ScratchReader, PieceFacts), CorpusError> {
    let path = folder.join(name);
    let sealed = Sealed::<PieceFacts>::open(folder, Trust::Known)?;
    let sealed = sealed.ok_or_else(|| failed(&path, not_as_written()))?;
    let file = sealed.file(name).map_err(|source| failed(&path, source))?;
    Ok((path, file.reader(), sealed.facts))
}

fn failed(path: &Path, source: std::io::Error) -> CorpusError {
    CorpusError::Read {
        operation: "read",
        path: path.to_path_buf(),
        source,
    }
}

/// Whether two documents say the same: not where they were read from, but what they hold.
fn content_hash(document: &Document) -> u128 {
    let mut hasher = Xxh3::new();
    let mut field = |text: &str| {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    };
    for text in [
        Some(&document.source),
        document.cik.as_ref(),
        document.filed.as_ref(),
        document.title.as_ref(),
    ] {
        field(text.map_or("", String::as_str));
    }
    for block in &document.blocks {
        field(&block.text);
    }
    for fact in Source::of_id(&document.id).further_facts(document) {
        field(&fact);
    }
    hasher.digest128()
}

#[cfg(test)]
mod tests {
    use super::*;
    use documents::{Block, BlockKind};

    fn document(id: &str, text: &str) -> Document {
        Document {
            id: id.into(),
            source: "10-K".into(),
            blocks: vec![Block::new(BlockKind::Paragraph, text)],
            ..Document::default()
        }
    }

    fn input(path: &str) -> InputFile {
        InputFile {
            path: path.into(),
            bytes: 3,
            sha256: "ab".into(),
        }
    }

    #[test]
    fn a_piece_comes_back_entry_by_entry_and_its_ids_beside_it() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("segment-00000");
        let mut writer = PieceWriter::create(&folder, &Origin::default(), 0, 0).unwrap();
        let documents = [document("a", "one"), document("b", &"long ".repeat(100_000))];
        writer.add(&Entry::Input(input("x"))).unwrap();
        writer.add(&Entry::Rejected(LeftOut::new("x", "bad"))).unwrap();
        writer.add(&Entry::Input(input("y"))).unwrap();
        for document in &documents {
            let prepared = PreparedDocument::new(document).unwrap();
            writer.add(&Entry::Document(prepared)).unwrap();
        }
        writer.finish(None).unwrap();

        let mut reader = PieceReader::open(&folder).unwrap();
        let mut next = || reader.next().unwrap().map(|(entry, _)| entry);
        assert!(matches!(next(), Some(Entry::Input(read)) if read == input("x")));
        assert!(matches!(next(), Some(Entry::Rejected(read)) if read == LeftOut::new("x", "bad")));
        assert!(matches!(next(), Some(Entry::Input(read)) if read == input("y")));
        for document in &documents {
            let Some(Entry::Document((head, json))) = next() else {
                panic!("no document")
            };
            assert_eq!((&head.id, &head.source), (&document.id, &document.source));
            assert_eq!(json, json_line(document).unwrap());
        }
        assert!(next().is_none());
        let mut ids = Vec::new();
        for_each_id(&folder, |id| {
            ids.push(id);
            Ok(())
        })
        .unwrap();
        let expected = documents.map(|document| DocumentIdentity {
            id: xxh3_128(document.id.as_bytes()),
            content: content_hash(&document),
            input: 1,
        });
        assert_eq!(ids, expected);
    }

    #[test]
    fn texts_of_one_id_say_the_same_only_of_one_company_ticker_year_and_section() {
        let text = document("text:1", "one");
        let section = documents::Section::new("7", documents::SectionStatus::Stated, 0..1);
        let others = [
            Document {
                company: Some("Oak".into()),
                ..text.clone()
            },
            Document {
                tickers: vec!["OAK".into()],
                ..text.clone()
            },
            Document {
                fiscal_year: Some(2018),
                ..text.clone()
            },
            Document {
                sections: vec![section],
                ..text.clone()
            },
            text,
        ];
        let hashes: std::collections::BTreeSet<u128> = others.iter().map(content_hash).collect();
        assert_eq!(hashes.len(), others.len());
        let filings = others.map(|text| Document {
            id: "a:1".into(),
            ..text
        });
        let hashes: std::collections::BTreeSet<u128> = filings.iter().map(content_hash).collect();
        assert_eq!(hashes.len(), 1);
    }

    #[test]
    fn a_damaged_piece_is_an_error_that_names_it() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("segment-00000");
        let mut writer = PieceWriter::create(&folder, &Origin::default(), 0, 0).unwrap();
        let prepared = PreparedDocument::new(&document("a", "one")).unwrap();
        writer.add(&Entry::Document(prepared)).unwrap();
        writer.finish(None).unwrap();
        let path = folder.join(ENTRIES);
        let bytes = std::fs::read(&path).unwrap();
        for damaged in [&bytes[..bytes.len() - 1], &bytes[1..], &bytes[..9]] {
            durable::commit_bytes(&durable::DISK, &path, damaged).unwrap();
            let error = PieceReader::open(&folder).unwrap().next().unwrap_err();
            assert!(
                matches!(&error, CorpusError::Read { path: named, .. } if *named == path),
                "{error}"
            );
        }
    }
}
