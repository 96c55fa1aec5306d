//! Writes a documents folder: documents files that roll over at a size, the lists of what was
//! skipped and rejected, the manifest last. It does not read inputs.

use std::collections::BTreeMap;
use std::io::{BufWriter, Write};

use durable::{DurableError, Operation, Sha256Writer, StagedDir, StorageFile};
use rustc_hash::FxHashMap;
use serde::Serialize;
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use crate::docs_manifest::{DOCS_FORMAT_VERSION, DOCS_MANIFEST, DocsFile, DocsManifest, InputFile};
use crate::document::Document;
use crate::error::CorpusError;

/// A documents file is closed when its JSON has reached this size: large enough to compress well,
/// small enough to be read by several machines.
const DOCS_FILE_BYTES: u64 = 1 << 30;

/// Tells Hugging Face `datasets` the files and the type of each field.
const DATASET_CARD: (&str, &str) = ("README.md", include_str!("dataset_card.md"));

/// zstd's own default: smaller files cost more time than they save here.
const COMPRESSION_LEVEL: i32 = 3;

/// A document ready to be written; made on worker threads.
#[derive(Debug)]
pub(crate) struct PreparedDocument {
    json: Vec<u8>,
    id: String,
    source: String,
    content: u128,
}

/// Something that did not become a document.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct LeftOut {
    pub(crate) path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) part: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) form: Option<String>,
    pub(crate) reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) other: Option<String>,
}

pub(crate) struct DocsWriter<'a> {
    staged: &'a StagedDir<'a>,
    skipped: Log<'a>,
    rejected: Log<'a>,
    current: Option<OpenFile>,
    /// JSON after which a file is closed.
    file_bytes: u64,
    files: Vec<DocsFile>,
    documents: BTreeMap<String, u64>,
    inputs: Vec<InputFile>,
    /// Hash of a document's id to the hash of its content and the index of its input.
    seen: FxHashMap<u128, (u128, usize)>,
}

struct OpenFile {
    series: &'static str,
    name: String,
    documents: u64,
    json_bytes: u64,
    encoder: zstd::Encoder<'static, Sha256Writer<Box<dyn StorageFile>>>,
}

struct Log<'a> {
    staged: &'a StagedDir<'a>,
    name: &'static str,
    file: BufWriter<Box<dyn StorageFile>>,
    by_reason: BTreeMap<String, u64>,
}

impl PreparedDocument {
    pub(crate) fn new(document: &Document) -> Result<Self, CorpusError> {
        let mut json = serde_json::to_vec(document).map_err(|source| CorpusError::Json { source })?;
        json.push(b'\n');
        Ok(Self {
            json,
            id: document.id.clone(),
            source: document.source.clone(),
            content: content_hash(document),
        })
    }
}

impl LeftOut {
    pub(crate) fn new(path: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            part: None,
            form: None,
            reason: reason.into(),
            other: None,
        }
    }
}

impl<'a> DocsWriter<'a> {
    pub(crate) fn create(staged: &'a StagedDir<'a>) -> Result<Self, CorpusError> {
        Ok(Self {
            staged,
            skipped: Log::create(staged, "skipped.jsonl")?,
            rejected: Log::create(staged, "rejected.jsonl")?,
            current: None,
            file_bytes: DOCS_FILE_BYTES,
            files: Vec::new(),
            documents: BTreeMap::new(),
            inputs: Vec::new(),
            seen: FxHashMap::default(),
        })
    }

    /// Names the input that the following calls are about.
    pub(crate) fn begin_input(&mut self, input: InputFile) {
        self.inputs.push(input);
    }

    /// Takes a document, unless its id was taken before: then it is listed as a duplicate, or
    /// rejected when its content differs.
    pub(crate) fn write(
        &mut self,
        series: &'static str,
        document: &PreparedDocument,
    ) -> Result<(), CorpusError> {
        let input = self.inputs.len().saturating_sub(1);
        if let Some((content, first)) = self.seen.get(&xxh3_128(document.id.as_bytes())) {
            let other = Some(self.inputs[*first].path.clone());
            let part = Some(document.id.clone());
            let path = self.inputs[input].path.clone();
            let left_out = |reason: &str| LeftOut {
                part,
                other,
                ..LeftOut::new(path, reason)
            };
            return if *content == document.content {
                self.skipped
                    .write(&left_out("duplicate: the same document was read before"))
            } else {
                self.rejected.write(&left_out(
                    "another document with this id but different content was read before",
                ))
            };
        }
        self.seen
            .insert(xxh3_128(document.id.as_bytes()), (document.content, input));
        self.append(series, &document.json)?;
        *self.documents.entry(document.source.clone()).or_default() += 1;
        Ok(())
    }

    pub(crate) fn skip(&mut self, left_out: &LeftOut) -> Result<(), CorpusError> {
        self.skipped.write(left_out)
    }

    pub(crate) fn reject(&mut self, left_out: &LeftOut) -> Result<(), CorpusError> {
        self.rejected.write(left_out)
    }

    /// Closes all files and writes the manifest.
    pub(crate) fn finish(mut self) -> Result<(), CorpusError> {
        self.close_file()?;
        let manifest = DocsManifest {
            format_version: DOCS_FORMAT_VERSION,
            program_version: env!("CARGO_PKG_VERSION").to_owned(),
            files: self.files,
            documents: self.documents,
            skipped: self.skipped.finish()?,
            rejected: self.rejected.finish()?,
            inputs: self.inputs,
        };
        if manifest.num_documents() == 0 {
            return Err(CorpusError::NoDocuments {
                inputs: manifest.inputs.len(),
                skipped: manifest.skipped.values().sum(),
                rejected: manifest.rejected.values().sum(),
                reasons: reasons(&manifest),
            });
        }
        let (name, card) = DATASET_CARD;
        self.staged
            .write_file(name, |file| file.write_all(card.as_bytes()))?;
        write_json(self.staged, DOCS_MANIFEST, &manifest)
    }

    fn append(&mut self, series: &'static str, json: &[u8]) -> Result<(), CorpusError> {
        let is_full = |file: &OpenFile| file.series != series || file.json_bytes >= self.file_bytes;
        if self.current.as_ref().is_some_and(is_full) {
            self.close_file()?;
        }
        let mut file = match self.current.take() {
            Some(file) => file,
            None => self.open_file(series)?,
        };
        let written = file.encoder.write_all(json);
        written.map_err(|source| write_error(self.staged, &file.name, source))?;
        file.documents += 1;
        file.json_bytes += json.len() as u64;
        self.current = Some(file);
        Ok(())
    }

    fn open_file(&self, series: &'static str) -> Result<OpenFile, CorpusError> {
        let index = self
            .files
            .iter()
            .filter(|file| file.name.starts_with(series))
            .count();
        let name = format!("{series}-{index:05}.jsonl.zst");
        let encoder = || {
            let file = self.staged.create_file(&name)?;
            let mut encoder = zstd::Encoder::new(Sha256Writer::new(file), COMPRESSION_LEVEL)
                .map_err(|source| write_error(self.staged, &name, source))?;
            encoder
                .include_checksum(true)
                .map_err(|source| write_error(self.staged, &name, source))?;
            Ok::<_, CorpusError>(encoder)
        };
        Ok(OpenFile {
            series,
            encoder: encoder()?,
            name,
            documents: 0,
            json_bytes: 0,
        })
    }

    fn close_file(&mut self) -> Result<(), CorpusError> {
        let Some(file) = self.current.take() else {
            return Ok(());
        };
        let hashed = file
            .encoder
            .finish()
            .map_err(|source| write_error(self.staged, &file.name, source))?;
        let (_, sha256, bytes) = hashed.finish();
        self.files.push(DocsFile {
            name: file.name,
            documents: file.documents,
            json_bytes: file.json_bytes,
            bytes,
            sha256,
        });
        Ok(())
    }
}

impl<'a> Log<'a> {
    fn create(staged: &'a StagedDir<'a>, name: &'static str) -> Result<Self, CorpusError> {
        let file = BufWriter::new(staged.create_file(name)?);
        Ok(Self {
            staged,
            name,
            file,
            by_reason: BTreeMap::new(),
        })
    }

    fn write(&mut self, left_out: &LeftOut) -> Result<(), CorpusError> {
        match self.by_reason.get_mut(&left_out.reason) {
            Some(count) => *count += 1,
            None => drop(self.by_reason.insert(left_out.reason.clone(), 1)),
        }
        let mut line = serde_json::to_vec(left_out).map_err(|source| CorpusError::Json { source })?;
        line.push(b'\n');
        self.file
            .write_all(&line)
            .map_err(|source| write_error(self.staged, self.name, source))
    }

    fn finish(mut self) -> Result<BTreeMap<String, u64>, CorpusError> {
        self.file
            .flush()
            .map_err(|source| write_error(self.staged, self.name, source))?;
        Ok(self.by_reason)
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
    hasher.digest128()
}

fn reasons(manifest: &DocsManifest) -> String {
    let all = manifest.rejected.iter().chain(&manifest.skipped);
    let mut reasons: Vec<String> = all.map(|(reason, count)| format!("{count} x {reason}")).collect();
    reasons.truncate(5);
    reasons.join("; ")
}

pub(crate) fn write_json(
    staged: &StagedDir<'_>,
    name: &str,
    value: &impl Serialize,
) -> Result<(), CorpusError> {
    let mut text = serde_json::to_vec_pretty(value).map_err(|source| CorpusError::Json { source })?;
    text.push(b'\n');
    Ok(staged.write_file(name, |file| file.write_all(&text))?)
}

fn write_error(staged: &StagedDir<'_>, name: &str, source: std::io::Error) -> CorpusError {
    DurableError::new(Operation::Write, &staged.target().join(name), source).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{Block, BlockKind};
    use crate::documents::DocumentReader;
    use durable::{DISK, commit_dir};
    use std::path::{Path, PathBuf};

    fn document(id: &str, text: &str) -> Document {
        Document {
            id: id.into(),
            source: "10-K".into(),
            blocks: vec![Block::new(BlockKind::Paragraph, text)],
            ..Document::default()
        }
    }

    fn write(
        folder: &Path,
        documents: &[(&'static str, Document)],
        file_bytes: u64,
    ) -> Result<(PathBuf, DocsManifest), CorpusError> {
        let docs = folder.join("docs");
        commit_dir(&DISK, &docs, |staged: &StagedDir<'_>| {
            let mut writer = DocsWriter::create(staged)?;
            writer.file_bytes = file_bytes;
            for (index, (series, document)) in documents.iter().enumerate() {
                let path = format!("input-{index}");
                writer.begin_input(InputFile {
                    path,
                    bytes: 1,
                    sha256: String::new(),
                });
                writer.write(series, &PreparedDocument::new(document)?)?;
            }
            writer.finish()
        })?;
        let manifest = DocsManifest::open(&docs)?;
        Ok((docs, manifest))
    }

    #[test]
    fn files_roll_over_and_are_read_back_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let documents = [
            ("filings", document("a", "one")),
            ("filings", document("b", "two")),
            ("wiki", document("c", "three")),
        ];
        let (docs, manifest) = write(folder.path(), &documents, 1).unwrap();
        let names: Vec<&str> = manifest.files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "filings-00000.jsonl.zst",
                "filings-00001.jsonl.zst",
                "wiki-00000.jsonl.zst"
            ]
        );
        let reader = DocumentReader::open(&docs).unwrap();
        assert_eq!(reader.manifest(), &manifest);
        let back: Vec<Document> = reader.collect::<Result<_, _>>().unwrap();
        assert_eq!(back, documents.map(|(_, document)| document));
        for file in &manifest.files {
            assert_eq!(durable::sha256_file(&docs.join(&file.name)).unwrap(), file.sha256);
        }
    }

    #[test]
    fn the_same_document_again_is_skipped_and_another_of_its_id_is_rejected_with_both_paths() {
        let folder = tempfile::tempdir().unwrap();
        let mut moved = document("a", "one");
        moved.path = Some("elsewhere".into());
        let documents = [
            ("filings", document("a", "one")),
            ("filings", moved),
            ("filings", document("a", "other")),
        ];
        let (docs, manifest) = write(folder.path(), &documents, 1 << 20).unwrap();
        assert_eq!(manifest.num_documents(), 1);
        let list = |name: &str| std::fs::read_to_string(docs.join(name)).unwrap();
        let (skipped, rejected) = (list("skipped.jsonl"), list("rejected.jsonl"));
        assert!(skipped.contains("duplicate") && skipped.contains("input-1") && skipped.contains("input-0"));
        assert!(
            rejected.contains("different content")
                && rejected.contains("input-2")
                && rejected.contains("input-0")
        );
        assert_eq!(skipped.lines().count() + rejected.lines().count(), 2);
    }

    #[test]
    fn a_folder_without_a_document_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(
            write(folder.path(), &[], 1),
            Err(CorpusError::NoDocuments { .. })
        ));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_damaged_or_cut_documents_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let documents = [("filings", document("a", &"text ".repeat(100_000)))];
        let (docs, manifest) = write(folder.path(), &documents, 1).unwrap();
        let path = docs.join(&manifest.files[0].name);
        let mut bytes = std::fs::read(&path).unwrap();
        let put = |bytes: &[u8]| {
            std::fs::remove_file(&path).unwrap();
            durable::commit_bytes(&DISK, &path, bytes).unwrap();
        };
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        put(&bytes);
        let damaged = DocumentReader::open(&docs)
            .unwrap()
            .collect::<Result<Vec<_>, _>>();
        assert!(
            matches!(damaged, Err(CorpusError::DamagedDocs { line: 1, .. })),
            "{damaged:?}"
        );
        put(&bytes[..middle]);
        assert!(matches!(
            DocumentReader::open(&docs),
            Err(CorpusError::NotDocs { .. })
        ));
    }

    #[test]
    fn the_dataset_card_names_the_fields_of_a_document_in_order() {
        let stated = DATASET_CARD
            .1
            .lines()
            .filter_map(|line| line.strip_prefix("  - name: "));
        let json = serde_json::to_string(&Document::default()).unwrap();
        let fields: Vec<&str> = json
            .split([',', '{'])
            .filter_map(|field| field.trim_matches('"').split_once("\":"))
            .map(|(name, _)| name)
            .collect();
        assert_eq!(stated.collect::<Vec<_>>(), fields);
    }
}
