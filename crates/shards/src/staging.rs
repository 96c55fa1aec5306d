//! Copies a corpus to a disk of this machine: each file checked against its hash, whole or absent.
//!
//! What is there already and right is kept, so a copy that was stopped goes on and a second one
//! only reads. The manifest comes last. Who may copy, and when, is the caller's business.

use std::io::{self, Read, Write};
use std::path::Path;

use durable::{
    DurableError, MOST_JSON_BYTES, Operation, Sha256Writer, Storage, commit_bytes, commit_file, open_file,
    read_file, remove_all_partials, sha256_file,
};
use serde::{Deserialize, Serialize};

use crate::error::Damage;
use crate::{Corpus, MANIFEST_FILE, Packing, ShardError, TOKENIZER_FOLDER};

const COPY_BYTES: usize = 1 << 20;

/// What [`stage`] found and did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageReport {
    /// Files that were copied, damaged ones included.
    pub copied_files: u64,
    /// Their bytes.
    pub copied_bytes: u64,
    /// Files that were there and right.
    pub kept_files: u64,
    /// Their bytes.
    pub kept_bytes: u64,
    /// Files that were there and not what they should be; each was copied again.
    pub damaged_files: u64,
}

impl StageReport {
    fn kept(&mut self, bytes: u64) {
        self.kept_files += 1;
        self.kept_bytes += bytes;
    }

    fn copied(&mut self, bytes: u64, was_there: bool) {
        self.copied_files += 1;
        self.copied_bytes += bytes;
        self.damaged_files += u64::from(was_there);
    }
}

/// Copies all that the manifest of `corpus` names, and `packings`, into the folder `to`, which then
/// opens as the same corpus.
///
/// For the one process that holds the lock of `to` ([`durable::FolderLock`]): it also removes what
/// killed ones left there. Processes that read an earlier copy keep the files that they have open.
///
/// # Errors
/// [`ShardError::Read`] or [`ShardError::Damaged`] for a bad file of the corpus;
/// [`ShardError::Durable`] where the disk does not take the copy.
pub fn stage(
    storage: &dyn Storage,
    corpus: &Corpus,
    packings: &[&Packing],
    to: &Path,
) -> Result<StageReport, ShardError> {
    remove_all_partials(storage, to)?;
    let tokenizer = to.join(TOKENIZER_FOLDER);
    if !corpus.manifest().tokenizer_files.is_empty() && !tokenizer.is_dir() {
        let created = storage.create_dir_all(&tokenizer);
        created.map_err(|source| DurableError::new(Operation::Create, &tokenizer, source))?;
    }
    let mut report = StageReport::default();
    for (name, sha256) in corpus.manifest().files() {
        let (from, to) = (corpus.folder().join(&name), to.join(&name));
        if to.exists() && sha256_file(&to)? == *sha256 {
            report.kept(length(&to)?);
            continue;
        }
        let was_there = to.exists();
        report.copied(copy(storage, &from, &to, Some(sha256))?, was_there);
    }
    for packing in packings {
        stage_packing(storage, packing, to, &mut report)?;
    }
    stage_manifest(storage, corpus, to)?;
    Ok(report)
}

/// A packing index has its hashes in itself.
fn stage_packing(
    storage: &dyn Storage,
    packing: &Packing,
    folder: &Path,
    report: &mut StageReport,
) -> Result<(), ShardError> {
    let Some(name) = packing.path().file_name() else {
        return Ok(());
    };
    let to = folder.join(name);
    let is_right = |path: &Path| {
        let there = Packing::open(path)?;
        there.verify()?;
        Ok::<bool, ShardError>(there.hash() == packing.hash())
    };
    let was_there = to.exists();
    if was_there && is_right(&to).unwrap_or(false) {
        report.kept(length(&to)?);
        return Ok(());
    }
    let bytes = copy(storage, packing.path(), &to, None)?;
    if !is_right(&to)? {
        return Err(damaged(packing.path()));
    }
    report.copied(bytes, was_there);
    Ok(())
}

fn stage_manifest(storage: &dyn Storage, corpus: &Corpus, folder: &Path) -> Result<(), ShardError> {
    let from = corpus.folder().join(MANIFEST_FILE);
    let to = folder.join(MANIFEST_FILE);
    let bytes = read_file(&from, MOST_JSON_BYTES).map_err(read_error(&from))?;
    if read_file(&to, MOST_JSON_BYTES).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    Ok(commit_bytes(storage, &to, &bytes)?)
}

/// Copies a file; it gets its name only when its contents have the hash. Returns its length.
fn copy(storage: &dyn Storage, from: &Path, to: &Path, sha256: Option<&str>) -> Result<u64, ShardError> {
    let mut source = open_file(from).map_err(read_error(from))?;
    let (mut bytes, mut bad_source) = (0, None);
    let committed = commit_file(storage, to, |file| {
        let mut writer = Sha256Writer::new(file);
        let mut buffer = vec![0; COPY_BYTES];
        loop {
            match source.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => writer.write_all(&buffer[..length])?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    bad_source = Some(read_error(from)(error));
                    return Err(io::Error::other("the source cannot be read"));
                }
            }
        }
        let (_, found, length) = writer.finish();
        bytes = length;
        if sha256.is_some_and(|expected| expected != found) {
            bad_source = Some(damaged(from));
            return Err(io::Error::other("the source is damaged"));
        }
        Ok(())
    });
    if let Some(error) = bad_source {
        return Err(error);
    }
    committed?;
    let protected = storage.set_read_only(to);
    protected.map_err(|source| DurableError::new(Operation::Protect, to, source))?;
    Ok(bytes)
}

fn length(path: &Path) -> Result<u64, ShardError> {
    let metadata = path.metadata().map_err(read_error(path))?;
    Ok(metadata.len())
}

fn read_error(path: &Path) -> impl Fn(io::Error) -> ShardError {
    move |source| ShardError::Read {
        path: path.to_path_buf(),
        source,
    }
}

fn damaged(file: &Path) -> ShardError {
    ShardError::Damaged {
        file: file.to_path_buf(),
        place: Damage::UNKNOWN,
    }
}

#[cfg(test)]
mod tests {
    use durable::testing::{Recorder, at_every_call};
    use durable::{DISK, sha256_hex};

    use super::*;
    use crate::small_corpus::{change, forge, mode_bits, placeholder, small_corpus};
    use crate::{Manifest, PackingMode, ReadMode, verify};

    /// The files of a folder with their contents, but for locks and what is being written.
    fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
        let mut files: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap())
            .filter(|entry| entry.path().is_file())
            .map(|entry| {
                (
                    entry.file_name().into_string().unwrap(),
                    std::fs::read(entry.path()).unwrap(),
                )
            })
            .collect();
        files.sort();
        files
    }

    /// A corpus with a packing index, and an empty folder.
    fn desk() -> (crate::small_corpus::SmallCorpus, tempfile::TempDir) {
        let small = small_corpus();
        let corpus = Corpus::open(&small.folder).unwrap();
        Packing::open_or_build(&DISK, &corpus, PackingMode::FullSentences, 16).unwrap();
        (small, tempfile::tempdir().unwrap())
    }

    fn stage_with(storage: &dyn Storage, folder: &Path, to: &Path) -> Result<StageReport, ShardError> {
        let corpus = Corpus::open(folder)?;
        let packing = Packing::open_or_build(&DISK, &corpus, PackingMode::FullSentences, 16)?;
        stage(storage, &corpus, &[&packing], to)
    }

    #[test]
    fn a_staged_corpus_is_the_same_files_and_a_second_staging_writes_nothing() {
        let (small, folder) = desk();
        let first = stage_with(&DISK, &small.folder, folder.path()).unwrap();
        assert_eq!(contents(&small.folder), contents(folder.path()));
        verify(folder.path(), |_, _| {}).unwrap();
        let corpus = Corpus::open_with(folder.path(), ReadMode::Pread).unwrap();
        assert_eq!(corpus.corpus_hash(), small.manifest.corpus_hash);
        assert_eq!(
            mode_bits(&folder.path().join("shard-00000-of-00004.bin")) & 0o222,
            0
        );
        // 4 shards and two held-out files of two each, the list of documents, the packing
        assert_eq!((first.copied_files, first.kept_files), (14, 0));

        let recorder = Recorder::default();
        let second = stage_with(&recorder, &small.folder, folder.path()).unwrap();
        assert_eq!((second.copied_files, second.kept_files), (0, 14));
        assert_eq!(second.kept_bytes, first.copied_bytes);
        assert!(recorder.calls().is_empty(), "{:?}", recorder.calls());
    }

    #[test]
    fn a_staged_file_that_is_damaged_or_gone_is_copied_again_and_counted() {
        let (small, folder) = desk();
        stage_with(&DISK, &small.folder, folder.path()).unwrap();
        let at = |name: &str| folder.path().join(name);
        change(&at("shard-00001-of-00004.bin"), |bytes| bytes[0] ^= 1);
        change(&at("packing-full-sentences-16.idx"), |bytes| bytes.truncate(3));
        std::fs::remove_file(at("documents.jsonl.zst")).unwrap();
        let again = stage_with(&DISK, &small.folder, folder.path()).unwrap();
        assert_eq!((again.copied_files, again.damaged_files), (3, 2));
        assert_eq!(contents(&small.folder), contents(folder.path()));
    }

    #[test]
    fn a_damaged_source_is_named_and_its_copy_gets_no_name() {
        let (small, folder) = desk();
        let bad = small.folder.join("shard-00001-of-00004.bin");
        change(&bad, |bytes| bytes[0] ^= 1);
        let error = stage_with(&DISK, &small.folder, folder.path()).unwrap_err();
        assert!(
            matches!(&error, ShardError::Damaged { file, .. } if *file == small.folder.join("shard-00001-of-00004.bin")),
            "{error}"
        );
        assert!(!folder.path().join("shard-00001-of-00004.bin").exists());
        assert!(!folder.path().join(MANIFEST_FILE).exists());
    }

    /// A manifest with the placeholder at one of the places of a name.
    fn with_placeholder(manifest: &Manifest, place: &str) -> Manifest {
        let mut manifest = manifest.clone();
        match place {
            "tokenizer" => drop(
                manifest
                    .tokenizer_files
                    .insert(placeholder(), sha256_hex(b"another")),
            ),
            "held-out" => manifest.held_out.sources.get_mut("10-K").unwrap().name = placeholder(),
            "shard" => manifest.shards[0].name = placeholder(),
            _ => manifest.documents_file.file = placeholder(),
        }
        manifest
    }

    #[test]
    fn a_foreign_corpus_cannot_name_a_file_outside_of_the_copy() {
        let desk = tempfile::tempdir().unwrap();
        let (to, victim) = (desk.path().join("staged"), desk.path().join("victim"));
        std::fs::create_dir(&to).unwrap();
        let absolute = victim.display().to_string();
        for name in [
            "../victim",
            "tokenizer/../../victim",
            ".lock",
            "..",
            "",
            "a\\victim",
            &absolute,
        ] {
            for place in ["tokenizer", "held-out", "shard", "documents"] {
                let small = small_corpus();
                // What would be copied is there, with its right hash.
                durable::commit_bytes(&DISK, &victim, b"another").unwrap();
                forge(&small.folder, &with_placeholder(&small.manifest, place), name);
                let error = stage_with(&DISK, &small.folder, &to).unwrap_err();
                let ShardError::Json { source, .. } = &error else {
                    panic!("{place} {name:?}: {error}");
                };
                assert!(
                    source.to_string().contains("is not the name of a file"),
                    "{source}"
                );
                assert_eq!(std::fs::read_dir(&to).unwrap().count(), 0, "{place} {name:?}");
            }
        }
        // It was the name: with another one the forged manifest is read.
        let small = small_corpus();
        forge(
            &small.folder,
            &with_placeholder(&small.manifest, "tokenizer"),
            "vocab.json",
        );
        Manifest::read(&small.folder).unwrap();
    }

    #[test]
    fn a_copy_that_fails_or_is_killed_at_any_call_goes_on_to_the_same_files() {
        let (small, _) = desk();
        let expected = contents(&small.folder);
        at_every_call(|storage| {
            // Two files are left to copy, and the manifest.
            let folder = tempfile::tempdir().unwrap();
            for (name, _) in &expected {
                std::fs::copy(small.folder.join(name), folder.path().join(name)).unwrap();
            }
            for name in ["shard-00001-of-00004.idx", "valid-10-K.bin", MANIFEST_FILE] {
                std::fs::remove_file(folder.path().join(name)).unwrap();
            }
            if let Err(error) = stage_with(storage, &small.folder, folder.path()) {
                assert!(matches!(error, ShardError::Durable(_)), "{error}");
            }
            // What this very process left beside is its own to write; another one removes it.
            let named = || {
                contents(folder.path())
                    .into_iter()
                    .filter(|(name, _)| !durable::is_partial(name))
            };
            for file in named() {
                assert!(expected.contains(&file), "{} is neither whole nor absent", file.0);
            }
            stage_with(&DISK, &small.folder, folder.path()).unwrap();
            assert!(named().eq(expected.iter().cloned()));
        });
    }
}
