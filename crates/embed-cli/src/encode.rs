//! A file of texts to a file of vectors.

use std::io;
use std::path::Path;

use anyhow::{Context, Result};
use durable::{Storage, commit_file};
use embedding::{EmbeddingModel, EncodeOptions};
use serde::Serialize;

use crate::lines::LinesAgain;
use crate::npy;

/// Texts that are in memory together, sorted by length among themselves.
const CHUNK_TEXTS: usize = 8192;

/// What was encoded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct EncodeReport {
    /// Texts, and so vectors.
    pub texts: u64,
    /// Length of a vector.
    pub dimension: usize,
    /// Tokens without padding.
    pub tokens: u64,
    /// Texts that were cut because the model takes no more tokens.
    pub truncated: u64,
}

/// Embeds every line of `input` and writes `output`, a `.npy` of `float32`, `[lines,
/// dimension]`, which appears whole or not at all. An empty line is an empty text and gets
/// the vector of `<s></s>`. An input that can be read only once, such as a pipe, is copied to the
/// folder of `output` for as long as this takes. `progress` hears how many texts are done.
///
/// # Errors
/// If a file cannot be read or written or the model fails; `output` is then as it was.
pub fn encode_file(
    storage: &dyn Storage,
    model: &EmbeddingModel,
    input: &Path,
    output: &Path,
    options: EncodeOptions,
    progress: &mut dyn FnMut(u64),
) -> Result<EncodeReport> {
    let scratch = output.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut input = LinesAgain::open(input, scratch.unwrap_or(Path::new(".")))?;
    let num_texts = count_lines(&mut input)?;
    let mut report = EncodeReport {
        dimension: model.dimension(),
        ..EncodeReport::default()
    };
    let mut failure = None;
    let written = commit_file(storage, output, |file| {
        let mut vectors = npy::begin(file, num_texts, model.dimension())?;
        for_each_chunk(&mut input, |texts| {
            let embeddings = model.encode(texts, options)?;
            vectors
                .extend(embeddings.values)
                .context("cannot write the vectors")?;
            report.texts += texts.len() as u64;
            report.tokens += embeddings.num_tokens as u64;
            report.truncated += embeddings.num_truncated as u64;
            progress(report.texts);
            Ok(())
        })
        .map_err(|error| keep(&mut failure, error))?;
        vectors.finish()
    });
    match failure {
        Some(error) => Err(error),
        None => Ok(written.map(|()| report)?),
    }
}

/// Keeps the error for the caller; what is returned only stops the writer.
fn keep(failure: &mut Option<anyhow::Error>, error: anyhow::Error) -> io::Error {
    *failure = Some(error);
    io::Error::other("the texts could not be embedded")
}

fn count_lines(input: &mut LinesAgain) -> Result<u64> {
    input.lines()?.try_fold(0, |count, line| line.map(|_| count + 1))
}

fn for_each_chunk(input: &mut LinesAgain, mut body: impl FnMut(&[&str]) -> Result<()>) -> Result<()> {
    let mut lines = input.lines()?;
    loop {
        let chunk = lines
            .by_ref()
            .take(CHUNK_TEXTS)
            .collect::<Result<Vec<String>>>()?;
        if chunk.is_empty() {
            return Ok(());
        }
        body(&chunk.iter().map(String::as_str).collect::<Vec<&str>>())?;
    }
}
