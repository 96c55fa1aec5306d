//! A small corpus on disk for tests: two sources over three shards, one of them held out.

use std::path::Path;
use std::sync::Arc;

use masking::{MaskingConfig, MaskingScheme};
use shards::testing::{CorpusBuilder, TestDocument};
use shards::{Corpus, HeldOut, Manifest, Packing, PackingMode};
use tempfile::TempDir;
use tokenizer::Tokenizer;

use crate::{Loader, LoaderConfig, LoaderError, SkippedSteps};

pub(crate) const SEQUENCE_LENGTH: usize = 24;
/// Of the phases with shorter sequences.
pub(crate) const SHORT_LENGTH: usize = 12;
const NUM_SHARDS: u32 = 3;
const DOCUMENTS_A_SHARD: [(&str, usize); 2] = [("10-K", 7), ("wiki", 3)];

/// A corpus in a folder that goes with it.
#[derive(Debug)]
pub(crate) struct TestCorpus {
    _folder: TempDir,
    pub(crate) corpus: Arc<Corpus>,
    /// Of [`SEQUENCE_LENGTH`].
    pub(crate) packing: Arc<Packing>,
    /// Of [`SHORT_LENGTH`].
    pub(crate) short_packing: Arc<Packing>,
    pub(crate) tokenizer: Arc<Tokenizer>,
}

impl TestCorpus {
    pub(crate) fn new() -> Self {
        let tokenizer = tokenizer::train((0..40).map(|number| block_text(number, number)), 330).unwrap();
        let folder = tempfile::tempdir().unwrap();
        write_corpus(folder.path(), &tokenizer, None);
        Self::open(folder, tokenizer)
    }

    /// The same with one token that the vocabulary lacks, in the first block of shard 1.
    pub(crate) fn with_foreign_token(token: u32) -> Self {
        let tokenizer = tokenizer::train((0..40).map(|number| block_text(number, number)), 330).unwrap();
        let folder = tempfile::tempdir().unwrap();
        write_corpus(folder.path(), &tokenizer, Some(token));
        Self::open(folder, tokenizer)
    }

    fn open(folder: TempDir, tokenizer: Tokenizer) -> Self {
        let corpus = Corpus::open(folder.path()).unwrap();
        let pack = |length: usize| {
            let length = u32::try_from(length).unwrap();
            Arc::new(Packing::build(&corpus, PackingMode::FullSentences, length).unwrap())
        };
        Self {
            _folder: folder,
            packing: pack(SEQUENCE_LENGTH),
            short_packing: pack(SHORT_LENGTH),
            corpus: Arc::new(corpus),
            tokenizer: Arc::new(tokenizer),
        }
    }

    pub(crate) fn loader(&self, config: LoaderConfig) -> Result<Arc<Loader>, LoaderError> {
        let packings = [Arc::clone(&self.short_packing), Arc::clone(&self.packing)];
        let (corpus, tokenizer) = (Arc::clone(&self.corpus), Arc::clone(&self.tokenizer));
        Loader::new(config, corpus, &packings, tokenizer).map(Arc::new)
    }
}

pub(crate) fn config(global_batch_size: u64, micro_batch_size: u64) -> LoaderConfig {
    LoaderConfig {
        seed: 17,
        weights: None,
        sequence_length: SEQUENCE_LENGTH,
        phases: Vec::new(),
        global_batch_size,
        micro_batch_size,
        masking: MaskingConfig::new(0.15, MaskingScheme::Token).unwrap(),
        exclude: Vec::new(),
        skip_steps: SkippedSteps::default(),
    }
}

fn block_text(document: usize, block: usize) -> String {
    let nouns = [
        "revenue", "income", "assets", "market", "risk", "segment", "product",
    ];
    let (noun, other) = (nouns[(document + block) % 7], nouns[(document * 3 + block) % 7]);
    format!("The {noun} of company {document} grew by {block} percent while {other} fell.")
}

fn write_corpus(folder: &Path, tokenizer: &Tokenizer, foreign_token: Option<u32>) {
    let mut builder = CorpusBuilder::new(folder, NUM_SHARDS);
    for shard in 0..NUM_SHARDS {
        let mut documents = Vec::new();
        for (source, num_documents) in DOCUMENTS_A_SHARD {
            documents.extend((0..num_documents).map(|document| TestDocument {
                id: format!("{source}:{shard}:{document}"),
                source: source.to_owned(),
                blocks: blocks(tokenizer, shard as usize * 31 + document),
            }));
        }
        if shard == 1
            && let Some(token) = foreign_token
        {
            documents[0].blocks[0].insert(0, token);
        }
        builder = builder.shard(&documents);
    }
    let held_out: Vec<TestDocument> = (100..104)
        .map(|number| TestDocument {
            id: format!("held-out:{number}"),
            source: "10-K".to_owned(),
            blocks: blocks(tokenizer, number),
        })
        .collect();
    builder.held_out("10-K", &held_out).finish(Manifest {
        tokenizer_hash: tokenizer.hash().to_owned(),
        vocab_size: tokenizer.vocab_size(),
        newline_token: tokenizer.newline(),
        held_out: HeldOut {
            rule: "documents from 100 on".to_owned(),
            fraction: 0.1,
            ..HeldOut::default()
        },
        ..Manifest::default()
    });
}

/// One to six blocks; the second of every fourth document is longer than a sequence.
fn blocks(tokenizer: &Tokenizer, number: usize) -> Vec<Vec<u32>> {
    let mut encoder = tokenizer.encoder();
    let mut block = |block: usize| {
        let mut tokens = Vec::new();
        let repeats = if block == 1 && number.is_multiple_of(4) {
            3
        } else {
            1
        };
        for _ in 0..repeats {
            encoder
                .encode_into(&block_text(number, block), &mut tokens)
                .unwrap();
        }
        tokens.push(tokenizer.newline());
        tokens
    };
    (0..=number % 6).map(&mut block).collect()
}
