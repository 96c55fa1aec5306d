//! The command line.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use corpus::Source;
use documents::SectionStatus;

/// From raw filings and dumps to shards.
#[derive(Debug, Parser)]
#[command(name = "tenk-corpus", version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write the embedded sample: filings of invented companies and a small Wikipedia dump.
    Sample(Sample),
    /// Fetch filings from EDGAR, or a Wikipedia dump. No other command uses the network.
    Fetch(Box<Fetch>),
    /// Read filings, Wikipedia dumps and texts into a documents folder.
    Ingest(Ingest),
    /// Train a byte-level BPE tokenizer on a documents folder.
    Tokenizer(Tokenizer),
    /// Turn a documents folder into shards, and hold some companies out.
    Build(Build),
    /// Check the files of a corpus against their hashes.
    Verify(Verify),
    /// Show a document raw, cleaned and tokenized, side by side; or print sentences of held-out documents.
    Inspect(Inspect),
    /// Show the items of filings: what stands in the place of each, where, and why it is believed.
    Sections(Sections),
    /// Write the documents of a folder as a table: a row a document, for pandas, Spark or a spreadsheet.
    Table(Table),
    /// Count documents and tokens by source and by filing year; before `build` also by reported period.
    Stats(Stats),
}

/// Of the commands that work on several threads.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Threads {
    /// Number of worker threads; 0 means one for each core. The result does not depend on it.
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
        Ok(_) => Err(format!(
            "this machine has {cores} cores; use at most {most} threads"
        )),
        Err(error) => Err(error.to_string()),
    }
}

#[derive(Debug, Args)]
pub(crate) struct Sample {
    /// The folder to create.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Number of filings.
    #[arg(long, value_name = "N")]
    pub(crate) filings: Option<usize>,
    /// Number of Wikipedia pages.
    #[arg(long, value_name = "N")]
    pub(crate) pages: Option<usize>,
    /// Seed of the invented companies.
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("whose").required(true).multiple(true)
    .args(["cik", "cik_list", "ticker", "ticker_list", "members", "all_companies", "wiki"]))]
pub(crate) struct Fetch {
    /// The folder to fetch into. Run the same command again to go on where it stopped.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Your name and e-mail address, which the archives ask for: "Example Research a@example.com".
    #[arg(long, value_name = "TEXT")]
    pub(crate) user_agent: fetch::UserAgent,
    /// Fetch filings of this company. May be repeated or separated by commas.
    #[arg(long, value_name = "N", value_delimiter = ',')]
    pub(crate) cik: Vec<u64>,
    /// Fetch filings of the CIKs in this file, one a line.
    #[arg(long, value_name = "FILE")]
    pub(crate) cik_list: Option<PathBuf>,
    /// Fetch filings of this company. May be repeated or separated by commas.
    #[arg(long, value_delimiter = ',')]
    pub(crate) ticker: Vec<String>,
    /// Fetch filings of the tickers in this file, one a line.
    #[arg(long, value_name = "FILE")]
    pub(crate) ticker_list: Option<PathBuf>,
    /// A table with the columns `ticker`, `cik`, `start_date` and `end_date`. Fetch filings of these
    /// companies between the two dates. If tickers are given too, only those companies are fetched.
    #[arg(long, value_name = "FILE")]
    pub(crate) members: Option<PathBuf>,
    /// Fetch filings of every company.
    #[arg(long, conflicts_with_all = ["cik", "cik_list", "ticker", "ticker_list", "members"])]
    pub(crate) all_companies: bool,
    /// Form types as EDGAR writes them (10-K405, 10-K/A, 20-F, "DEF 14A"). May be repeated.
    #[arg(long, value_delimiter = ',', default_values_t = fetch::edgar::DEFAULT_FORMS.map(str::to_owned))]
    pub(crate) form: Vec<String>,
    /// Only filings of this day or later.
    #[arg(long, value_name = "DATE")]
    pub(crate) filed_from: Option<fetch::edgar::Date>,
    /// Only filings of this day or earlier.
    #[arg(long, value_name = "DATE")]
    pub(crate) filed_to: Option<fetch::edgar::Date>,
    /// The list in which filings are looked up: master.idx, master.gz, form.idx, form.gz or submissions.
    #[arg(long, value_name = "NAME", default_value_t = fetch::edgar::Listing::MasterGzip)]
    pub(crate) listing: fetch::edgar::Listing,
    /// Fetch the dump of this Wikipedia instead of filings, for example `enwiki`.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["cik", "cik_list", "ticker", "ticker_list", "members",
        "all_companies", "form", "filed_from", "filed_to", "listing"])]
    pub(crate) wiki: Option<String>,
    /// With --wiki: the day of the dump, for example 20240501, or `latest`.
    #[arg(long, value_name = "DAY", default_value = "latest", requires = "wiki")]
    pub(crate) dump: String,
    /// With --wiki: the file of the dump.
    #[arg(long, value_name = "FILE", default_value = fetch::wikipedia::ARTICLES, requires = "wiki")]
    pub(crate) wiki_file: String,
    /// Requests a second over all threads. The archives allow at most 10.
    #[arg(long, value_name = "N", default_value_t = fetch::RequestRate::default())]
    pub(crate) requests_per_second: fetch::RequestRate,
    /// How often to repeat a request after throttling, an outage or a cut connection.
    #[arg(long, value_name = "N", default_value_t = fetch::RETRIES)]
    pub(crate) retries: u32,
    /// Number of filings to download at the same time.
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
    /// A filing, or a folder of filings with any names. May be repeated.
    #[arg(long, value_name = "PATH")]
    filings: Vec<PathBuf>,
    /// A `MediaWiki` dump (.xml.bz2, .xml), text of `WikiExtractor` (`AA/wiki_00`), or a folder of either.
    /// May be repeated.
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
    /// Exhibits that become documents too: none, annual-reports (EX-13) or all.
    #[arg(long, value_name = "WHICH", default_value_t = edgar::Exhibits::default())]
    pub(crate) exhibits: edgar::Exhibits,
    #[command(flatten)]
    pub(crate) parts: Parts,
    /// The documents folder to create.
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
    /// Do only one part of the work, for example the second of eight (`2/8`), and keep it in OUT.parts. Use
    /// this to divide the work over machines that share a disk.
    #[arg(long, value_name = "I/N", conflicts_with = "merge")]
    pub(crate) part: Option<corpus::Part>,
    /// Merge the parts in OUT.parts into the result. Give the same options that each --part had.
    #[arg(long)]
    pub(crate) merge: bool,
}

/// Which days documents may have.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Window {
    /// Use documents of this day or later. The day is that of the filing, or of the revision of a Wikipedia
    /// page. With any of these three options, documents without a date are left out and counted.
    #[arg(long, value_name = "DATE")]
    pub(crate) filed_from: Option<corpus::Day>,
    /// Use documents of this day or earlier.
    #[arg(long, value_name = "DATE")]
    pub(crate) filed_to: Option<corpus::Day>,
    /// Hold out all documents of this day or later, as a set of their own.
    #[arg(long, value_name = "DATE")]
    pub(crate) held_out_from: Option<corpus::Day>,
}

#[derive(Debug, Args)]
pub(crate) struct Tokenizer {
    /// The documents folder that `ingest` wrote.
    #[arg(long, value_name = "DIR")]
    pub(crate) docs: PathBuf,
    /// Number of entries, with the five special tokens and the 256 bytes.
    #[arg(long, default_value_t = 50_265)]
    pub(crate) vocab_size: usize,
    /// Train on at most this many bytes of text, chosen by the hash of document ids.
    #[arg(long, default_value_t = corpus::TOKENIZER_SAMPLE_BYTES)]
    pub(crate) sample_bytes: u64,
    /// Share of the companies that `build` will hold out. The tokenizer is not trained on them.
    #[arg(long, default_value_t = corpus::HELD_OUT_FRACTION)]
    pub(crate) held_out_fraction: f64,
    #[command(flatten)]
    pub(crate) window: Window,
    /// The tokenizer folder to create.
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
    /// Number of shards.
    #[arg(long, default_value_t = 256)]
    pub(crate) shards: u32,
    /// Share of the companies (and Wikipedia pages) to hold out for evaluation.
    #[arg(long, default_value_t = corpus::HELD_OUT_FRACTION)]
    pub(crate) held_out_fraction: f64,
    #[command(flatten)]
    pub(crate) window: Window,
    /// Take only documents of these forms, exactly (10-K is neither 10-K/A nor 10-K405); `wiki` and the
    /// sources of texts may be named too. May be repeated or separated by commas.
    #[arg(long, value_name = "FORM", value_delimiter = ',')]
    pub(crate) forms: Vec<String>,
    /// Take only the text of these items: 1A and 7 of annual reports, I.2 and II.1A of quarterly ones.
    /// Documents that have none of them are left out and counted. May be repeated or separated by commas.
    #[arg(long, value_name = "ITEM", value_delimiter = ',')]
    pub(crate) items: Vec<documents::Item>,
    /// Leave out the documents whose ids are in this file, one a line. Every other document stays in its
    /// place.
    #[arg(long, value_name = "FILE")]
    pub(crate) exclude: Option<PathBuf>,
    /// Jaccard similarity (of runs of five words) above which documents are near duplicates. The earliest
    /// one is kept. 1 removes only equal texts.
    #[arg(long, value_name = "J", default_value_t = corpus::DUPLICATE_SIMILARITY)]
    pub(crate) duplicate_similarity: f64,
    /// Where to look for near duplicates: within `company-and-form`, `company` or `corpus`. Every document
    /// is also compared with the held-out ones.
    #[arg(long, value_name = "SCOPE", default_value = "company-and-form")]
    pub(crate) duplicate_scope: corpus::DuplicateScope,
    /// Keep all documents, duplicates too.
    #[arg(long, conflicts_with_all = ["duplicate_similarity", "duplicate_scope"])]
    pub(crate) keep_duplicates: bool,
    #[command(flatten)]
    pub(crate) parts: Parts,
    /// Also write a packing index: `full-sentences:512`, `doc-sentences:512` or `contiguous:512`. Training
    /// writes the one that it needs if it is missing.
    #[arg(long, value_name = "MODE:LENGTH")]
    pub(crate) pack: Vec<corpus::PackingChoice>,
    /// The corpus folder to create.
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
    /// A document of this shard. --document or --token says which one.
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
    /// With --held-out: print this many sentences from all its documents, one a line.
    #[arg(long, value_name = "N", requires = "held_out")]
    pub(crate) sentences: Option<usize>,
    /// Width of all columns together [default: the width of the terminal].
    #[arg(long, value_name = "CHARACTERS", conflicts_with_all = ["json", "sentences"])]
    pub(crate) width: Option<usize>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Sections {
    /// A documents folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) docs: PathBuf,
    /// Only these items: `1A`, of a 10-Q with its part `II.1A`; several with commas between.
    #[arg(long, value_name = "ITEM", value_delimiter = ',')]
    pub(crate) item: Vec<String>,
    /// Only those of this status.
    #[arg(long, value_name = "STATUS", value_parser = status)]
    pub(crate) status: Option<Status>,
    /// Only of the document with this id.
    #[arg(long)]
    pub(crate) id: Option<String>,
    /// Print JSON, a line each.
    #[arg(long)]
    pub(crate) json: bool,
}

/// A status by its name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Status(pub(crate) SectionStatus);

fn status(text: &str) -> Result<Status, String> {
    let mut all = SectionStatus::ALL.into_iter();
    let names = || SectionStatus::ALL.map(SectionStatus::name).join(", ");
    all.find(|status| status.name() == text)
        .map(Status)
        .ok_or_else(|| format!("it is one of {}", names()))
}

#[derive(Debug, Args)]
pub(crate) struct Table {
    /// The documents folder that `ingest` wrote.
    #[arg(long, value_name = "DIR")]
    pub(crate) docs: PathBuf,
    /// The file to create. Its ending says the format: .parquet, .csv or .jsonl.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// Items that get two columns each, their text and their status: 1A and 7 of annual reports, I.2 and
    /// II.1A of quarterly ones. May be repeated or separated by commas.
    #[arg(long, value_name = "ITEM", value_delimiter = ',')]
    pub(crate) items: Vec<documents::Item>,
    /// A table with the columns `cik`, `ticker`, `start_date` and `end_date`, such as members/sp500.csv. The
    /// column `ticker` then has the ticker of the day of filing, and nothing where the table has none.
    #[arg(long, value_name = "FILE")]
    pub(crate) members: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) threads: Threads,
    /// Print the report as JSON.
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
    /// Print the cross-entropy of held-out tokens, each guessed by its frequency in training.
    #[arg(long, requires = "corpus")]
    pub(crate) unigram: bool,
    /// Write the counts as an HTML page instead of printing them.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["unigram", "held_out_sources", "json"])]
    pub(crate) html: Option<PathBuf>,
    /// Print only the names of the sources that have held-out documents, one a line.
    #[arg(long, requires = "corpus", conflicts_with_all = ["unigram", "json"])]
    pub(crate) held_out_sources: bool,
    #[command(flatten)]
    pub(crate) threads: Threads,
    /// Print JSON.
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
