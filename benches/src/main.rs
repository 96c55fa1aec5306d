//! `make bench`: every figure beside its peer. The contestants of a figure run in turn, ours and
//! theirs, in one run on one machine; medians and spread go to stdout and `docs/benchmarks.md`.

mod agreement;
mod before;
mod collectives;
mod contest;
mod encoding;
mod figures;
mod loading;
mod machine;
mod measure;
mod opening;
mod record;
mod report;
mod scaling;
mod training;
mod wiki;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

/// Measures tenk beside its peers.
#[derive(Debug, Parser)]
struct Arguments {
    /// Groups to run, of `corpus`, `training` and `collectives`; all where none is named.
    #[arg(long, value_delimiter = ',')]
    group: Vec<String>,
    /// Folder of the release programs.
    #[arg(long, default_value = "target/release")]
    bin: PathBuf,
    /// The peers' virtual environment.
    #[arg(long)]
    peers: Option<PathBuf>,
    /// Counted runs of each contestant.
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// At most so many timed runs of each group that trains; the next call goes on.
    #[arg(long)]
    at_most: Option<usize>,
    /// Compare this tree with an earlier commit instead: processor time, peak memory and output.
    #[arg(long, value_name = "REV")]
    before: Option<String>,
    #[command(subcommand)]
    measure: Option<Measure>,
}

impl Arguments {
    fn wants(&self, group: &str) -> bool {
        self.group.is_empty() || self.group.iter().any(|name| name == group)
    }

    /// The peers' Python.
    fn python(&self) -> Result<PathBuf> {
        let peers = self.peers.as_ref();
        let peers = peers.context("--peers names the peers' environment; `make bench` does")?;
        Ok(peers.join("bin/python"))
    }
}

/// One timed run of ours, in a process of its own as the peer's is.
#[derive(Debug, Subcommand)]
enum Measure {
    /// HTML filings to cleaned blocks, one thread.
    HtmlText { files: Vec<PathBuf> },
    /// Filings as they came to shards by the programs, all cores, tokenizer given.
    FilingsToShards {
        tenk_corpus: PathBuf,
        tokenizer: PathBuf,
        filings: Vec<PathBuf>,
    },
    /// Text to token ids, all cores.
    Encode { tokenizer: PathBuf, text: PathBuf },
    /// A dump to documents, on so many threads or all cores.
    WikiText {
        dump: PathBuf,
        xml_bytes: usize,
        #[arg(default_value_t = 0)]
        threads: usize,
    },
    /// The same dump decompressed, all cores.
    Bunzip2 { dump: PathBuf, xml_bytes: usize },
    /// A process that opens a corpus and makes its first batch.
    FirstBatch { corpus: PathBuf },
    /// Masks and micro-batches, one thread.
    LoaderRate { corpus: PathBuf, tokenizer: PathBuf },
    /// Percent of its time that a null model waits for data, from a cold page cache.
    DataWait { corpus: PathBuf, tokenizer: PathBuf },
    /// One rank, under mpirun, of sums of 64 MiB over all ranks.
    AllReduce,
    /// One rank, under mpirun, of calls that only wait for all ranks.
    Arrivals,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln_chain(&error);
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stderr, reason = "the one place where the error chain is shown")]
fn eprintln_chain(error: &anyhow::Error) {
    eprintln!("error: {error:#}");
}

fn run(arguments: &Arguments) -> Result<()> {
    figures::check_groups(arguments)?;
    if let Some(revision) = &arguments.before {
        return before::run(arguments, revision);
    }
    match &arguments.measure {
        Some(Measure::HtmlText { files }) => measure::html_text(files),
        Some(Measure::FilingsToShards {
            tenk_corpus,
            tokenizer,
            filings,
        }) => measure::filings_to_shards(tenk_corpus, tokenizer, filings),
        Some(Measure::Encode { tokenizer, text }) => measure::encode(tokenizer, text),
        Some(Measure::WikiText {
            dump,
            xml_bytes,
            threads,
        }) => wiki::text(dump, *xml_bytes, *threads),
        Some(Measure::Bunzip2 { dump, xml_bytes }) => wiki::decompression(dump, *xml_bytes),
        Some(Measure::FirstBatch { corpus }) => opening::first_batch(corpus),
        Some(Measure::LoaderRate { corpus, tokenizer }) => loading::rate(corpus, tokenizer),
        Some(Measure::DataWait { corpus, tokenizer }) => loading::data_wait(corpus, tokenizer),
        Some(Measure::AllReduce) => collectives::all_reduce(),
        Some(Measure::Arrivals) => collectives::arrivals(),
        None => {
            let figures = figures::selected(arguments)?;
            let measured = figures.iter().map(|figure| contest::run(figure, arguments.runs));
            let mut results: Vec<_> = measured.collect();
            if arguments.wants("corpus") {
                results.extend(scaling::outcomes(&arguments.bin, Path::new(figures::FOLDER)));
                let corpus = scaling::large_corpus(Path::new(figures::FOLDER));
                results.push(opening::outcome(&corpus, arguments.runs));
            }
            report::write(&results)?;
            if arguments.wants("corpus") {
                report::write_section("agreement", &agreement::table(&arguments.python()?)?)?;
            }
            let mut outcome = contest::none_failed(&results);
            if arguments.wants("training") {
                outcome = outcome.and(training::run(arguments));
            }
            if arguments.wants("collectives") {
                outcome = outcome.and(collectives::run(arguments));
            }
            outcome
        }
    }
}
