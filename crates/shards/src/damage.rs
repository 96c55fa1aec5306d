//! Verifies a corpus folder: every byte is hashed, and damage is traced to a document.

use std::path::Path;

use durable::sha256_file;
use xxhash_rust::xxh3::Xxh3Default;

use crate::error::Damage;
use crate::format::HEADER_BYTES;
use crate::writer::with_extension;
use crate::{Corpus, DocumentRow, Packing, ShardError, ShardReader, TOKENIZER_FOLDER};

/// What [`verify`] has read and found sound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Shards.
    pub shards: u64,
    /// Held-out files.
    pub held_out_files: u64,
    /// Packing indices in the folder.
    pub packings: u64,
    /// Files of the tokenizer.
    pub tokenizer_files: u64,
    /// Documents, held-out ones included.
    pub documents: u64,
    /// Tokens, held-out ones included.
    pub tokens: u64,
    /// Bytes hashed.
    pub bytes: u64,
}

/// Hashes every file of a corpus folder. `progress` is told the name of each file when it is
/// done and its length in bytes.
///
/// # Errors
/// [`ShardError::Damaged`] for the first file whose contents differ, with the byte and the
/// document from which on; or any error of opening what is there.
pub fn verify(folder: &Path, mut progress: impl FnMut(&str, u64)) -> Result<VerifyReport, ShardError> {
    let corpus = Corpus::open(folder)?;
    let mut verifier = Verifier {
        corpus: &corpus,
        report: VerifyReport::default(),
        progress: &mut progress,
    };
    verifier.shards()?;
    verifier.held_out()?;
    verifier.documents()?;
    verifier.tokenizer()?;
    verifier.packings()?;
    Ok(verifier.report)
}

struct Verifier<'a> {
    corpus: &'a Corpus,
    report: VerifyReport,
    progress: &'a mut dyn FnMut(&str, u64),
}

impl Verifier<'_> {
    fn shards(&mut self) -> Result<(), ShardError> {
        for (index, entry) in (0..).zip(&self.corpus.manifest().shards) {
            let reader = self.corpus.shard(index)?;
            let row = |document| self.corpus.document_row(index, document);
            check_shard(reader, &entry.bin_sha256, &entry.idx_sha256, &row)?;
            self.report.shards += 1;
            self.count(&entry.name, reader, entry.blocks);
        }
        Ok(())
    }

    fn held_out(&mut self) -> Result<(), ShardError> {
        for (source, file) in &self.corpus.manifest().held_out.sources {
            let Some(reader) = self.corpus.held_out(source)? else {
                continue;
            };
            let row = |document| self.corpus.held_out_row(source, document);
            check_shard(&reader, &file.bin_sha256, &file.idx_sha256, &row)?;
            self.report.held_out_files += 1;
            self.count(&file.name, &reader, file.blocks);
        }
        Ok(())
    }

    fn count(&mut self, name: &str, reader: &ShardReader, blocks: u64) {
        let documents = reader.num_documents() as u64;
        let tokens = reader.num_tokens();
        let bytes = tokens * reader.width().bytes() as u64 + blocks * 12 + documents * 8;
        self.report.documents += documents;
        self.report.tokens += tokens;
        self.report.bytes += bytes;
        (self.progress)(name, bytes);
    }

    fn documents(&mut self) -> Result<(), ShardError> {
        let stated = &self.corpus.manifest().documents_file;
        let path = self.corpus.folder().join(&stated.file);
        if sha256_file(&path)? != stated.sha256 {
            let documents = self.corpus.documents();
            let bad = (0..documents.num_frames()).find(|&frame| documents.frame(frame).is_err());
            let offset_bytes = bad.and_then(|frame| documents.frame_offset(frame));
            let place = Damage {
                offset_bytes,
                document: None,
            };
            return Err(ShardError::Damaged { file: path, place });
        }
        self.report.bytes += stated.bytes;
        (self.progress)(&stated.file, stated.bytes);
        Ok(())
    }

    fn tokenizer(&mut self) -> Result<(), ShardError> {
        for (name, expected) in &self.corpus.manifest().tokenizer_files {
            let file = self.corpus.folder().join(TOKENIZER_FOLDER).join(name);
            let bytes = file.metadata().map_err(|source| ShardError::Read {
                path: file.clone(),
                source,
            })?;
            if sha256_file(&file)? != *expected {
                let place = Damage::UNKNOWN;
                return Err(ShardError::Damaged { file, place });
            }
            self.report.tokenizer_files += 1;
            self.report.bytes += bytes.len();
            (self.progress)(name, bytes.len());
        }
        Ok(())
    }

    fn packings(&mut self) -> Result<(), ShardError> {
        let folder = self.corpus.folder();
        let read = |source| ShardError::Read {
            path: folder.to_path_buf(),
            source,
        };
        let mut names = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(read)? {
            let name = entry.map_err(read)?.file_name().to_string_lossy().into_owned();
            if name.starts_with("packing-") && Path::new(&name).extension().is_some_and(|e| e == "idx") {
                names.push(name);
            }
        }
        names.sort();
        for name in names {
            let packing = Packing::open(&folder.join(&name))?;
            packing.check_corpus(self.corpus)?;
            packing.verify()?;
            self.report.packings += 1;
            (self.progress)(&name, packing.num_rows() as u64 * 16);
        }
        Ok(())
    }
}

type RowOf<'a> = dyn Fn(usize) -> Result<DocumentRow, ShardError> + 'a;

/// Hashes both files of a shard and traces a difference to the first damaged document.
fn check_shard(
    reader: &ShardReader,
    bin_sha256: &str,
    idx_sha256: &str,
    row_of: &RowOf<'_>,
) -> Result<(), ShardError> {
    let idx = with_extension(reader.path(), "idx");
    if sha256_file(&idx)? != idx_sha256 {
        let place = idx_damage(reader, row_of);
        return Err(ShardError::Damaged { file: idx, place });
    }
    let bin = with_extension(reader.path(), "bin");
    if sha256_file(&bin)? != bin_sha256 {
        let place = bin_damage(reader, row_of);
        return Err(ShardError::Damaged { file: bin, place });
    }
    Ok(())
}

/// The first document whose tokens are not those that were written; the `.idx` is sound.
fn bin_damage(reader: &ShardReader, row_of: &RowOf<'_>) -> Damage {
    let width = reader.width().bytes() as u64;
    for document in 0..reader.num_documents() {
        let Ok(row) = row_of(document) else { break };
        let blocks = reader.document_blocks(document);
        if checksum(reader, blocks).ok().as_ref() != Some(&row.checksum) {
            return Damage {
                offset_bytes: Some(row.token_offset * width),
                document: Some(row.id),
            };
        }
    }
    Damage::UNKNOWN
}

/// The first entry of the `.idx` that is not what the list of documents says. Its header, the
/// lengths' sum and the pointers were checked when it was opened; so what can differ is where a
/// document begins or ends, or how a document's tokens are cut into blocks.
fn idx_damage(reader: &ShardReader, row_of: &RowOf<'_>) -> Damage {
    let document_index_at = HEADER_BYTES + 12 * reader.num_blocks();
    for document in 0..reader.num_documents() {
        let Ok(row) = row_of(document) else { break };
        let blocks = reader.document_blocks(document);
        let end = row.first_block + row.blocks;
        let entry = if blocks.start as u64 != row.first_block {
            document_index_at + 8 * document
        } else if blocks.end as u64 != end {
            document_index_at + 8 * (document + 1)
        } else if checksum(reader, blocks.clone()).ok().as_ref() != Some(&row.checksum) {
            HEADER_BYTES + 4 * blocks.start
        } else {
            continue;
        };
        return Damage {
            offset_bytes: Some(entry as u64),
            document: Some(row.id),
        };
    }
    Damage::UNKNOWN
}

/// [`crate::DocumentSpan::checksum`] of blocks as they are on disk now.
fn checksum(reader: &ShardReader, blocks: std::ops::Range<usize>) -> Result<String, ShardError> {
    let mut hasher = Xxh3Default::new();
    for block in blocks {
        let length = i32::try_from(reader.block_length(block)).unwrap_or(i32::MAX);
        hasher.update(&length.to_le_bytes());
        hasher.update(&reader.block_bytes(block)?);
    }
    Ok(format!("{:016x}", hasher.digest()))
}

#[cfg(test)]
mod tests {
    use durable::DISK;

    use super::*;
    use crate::PackingMode;
    use crate::small_corpus::{change, small_corpus};

    fn damage(file: &str, edit: impl FnOnce(&mut Vec<u8>)) -> (String, Damage) {
        let small = small_corpus();
        change(&small.folder.join(file), edit);
        match verify(&small.folder, |_, _| {}) {
            Err(ShardError::Damaged { file, place }) => {
                (file.file_name().unwrap().to_string_lossy().into_owned(), place)
            }
            other => panic!("{other:?}"),
        }
    }

    fn place(offset_bytes: u64, document: &str) -> Damage {
        Damage {
            offset_bytes: Some(offset_bytes),
            document: Some(document.to_owned()),
        }
    }

    #[test]
    fn a_sound_corpus_is_counted() {
        let small = small_corpus();
        let corpus = Corpus::open(&small.folder).unwrap();
        Packing::open_or_build(&DISK, &corpus, PackingMode::FullSentences, 10).unwrap();
        let mut read = Vec::new();
        let report = verify(&small.folder, |name, bytes| read.push((name.to_owned(), bytes))).unwrap();
        assert_eq!((report.shards, report.held_out_files, report.packings), (4, 2, 1));
        assert_eq!(
            (report.documents, report.tokens),
            (10, small.manifest.num_tokens() + 9)
        );
        assert_eq!(read.len(), 8);
        let length = |name: &str, extension| {
            let path = with_extension(&small.folder.join(name), extension);
            std::fs::metadata(path).unwrap().len()
        };
        let data_files: Vec<_> = read.iter().filter(|(name, _)| !name.contains('.')).collect();
        assert_eq!(data_files.len(), 6);
        // An index begins with a header, and has the end of its last document besides.
        for (name, bytes) in data_files {
            let index = length(name, "idx") - crate::format::HEADER_BYTES as u64 - 8;
            assert_eq!(*bytes, length(name, "bin") + index, "{name}");
        }
    }

    #[test]
    fn a_changed_token_is_traced_to_its_document() {
        // the documents of shard 0 have 8, 7 and 4 tokens
        let found = damage("shard-00000-of-00004.bin", |bytes| bytes[2 * 14] ^= 1);
        assert_eq!(
            found,
            ("shard-00000-of-00004.bin".to_owned(), place(16, "doc-0-1"))
        );
        let found = damage("shard-00000-of-00004.bin", |bytes| bytes[0] ^= 0x80);
        assert_eq!(found.1, place(0, "doc-0-0"));
        let found = damage("valid-10-K.bin", |bytes| *bytes.last_mut().unwrap() ^= 1);
        assert_eq!(found, ("valid-10-K.bin".to_owned(), place(6, "10-K-held-out-1")));
    }

    #[test]
    fn the_first_of_several_damaged_files_and_of_its_documents_is_named() {
        let small = small_corpus();
        change(&small.folder.join("valid-10-K.bin"), |bytes| bytes[0] ^= 1);
        change(&small.folder.join("shard-00000-of-00004.bin"), |bytes| {
            bytes[2 * 17] ^= 1;
            bytes[2 * 14] ^= 1;
        });
        let error = verify(&small.folder, |_, _| {}).unwrap_err();
        let ShardError::Damaged { file, place: found } = &error else {
            panic!("{error}")
        };
        assert!(file.ends_with("shard-00000-of-00004.bin"), "{error}");
        assert_eq!(found, &place(16, "doc-0-1"));
    }

    #[test]
    fn damage_of_an_index_is_reported_as_the_index_at_its_own_offset() {
        // 5 blocks; document indices 0, 2, 3, 5 begin after the columns
        let index_at = 34 + 5 * 12;
        let name = "shard-00000-of-00004.idx".to_owned();
        let found = damage(&name, |bytes| bytes[index_at + 8] = 1);
        assert_eq!(found, (name.clone(), place(index_at as u64 + 8, "doc-0-0")));
        let found = damage(&name, |bytes| bytes[index_at + 16] = 4);
        assert_eq!(found, (name.clone(), place(index_at as u64 + 16, "doc-0-1")));
        // blocks of 3 and 5 tokens become 4 and 4, their second pointer with them
        let found = damage(&name, |bytes| {
            (bytes[34], bytes[38]) = (4, 4);
            bytes[34 + 5 * 4 + 8] = 8;
        });
        assert_eq!(found, (name, place(34, "doc-0-0")));
    }

    #[test]
    fn a_changed_file_of_the_tokenizer_is_named() {
        let small = small_corpus();
        let folder = small.folder.join(TOKENIZER_FOLDER);
        std::fs::create_dir(&folder).unwrap();
        durable::commit_bytes(&DISK, &folder.join("vocab.json"), b"{}").unwrap();
        let mut manifest = small.manifest.clone();
        manifest.tokenizer_files = [(
            durable::FileName::new("vocab.json").unwrap(),
            durable::sha256_hex(b"{}"),
        )]
        .into();
        manifest.write(&DISK, &small.folder).unwrap();
        assert_eq!(verify(&small.folder, |_, _| {}).unwrap().tokenizer_files, 1);
        change(&folder.join("vocab.json"), |bytes| bytes[0] = b'[');
        let error = verify(&small.folder, |_, _| {}).unwrap_err();
        assert!(
            matches!(&error, ShardError::Damaged { file, .. } if file.ends_with("tokenizer/vocab.json")),
            "{error}"
        );
        std::fs::remove_file(folder.join("vocab.json")).unwrap();
        assert!(matches!(
            verify(&small.folder, |_, _| {}),
            Err(ShardError::Read { path, .. }) if path.ends_with("vocab.json")
        ));
    }

    #[test]
    fn a_damaged_list_of_documents_is_named() {
        let (file, place) = damage("documents.jsonl.zst", |bytes| bytes[40] ^= 1);
        assert_eq!(file, "documents.jsonl.zst");
        assert_eq!(place.offset_bytes, Some(0));
    }

    #[test]
    fn the_message_says_where() {
        let error = ShardError::Damaged {
            file: "a.bin".into(),
            place: place(16, "doc"),
        };
        assert!(
            error
                .to_string()
                .contains("a.bin is damaged from byte 16 on, in document doc"),
            "{error}"
        );
    }
}
