//! A pipe under the name of any file of a corpus is refused at once, whoever reads the file.

use std::fs;
use std::path::Path;

use durable::DISK;
use durable::testing::{lay_pipe, within_a_minute};

use crate::small_corpus::{SmallCorpus, small_corpus};
use crate::{
    Corpus, MANIFEST_FILE, Manifest, Packing, PackingMode, ReadMode, ShardError, ShardReader,
    TOKENIZER_FOLDER, packing_name, stage, verify,
};

const LENGTH: u32 = 10;

/// A corpus with a tokenizer's file and a packing index, and the names of all of its files.
fn corpus() -> (SmallCorpus, Vec<String>) {
    let small = small_corpus();
    let tokenizer = small.folder.join(TOKENIZER_FOLDER);
    fs::create_dir(&tokenizer).unwrap();
    durable::commit_bytes(&DISK, &tokenizer.join("vocab.json"), b"{}").unwrap();
    let mut manifest = small.manifest.clone();
    let name = durable::FileName::new("vocab.json").unwrap();
    manifest.tokenizer_files = [(name, durable::sha256_hex(b"{}"))].into();
    manifest.write(&DISK, &small.folder).unwrap();
    let corpus = Corpus::open(&small.folder).unwrap();
    Packing::open_or_build(&DISK, &corpus, PackingMode::FullSentences, LENGTH).unwrap();
    let named = manifest.files();
    let mut files: Vec<String> = named
        .iter()
        .map(|(file, _)| file.to_string_lossy().into_owned())
        .collect();
    files.extend([packing_file(), MANIFEST_FILE.to_owned()]);
    (small, files)
}

fn packing_file() -> String {
    packing_name(PackingMode::FullSentences, LENGTH)
}

/// What `read` makes of a corpus with a pipe under the name of `file`.
fn with_pipe(file: &str, read: impl FnOnce(&Path) -> Result<(), ShardError> + Send + 'static) -> String {
    let (small, _) = corpus();
    lay_pipe(&small.folder.join(file)).unwrap();
    let folder = small.folder.clone();
    let error = within_a_minute(move || read(&folder)).unwrap_err();
    messages(&error)
}

fn messages(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

/// It names the file and says what lies there, or that its length is not the one of the file.
fn assert_names(file: &str, message: &str) {
    assert!(message.contains(file), "{file}: {message}");
    assert!(
        message.contains("it is a pipe") || message.contains("has 0 bytes"),
        "{file}: {message}"
    );
}

#[test]
fn opening_and_verifying_a_corpus_wait_for_no_pipe() {
    let (_, files) = corpus();
    assert_eq!(files.len(), 16, "{files:?}");
    for file in files {
        let message = with_pipe(&file, |folder| verify(folder, |_, _| {}).map(drop));
        assert_names(&file, &message);
    }
}

#[test]
fn each_reader_of_a_corpus_says_that_it_found_a_pipe() {
    let shard = |folder: &Path| folder.join("shard-00000-of-00004");
    for mode in [ReadMode::Mmap, ReadMode::Pread] {
        for file in ["shard-00000-of-00004.idx", "shard-00000-of-00004.bin"] {
            let message = with_pipe(file, move |folder| {
                ShardReader::open_with(&shard(folder), mode).map(drop)
            });
            assert!(
                message.contains(file) && message.contains("it is a pipe"),
                "{message}"
            );
        }
        let packing = packing_file();
        let message = with_pipe(&packing_file(), move |folder| {
            Packing::open_with(&folder.join(packing), mode).map(drop)
        });
        assert!(message.contains("it is a pipe"), "{message}");
    }
    let message = with_pipe(MANIFEST_FILE, |folder| Manifest::read(folder).map(drop));
    assert!(message.contains("it is a pipe"), "{message}");
    let message = with_pipe(crate::DOCUMENTS_FILE, |folder| {
        crate::DocumentsReader::open(&folder.join(crate::DOCUMENTS_FILE)).map(drop)
    });
    assert!(message.contains("it is a pipe"), "{message}");
}

/// What copying a corpus says when there is a pipe under the name of `file` in one of the two folders.
fn staged(file: &str, is_in_copy: bool) -> Result<(), String> {
    let (small, copy) = (corpus().0, tempfile::tempdir().unwrap());
    let to = copy.path().to_path_buf();
    let opened = Corpus::open(&small.folder).unwrap();
    let packing = Packing::open(&small.folder.join(packing_file())).unwrap();
    let place = if is_in_copy { &to } else { &small.folder }.join(file);
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    lay_pipe(&place).unwrap();
    let result = within_a_minute(move || stage(&DISK, &opened, &[&packing], &to).map(drop));
    result.map_err(|error| messages(&error))
}

#[test]
fn staging_waits_for_no_pipe_in_the_corpus_and_for_none_in_the_copy() {
    let (_, files) = corpus();
    for file in &files {
        let message = staged(file, false).unwrap_err();
        assert!(
            message.contains(file) && message.contains("it is a pipe"),
            "{message}"
        );
        match staged(file, true) {
            Err(message) => {
                assert!(
                    message.contains(file) && message.contains("it is a pipe"),
                    "{message}"
                );
            }
            // They are written anew when they are not the same.
            Ok(()) => assert!(
                [packing_file(), MANIFEST_FILE.to_owned()].contains(file),
                "{file}"
            ),
        }
    }
}
