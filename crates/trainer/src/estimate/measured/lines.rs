//! What of `metrics.jsonl` a rate is made from.

use std::path::Path;

use durable::{DurableError, Operation};
use jiff::Timestamp;
use serde::{Deserialize, de::IgnoredAny};

use crate::error::TrainError;

/// A line of one or, with `logging.every_steps`, several steps.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TimedLine {
    /// The last of its steps.
    pub step: u64,
    pub time: Timestamp,
    /// Training, over all its steps.
    pub seconds: f64,
    pub num_steps: u64,
    pub world_size: usize,
}

/// What is read of a file.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub steps: Vec<TimedLine>,
    /// Lines that are none, but for one that is being written.
    pub damaged: usize,
}

/// Any line: an evaluation's has no times.
#[derive(Deserialize)]
struct ParsedLine {
    step: u64,
    time: String,
    step_ms: Option<f64>,
    tokens: Option<f64>,
    tokens_per_second: Option<f64>,
    #[serde(default)]
    local_sequences: Vec<IgnoredAny>,
    eval: Option<IgnoredAny>,
}

pub(super) fn read(path: &Path) -> Result<Read, TrainError> {
    let bytes = match durable::read_file(path, u64::MAX) {
        Ok(bytes) => bytes,
        // A run that was launched and has not taken a step.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Read::default()),
        Err(source) => return Err(DurableError::new(Operation::Read, path, source).into()),
    };
    let mut read = Read::default();
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let parsed = serde_json::from_slice::<ParsedLine>(line).ok();
        let timed = parsed.and_then(|line| Some((line.time.parse().ok()?, line)));
        match timed {
            Some((time, line)) => add(&mut read.steps, &line, time),
            // The run is writing it, or was killed while it did.
            None if !line.ends_with(b"\n") => {}
            None => read.damaged += 1,
        }
    }
    Ok(read)
}

fn add(steps: &mut Vec<TimedLine>, line: &ParsedLine, time: Timestamp) {
    let seconds = line.step_ms.map(|ms| ms / 1e3);
    let Some(seconds) = seconds.filter(|seconds| line.eval.is_none() && *seconds > 0.0) else {
        return;
    };
    // A step that is there again was taken again from a checkpoint before it.
    while steps.last().is_some_and(|last| last.step >= line.step) {
        steps.pop();
    }
    let most = line.step - steps.last().map_or(0, |last| last.step);
    steps.push(TimedLine {
        step: line.step,
        time,
        seconds,
        num_steps: num_steps(line, seconds, most),
        world_size: line.local_sequences.len().max(1),
    });
}

/// Steps that a line is of: not all since the line before where a launch begins in between or steps
/// were passed over, so its tokens tell it.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a quotient that is clamped"
)]
fn num_steps(line: &ParsedLine, seconds: f64, most: u64) -> u64 {
    let (Some(rate), Some(tokens)) = (line.tokens_per_second, line.tokens) else {
        return most.max(1);
    };
    let steps = (rate * seconds / tokens).round();
    if steps.is_finite() {
        (steps as u64).clamp(1, most.max(1))
    } else {
        most.max(1)
    }
}
