//! Small shards and corpora for this crate's tests.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use durable::DISK;
use proptest::prelude::*;
use serde_json::json;

use crate::testing::{CorpusBuilder, TestDocument};
use crate::{HeldOut, Manifest, ShardReader, ShardSummary, ShardWriter, TokenWidth};

/// A document as the tokens of its blocks.
pub(crate) type Blocks = Vec<Vec<u32>>;

pub(crate) fn write_shard(path: &Path, width: TokenWidth, documents: &[Blocks]) -> ShardSummary {
    let mut writer = ShardWriter::create(&DISK, path, width).unwrap();
    for document in documents {
        for block in document {
            writer.push_block(block).unwrap();
        }
        writer.end_document().unwrap();
    }
    writer.finish().unwrap()
}

/// A shard of 16-bit tokens in a folder of its own.
pub(crate) fn shard_of(documents: &[Blocks]) -> (tempfile::TempDir, ShardReader) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shard");
    write_shard(&path, TokenWidth::U16, documents);
    (folder, ShardReader::open(&path).unwrap())
}

/// Documents with block lengths around multiples of a small capacity, every token different.
pub(crate) fn documents(max_block: usize) -> impl Strategy<Value = Vec<Blocks>> {
    let lengths = prop::collection::vec(prop::collection::vec(1..=max_block, 0..6), 0..8);
    lengths.prop_map(|documents| numbered(&documents))
}

/// Blocks of the given lengths, filled with 10, 11, 12 ...
pub(crate) fn numbered(documents: &[Vec<usize>]) -> Vec<Blocks> {
    let mut next = 10;
    let mut block = |length: usize| {
        let tokens: Vec<u32> = (next..).take(length).collect();
        next += u32::try_from(length).unwrap();
        tokens
    };
    documents
        .iter()
        .map(|lengths| lengths.iter().map(|&length| block(length)).collect())
        .collect()
}

/// Replaces a file that is read-only by other bytes.
pub(crate) fn change(path: &Path, edit: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = durable::read_file(path, u64::MAX).unwrap();
    edit(&mut bytes);
    durable::commit_bytes(&DISK, path, &bytes).unwrap();
}

pub(crate) fn mode_bits(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// A corpus of four shards (the third is empty) and three sources, with two held-out files.
pub(crate) struct SmallCorpus {
    _root: tempfile::TempDir,
    pub(crate) folder: PathBuf,
    pub(crate) manifest: Manifest,
    /// By shard: source and blocks of each document in order.
    pub(crate) shards: Vec<Vec<(&'static str, Blocks)>>,
}

pub(crate) fn small_corpus() -> SmallCorpus {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().to_path_buf();
    let mut blocks = numbered(&[
        vec![3, 5],
        vec![7],
        vec![2, 2],
        vec![9, 1],
        vec![4],
        vec![],
        vec![6],
    ]);
    let mut next = || blocks.remove(0);
    let shards = vec![
        vec![("10-K", next()), ("10-K", next()), ("wiki", next())],
        vec![("10-K/A", next()), ("wiki", next())],
        vec![],
        vec![("10-K", next()), ("wiki", next())],
    ];
    let held_out = [
        ("10-K", numbered(&[vec![3], vec![4]])),
        ("10-K/A", numbered(&[vec![2]])),
    ];
    let manifest = write_corpus(&folder, &shards, &held_out);
    SmallCorpus {
        _root: root,
        folder,
        manifest,
        shards,
    }
}

fn write_corpus(
    folder: &Path,
    shards: &[Vec<(&'static str, Blocks)>],
    held_out: &[(&'static str, Vec<Blocks>)],
) -> Manifest {
    let mut builder = CorpusBuilder::new(folder, u32::try_from(shards.len()).unwrap());
    for (index, documents) in shards.iter().enumerate() {
        let documents = documents.iter().enumerate();
        let documents: Vec<_> = documents
            .map(|(number, (source, blocks))| document(format!("doc-{index}-{number}"), source, blocks))
            .collect();
        builder = builder.shard(&documents);
    }
    for (source, documents) in held_out {
        let documents = documents.iter().enumerate();
        let documents: Vec<_> = documents
            .map(|(number, blocks)| document(format!("{source}-held-out-{number}"), source, blocks))
            .collect();
        builder = builder.held_out(source, &documents);
    }
    builder.finish(Manifest {
        tokenizer_hash: "0".repeat(64),
        vocab_size: 300,
        newline_token: 5,
        largest_document_tokens: 10,
        held_out: HeldOut {
            rule: "whole companies".to_owned(),
            seed: Some(1),
            fraction: 0.01,
            ..HeldOut::default()
        },
        filed_earliest: Some("2019-01-02".to_owned()),
        filed_latest: Some("2020-03-04".to_owned()),
        made_from: json!({"program": "test"}),
        ..Manifest::default()
    })
}

fn document(id: String, source: &str, blocks: &Blocks) -> TestDocument {
    TestDocument {
        id,
        source: source.to_owned(),
        blocks: blocks.clone(),
    }
}

/// The name in a manifest that [`forge`] replaces.
pub(crate) fn placeholder() -> durable::FileName {
    durable::FileName::new("placeholder").unwrap()
}

/// Writes `manifest` with `name` in the place of the placeholder, and with the hash that it has then:
/// what somebody can do who knows the format.
pub(crate) fn forge(folder: &Path, manifest: &Manifest, name: &str) {
    let text = |manifest: &Manifest| {
        let text = serde_json::to_string(manifest).unwrap();
        text.replace("\"placeholder\"", &json!(name).to_string())
    };
    let content = Manifest {
        corpus_hash: String::new(),
        made_from: serde_json::Value::Null,
        ..manifest.clone()
    };
    let forged = Manifest {
        corpus_hash: durable::sha256_hex(text(&content).as_bytes()),
        ..manifest.clone()
    };
    let path = folder.join(crate::MANIFEST_FILE);
    durable::commit_bytes(&DISK, &path, text(&forged).as_bytes()).unwrap();
}
