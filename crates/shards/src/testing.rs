//! Corpora for tests, of this crate and of those that read corpora: folders of tokens without text.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use durable::DISK;

use crate::{
    DocumentRow, DocumentSpan, DocumentsWriter, HeldOutFile, Manifest, ShardEntry, ShardWriter, SourceCounts,
    SourceRange, TokenWidth, held_out_name, shard_name,
};

/// A document as the tokens of its blocks.
#[derive(Debug, Clone)]
pub struct TestDocument {
    /// Its id.
    pub id: String,
    /// Its source; those of a shard stand one behind the other.
    pub source: String,
    /// Its blocks.
    pub blocks: Vec<Vec<u32>>,
}

/// Writes a corpus folder shard by shard.
#[derive(Debug)]
pub struct CorpusBuilder {
    folder: PathBuf,
    num_shards: u32,
    rows: DocumentsWriter<'static>,
    shards: Vec<ShardEntry>,
    held_out: BTreeMap<String, HeldOutFile>,
}

impl CorpusBuilder {
    /// A corpus of `num_shards` shards in `folder`, which exists.
    pub fn new(folder: &Path, num_shards: u32) -> Self {
        Self {
            folder: folder.to_path_buf(),
            num_shards,
            rows: DocumentsWriter::create(&DISK, folder).unwrap(),
            shards: Vec::new(),
            held_out: BTreeMap::new(),
        }
    }

    /// Writes the next shard.
    #[must_use]
    pub fn shard(mut self, documents: &[TestDocument]) -> Self {
        let index = u32::try_from(self.shards.len()).unwrap();
        let name = shard_name(index, self.num_shards);
        let mut writer = ShardWriter::create(&DISK, &self.folder.join(&name), TokenWidth::U16).unwrap();
        let mut by_source: BTreeMap<String, SourceRange> = BTreeMap::new();
        for document in documents {
            let span = self.write(&mut writer, document, Some(index));
            let start = SourceRange {
                first_document: span.document.into(),
                first_block: span.first_block,
                ..SourceRange::default()
            };
            let range = by_source.entry(document.source.clone()).or_insert(start);
            range.documents += 1;
            range.blocks += span.blocks;
            range.tokens += span.tokens;
        }
        let summary = writer.finish().unwrap();
        self.shards.push(ShardEntry::new(name, &summary, by_source));
        self
    }

    /// Writes the held-out file of a source.
    #[must_use]
    pub fn held_out(mut self, source: &str, documents: &[TestDocument]) -> Self {
        let name = held_out_name(source);
        let mut writer = ShardWriter::create(&DISK, &self.folder.join(&name), TokenWidth::U16).unwrap();
        for document in documents {
            self.write(&mut writer, document, None);
        }
        let file = HeldOutFile::new(name, &writer.finish().unwrap());
        self.held_out.insert(source.to_owned(), file);
        self
    }

    /// Writes the manifest: what `facts` says, with what was written.
    pub fn finish(self, facts: Manifest) -> Manifest {
        let mut manifest = Manifest {
            token_width: TokenWidth::U16,
            num_shards: self.num_shards,
            sources: counts(&self.shards),
            shards: self.shards,
            documents_file: self.rows.finish().unwrap(),
            ..facts
        };
        manifest.held_out.sources = self.held_out;
        manifest.write(&DISK, &self.folder).unwrap();
        manifest
    }

    fn write(
        &mut self,
        writer: &mut ShardWriter<'_>,
        document: &TestDocument,
        shard: Option<u32>,
    ) -> DocumentSpan {
        for block in &document.blocks {
            writer.push_block(block).unwrap();
        }
        let span = writer.end_document().unwrap();
        let row = DocumentRow::new(&document.id, &document.source, shard, &span);
        self.rows.push(&row).unwrap();
        span
    }
}

fn counts(shards: &[ShardEntry]) -> BTreeMap<String, SourceCounts> {
    let mut sources: BTreeMap<String, SourceCounts> = BTreeMap::new();
    for (source, range) in shards.iter().flat_map(|shard| &shard.by_source) {
        let counts = sources.entry(source.clone()).or_default();
        counts.documents += range.documents;
        counts.blocks += range.blocks;
        counts.tokens += range.tokens;
    }
    sources
}
