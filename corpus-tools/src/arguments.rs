//! The command line.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use corpus::Source;

/// From raw filings and dumps to shards.
#[derive(Debug, Parser)]
#[command(name = "tenk-corpus", version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write the embedded sample: filings of invented companies and a small wiki dump.
    Sample(Sample),
    /// Fetch filings from EDGAR, or a Wikipedia dump. The only command that connects.
    Fetch(Box<Fetch>),
    /// Read filings, wiki dumps and texts into a documents folder.
    Ingest(Ingest),
    /// Train a byte-level BPE tokenizer on a documents folder.
    Tokenizer(Tokenizer),
    /// Turn a documents folder into shards, held-out companies apart.
    Build(Build),
    /// Check the contents of a corpus against its hashes.
    Verify(Verify),
    /// Show a document raw, cleaned and tokenized side by side, or sentences of held-out documents.
    Inspect(Inspect),
    /// Count documents and tokens by source, year of filing and, before `build`, period reported on.
    Stats(Stats),
}

/// Of the commands that work on several threads.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Threads {
    /// Worker threads; 0 means one a core. The result does not depend on it.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = num_threads)]
    pub(crate) threads: usize,
}

/// More threads than this a core only wait for each other, and take memory.
const MOST_THREADS_A_CORE: usize = 4;
/// Allowed on any machine: downloads wait for the network.
const ALWAYS_ALLOWED_THREADS: usize = 16;

/// How many threads, as far as this machine has use for them.
fn num_threads(text: &str) -> Result<usize, String> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let most = (MOST_THREADS_A_CORE * cores).max(ALWAYS_ALLOWED_THREADS);
    match text.parse::<usize>() {
        Ok(number) if number <= most => Ok(number),
        Ok(_) => Err(format!("this machine has {cores} cores; give at most {most}")),
        Err(error) => Err(error.to_string()),
    }
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
#[command(group = clap::ArgGroup::new("whose").required(true).multiple(true)
    .args(["cik", "cik_list", "ticker", "ticker_list", "members", "all_companies", "wiki"]))]
pub(crate) struct Fetch {
    /// The folder to fetch into; the same command goes on where it ended.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Your name and e-mail address, which the archives demand: "Example Research a@example.com".
    #[arg(long, value_name = "TEXT")]
    pub(crate) user_agent: fetch::UserAgent,
    /// Filings of this company; may be repeated, or a list with commas.
    #[arg(long, value_name = "N", value_delimiter = ',')]
    pub(crate) cik: Vec<u64>,
    /// Filings of the CIKs in this file, one a line.
    #[arg(long, value_name = "FILE")]
    pub(crate) cik_list: Option<PathBuf>,
    /// Filings of this company; may be repeated, or a list with commas.
    #[arg(long, value_delimiter = ',')]
    pub(crate) ticker: Vec<String>,
    /// Filings of the tickers in this file, one a line.
    #[arg(long, value_name = "FILE")]
    pub(crate) ticker_list: Option<PathBuf>,
    /// A table with columns `ticker`, `cik`, `start_date`, `end_date`: filings of these companies on
    /// the days of their membership; with tickers, only of those.
    #[arg(long, value_name = "FILE")]
    pub(crate) members: Option<PathBuf>,
    /// Filings of every company.
    #[arg(long, conflicts_with_all = ["cik", "cik_list", "ticker", "ticker_list", "members"])]
    pub(crate) all_companies: bool,
    /// Form types as EDGAR writes them (10-K405, 10-K/A, 20-F, "DEF 14A"); may be repeated.
    #[arg(long, value_delimiter = ',', default_values_t = fetch::edgar::DEFAULT_FORMS.map(str::to_owned))]
    pub(crate) form: Vec<String>,
    /// Filed on this day or later.
    #[arg(long, value_name = "DATE")]
    pub(crate) filed_from: Option<fetch::edgar::Date>,
    /// Filed on this day or earlier.
    #[arg(long, value_name = "DATE")]
    pub(crate) filed_to: Option<fetch::edgar::Date>,
    /// Where filings are looked up: master.idx, master.gz, form.idx, form.gz, or submissions.
    #[arg(long, value_name = "NAME", default_value_t = fetch::edgar::Listing::MasterGzip)]
    pub(crate) listing: fetch::edgar::Listing,
    /// A Wikipedia dump instead of filings, as `enwiki`.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["cik", "cik_list", "ticker", "ticker_list", "members",
        "all_companies", "form", "filed_from", "filed_to", "listing"])]
    pub(crate) wiki: Option<String>,
    /// With --wiki: the day of the dump, as 20240501, or the last one.
    #[arg(long, value_name = "DAY", default_value = "latest", requires = "wiki")]
    pub(crate) dump: String,
    /// With --wiki: which file of the dump.
    #[arg(long, value_name = "FILE", default_value = fetch::wikipedia::ARTICLES, requires = "wiki")]
    pub(crate) wiki_file: String,
    /// Over all threads; the archives allow at most 10.
    #[arg(long, value_name = "N", default_value_t = fetch::RequestRate::default())]
    pub(crate) requests_per_second: fetch::RequestRate,
    /// How often a request is tried again after throttling, an outage or a cut connection.
    #[arg(long, value_name = "N", default_value_t = fetch::RETRIES)]
    pub(crate) retries: u32,
    /// Downloads of filings at a time.
    #[arg(long, value_name = "N", default_value_t = 4, conflicts_with = "wiki", value_parser = num_threads)]
    pub(crate) threads: usize,
    /// Ask this server instead of the archive's own.
    #[arg(long, value_name = "URL")]
    pub(crate) base_url: Option<String>,
    /// Print the report as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Files of each source, or folders of them.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(crate) struct Inputs {
    /// A filing, or a folder of them whatever their names are; may be repeated.
    #[arg(long, value_name = "PATH")]
    filings: Vec<PathBuf>,
    /// A `MediaWiki` dump (.xml.bz2, .xml), text of `WikiExtractor` (`AA/wiki_00`), or a folder
    /// of either; may be repeated.
    #[arg(long, value_name = "PATH")]
    wiki: Vec<PathBuf>,
    /// Texts, a JSON object a line (.jsonl, .jsonl.zst), or a folder of such files; may be repeated. A
    /// line has `id` and `text`, and may have `source`, `company`, `cik`, `ticker`, `form`, `year`,
    /// `filed` and `section`.
    #[arg(long, value_name = "PATH")]
    texts: Vec<PathBuf>,
}

impl Inputs {
    pub(crate) fn by_source(&self) -> BTreeMap<Source, Vec<PathBuf>> {
        BTreeMap::from([
            (Source::Filings, self.filings.clone()),
            (Source::Wiki, self.wiki.clone()),
            (Source::Texts, self.texts.clone()),
        ])
    }
}

#[derive(Debug, Args)]
pub(crate) struct Ingest {
    #[command(flatten)]
    pub(crate) inputs: Inputs,
    /// Which exhibits of reports become documents too: none, annual-reports (EX-13) or all.
    #[arg(long, value_name = "WHICH", default_value_t = edgar::Exhibits::default())]
    pub(crate) exhibits: edgar::Exhibits,
    #[command(flatten)]
    pub(crate) parts: Parts,
    /// The documents folder to make.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) threads: Threads,
    /// Print the report as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Division of a command over machines.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Parts {
    /// Do only the second of eight parts of the work (`2/8`) and keep it in OUT.parts, on one of
    /// several machines that share the disk.
    #[arg(long, value_name = "I/N", conflicts_with = "merge")]
    pub(crate) part: Option<corpus::Part>,
    /// Make the result of the parts in OUT.parts; give the options that each --part had.
    #[arg(long)]
    pub(crate) merge: bool,
}

/// Which days documents may have.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Window {
    /// Take documents of this day or later: the day of filing, of a wiki page that of its revision.
    /// With any of these three, documents without a date are left out and counted.
    #[arg(long, value_name = "DATE")]
    pub(crate) filed_from: Option<corpus::Day>,
    /// Take documents of this day or earlier.
    #[arg(long, value_name = "DATE")]
    pub(crate) filed_to: Option<corpus::Day>,
    /// Hold out all documents of this day or later as a set of its own.
    #[arg(long, value_name = "DATE")]
    pub(crate) held_out_from: Option<corpus::Day>,
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
    #[command(flatten)]
    pub(crate) window: Window,
    /// The tokenizer folder to make.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) threads: Threads,
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
    #[command(flatten)]
    pub(crate) window: Window,
    /// Leave out the documents whose ids are in this file, one a line; every other document stays
    /// where it is.
    #[arg(long, value_name = "FILE")]
    pub(crate) exclude: Option<PathBuf>,
    /// Documents above this Jaccard similarity (of five-word runs) are near duplicates, of which the
    /// earliest stays; 1 takes out only equal texts.
    #[arg(long, value_name = "J", default_value_t = corpus::DUPLICATE_SIMILARITY)]
    pub(crate) duplicate_similarity: f64,
    /// Among which documents near duplicates are looked for: `company-and-form`, `company` or
    /// `corpus`. All are compared with held-out ones.
    #[arg(long, value_name = "SCOPE", default_value = "company-and-form")]
    pub(crate) duplicate_scope: corpus::DuplicateScope,
    /// Keep documents whatever they repeat.
    #[arg(long, conflicts_with_all = ["duplicate_similarity", "duplicate_scope"])]
    pub(crate) keep_duplicates: bool,
    #[command(flatten)]
    pub(crate) parts: Parts,
    /// Also write a packing index: `full-sentences:512`, `doc-sentences:512` or
    /// `contiguous:512`; training makes a missing one.
    #[arg(long, value_name = "MODE:LENGTH")]
    pub(crate) pack: Vec<corpus::PackingChoice>,
    /// The corpus folder to make.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) threads: Threads,
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
    /// With --docs: also show the tokens of this tokenizer.
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
    /// Width of the columns together; without, the terminal's.
    #[arg(long, value_name = "CHARACTERS", conflicts_with_all = ["json", "sentences"])]
    pub(crate) width: Option<usize>,
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
    /// Write the counts as a page for a browser instead of printing them.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["unigram", "held_out_sources", "json"])]
    pub(crate) html: Option<PathBuf>,
    /// Only the names of the sources with held-out documents, one a line.
    #[arg(long, requires = "corpus", conflicts_with_all = ["unigram", "json"])]
    pub(crate) held_out_sources: bool,
    #[command(flatten)]
    pub(crate) threads: Threads,
    /// Print as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

impl From<Window> for corpus::DateWindow {
    fn from(window: Window) -> Self {
        Self {
            from: window.filed_from,
            to: window.filed_to,
            held_out_from: window.held_out_from,
        }
    }
}
