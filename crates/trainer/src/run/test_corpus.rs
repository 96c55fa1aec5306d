//! A small corpus with its tokenizer for tests: two sources over two shards, one document of
//! each held out. Sentences follow a pattern, so that there is something to learn.

use std::path::Path;

use durable::DISK;
use shards::{
    HeldOut, Manifest,
    testing::{CorpusBuilder, TestDocument},
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
    let mut builder = CorpusBuilder::new(folder, NUM_SHARDS);
    for shard in 0..NUM_SHARDS {
        let of = |source| {
            (0..DOCUMENTS_A_SHARD).map(move |document| TestDocument {
                id: format!("{source}:{shard}:{document}"),
                source: String::from(source),
                blocks: blocks(tokenizer, shard as usize * 31 + document),
            })
        };
        let documents: Vec<TestDocument> = SOURCES.into_iter().flat_map(of).collect();
        builder = builder.shard(&documents);
    }
    for source in SOURCES {
        let held_out = (0..2).map(|document| TestDocument {
            id: format!("{source}:held:{document}"),
            source: source.to_owned(),
            blocks: blocks(tokenizer, 90 + document),
        });
        builder = builder.held_out(source, &held_out.collect::<Vec<_>>());
    }
    builder.finish(Manifest {
        tokenizer_hash: tokenizer.hash().to_owned(),
        vocab_size: tokenizer.vocab_size(),
        newline_token: tokenizer.newline(),
        largest_document_tokens: 1000,
        held_out: HeldOut {
            rule: "for tests".to_owned(),
            ..HeldOut::default()
        },
        filed_earliest: Some("2018-02-01".to_owned()),
        filed_latest: Some("2019-11-30".to_owned()),
        undated: Some(48),
        ..Manifest::default()
    });
}

fn blocks(tokenizer: &Tokenizer, number: usize) -> Vec<Vec<u32>> {
    let mut encoder = tokenizer.encoder();
    let mut block = |block: usize| {
        let mut tokens = Vec::new();
        encoder
            .encode_into(&sentence(number, block), &mut tokens)
            .unwrap();
        tokens.push(tokenizer.newline());
        tokens
    };
    (0..BLOCKS_A_DOCUMENT).map(&mut block).collect()
}
