//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// From raw filings and dumps to shards.
#[derive(Debug, Parser)]
#[command(name = "tenk-corpus", version)]
pub(crate) struct Arguments {
    /// Worker threads; 0 means one a core. The result does not depend on it.
    #[arg(long, global = true, default_value_t = 0)]
    pub(crate) threads: usize,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write the embedded sample: filings of invented companies and a small wiki dump.
    Sample(Sample),
    /// Read filings and wiki dumps into a documents folder.
    Ingest(Ingest),
    /// Train a byte-level BPE tokenizer on a documents folder.
    Tokenizer(Tokenizer),
    /// Turn a documents folder into shards, held-out companies apart.
    Build(Build),
    /// Check the contents of a corpus against its hashes.
    Verify(Verify),
    /// Show a document, or sentences of held-out documents.
    Inspect(Inspect),
    /// Count documents and tokens by source and year.
    Stats(Stats),
}

#[derive(Debug, Args)]
pub(crate) struct Sample {
    /// The folder to make.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// How many filings.
    #[arg(long)]
    pub(crate) filings: Option<usize>,
    /// How many wiki pages.
    #[arg(long)]
    pub(crate) pages: Option<usize>,
    /// Another seed gives other companies.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("inputs").required(true).multiple(true).args(["filings", "wiki"]))]
pub(crate) struct Ingest {
    /// A filing, or a folder of filings (.txt, .nc, .htm, .html); may be repeated.
    #[arg(long, value_name = "PATH")]
    pub(crate) filings: Vec<PathBuf>,
    /// A `MediaWiki` dump (.xml.bz2, .xml), or a folder of them; may be repeated.
    #[arg(long, value_name = "PATH")]
    pub(crate) wiki: Vec<PathBuf>,
    /// The documents folder to make.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Print the report as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Tokenizer {
    /// The documents folder that `ingest` wrote.
    #[arg(long, value_name = "DIR")]
    pub(crate) docs: PathBuf,
    /// How many entries, the five special tokens and the 256 bytes included.
    #[arg(long, default_value_t = 50_265)]
    pub(crate) vocab_size: usize,
    /// Train on at most this much text, chosen by the hash of document ids.
    #[arg(long, default_value_t = corpus::TOKENIZER_SAMPLE_BYTES)]
    pub(crate) sample_bytes: u64,
    /// Share of the companies that `build` will hold out; they are not trained on.
    #[arg(long, default_value_t = corpus::HELD_OUT_FRACTION)]
    pub(crate) held_out_fraction: f64,
    /// The tokenizer folder to make.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Print the report as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Build {
    /// The documents folder that `ingest` wrote.
    #[arg(long, value_name = "DIR")]
    pub(crate) docs: PathBuf,
    /// The tokenizer folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) tokenizer: PathBuf,
    /// How many shards.
    #[arg(long, default_value_t = 256)]
    pub(crate) shards: u32,
    /// Share of the companies (and wiki pages) that is held out for evaluation.
    #[arg(long, default_value_t = corpus::HELD_OUT_FRACTION)]
    pub(crate) held_out_fraction: f64,
    /// Also write a packing index (`full-sentences:512`); training makes a missing one.
    #[arg(long, value_name = "MODE:LENGTH")]
    pub(crate) pack: Vec<corpus::PackingChoice>,
    /// The corpus folder to make.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Print the report as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The corpus folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) corpus: PathBuf,
    /// Print the report as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("folder").required(true).args(["docs", "corpus"]))]
#[command(group = clap::ArgGroup::new("place").required(true).args(["id", "shard", "held_out"]))]
pub(crate) struct Inspect {
    /// A documents folder.
    #[arg(long, value_name = "DIR", requires = "id")]
    pub(crate) docs: Option<PathBuf>,
    /// A corpus folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) corpus: Option<PathBuf>,
    /// With --docs: also show how this tokenizer cuts the text.
    #[arg(long, value_name = "DIR", requires = "docs")]
    pub(crate) tokenizer: Option<PathBuf>,
    /// The document with this id.
    #[arg(long)]
    pub(crate) id: Option<String>,
    /// A document of this shard; --document or --token says which.
    #[arg(long, value_name = "N")]
    pub(crate) shard: Option<u32>,
    /// Held-out documents of this source.
    #[arg(long, value_name = "SOURCE")]
    pub(crate) held_out: Option<String>,
    /// Position of the document inside the shard or the held-out file.
    #[arg(long, value_name = "K", default_value_t = 0)]
    pub(crate) document: usize,
    /// The document at this token of the shard.
    #[arg(long, value_name = "OFFSET", requires = "shard")]
    pub(crate) token: Option<u64>,
    /// With --held-out: print so many sentences, one a line, from all its documents.
    #[arg(long, value_name = "N", requires = "held_out")]
    pub(crate) sentences: Option<usize>,
    /// Print as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("folder").required(true).args(["docs", "corpus"]))]
pub(crate) struct Stats {
    /// A documents folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) docs: Option<PathBuf>,
    /// A corpus folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) corpus: Option<PathBuf>,
    /// The cross-entropy of held-out tokens when each is guessed from its frequency in training.
    #[arg(long, requires = "corpus")]
    pub(crate) unigram: bool,
    /// Only the names of the sources with held-out documents, one a line.
    #[arg(long, requires = "corpus", conflicts_with_all = ["unigram", "json"])]
    pub(crate) held_out_sources: bool,
    /// Print as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}
