//! Writes a documents folder: documents files that roll over at a size, the lists of what was
//! skipped and rejected, the manifest last. It does not read inputs.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{BufWriter, Write};

use durable::{DurableError, FileName, Operation, Sha256Writer, StagedDir, StorageFile};
use serde::Serialize;

use crate::error::DocumentsError;
use crate::left_out::LeftOut;
use crate::manifest::{
    DOCS_FORMAT_VERSION, DOCS_MANIFEST, DocsFile, DocsManifest, INPUTS_LIST, InputFile, Inputs,
};

/// A documents file is closed when its JSON has reached this size: large enough to compress well,
/// small enough to be read by several machines.
const DOCS_FILE_BYTES: u64 = 1 << 30;

/// Tells Hugging Face `datasets` the files and the type of each field.
const DATASET_CARD: (&str, &str) = ("README.md", include_str!("dataset_card.md"));

/// zstd's own default: smaller files cost more time than they save here.
const COMPRESSION_LEVEL: i32 = 3;

/// Reasons that are counted each by itself in the manifest, which is read whole.
const MOST_REASONS: usize = 10_000;
/// All others.
const OTHER_REASONS: &str = "other reasons, as they are listed";

/// Names of markup that are counted each by itself, for the same reason; a wiki has some hundred thousand.
const MOST_MARKUP_NAMES: usize = 10_000;
/// All others.
const OTHER_MARKUP: &str = "(other names)";

/// Writes a documents folder: what is handed over goes to its files in order.
pub struct DocsWriter<'a> {
    staged: &'a StagedDir<'a>,
    skipped: Log<'a>,
    rejected: Log<'a>,
    current: Option<FileBeingWritten>,
    /// JSON after which a file is closed.
    file_bytes: u64,
    files: Vec<DocsFile>,
    documents: BTreeMap<String, u64>,
    markup_left_out: BTreeMap<String, u64>,
    inputs: InputsList,
}

struct FileBeingWritten {
    series: &'static str,
    name: FileName,
    documents: u64,
    json_bytes: u64,
    encoder: zstd::Encoder<'static, Sha256Writer<Box<dyn StorageFile>>>,
}

/// The list of the inputs.
struct InputsList {
    file: BufWriter<Sha256Writer<Box<dyn StorageFile>>>,
    counted: Inputs,
}

struct Log<'a> {
    staged: &'a StagedDir<'a>,
    name: &'static str,
    file: BufWriter<Box<dyn StorageFile>>,
    by_reason: BTreeMap<String, u64>,
}

impl fmt::Debug for DocsWriter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DocsWriter").finish_non_exhaustive()
    }
}

impl<'a> DocsWriter<'a> {
    /// Begins the folder.
    ///
    /// # Errors
    /// [`DocumentsError::Durable`].
    pub fn create(staged: &'a StagedDir<'a>) -> Result<Self, DocumentsError> {
        Ok(Self {
            staged,
            skipped: Log::create(staged, "skipped.jsonl")?,
            rejected: Log::create(staged, "rejected.jsonl")?,
            current: None,
            file_bytes: DOCS_FILE_BYTES,
            files: Vec::new(),
            documents: BTreeMap::new(),
            markup_left_out: BTreeMap::new(),
            inputs: InputsList {
                file: BufWriter::new(Sha256Writer::new(staged.create_file(INPUTS_LIST)?)),
                counted: Inputs::default(),
            },
        })
    }

    /// Lists an input.
    ///
    /// # Errors
    /// [`DocumentsError::Durable`].
    pub fn input(&mut self, input: &InputFile) -> Result<(), DocumentsError> {
        let line = json_line(input)?;
        let written = self.inputs.file.write_all(&line);
        written.map_err(|source| write_error(self.staged, INPUTS_LIST, source))?;
        self.inputs.counted.files += 1;
        self.inputs.counted.bytes += input.bytes;
        Ok(())
    }

    /// Takes a document as a line of JSON. Files are named after their `series`, and a new one begins with
    /// each; `source` is the document's, for the counts.
    ///
    /// # Errors
    /// [`DocumentsError::Durable`].
    pub fn write(&mut self, series: &'static str, source: &str, json: &[u8]) -> Result<(), DocumentsError> {
        self.append(series, json)?;
        match self.documents.get_mut(source) {
            Some(documents) => *documents += 1,
            None => drop(self.documents.insert(source.to_owned(), 1)),
        }
        Ok(())
    }

    /// Counts markup of a document's text that left nothing in it, by name.
    pub fn leave_out_markup(&mut self, markup: &BTreeMap<String, u64>) {
        for (name, count) in markup {
            let is_known = self.markup_left_out.contains_key(name);
            let is_counted_alone = is_known || self.markup_left_out.len() < MOST_MARKUP_NAMES;
            let name = if is_counted_alone { name } else { OTHER_MARKUP };
            *self.markup_left_out.entry(name.to_owned()).or_default() += count;
        }
    }

    /// Lists what was left out on purpose.
    ///
    /// # Errors
    /// [`DocumentsError::Durable`].
    pub fn skip(&mut self, left_out: &LeftOut) -> Result<(), DocumentsError> {
        self.skipped.write(left_out)
    }

    /// Lists what could not be used.
    ///
    /// # Errors
    /// [`DocumentsError::Durable`].
    pub fn reject(&mut self, left_out: &LeftOut) -> Result<(), DocumentsError> {
        self.rejected.write(left_out)
    }

    /// Closes all files and writes the manifest.
    ///
    /// # Errors
    /// [`DocumentsError::NoDocuments`] when there is none; [`DocumentsError::Durable`].
    pub fn finish(mut self) -> Result<(), DocumentsError> {
        self.close_file()?;
        let inputs = self.inputs.finish(self.staged)?;
        let manifest = DocsManifest {
            format_version: DOCS_FORMAT_VERSION,
            program_version: env!("CARGO_PKG_VERSION").to_owned(),
            files: self.files,
            documents: self.documents,
            skipped: self.skipped.finish()?,
            rejected: self.rejected.finish()?,
            markup_left_out: self.markup_left_out,
            inputs,
        };
        if manifest.num_documents() == 0 {
            return Err(DocumentsError::NoDocuments {
                inputs: manifest.inputs.files,
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

    fn append(&mut self, series: &'static str, json: &[u8]) -> Result<(), DocumentsError> {
        let is_full = |file: &FileBeingWritten| file.series != series || file.json_bytes >= self.file_bytes;
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

    fn open_file(&self, series: &'static str) -> Result<FileBeingWritten, DocumentsError> {
        let index = self
            .files
            .iter()
            .filter(|file| file.name.starts_with(series))
            .count();
        let name = FileName::new(format!("{series}-{index:05}.jsonl.zst"))?;
        let encoder = || {
            let file = self.staged.create_file(&name)?;
            let mut encoder = zstd::Encoder::new(Sha256Writer::new(file), COMPRESSION_LEVEL)
                .map_err(|source| write_error(self.staged, &name, source))?;
            encoder
                .include_checksum(true)
                .map_err(|source| write_error(self.staged, &name, source))?;
            Ok::<_, DocumentsError>(encoder)
        };
        Ok(FileBeingWritten {
            series,
            encoder: encoder()?,
            name,
            documents: 0,
            json_bytes: 0,
        })
    }

    fn close_file(&mut self) -> Result<(), DocumentsError> {
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

impl InputsList {
    fn finish(self, staged: &StagedDir<'_>) -> Result<Inputs, DocumentsError> {
        let file = self
            .file
            .into_inner()
            .map_err(std::io::IntoInnerError::into_error);
        let file = file.map_err(|source| write_error(staged, INPUTS_LIST, source))?;
        let (_, sha256, _) = file.finish();
        Ok(Inputs {
            sha256,
            ..self.counted
        })
    }
}

impl<'a> Log<'a> {
    fn create(staged: &'a StagedDir<'a>, name: &'static str) -> Result<Self, DocumentsError> {
        let file = BufWriter::new(staged.create_file(name)?);
        Ok(Self {
            staged,
            name,
            file,
            by_reason: BTreeMap::new(),
        })
    }

    fn write(&mut self, left_out: &LeftOut) -> Result<(), DocumentsError> {
        let is_full = self.by_reason.len() >= MOST_REASONS;
        match self.by_reason.get_mut(&left_out.reason) {
            Some(count) => *count += 1,
            None if is_full => *self.by_reason.entry(OTHER_REASONS.to_owned()).or_default() += 1,
            None => drop(self.by_reason.insert(left_out.reason.clone(), 1)),
        }
        self.file
            .write_all(&json_line(left_out)?)
            .map_err(|source| write_error(self.staged, self.name, source))
    }

    fn finish(mut self) -> Result<BTreeMap<String, u64>, DocumentsError> {
        self.file
            .flush()
            .map_err(|source| write_error(self.staged, self.name, source))?;
        Ok(self.by_reason)
    }
}

/// A value as a line of JSON.
///
/// # Errors
/// [`DocumentsError::Json`].
pub fn json_line(value: &impl Serialize) -> Result<Vec<u8>, DocumentsError> {
    let mut line = serde_json::to_vec(value).map_err(|source| DocumentsError::Json { source })?;
    line.push(b'\n');
    Ok(line)
}

fn reasons(manifest: &DocsManifest) -> String {
    let all = manifest.rejected.iter().chain(&manifest.skipped);
    let mut reasons: Vec<String> = all.map(|(reason, count)| format!("{count} x {reason}")).collect();
    reasons.truncate(5);
    reasons.join("; ")
}

fn write_json(staged: &StagedDir<'_>, name: &str, value: &impl Serialize) -> Result<(), DocumentsError> {
    let mut text = serde_json::to_vec_pretty(value).map_err(|source| DocumentsError::Json { source })?;
    text.push(b'\n');
    Ok(staged.write_file(name, |file| file.write_all(&text))?)
}

fn write_error(staged: &StagedDir<'_>, name: &str, source: std::io::Error) -> DocumentsError {
    DurableError::new(Operation::Write, &staged.target().join(name), source).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{Block, BlockKind, Document, Section, SectionEvidence, SectionStatus, TableRange};
    use crate::reader::DocumentReader;
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
    ) -> Result<(PathBuf, DocsManifest), DocumentsError> {
        let docs = folder.join("docs");
        commit_dir(&DISK, &docs, |staged: &StagedDir<'_>| {
            let mut writer = DocsWriter::create(staged)?;
            writer.file_bytes = file_bytes;
            for (index, (series, document)) in documents.iter().enumerate() {
                let path = format!("input-{index}");
                writer.input(&InputFile {
                    path,
                    bytes: 10,
                    sha256: String::new(),
                })?;
                writer.write(series, &document.source, &json_line(document)?)?;
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
    fn inputs_are_counted_in_the_manifest_and_listed_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let documents = [
            ("filings", document("a", "one")),
            ("filings", document("b", "two")),
        ];
        let (docs, manifest) = write(folder.path(), &documents, 1 << 20).unwrap();
        let list = std::fs::read(docs.join(INPUTS_LIST)).unwrap();
        let expected = Inputs {
            files: 2,
            bytes: 20,
            sha256: durable::sha256_hex(&list),
        };
        assert_eq!(manifest.inputs, expected);
        let lines: Vec<InputFile> = list
            .split_inclusive(|byte| *byte == b'\n')
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect();
        assert_eq!(lines[1].path, "input-1");
    }

    #[test]
    fn a_folder_without_a_document_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(
            write(folder.path(), &[], 1),
            Err(DocumentsError::NoDocuments { .. })
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
            matches!(damaged, Err(DocumentsError::DamagedDocs { line: 1, .. })),
            "{damaged:?}"
        );
        put(&bytes[..middle]);
        assert!(matches!(
            DocumentReader::open(&docs),
            Err(DocumentsError::NotDocs { .. })
        ));
    }

    #[test]
    fn a_manifest_that_names_a_file_outside_of_the_folder_or_one_twice_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (docs, manifest) = write(folder.path(), &[("filings", document("a", "one"))], 1).unwrap();
        let (own, outside) = (docs.join(&manifest.files[0].name), folder.path().join("a.zst"));
        std::fs::copy(own, &outside).unwrap();
        let refused = |edit: &dyn Fn(&mut serde_json::Value)| {
            let mut edited = serde_json::to_value(&manifest).unwrap();
            edit(&mut edited["files"]);
            durable::commit_bytes(
                &durable::DISK,
                &docs.join(DOCS_MANIFEST),
                edited.to_string().as_bytes(),
            )
            .unwrap();
            DocumentReader::open(&docs).unwrap_err().to_string()
        };
        for name in [
            "../a.zst",
            &outside.display().to_string(),
            ".",
            "",
            "x/../../a.zst",
        ] {
            let message = refused(&|files| files[0]["name"] = name.into());
            assert!(message.contains("is not the name of a file"), "{message}");
        }
        let twice = |files: &mut serde_json::Value| {
            let first = files[0].clone();
            files.as_array_mut().unwrap().push(first);
        };
        assert!(refused(&twice).contains("twice"));
    }

    #[test]
    fn the_dataset_card_names_the_fields_of_a_document_in_order() {
        let stated = DATASET_CARD
            .1
            .lines()
            .filter_map(|line| line.trim_start().strip_prefix("- name: "));
        let section = Section {
            item: "1A".into(),
            status: SectionStatus::Found,
            with: vec!["7".into()],
            first_block: 0,
            end_block: 1,
            evidence: Some(SectionEvidence {
                heading: "Item 1A".into(),
                block: 0,
                score: 100,
            }),
        };
        let document = Document {
            sections: vec![section],
            tables: vec![TableRange {
                first_block: 0,
                end_block: 1,
            }],
            ..document("a", "oak")
        };
        let json = serde_json::to_string(&document).unwrap();
        let fields: Vec<&str> = json
            .split([',', '{'])
            .filter_map(|field| field.trim_matches('"').split_once("\":"))
            .map(|(name, _)| name)
            .collect();
        assert_eq!(stated.collect::<Vec<_>>(), fields);
    }
}
