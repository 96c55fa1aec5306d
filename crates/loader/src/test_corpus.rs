//! A small corpus on disk for tests: two sources over three shards, one of them held out.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use durable::DISK;
use masking::{MaskingConfig, MaskingScheme};
use shards::{
    Balance, Corpus, DocumentRow, DocumentSpan, DocumentsFile, DocumentsWriter, HeldOut, HeldOutFile,
    Manifest, Packing, PackingMode, ShardEntry, ShardWriter, SourceCounts, SourceRange, TokenWidth,
    held_out_name, shard_name,
};
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
    let mut documents = DocumentsWriter::create(&DISK, folder).unwrap();
    let mut shards = Vec::new();
    let mut sources: BTreeMap<String, SourceCounts> = BTreeMap::new();
    for shard in 0..NUM_SHARDS {
        let foreign = foreign_token.filter(|_| shard == 1);
        let entry = write_shard(folder, shard, tokenizer, &mut documents, foreign);
        for (source, range) in &entry.by_source {
            let counts = sources.entry(source.clone()).or_default();
            counts.documents += range.documents;
            counts.tokens += range.tokens;
            counts.blocks += range.blocks;
        }
        shards.push(entry);
    }
    let held_out = write_held_out(folder, tokenizer, &mut documents);
    let documents_file = documents.finish().unwrap();
    manifest(tokenizer, shards, sources, held_out, documents_file)
        .write(&DISK, folder)
        .unwrap();
}

fn write_shard(
    folder: &Path,
    shard: u32,
    tokenizer: &Tokenizer,
    documents: &mut DocumentsWriter<'_>,
    mut foreign_token: Option<u32>,
) -> ShardEntry {
    let name = shard_name(shard, NUM_SHARDS);
    let mut writer = ShardWriter::create(&DISK, &folder.join(&name), TokenWidth::U16).unwrap();
    let mut by_source = BTreeMap::new();
    let mut next = SourceRange::default();
    for (source, num_documents) in DOCUMENTS_A_SHARD {
        let mut range = SourceRange {
            first_document: next.first_document,
            first_block: next.first_block,
            ..next
        };
        (range.documents, range.blocks, range.tokens) = (0, 0, 0);
        for document in 0..num_documents {
            let number = shard as usize * 31 + document;
            let span = write_document(&mut writer, tokenizer, number, foreign_token.take());
            documents
                .push(&DocumentRow::new(
                    format!("{source}:{shard}:{document}"),
                    source,
                    Some(shard),
                    &span,
                ))
                .unwrap();
            range.documents += 1;
            range.blocks += span.blocks;
            range.tokens += span.tokens;
        }
        next.first_document = range.first_document + range.documents;
        next.first_block = range.first_block + range.blocks;
        by_source.insert(source.to_owned(), range);
    }
    ShardEntry::new(name, &writer.finish().unwrap(), by_source)
}

/// One to six blocks; the second of every fourth document is longer than a sequence.
fn write_document(
    writer: &mut ShardWriter<'_>,
    tokenizer: &Tokenizer,
    number: usize,
    foreign_token: Option<u32>,
) -> DocumentSpan {
    let mut encoder = tokenizer.encoder();
    for block in 0..=number % 6 {
        let mut tokens: Vec<u32> = foreign_token.filter(|_| block == 0).into_iter().collect();
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
        writer.push_block(&tokens).unwrap();
    }
    writer.end_document().unwrap()
}

fn write_held_out(folder: &Path, tokenizer: &Tokenizer, documents: &mut DocumentsWriter<'_>) -> HeldOut {
    let name = held_out_name("10-K");
    let mut writer = ShardWriter::create(&DISK, &folder.join(&name), TokenWidth::U16).unwrap();
    for number in 100..104 {
        let span = write_document(&mut writer, tokenizer, number, None);
        documents
            .push(&DocumentRow::new(
                format!("held-out:{number}"),
                "10-K",
                None,
                &span,
            ))
            .unwrap();
    }
    let file = HeldOutFile::new(name, &writer.finish().unwrap());
    HeldOut {
        rule: "documents from 100 on".to_owned(),
        seed: None,
        fraction: 0.1,
        sources: BTreeMap::from([("10-K".to_owned(), file)]),
    }
}

fn manifest(
    tokenizer: &Tokenizer,
    shards: Vec<ShardEntry>,
    sources: BTreeMap<String, SourceCounts>,
    held_out: HeldOut,
    documents_file: DocumentsFile,
) -> Manifest {
    Manifest {
        format_version: 0,
        kind: String::new(),
        corpus_hash: String::new(),
        tokenizer_hash: tokenizer.hash().to_owned(),
        vocab_size: tokenizer.vocab_size(),
        newline_token: tokenizer.newline(),
        token_width: TokenWidth::U16,
        num_shards: NUM_SHARDS,
        shards,
        balance: Balance::default(),
        largest_document_tokens: 0,
        sources,
        held_out,
        documents_file,
        ..Manifest::default()
    }
}
