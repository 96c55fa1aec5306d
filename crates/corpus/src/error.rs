//! What can go wrong while a corpus is made, each with the file and the way out.

use std::path::PathBuf;

use documents::DocumentsError;
use wikipedia::DumpError;

/// An error that ends a command. A single bad document never does: it becomes an
/// [`Outcome::Rejected`](documents::Outcome) with its reason.
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
    /// A file of texts cannot be read to its end.
    #[error(
        "{} cannot be read from line {line} on; give it whole, as JSON lines (check a packed one with `zstd -t`)",
        path.display()
    )]
    DamagedTexts {
        /// The file.
        path: PathBuf,
        /// The first line that cannot be read, from 1.
        line: u64,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// Texts name more sources than can be held out and counted apart.
    #[error(
        "the texts have more than {most} values of `source` (`form` where a line has no `source`); one is {example:?} \
         in {}: let it name a kind of text, as 10-K or calls, and say in `id` what tells texts of a kind apart",
        path.display()
    )]
    TooManySources {
        /// The most there may be.
        most: usize,
        /// The first that is too many.
        example: String,
        /// The file that has it.
        path: PathBuf,
    },
    /// A documents folder has more sources than a corpus can number.
    #[error(
        "{} has {found} values of `source`, more than the 65536 that a corpus may have; make it again with fewer",
        docs.display()
    )]
    TooManySourcesToBuild {
        /// The documents folder.
        docs: PathBuf,
        /// How many.
        found: usize,
    },
    /// Nothing to read was found.
    #[error(
        "{} has no input file; {option} takes from a folder what is named as {file_names}{}",
        path.display(),
        other_option.map(|option| format!(": this one has files for {option}")).unwrap_or_default()
    )]
    NoInput {
        /// The file or folder as given.
        path: PathBuf,
        /// The option by which it was given.
        option: &'static str,
        /// What files of a folder have to be called.
        file_names: &'static str,
        /// The option by which files that the folder does have can be given.
        other_option: Option<&'static str>,
    },
    /// A file is named as those of another source.
    #[error("{} is named as a file of another source: give it with {option}", path.display())]
    OtherSource {
        /// The file as given.
        path: PathBuf,
        /// The option by which it is to be given.
        option: &'static str,
    },
    /// Two documents of a folder have one id.
    #[error("{} has the document {id} twice; make the folder again with `tenk-corpus ingest`", docs.display())]
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
        from: crate::selection::day::Day,
        /// The last day of what would be trained on.
        to: crate::selection::day::Day,
    },
    /// A tokenizer was trained on later text than a corpus may hold.
    #[error(
        "the tokenizer {} was trained on {found}, but the corpus ends with {limit}; train one with \
         `tenk-corpus tokenizer --filed-to {limit}`",
        tokenizer.display()
    )]
    LaterTokenizer {
        /// The tokenizer folder.
        tokenizer: PathBuf,
        /// What it has seen.
        found: String,
        /// The last day of what is trained on.
        limit: crate::selection::day::Day,
    },
    /// A similarity that cannot be searched for.
    #[error("cannot search for a similarity of {found}; give a number from {least} to 1")]
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
    /// A part of a job was read by another version.
    #[error(
        "segment-{segment:05} in {} was read by version {found} of its reader, and this program has version \
         {expected}, which may read it otherwise; run the same command with each --part again with this program, \
         then --merge",
        folder.display()
    )]
    OtherReader {
        /// Where parts are kept.
        folder: PathBuf,
        /// The segment.
        segment: u32,
        /// The version that has read it.
        found: u32,
        /// The version of this program.
        expected: u32,
    },
    /// The fraction of held-out filers makes no sense.
    #[error(
        "a held-out fraction of {found} is not possible; give a number from 0 up to, but not including, 1"
    )]
    HeldOutFraction {
        /// The fraction as given.
        found: f64,
    },
    /// A form was asked for that nobody knows.
    #[error("there is no form {form}, and no document of {} has it as its source; it has {available}", docs.display())]
    UnknownForm {
        /// The documents folder.
        docs: PathBuf,
        /// The form as given.
        form: String,
        /// The sources that are there.
        available: String,
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
        "{} was built with the tokenizer {expected}, but {} is {found}; give the tokenizer that it was built with",
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
        "the document {id} has {bytes} bytes of tokens, more than the 4 GiB that a document may have; take it out"
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
    #[error("cannot write a value as JSON; this is a bug in tenk, please report it")]
    Json {
        /// Why not.
        #[source]
        source: serde_json::Error,
    },
    /// A documents folder cannot be read or written, or no input became a document.
    #[error(transparent)]
    Documents(#[from] DocumentsError),
    /// A dump cannot be read to its end.
    #[error(transparent)]
    Dump(#[from] DumpError),
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
