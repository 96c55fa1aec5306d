//! Reads what a training run wrote.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

/// The objects of `metrics.jsonl`, in order.
pub(crate) fn metrics(run: &Path) -> Result<Vec<Value>> {
    let path = run.join("metrics.jsonl");
    let text = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    text.lines()
        .map(|line| serde_json::from_str(line).with_context(|| format!("metrics line {line:?}")))
        .collect()
}

/// A logged training step.
#[derive(Debug)]
pub(crate) struct LoggedStep {
    pub(crate) step: u64,
    pub(crate) loss: f64,
    pub(crate) digest: String,
    pub(crate) local_sequences: Vec<u64>,
}

/// The training steps that a run logged.
pub(crate) fn logged_steps(run: &Path) -> Result<Vec<LoggedStep>> {
    metrics(run)?
        .iter()
        .filter(|line| line.get("digest").is_some())
        .map(logged_step)
        .collect()
}

fn logged_step(line: &Value) -> Result<LoggedStep> {
    Ok(LoggedStep {
        step: line["step"].as_u64().context("step")?,
        loss: line["loss"].as_f64().context("loss")?,
        digest: line["digest"].as_str().context("digest")?.to_owned(),
        local_sequences: serde_json::from_value(line["local_sequences"].clone())
            .context("local_sequences")?,
    })
}
