//! Verifies a corpus folder: every byte is hashed, and damage is traced to a document.

use std::path::Path;

use durable::sha256_file;
use xxhash_rust::xxh3::Xxh3Default;

use crate::error::Damage;
use crate::writer::with_extension;
use crate::{Corpus, DocumentRow, Packing, ShardError, ShardReader};

/// What [`verify`] has read and found sound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Shards.
    pub shards: u64,
    /// Held-out files.
    pub held_out_files: u64,
    /// Packing indices in the folder.
    pub packings: u64,
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
    for (extension, expected) in [("bin", bin_sha256), ("idx", idx_sha256)] {
        let file = with_extension(reader.path(), extension);
        if sha256_file(&file)? != expected {
            return Err(ShardError::Damaged {
                file,
                place: first_damage(reader, row_of),
            });
        }
    }
    Ok(())
}

/// The first document whose blocks are not those that were written; the offset is in the
/// `.bin`.
fn first_damage(reader: &ShardReader, row_of: &RowOf<'_>) -> Damage {
    let width = reader.width().bytes() as u64;
    for document in 0..reader.num_documents() {
        let Ok(row) = row_of(document) else { break };
        let blocks = reader.document_blocks(document);
        let moved = (blocks.start as u64, blocks.len() as u64) != (row.first_block, row.blocks);
        if moved || checksum(reader, blocks).ok().as_ref() != Some(&row.checksum) {
            return Damage {
                offset_bytes: Some(row.token_offset * width),
                document: Some(row.id),
            };
        }
    }
    Damage {
        offset_bytes: None,
        document: None,
    }
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
    use crate::testing::{change, small_corpus};

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
        let mut names = Vec::new();
        let report = verify(&small.folder, |name, _| names.push(name.to_owned())).unwrap();
        assert_eq!((report.shards, report.held_out_files, report.packings), (4, 1, 1));
        assert_eq!(
            (report.documents, report.tokens),
            (9, small.manifest.num_tokens() + 7)
        );
        assert_eq!(names.len(), 7);
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
        assert_eq!(found, ("valid-10-K.bin".to_owned(), place(6, "held-out-1")));
    }

    #[test]
    fn a_moved_document_boundary_is_traced() {
        // 5 blocks; document indices 0, 2, 3, 5 begin after the columns
        let found = damage("shard-00000-of-00004.idx", |bytes| bytes[34 + 5 * 12 + 8] = 1);
        assert_eq!(
            found,
            ("shard-00000-of-00004.idx".to_owned(), place(0, "doc-0-0"))
        );
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
