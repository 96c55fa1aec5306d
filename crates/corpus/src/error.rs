//! What can go wrong while a corpus is made, each with the file and the way out.

use std::path::PathBuf;

use crate::wikipedia::text_place;

/// An error that ends a command. A single bad document never does: it becomes an
/// [`Outcome::Rejected`](crate::Outcome) with its reason.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CorpusError {
    /// A file or folder could not be read.
    #[error("cannot {operation} {}: check that it exists and is readable", path.display())]
    Read {
        /// What was tried (`read`, `list`).
        operation: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A dump ends before its last page does.
    #[error(
        "{} ends at {}, before `</mediawiki>`: the file is cut; download it again, or check it with `bzip2 -t`",
        path.display(), text_place(*part_offset, *position)
    )]
    TruncatedDump {
        /// The dump.
        path: PathBuf,
        /// Where in the file the part begins that was read; 0 in a dump that is not divided.
        part_offset: u64,
        /// Bytes of decompressed text from there to the end.
        position: u64,
    },
    /// A dump's file lacks its end; noticed before anything is read.
    #[error(
        "{} does not end as a dump does ({missing} is missing): the file is cut; download it again, or check it with `bzip2 -t`",
        path.display()
    )]
    CutDump {
        /// The dump.
        path: PathBuf,
        /// What the end of the file lacks.
        missing: &'static str,
    },
    /// A dump is damaged where nothing can go on behind the damage.
    #[error(
        "{} is damaged in the bzip2 stream that begins at byte {offset}; download it again, or check it with `bzip2 -t`",
        path.display()
    )]
    DamagedDump {
        /// The dump.
        path: PathBuf,
        /// Where in the file the damaged stream begins.
        offset: u64,
    },
    /// Nothing to read was found.
    #[error("{} holds no input file; give files, or a folder that holds some", path.display())]
    NoInput {
        /// The file or folder as given.
        path: PathBuf,
    },
    /// Inputs were read, but none became a document.
    #[error(
        "none of the {inputs} inputs became a document ({skipped} skipped, {rejected} rejected: {reasons}); \
         give 10-K or 10-Q filings, or a Wikipedia dump"
    )]
    NoDocuments {
        /// Inputs that were read.
        inputs: u64,
        /// Skipped documents, pages or files.
        skipped: u64,
        /// Rejected documents, pages or files.
        rejected: u64,
        /// The first reasons with their counts.
        reasons: String,
    },
    /// A folder is not what `ingest` writes.
    #[error("{} is not a documents folder: {reason}; make it with `tenk-corpus ingest`", path.display())]
    NotDocs {
        /// The folder.
        path: PathBuf,
        /// Which file and field does not fit.
        reason: String,
    },
    /// A documents file is damaged.
    #[error("{}, line {line} is damaged; make the folder again with `tenk-corpus ingest`", path.display())]
    DamagedDocs {
        /// The documents file.
        path: PathBuf,
        /// Line number, from 1.
        line: u64,
        /// Why it cannot be read.
        #[source]
        source: std::io::Error,
    },
    /// Two documents of a folder have one id.
    #[error("the document {id} is in {} twice; make the folder again with `tenk-corpus ingest`", docs.display())]
    DuplicateDocument {
        /// The id.
        id: String,
        /// The documents folder.
        docs: PathBuf,
    },
    /// Every document is empty or held out.
    #[error("{} leaves no text to train on; add documents, or lower the held-out fraction", docs.display())]
    NothingToTrainOn {
        /// The documents folder.
        docs: PathBuf,
    },
    /// A window of dates leaves nothing to train on.
    #[error(
        "no day lies between {from} and {to}; give a --filed-from before --filed-to and before --held-out-from"
    )]
    EmptyWindow {
        /// The first day.
        from: crate::window::Day,
        /// The last day of what would be trained on.
        to: crate::window::Day,
    },
    /// A tokenizer was trained on later text than a corpus may hold.
    #[error(
        "the tokenizer {} was trained on {found}, the corpus ends with {limit}; train one with \
         `tenk-corpus tokenizer --filed-to {limit}`",
        tokenizer.display()
    )]
    LaterTokenizer {
        /// The tokenizer folder.
        tokenizer: PathBuf,
        /// What it has seen.
        found: String,
        /// The last day of what is trained on.
        limit: crate::window::Day,
    },
    /// A similarity that cannot be searched for.
    #[error("a similarity of {found} cannot be searched for; give a number from {least} to 1")]
    Similarity {
        /// As given.
        found: f64,
        /// The least that is possible.
        least: f64,
    },
    /// A document cannot be compressed.
    #[error("document {id} cannot be compressed")]
    Compress {
        /// Its id.
        id: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Parts of a job are not there.
    #[error(
        "{missing} of the {segments} segments in {} are missing, damaged, or were made of other input or with \
         other options, the first is segment-{first:05}; run the same command with each --part, then --merge",
        folder.display()
    )]
    MissingParts {
        /// Where parts are kept.
        folder: PathBuf,
        /// How many are missing.
        missing: usize,
        /// How many there must be.
        segments: u32,
        /// The first that is missing.
        first: u32,
    },
    /// The fraction of held-out filers makes no sense.
    #[error(
        "a held-out fraction of {found} is not possible; give a number from 0 up to, but not including, 1"
    )]
    HeldOutFraction {
        /// The fraction as given.
        found: f64,
    },
    /// There must be shards.
    #[error("{found} shards are not possible; give a number from 1 to 99999")]
    NumShards {
        /// The number as given.
        found: u32,
    },
    /// No document has the id.
    #[error("{} has no document {wanted}; `tenk-corpus stats` shows what is there", folder.display())]
    UnknownDocument {
        /// What was asked for.
        wanted: String,
        /// Where it was looked for.
        folder: PathBuf,
    },
    /// Nothing is held out of the source.
    #[error("{} has no held-out documents of source {wanted}; it has some of: {available}", folder.display())]
    UnknownHeldOut {
        /// The source as asked for.
        wanted: String,
        /// The corpus folder.
        folder: PathBuf,
        /// The sources that have some.
        available: String,
    },
    /// Tokens were made by another tokenizer.
    #[error(
        "{} was built with the tokenizer {expected}, {} is {found}; give the one that it was built with",
        corpus.display(), tokenizer.display()
    )]
    OtherTokenizer {
        /// The corpus folder.
        corpus: PathBuf,
        /// The tokenizer hash in its manifest.
        expected: String,
        /// The tokenizer folder.
        tokenizer: PathBuf,
        /// Its hash.
        found: String,
    },
    /// A document is beyond what the format holds.
    #[error(
        "the document {id} has {bytes} bytes of tokens, more than the 4 GiB that one may have; take it out"
    )]
    DocumentTooLarge {
        /// Its id.
        id: String,
        /// Its length.
        bytes: u64,
    },
    /// Worker threads could not be started.
    #[error("cannot start the worker threads; try a smaller --threads")]
    Threads {
        /// Why not.
        #[source]
        source: rayon::ThreadPoolBuildError,
    },
    /// A value could not be written as JSON.
    #[error("cannot write a value as JSON; this is a fault of the program, please report it")]
    Json {
        /// Why not.
        #[source]
        source: serde_json::Error,
    },
    /// Writing failed.
    #[error(transparent)]
    Durable(#[from] durable::DurableError),
    /// A tokenizer could not be opened, trained or saved.
    #[error(transparent)]
    Tokenizer(#[from] tokenizer::TokenizerError),
    /// A shard, the list of documents or a manifest is damaged or cannot be written.
    #[error(transparent)]
    Shards(#[from] shards::ShardError),
}
