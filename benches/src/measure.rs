//! Our side of the figures: each function is one timed run and prints `{"rate": x}`.

use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use documents::{DocumentReader, Outcome, document_text_blocks};
use rayon::prelude::*;
use serde_json::{Value, json};
use tokenizer::{Tokenizer, TokenizerError};

use crate::contest::succeed;

#[expect(clippy::print_stdout, reason = "the line that the contest reads")]
pub(crate) fn print_rate(rate: f64, counted: usize) {
    println!("{}", json!({"rate": rate, "counted": counted}));
}

/// HTML filings, read into memory before the clock starts, to cleaned blocks; MB/s of HTML.
pub(crate) fn html_text(files: &[PathBuf]) -> Result<()> {
    let inputs = files
        .iter()
        .map(|path| std::fs::read(path).with_context(|| format!("reading {}", path.display())))
        .collect::<Result<Vec<_>>>()?;
    let start = Instant::now();
    let mut words = 0;
    for (path, bytes) in files.iter().zip(&inputs) {
        for result in edgar::read_filing(&path.to_string_lossy(), bytes) {
            if let Outcome::Document(document) = result.outcome {
                words += document
                    .blocks
                    .iter()
                    .map(|block| block.text.split_ascii_whitespace().count())
                    .sum::<usize>();
            }
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    ensure!(words > 0, "no words came out");
    print_rate(
        inputs.iter().map(Vec::len).sum::<usize>() as f64 / seconds / 1e6,
        words,
    );
    Ok(())
}

/// Filings as they came to shards: `ingest` and `build` as anybody runs them, start-up, hashes and
/// writing included; MB/s of raw input.
pub(crate) fn filings_to_shards(tenk_corpus: &Path, tokenizer: &Path, filings: &[PathBuf]) -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let (docs, corpus) = (scratch.path().join("docs"), scratch.path().join("corpus"));
    let mut raw_bytes = 0;
    for path in filings {
        raw_bytes += path.metadata()?.len();
    }
    let mut ingest = Command::new(tenk_corpus);
    ingest.arg("ingest").arg("--out").arg(&docs);
    for path in filings {
        ingest.arg("--filings").arg(path);
    }
    let mut build = Command::new(tenk_corpus);
    build
        .arg("build")
        .arg("--docs")
        .arg(&docs)
        .arg("--tokenizer")
        .arg(tokenizer);
    build.arg("--out").arg(&corpus);
    let start = Instant::now();
    succeed(&mut ingest)?;
    succeed(&mut build)?;
    let seconds = start.elapsed().as_secs_f64();
    print_rate(raw_bytes as f64 / seconds / 1e6, filings.len());
    Ok(())
}

/// A text, a block a line, to token ids on all cores; MB/s of text.
pub(crate) fn encode(tokenizer: &Path, text: &Path) -> Result<()> {
    let tokenizer = Tokenizer::open(tokenizer)?;
    let text = std::fs::read_to_string(text).with_context(|| format!("reading {}", text.display()))?;
    let lines: Vec<&str> = text.split('\n').collect();
    let start = Instant::now();
    let chunk = lines.len().div_ceil(rayon::current_num_threads()).max(1);
    let tokens: usize = lines
        .par_chunks(chunk)
        .map(|lines| {
            let (mut encoder, mut ids, mut tokens) = (tokenizer.encoder(), Vec::new(), 0);
            for line in lines {
                ids.clear();
                encoder.encode_into(line, &mut ids)?;
                tokens += ids.len();
            }
            Ok(tokens)
        })
        .sum::<Result<usize, TokenizerError>>()?;
    let seconds = start.elapsed().as_secs_f64();
    let bytes: usize = lines.iter().map(|line| line.len()).sum();
    print_rate(bytes as f64 / seconds / 1e6, tokens);
    Ok(())
}

/// The steps of a run behind those that warm it up, from the time-stamps of its metrics.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CountedSteps {
    pub(crate) tokens_per_second: f64,
    /// Of a step.
    pub(crate) seconds: f64,
    /// Of the collective calls of a step, on rank 0, without what it waited there for a rank whose
    /// passes took longer: that is the time of computing, and nothing hides it.
    pub(crate) communication_seconds: f64,
}

/// Reads a run's metrics.
///
/// # Errors
/// When there are no steps behind the `warm_up_steps`.
pub(crate) fn counted_steps(metrics: &Path, warm_up_steps: usize) -> Result<CountedSteps> {
    let text = std::fs::read_to_string(metrics).with_context(|| format!("reading {}", metrics.display()))?;
    let lines = text
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<Vec<Value>, _>>()?;
    let steps: Vec<&Value> = lines.iter().filter(|line| line.get("digest").is_some()).collect();
    ensure!(
        steps.len() > warm_up_steps,
        "{} has only {} steps",
        metrics.display(),
        steps.len()
    );
    let seconds = |line: &Value| -> Result<f64> {
        let time: jiff::Timestamp = line["time"]
            .as_str()
            .context("a step without a time-stamp")?
            .parse()?;
        Ok(time.as_millisecond() as f64 / 1e3)
    };
    let elapsed = seconds(steps[steps.len() - 1])? - seconds(steps[warm_up_steps - 1])?;
    let counted = &steps[warm_up_steps..];
    let tokens: u64 = counted.iter().filter_map(|line| line["tokens"].as_u64()).sum();
    let milliseconds = counted
        .iter()
        .map(|line| communication_ms(line))
        .sum::<Result<f64>>()?;
    let num_steps = counted.len() as f64;
    Ok(CountedSteps {
        tokens_per_second: tokens as f64 / elapsed,
        seconds: elapsed / num_steps,
        communication_seconds: milliseconds / 1e3 / num_steps,
    })
}

/// Rank 0's, less what the slowest rank's passes took longer than its own.
fn communication_ms(line: &Value) -> Result<f64> {
    let passes: Vec<f64> = serde_json::from_value(line["local_compute_ms"].clone())
        .context("local_compute_ms of a step: a list of numbers was expected")?;
    let slowest = passes.iter().copied().fold(0.0, f64::max);
    let waited = slowest - passes.first().context("local_compute_ms of a step is empty")?;
    let all = line["communication_ms"]
        .as_f64()
        .context("a step without communication_ms")?;
    Ok((all - waited).max(0.0))
}

/// Writes the text of all documents, a block a line, for both contestants of a figure.
pub(crate) fn write_text(docs: &Path, out: &Path) -> Result<()> {
    let mut file = BufWriter::new(
        std::fs::OpenOptions::new()
            .create_new(true)
            .write(true)
            .open(out)?,
    );
    for document in DocumentReader::open(docs)? {
        for block in document_text_blocks(&document?) {
            writeln!(file, "{block}")?;
        }
    }
    Ok(file.flush()?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn waiting_for_a_slower_rank_is_no_communication() {
        let line = json!({"communication_ms": 30.0, "local_compute_ms": [100.0, 120.0]});
        assert!((communication_ms(&line).unwrap() - 10.0).abs() < 1e-9);
        let of_the_slower = json!({"communication_ms": 10.0, "local_compute_ms": [120.0, 100.0]});
        assert!((communication_ms(&of_the_slower).unwrap() - 10.0).abs() < 1e-9);
        assert!(communication_ms(&json!({"communication_ms": 10.0})).is_err());
    }
}
