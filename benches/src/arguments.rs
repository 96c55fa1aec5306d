//! What `make bench` passes on.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

/// Measures tenk beside its peers.
#[derive(Debug, Parser)]
pub(crate) struct Arguments {
    /// Groups to run, of `corpus`, `training` and `collectives`; all three where none is named.
    /// `between-hosts` runs only where it is named.
    #[arg(long, value_delimiter = ',')]
    pub(crate) group: Vec<String>,
    /// Folder of the release programs.
    #[arg(long, default_value = "target/release")]
    pub(crate) bin: PathBuf,
    /// The peers' virtual environment.
    #[arg(long)]
    pub(crate) peers: Option<PathBuf>,
    /// Counted runs of each contestant.
    #[arg(long, default_value_t = 5)]
    pub(crate) runs: usize,
    /// At most so many timed runs of each group that trains; the next call goes on.
    #[arg(long)]
    pub(crate) at_most: Option<usize>,
    /// Compare this tree with an earlier commit instead: processor time, peak memory and output.
    #[arg(long, value_name = "REV")]
    pub(crate) before: Option<String>,
    #[command(subcommand)]
    pub(crate) measure: Option<Measure>,
}

impl Arguments {
    pub(crate) fn wants(&self, group: &str) -> bool {
        self.group.is_empty() || self.names(group)
    }

    pub(crate) fn names(&self, group: &str) -> bool {
        self.group.iter().any(|name| name == group)
    }

    /// The peers' Python.
    pub(crate) fn python(&self) -> Result<PathBuf> {
        let peers = self.peers.as_ref();
        let peers = peers.context("--peers names the peers' environment; `make bench` does")?;
        Ok(peers.join("bin/python"))
    }
}

/// One timed run of ours, in a process of its own as the peer's is.
#[derive(Debug, Subcommand)]
pub(crate) enum Measure {
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
    /// One rank, on a host of two, of sums between them.
    BetweenHosts {
        /// By MPI's own call instead of the ring.
        #[arg(long)]
        by_library: bool,
    },
}
