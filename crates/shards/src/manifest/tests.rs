//! What a manifest says, how it is checked, and which ones are refused.

use std::path::Component;

use serde_json::json;

use super::*;
use crate::small_corpus::{change, forge, placeholder, small_corpus};

#[test]
fn a_manifest_reads_as_it_was_written() {
    let corpus = small_corpus();
    assert_eq!(Manifest::read(&corpus.folder).unwrap(), corpus.manifest);
}

#[test]
fn the_hash_covers_content_and_not_information() {
    let manifest = small_corpus().manifest;
    let other = Manifest {
        made_from: json!({"program": "another"}),
        ..manifest.clone()
    };
    assert_eq!(other.hash(), manifest.hash());
    let other = Manifest {
        newline_token: 6,
        ..manifest.clone()
    };
    assert_ne!(other.hash(), manifest.hash());
}

fn field_of(edit: impl FnOnce(&mut Manifest)) -> String {
    let corpus = small_corpus();
    let mut manifest = corpus.manifest;
    edit(&mut manifest);
    manifest.write(&durable::DISK, &corpus.folder).unwrap();
    match Manifest::read(&corpus.folder) {
        Err(ShardError::Manifest { field, .. }) => field,
        other => panic!("{other:?}"),
    }
}

#[test]
fn counts_that_do_not_add_up_are_named() {
    assert_eq!(field_of(|m| m.num_shards = 5), "num_shards");
    assert_eq!(field_of(|m| m.documents_file.rows += 1), "documents_file.rows");
    let counts = |m: &mut Manifest| m.sources.get_mut("wiki").unwrap().tokens += 1;
    assert_eq!(field_of(counts), "sources.wiki");
    assert_eq!(
        field_of(|m| m.sources.retain(|source, _| source != "10-K")),
        "sources.10-K"
    );
    assert_eq!(
        field_of(|m| m.shards[0].by_source.get_mut("wiki").unwrap().first_block += 1),
        "shards.shard-00000-of-00004.by_source.wiki"
    );
    assert!(field_of(|m| m.shards[1].tokens += 1).starts_with("shards.shard-00001-of-00004"));
}

#[test]
fn a_manifest_of_a_tebibyte_is_refused_before_memory_is_taken_for_it() {
    let corpus = small_corpus();
    let path = corpus.folder.join(MANIFEST_FILE);
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(1 << 40).unwrap();
    let ShardError::Read { path: named, source } = Manifest::read(&corpus.folder).unwrap_err() else {
        panic!("it cannot be read")
    };
    assert_eq!(named, path);
    assert!(source.to_string().contains("at most 67108864"), "{source}");
}

#[test]
fn a_manifest_that_would_be_refused_on_reading_is_not_written() {
    let corpus = small_corpus();
    let mut manifest = corpus.manifest.clone();
    manifest.made_from = json!("x".repeat(usize::try_from(durable::MOST_JSON_BYTES).unwrap()));
    let error = manifest.write(&durable::DISK, &corpus.folder).unwrap_err();
    assert!(error.to_string().contains("at most 67108864"), "{error}");
    assert_eq!(Manifest::read(&corpus.folder).unwrap(), corpus.manifest);
}

fn text_error(from: &str, to: &str) -> ShardError {
    let corpus = small_corpus();
    change(&corpus.folder.join(MANIFEST_FILE), |bytes| {
        let text = String::from_utf8(std::mem::take(bytes)).unwrap();
        assert!(text.contains(from));
        *bytes = text.replacen(from, to, 1).into_bytes();
    });
    Manifest::read(&corpus.folder).unwrap_err()
}

#[test]
fn an_edited_manifest_is_refused_by_its_hash() {
    let error = text_error("\"newline_token\": 5", "\"newline_token\": 6");
    assert!(matches!(error, ShardError::Manifest { field, .. } if field == "corpus_hash"));
}

#[test]
fn another_kind_or_version_or_key_is_refused() {
    let error = text_error("\"kind\": \"corpus\"", "\"kind\": \"docs\"");
    assert!(matches!(error, ShardError::Manifest { field, .. } if field == "kind"));
    let error = text_error("\"format_version\": 1", "\"format_version\": 2");
    assert!(matches!(error, ShardError::Manifest { field, .. } if field == "format_version"));
    let error = text_error("\"vocab_size\"", "\"vocabulary_size\"");
    assert!(matches!(error, ShardError::Json { .. }));
}

#[test]
fn balance_is_measured() {
    let mut manifest = small_corpus().manifest;
    assert_eq!(manifest.balance, Balance::WholeDocuments);
    let mut set = |tokens: [u64; 4], largest: u64| {
        manifest
            .shards
            .iter_mut()
            .zip(tokens)
            .for_each(|(shard, tokens)| shard.tokens = tokens);
        manifest.largest_document_tokens = largest;
        manifest.spread().balance()
    };
    assert_eq!(set([1000, 1010, 990, 1000], 20), Balance::WithinTwoPercent);
    assert_eq!(set([1000, 1011, 990, 999], 20), Balance::WholeDocuments);
    assert_eq!(set([1000, 1000, 1000, 1000], 21), Balance::WholeDocuments);
}

#[test]
fn two_entries_of_one_file_and_names_of_our_own_files_are_refused() {
    let cases = [
        ("valid-10-K_A", "the name of two files"),
        ("shard-00001-of-00004", "the name of two files"),
        ("packing-full-sentences-16", "the name of a file"),
    ];
    for (name, field) in cases {
        let corpus = small_corpus();
        let mut manifest = corpus.manifest;
        manifest.held_out.sources.get_mut("10-K").unwrap().name = placeholder();
        forge(&corpus.folder, &manifest, name);
        assert_field(Manifest::read(&corpus.folder), field);
    }
    for (name, field) in [
        ("manifest.json", "the name of a file"),
        ("tokenizer", "the name of a file"),
        ("valid-10-K.bin", "the name of two files"),
    ] {
        let corpus = small_corpus();
        let mut manifest = corpus.manifest;
        manifest.documents_file.file = placeholder();
        forge(&corpus.folder, &manifest, name);
        assert_field(Manifest::read(&corpus.folder), field);
        manifest.documents_file.file = durable::FileName::new(name).unwrap();
        assert_field(manifest.write(&durable::DISK, &corpus.folder), field);
    }
}

fn assert_field<T: std::fmt::Debug>(result: Result<T, ShardError>, expected: &str) {
    match result {
        Err(ShardError::Manifest { field, .. }) => assert_eq!(field, expected),
        other => panic!("{expected}: {other:?}"),
    }
}

#[test]
fn counts_whose_sum_is_too_large_are_refused_and_not_added() {
    let huge = |m: &mut Manifest| {
        for shard in &mut m.shards {
            shard.documents = u64::MAX;
            shard.tokens = u64::MAX;
        }
        let held_out = m.held_out.sources.values_mut();
        held_out.for_each(|file| file.documents = u64::MAX);
    };
    assert!(field_of(huge).starts_with("shards."));
    let ranges = |m: &mut Manifest| {
        for range in m.shards.iter_mut().flat_map(|shard| shard.by_source.values_mut()) {
            (range.documents, range.blocks, range.tokens) = (u64::MAX, u64::MAX, u64::MAX);
        }
    };
    assert!(field_of(ranges).starts_with("shards."));
}

#[test]
fn every_name_of_a_manifest_that_opens_is_a_file_in_its_folder() {
    let corpus = small_corpus();
    let mut manifest = corpus.manifest.clone();
    manifest.held_out.sources.get_mut("10-K").unwrap().name = placeholder();
    manifest.tokenizer_files.insert(placeholder(), String::new());
    let names = "[./\\\\a-c\0]{0,6}|\\PC{0,8}";
    let run = proptest::test_runner::TestRunner::default().run(&names, |name| {
        forge(&corpus.folder, &manifest, &name);
        let Ok(manifest) = Manifest::read(&corpus.folder) else {
            return Ok(());
        };
        for (file, _) in manifest.files() {
            let is_normal = |part| matches!(part, Component::Normal(_));
            let depth = if file.starts_with(TOKENIZER_FOLDER) { 2 } else { 1 };
            let depth_found = file.components().count();
            proptest::prop_assert!(
                file.components().all(is_normal) && depth_found == depth,
                "{file:?}"
            );
        }
        Ok(())
    });
    run.unwrap();
}
