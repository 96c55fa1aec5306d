//! Reads what a training run wrote, and finds its processes.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use rustix::process::Pid;
use serde_json::Value;

/// The objects of `metrics.jsonl`, in order.
///
/// # Errors
/// Where the file cannot be read.
pub fn metrics(run: &Path) -> Result<Vec<Value>> {
    let path = run.join("metrics.jsonl");
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    text.lines()
        .map(|line| serde_json::from_str(line).with_context(|| format!("metrics line {line:?}")))
        .collect()
}

/// A logged training step.
#[derive(Debug)]
pub struct LoggedStep {
    /// Steps that are finished.
    pub step: u64,
    /// Its loss.
    pub loss: f64,
    /// Norm of its gradient before clipping.
    pub grad_norm: f64,
    /// Its digest.
    pub digest: String,
    /// Sequences of each rank.
    pub local_sequences: Vec<u64>,
}

/// The training steps that a run logged.
///
/// # Errors
/// Where the metrics lack one of a step's fields, or cannot be read.
pub fn logged_steps(run: &Path) -> Result<Vec<LoggedStep>> {
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
        grad_norm: line["grad_norm"].as_f64().context("grad_norm")?,
        digest: line["digest"].as_str().context("digest")?.to_owned(),
        local_sequences: serde_json::from_value(line["local_sequences"].clone())
            .context("local_sequences")?,
    })
}

/// What `last_exit.json` says.
///
/// # Errors
/// Where the file is missing or not JSON.
pub fn last_exit(run: &Path) -> Result<Value> {
    let path = run.join("last_exit.json");
    let text = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
    Ok(serde_json::from_slice(&text)?)
}

/// The process of a rank under Open MPI: it has the run folder among its arguments, and its rank in
/// its environment.
///
/// # Errors
/// Where there is none.
pub fn process_of_rank(run: &Path, rank: u32) -> Result<Pid> {
    let folder = run.display().to_string();
    let variable = format!("OMPI_COMM_WORLD_RANK={rank}\0");
    for entry in fs::read_dir("/proc")? {
        let path = entry?.path();
        let read =
            |name: &str| String::from_utf8_lossy(&fs::read(path.join(name)).unwrap_or_default()).into_owned();
        if read("cmdline").contains(&folder) && format!("{}\0", read("environ")).contains(&variable) {
            let id = path.file_name().and_then(|name| name.to_str()?.parse().ok());
            return id.and_then(Pid::from_raw).context("a process without a number");
        }
    }
    bail!("no process of rank {rank}")
}
