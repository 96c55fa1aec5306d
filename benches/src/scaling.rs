//! Whether `build` takes time in proportion to its text and the same memory for any amount: the
//! sample's text, 2 GB of it beside 100 MB, by a process whose memory is limited.
//!
//! No sample and no corpus is removed until all builds are over: for minutes after a removal ext4
//! looks for an inode that was not freed lately, and a build makes 700 files whatever the size of
//! its text. After 130,000 files were removed, the small build took 2.05 s instead of 1.24 s (two
//! cores of an AMD EPYC, 24 November 2026).

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::contest::{Outcome, succeed};

/// The sample has about 15 KB of text a filing, and four times as much markup.
const SMALL_FILINGS: u32 = 6_600;
/// How much larger the large text is.
const TIMES: u32 = 20;
/// `RLIMIT_DATA`: all memory of a process that it can write to.
const LIMIT_KILOBYTES: u64 = 1_000_000;
/// Builds of each size.
const RUNS: usize = 3;
/// How often the memory of a build is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// A documents folder and what builds of it took.
struct Size {
    docs: PathBuf,
    /// Million tokens a second.
    rates: Vec<f64>,
    peak_megabytes: Vec<f64>,
}

/// The shards that the large build leaves behind, for figures that need many.
pub(crate) fn large_corpus(folder: &Path) -> PathBuf {
    corpus_of(&folder.join("scaling/large"), 0)
}

/// Where the build of a documents folder writes in a run.
fn corpus_of(docs: &Path, run: usize) -> PathBuf {
    docs.with_extension(format!("corpus-{run}"))
}

/// Both figures: the rate and the peak memory of the large build beside those of the small one.
pub(crate) fn outcomes(bin: &Path, folder: &Path) -> Vec<Outcome> {
    let (sizes, failed) = match measure(&bin.join("tenk-corpus"), &folder.join("scaling")) {
        Ok(sizes) => (Some(sizes), None),
        Err(error) => (None, Some(format!("{error:#}"))),
    };
    let (small, large) = sizes.unzip();
    let figure = |name: &str, unit, of: fn(&Size) -> &Vec<f64>| Outcome {
        group: "corpus",
        name: name.to_owned(),
        unit,
        peer_name: "the same with 100 MB of text",
        ours: large.as_ref().map_or_else(Vec::new, |size| of(size).clone()),
        peer: small.as_ref().map_or_else(Vec::new, |size| of(size).clone()),
        failed: failed.clone(),
    };
    vec![
        figure(
            "build of 2 GB of the sample's text, all cores, memory limited to 1 GB",
            "million tokens/s",
            |size| &size.rates,
        ),
        figure(
            "peak memory of that build, mapped files left out (less is better)",
            "MB",
            |size| &size.peak_megabytes,
        ),
    ]
}

fn measure(tenk_corpus: &Path, folder: &Path) -> Result<(Size, Size)> {
    std::fs::create_dir_all(folder)?;
    let tokenizer = folder.join("tokenizer");
    let mut small = make(tenk_corpus, folder, "small", SMALL_FILINGS)?;
    let mut train = Command::new(tenk_corpus);
    train
        .args(["tokenizer", "--vocab-size", "8192", "--docs"])
        .arg(&small.docs);
    succeed(train.arg("--out").arg(&tokenizer))?;
    let mut large = make(tenk_corpus, folder, "large", SMALL_FILINGS * TIMES)?;
    for run in 0..RUNS {
        for size in [&mut small, &mut large] {
            build(tenk_corpus, &tokenizer, size, run)?;
        }
    }
    for name in ["small", "large"] {
        std::fs::remove_dir_all(sample_of(folder, name))?;
    }
    Ok((small, large))
}

fn sample_of(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}-sample"))
}

/// A documents folder of the sample's filings.
fn make(tenk_corpus: &Path, folder: &Path, name: &str, num_filings: u32) -> Result<Size> {
    let (sample, docs) = (sample_of(folder, name), folder.join(name));
    let filings = num_filings.to_string();
    let mut make_sample = Command::new(tenk_corpus);
    make_sample.args(["sample", "--pages", "100", "--filings", &filings, "--out"]);
    succeed(make_sample.arg(&sample))?;
    let mut ingest = Command::new(tenk_corpus);
    ingest.arg("ingest").arg("--filings").arg(sample.join("filings"));
    succeed(ingest.arg("--out").arg(&docs))?;
    Ok(Size {
        docs,
        rates: Vec::new(),
        peak_megabytes: Vec::new(),
    })
}

/// Builds a corpus beside the documents.
fn build(tenk_corpus: &Path, tokenizer: &Path, size: &mut Size, run: usize) -> Result<()> {
    let out = corpus_of(&size.docs, run);
    let limited = format!("ulimit -d {LIMIT_KILOBYTES} && exec \"$0\" \"$@\"");
    let mut command = Command::new("bash");
    command.arg("-c").arg(limited).arg(tenk_corpus);
    command.args([
        "build",
        "--json",
        "--shards",
        "256",
        "--pack",
        "full-sentences:512",
        "--docs",
    ]);
    command
        .arg(&size.docs)
        .arg("--tokenizer")
        .arg(tokenizer)
        .arg("--out")
        .arg(&out);
    let start = Instant::now();
    let peak_kilobytes = peak_of(&mut command)?;
    let seconds = start.elapsed().as_secs_f64();
    let manifest = std::fs::read(out.join("manifest.json"))?;
    let manifest: Value = serde_json::from_slice(&manifest)?;
    let sources = manifest["sources"]
        .as_object()
        .context("a manifest without sources")?;
    let tokens: u64 = sources
        .values()
        .filter_map(|counts| counts["tokens"].as_u64())
        .sum();
    ensure!(tokens > 0, "{} has no tokens", out.display());
    size.rates.push(tokens as f64 / seconds / 1e6);
    size.peak_megabytes.push(peak_kilobytes as f64 / 1e3);
    Ok(())
}

/// Runs a command, which must succeed; the peak of its own memory in kilobytes. Pages of mapped
/// files are left out: the system takes them back as it needs them.
fn peak_of(command: &mut Command) -> Result<u64> {
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("starting {command:?}"))?;
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait()?.is_none() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
        peak = peak.max(kilobytes.unwrap_or(0));
        std::thread::sleep(LOOK);
    }
    let output = child.wait_with_output()?;
    ensure!(
        output.status.success(),
        "{command:?} failed:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(peak)
}
