//! Small shards and corpora for this crate's tests.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use durable::DISK;
use proptest::prelude::*;
use serde_json::json;

use crate::{
    Balance, DocumentRow, DocumentsWriter, HeldOut, HeldOutFile, Manifest, ShardEntry, ShardReader,
    ShardSummary, ShardWriter, SourceCounts, SourceRange, TokenWidth, held_out_name, shard_name,
};

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
    let mut bytes = std::fs::read(path).unwrap();
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
    let mut rows = DocumentsWriter::create(&DISK, folder).unwrap();
    let num_shards = u32::try_from(shards.len()).unwrap();
    let entries: Vec<ShardEntry> = (0..)
        .zip(shards)
        .map(|(index, documents)| write_entry(folder, index, num_shards, documents, &mut rows))
        .collect();
    let mut files = BTreeMap::new();
    for (source, documents) in held_out {
        let name = held_out_name(source);
        let mut writer = ShardWriter::create(&DISK, &folder.join(&name), TokenWidth::U16).unwrap();
        for (number, document) in documents.iter().enumerate() {
            for block in document {
                writer.push_block(block).unwrap();
            }
            let span = writer.end_document().unwrap();
            rows.push(&DocumentRow::new(
                format!("{source}-held-out-{number}"),
                *source,
                None,
                &span,
            ))
            .unwrap();
        }
        files.insert(
            (*source).to_owned(),
            HeldOutFile::new(name, &writer.finish().unwrap()),
        );
    }
    let mut manifest = manifest_of(entries, rows.finish().unwrap());
    manifest.held_out = HeldOut {
        rule: "whole companies".to_owned(),
        seed: Some(1),
        fraction: 0.01,
        sources: files,
    };
    manifest.write(&DISK, folder).unwrap();
    manifest
}

fn write_entry(
    folder: &Path,
    index: u32,
    num_shards: u32,
    documents: &[(&'static str, Blocks)],
    rows: &mut DocumentsWriter<'_>,
) -> ShardEntry {
    let name = shard_name(index, num_shards);
    let mut writer = ShardWriter::create(&DISK, &folder.join(&name), TokenWidth::U16).unwrap();
    let mut by_source: BTreeMap<String, SourceRange> = BTreeMap::new();
    for (source, blocks) in documents {
        for block in blocks {
            writer.push_block(block).unwrap();
        }
        let span = writer.end_document().unwrap();
        let id = format!("doc-{index}-{}", span.document);
        rows.push(&DocumentRow::new(id, *source, Some(index), &span))
            .unwrap();
        let start = SourceRange {
            first_document: span.document.into(),
            first_block: span.first_block,
            ..SourceRange::default()
        };
        let range = by_source.entry((*source).to_owned()).or_insert(start);
        range.documents += 1;
        range.blocks += span.blocks;
        range.tokens += span.tokens;
    }
    ShardEntry::new(name, &writer.finish().unwrap(), by_source)
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

fn manifest_of(shards: Vec<ShardEntry>, documents_file: crate::DocumentsFile) -> Manifest {
    let mut sources: BTreeMap<String, SourceCounts> = BTreeMap::new();
    for (source, range) in shards.iter().flat_map(|shard| &shard.by_source) {
        let counts = sources.entry(source.clone()).or_default();
        counts.documents += range.documents;
        counts.blocks += range.blocks;
        counts.tokens += range.tokens;
    }
    Manifest {
        format_version: 0,
        kind: String::new(),
        corpus_hash: String::new(),
        tokenizer_hash: "0".repeat(64),
        vocab_size: 300,
        newline_token: 5,
        token_width: TokenWidth::U16,
        num_shards: u32::try_from(shards.len()).unwrap(),
        shards,
        balance: Balance::default(),
        largest_document_tokens: 10,
        sources,
        held_out: HeldOut::default(),
        filed_earliest: Some("2019-01-02".to_owned()),
        filed_latest: Some("2020-03-04".to_owned()),
        documents_file,
        made_from: json!({"program": "test"}),
        ..Manifest::default()
    }
}
