//! The first pass of `build`: every document to tokens, onto disk, segment by segment in the
//! order of the documents folder. Segments that are there already are kept. Where documents go is
//! decided afterwards.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use documents::{
    DocsManifest, Document, DocumentLine, DocumentReader, Progress, document_text_blocks, map_documents,
};
use durable::{DISK, DurableError, Operation, Storage};
use serde_json::json;
use shards::TokenWidth;
use tokenizer::{Encoder, Tokenizer};

use crate::build::options::BuildOptions;
use crate::build::spool::{Segment, SegmentWriter, TakenDocument, TokenizedDocument};
use crate::error::CorpusError;
use crate::selection::day::Day;
use crate::selection::drop_reason::DropReason;
use crate::selection::subset::Subset;
use crate::selection::window::DateWindow;
use crate::work::scratch::Trust;
use crate::work::segments::{Part, Segments, all_segments};

/// Changes when a segment's content does.
const SEGMENT_FORMAT: u32 = 3;

/// What segments are made of and where they are kept.
pub(crate) struct TokenizeJob<'a> {
    docs: &'a Path,
    pub(crate) tokenizer: &'a Tokenizer,
    window: DateWindow,
    subset: Subset,
    folder: PathBuf,
    segments: Segments,
    /// Identifies all that segments depend on.
    key: String,
    pub(crate) width: TokenWidth,
}

/// Writes segments one after the other while their documents arrive in order.
struct Collector<'a> {
    job: &'a TokenizeJob<'a>,
    /// The segments still to be written, the next one last.
    wanted: Vec<u32>,
    writer: Option<SegmentWriter>,
}

impl<'a> TokenizeJob<'a> {
    pub(crate) fn new(
        options: &'a BuildOptions,
        tokenizer: &'a Tokenizer,
        folder: PathBuf,
    ) -> Result<Self, CorpusError> {
        let manifest = DocsManifest::open(&options.docs)?;
        let subset = options.subset.of_folder(&options.docs)?;
        let segments = Segments::of(manifest.json_bytes());
        let key = json!({
            "format": SEGMENT_FORMAT,
            "docs_hash": manifest.hash(),
            "tokenizer_hash": tokenizer.hash(),
            "window": options.window.described(),
            "subset": subset.described(),
            "segment_bytes": segments.bytes,
        });
        Ok(Self {
            docs: &options.docs,
            tokenizer,
            window: options.window,
            subset,
            folder,
            segments,
            key: durable::sha256_hex(key.to_string().as_bytes()),
            width: TokenWidth::for_vocab_size(tokenizer.vocab_size()),
        })
    }

    /// Writes the segments of a part that are not there yet.
    pub(crate) fn run(
        &self,
        part: Part,
        pool: &rayon::ThreadPool,
        progress: &dyn Progress,
    ) -> Result<(), CorpusError> {
        DISK.create_dir_all(&self.folder)
            .map_err(|source| DurableError::new(Operation::Create, &self.folder, source))?;
        let mut wanted = Vec::new();
        for segment in self.segments.of_part(part).rev() {
            if self.open(segment, Trust::Found)?.is_none() {
                crate::work::scratch::remove_folder(&self.path(segment))?;
                wanted.push(segment);
            }
        }
        let ranges = wanted.iter().rev().map(|segment| self.segments.range(*segment));
        let reader = DocumentReader::open_ranges(self.docs, ranges.collect())?;
        progress.start("tokenizing", Some(reader.wanted_bytes()));
        // One a thread, kept over all documents: each has a cache of words.
        let encoders: Vec<Mutex<Encoder<'_>>> = (0..pool.current_num_threads())
            .map(|_| Mutex::new(self.tokenizer.encoder()))
            .collect();
        let encode = |line: &DocumentLine| {
            let thread = rayon::current_thread_index().unwrap_or(0);
            let mut encoder = encoders[thread].lock().unwrap_or_else(PoisonError::into_inner);
            Ok((line.start, self.tokenize(line.parse()?, &mut encoder)?))
        };
        let mut collector = Collector {
            job: self,
            wanted,
            writer: None,
        };
        map_documents(reader, pool, progress, encode, |(start, document)| {
            collector.add(start, &document)
        })?;
        progress.finish();
        collector.finish()
    }

    /// How many segments a part has, and all parts.
    pub(crate) fn num_segments(&self, part: Part) -> (u32, u32) {
        let of_part = self.segments.of_part(part).len();
        (u32::try_from(of_part).unwrap_or(u32::MAX), self.segments.count())
    }

    /// All segments, in order.
    ///
    /// # Errors
    /// [`CorpusError::MissingParts`] when some are not there.
    pub(crate) fn open_all(&self, trust: Trust) -> Result<Vec<Segment>, CorpusError> {
        all_segments(&self.folder, self.segments.count(), |segment| {
            self.open(segment, trust)
        })
    }

    fn path(&self, segment: u32) -> PathBuf {
        self.folder.join(format!("segment-{segment:05}"))
    }

    fn open(&self, segment: u32, trust: Trust) -> Result<Option<Segment>, CorpusError> {
        Segment::open(&self.path(segment), (&self.key, trust), self.width.bytes())
    }

    fn tokenize(
        &self,
        mut document: Document,
        encoder: &mut Encoder<'_>,
    ) -> Result<TokenizedDocument, CorpusError> {
        let refusal = self.window.refusal(Day::of(&document));
        if let Some(reason) = refusal.or_else(|| self.subset.reduce(&mut document)) {
            return Ok(TokenizedDocument::Dropped(reason));
        }
        if document_text_blocks(&document).next().is_none() {
            return Ok(TokenizedDocument::Dropped(DropReason::NoText));
        }
        let newline = self.tokenizer.newline();
        let taken = TakenDocument::new(&document, newline, |text, out| encoder.encode_into(text, out))?;
        Ok(TokenizedDocument::Taken(Box::new(taken)))
    }
}

impl Collector<'_> {
    fn add(&mut self, start: u64, document: &TokenizedDocument) -> Result<(), CorpusError> {
        let segment = self.job.segments.at(start);
        while self.wanted.last().is_some_and(|wanted| *wanted < segment) {
            self.close_segment()?;
        }
        self.writer()?.add(document)
    }

    fn finish(mut self) -> Result<(), CorpusError> {
        while !self.wanted.is_empty() {
            self.close_segment()?;
        }
        Ok(())
    }

    /// Ends the segment that is being written; it may have no document.
    fn close_segment(&mut self) -> Result<(), CorpusError> {
        self.writer()?;
        self.wanted.pop();
        if let Some(writer) = self.writer.take() {
            writer.finish()?;
        }
        Ok(())
    }

    fn writer(&mut self) -> Result<&mut SegmentWriter, CorpusError> {
        let writer = if let Some(writer) = self.writer.take() {
            writer
        } else {
            let segment = self.wanted.last().copied().unwrap_or(0);
            let path = self.job.path(segment);
            SegmentWriter::create(&path, &self.job.key, self.job.width.bytes())?
        };
        Ok(self.writer.insert(writer))
    }
}
