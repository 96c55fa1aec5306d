//! A small corpus with its tokenizer for tests: two sources over two shards, one document of
//! each held out. Sentences follow a pattern, so that there is something to learn.

use std::{collections::BTreeMap, path::Path};

use durable::DISK;
use shards::{
    Balance, DocumentRow, DocumentSpan, DocumentsWriter, HeldOut, HeldOutFile, Manifest, ShardEntry,
    ShardWriter, SourceCounts, SourceRange, TokenWidth, held_out_name, shard_name,
};
use tokenizer::Tokenizer;

const NUM_SHARDS: u32 = 2;
const SOURCES: [&str; 2] = ["10-K", "wiki"];
const DOCUMENTS_A_SHARD: usize = 12;
const BLOCKS_A_DOCUMENT: usize = 9;
const MODEL_MAX_LENGTH: usize = 32;

/// Writes `FOLDER/corpus` and `FOLDER/tokenizer`.
pub(crate) fn write(folder: &Path) {
    let tokenizer = tokenizer::train((0..200).map(|number| sentence(number, number * 7)), 320).unwrap();
    let made_from = serde_json::Value::Null;
    tokenizer
        .save(&DISK, &folder.join("tokenizer"), MODEL_MAX_LENGTH, made_from)
        .unwrap();
    let corpus = folder.join("corpus");
    std::fs::create_dir(&corpus).unwrap();
    write_corpus(&corpus, &tokenizer);
}

fn sentence(document: usize, block: usize) -> String {
    let companies = ["Alder", "Birch", "Cedar", "Dogwood", "Elm"];
    let measures = ["revenue", "net income", "total assets", "gross margin"];
    let (company, measure) = (companies[document % 5], measures[block % 4]);
    let change = if document.is_multiple_of(2) {
        "increased"
    } else {
        "decreased"
    };
    format!(
        "The {measure} of {company} {change} by {} percent.",
        (document * 13 + block * 5) % 40
    )
}

fn write_corpus(folder: &Path, tokenizer: &Tokenizer) {
    let mut documents = DocumentsWriter::create(&DISK, folder).unwrap();
    let mut shards = Vec::new();
    let mut sources: BTreeMap<String, SourceCounts> = BTreeMap::new();
    for shard in 0..NUM_SHARDS {
        let entry = write_shard(folder, shard, tokenizer, &mut documents);
        for (source, range) in &entry.by_source {
            let counts = sources.entry(source.clone()).or_default();
            counts.documents += range.documents;
            counts.tokens += range.tokens;
            counts.blocks += range.blocks;
        }
        shards.push(entry);
    }
    let held_out = write_held_out(folder, tokenizer, &mut documents);
    let mut manifest = Manifest {
        format_version: 1,
        kind: "corpus".to_owned(),
        corpus_hash: String::new(),
        tokenizer_hash: tokenizer.hash().to_owned(),
        vocab_size: tokenizer.vocab_size(),
        newline_token: tokenizer.newline(),
        token_width: TokenWidth::U16,
        num_shards: NUM_SHARDS,
        shards,
        balance: Balance::default(),
        largest_document_tokens: 1000,
        sources,
        held_out,
        filed_earliest: Some("2018-02-01".to_owned()),
        filed_latest: Some("2019-11-30".to_owned()),
        undated: Some(48),
        documents_file: documents.finish().unwrap(),
        ..Manifest::default()
    };
    manifest.write(&DISK, folder).unwrap();
}

fn write_shard(
    folder: &Path,
    shard: u32,
    tokenizer: &Tokenizer,
    documents: &mut DocumentsWriter<'_>,
) -> ShardEntry {
    let name = shard_name(shard, NUM_SHARDS);
    let mut writer = ShardWriter::create(&DISK, &folder.join(&name), TokenWidth::U16).unwrap();
    let mut by_source = BTreeMap::new();
    let (mut first_document, mut first_block) = (0, 0);
    for source in SOURCES {
        let mut range = SourceRange {
            first_document,
            first_block,
            ..SourceRange::default()
        };
        for document in 0..DOCUMENTS_A_SHARD {
            let span = write_document(&mut writer, tokenizer, shard as usize * 31 + document);
            let row = DocumentRow::new(format!("{source}:{shard}:{document}"), source, Some(shard), &span);
            documents.push(&row).unwrap();
            range.documents += 1;
            range.blocks += span.blocks;
            range.tokens += span.tokens;
        }
        first_document += range.documents;
        first_block += range.blocks;
        by_source.insert(source.to_owned(), range);
    }
    ShardEntry::new(name, &writer.finish().unwrap(), by_source)
}

fn write_held_out(folder: &Path, tokenizer: &Tokenizer, documents: &mut DocumentsWriter<'_>) -> HeldOut {
    let mut sources = BTreeMap::new();
    for source in SOURCES {
        let name = held_out_name(source);
        let mut writer = ShardWriter::create(&DISK, &folder.join(&name), TokenWidth::U16).unwrap();
        for document in 0..2 {
            let span = write_document(&mut writer, tokenizer, 90 + document);
            let row = DocumentRow::new(format!("{source}:held:{document}"), source, None, &span);
            documents.push(&row).unwrap();
        }
        sources.insert(
            source.to_owned(),
            HeldOutFile::new(name, &writer.finish().unwrap()),
        );
    }
    HeldOut {
        rule: "for tests".to_owned(),
        sources,
        ..HeldOut::default()
    }
}

fn write_document(writer: &mut ShardWriter<'_>, tokenizer: &Tokenizer, number: usize) -> DocumentSpan {
    let mut encoder = tokenizer.encoder();
    for block in 0..BLOCKS_A_DOCUMENT {
        let mut tokens = Vec::new();
        encoder
            .encode_into(&sentence(number, block), &mut tokens)
            .unwrap();
        tokens.push(tokenizer.newline());
        writer.push_block(&tokens).unwrap();
    }
    writer.end_document().unwrap()
}
