//! The first pass of `build`: every document to tokens, onto disk, in the order of the documents
//! folder. Where they go is decided afterwards.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use shards::TokenWidth;
use tokenizer::{Encoder, Tokenizer};

use crate::document::Document;
use crate::documents::{DocumentLine, DocumentReader, map_documents};
use crate::error::CorpusError;
use crate::progress::Progress;
use crate::split::Filers;
use crate::spool::{Spool, SpoolWriter, SpooledDocument, TokenisedDocument};

/// All documents as tokens on disk, and what is known of each.
#[derive(Debug)]
pub(crate) struct Tokenised {
    pub(crate) spool: Spool,
    pub(crate) width: TokenWidth,
    /// Sorted by source and hash of id.
    pub(crate) documents: Vec<SpooledDocument>,
    /// Names of the sources, sorted; [`SpooledDocument::source`] is an index into it.
    pub(crate) sources: Vec<String>,
    pub(crate) filers: Filers,
    /// Identifies all texts, whatever their order.
    pub(crate) text_digest: u128,
    /// Documents without a single block.
    pub(crate) num_empty: u64,
}

impl Tokenised {
    pub(crate) fn num_tokens(&self) -> u64 {
        self.documents
            .iter()
            .map(|document| u64::from(document.tokens))
            .sum()
    }
}

/// What grows while documents arrive.
struct Collector {
    spool: SpoolWriter,
    documents: Vec<SpooledDocument>,
    /// Numbered in the order of arrival.
    sources: BTreeMap<String, u32>,
    filers: Filers,
    text_digest: u128,
    num_empty: u64,
}

/// Encodes all documents of a folder on the pool's threads.
pub(crate) fn tokenise_documents(
    docs: &Path,
    tokenizer: &Tokenizer,
    spool: &Path,
    pool: &rayon::ThreadPool,
    progress: &dyn Progress,
) -> Result<Tokenised, CorpusError> {
    let reader = DocumentReader::open(docs)?;
    progress.start("tokenising", Some(reader.manifest().json_bytes()));
    let width = TokenWidth::for_vocab_size(tokenizer.vocab_size());
    // One a thread, kept over all documents: each has a cache of words.
    let encoders: Vec<Mutex<Encoder<'_>>> = (0..pool.current_num_threads())
        .map(|_| Mutex::new(tokenizer.encoder()))
        .collect();
    let encode = |line: &DocumentLine| {
        let document: Document = line.parse()?;
        let thread = rayon::current_thread_index().unwrap_or(0);
        let mut encoder = encoders[thread].lock().unwrap_or_else(PoisonError::into_inner);
        Ok(TokenisedDocument::new(
            &document,
            tokenizer.newline(),
            |text, out| encoder.encode_into(text, out),
        ))
    };
    let mut collector = Collector::new(SpoolWriter::create(spool, width.bytes())?);
    map_documents(reader, pool, progress, encode, |document| {
        collector.add(&document)
    })?;
    progress.finish();
    collector.finish(docs, width)
}

impl Collector {
    fn new(spool: SpoolWriter) -> Self {
        Self {
            spool,
            documents: Vec::new(),
            sources: BTreeMap::new(),
            filers: Filers::default(),
            text_digest: 0,
            num_empty: 0,
        }
    }

    fn add(&mut self, document: &TokenisedDocument) -> Result<(), CorpusError> {
        if document.tokens.is_empty() {
            self.num_empty += 1;
            return Ok(());
        }
        let next = u32::try_from(self.sources.len()).unwrap_or(u32::MAX);
        let source = *self.sources.entry(document.facts.source.clone()).or_insert(next);
        let (offset, record_bytes) = self.spool.append(document)?;
        self.documents.push(SpooledDocument {
            id_hash: document.facts.id_hash(),
            offset,
            filer: self.filers.add(&document.facts.head()),
            // A token takes at least two bytes of a record whose length fits.
            tokens: u32::try_from(document.tokens.len()).unwrap_or(u32::MAX),
            record_bytes,
            source,
        });
        // A sum, so that the order does not matter.
        self.text_digest = self.text_digest.wrapping_add(document.text_hash);
        Ok(())
    }

    fn finish(mut self, docs: &Path, width: TokenWidth) -> Result<Tokenised, CorpusError> {
        let spool = self.spool.finish()?;
        let mut rank = vec![0; self.sources.len()];
        for (sorted, arrived) in (0..).zip(self.sources.values()) {
            rank[*arrived as usize] = sorted;
        }
        for document in &mut self.documents {
            document.source = rank[document.source as usize];
        }
        self.documents.sort_unstable_by_key(|document| document.id_hash);
        refuse_duplicates(&self.documents, &spool, docs)?;
        self.documents
            .sort_unstable_by_key(|document| (document.source, document.id_hash));
        Ok(Tokenised {
            spool,
            width,
            documents: self.documents,
            sources: self.sources.into_keys().collect(),
            filers: self.filers,
            text_digest: self.text_digest,
            num_empty: self.num_empty,
        })
    }
}

/// `documents` are sorted by hash of id.
fn refuse_duplicates(documents: &[SpooledDocument], spool: &Spool, docs: &Path) -> Result<(), CorpusError> {
    match documents
        .windows(2)
        .find(|pair| pair[0].id_hash == pair[1].id_hash)
    {
        Some(pair) => {
            let id = spool.read(&pair[0])?.facts.id;
            Err(CorpusError::DuplicateDocument {
                id,
                docs: docs.to_path_buf(),
            })
        }
        None => Ok(()),
    }
}
