//! `metrics.jsonl`: one object a logged step, one an evaluation.
//!
//! Lines are appended and flushed whole. A resumed run first drops the lines after its
//! checkpoint, because those steps are taken again.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use durable::{DISK, DurableError, Operation};
use serde::{Deserialize, Serialize, Serializer, de::IgnoredAny, ser::SerializeMap as _};

use crate::{
    error::TrainError,
    run::evaluate::EvaluationRecord,
    step::{meters::Times, record::StepRecord},
};

/// One logged step.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct StepLine {
    /// Steps finished.
    pub step: u64,
    /// When, RFC 3339 with milliseconds.
    pub time: String,
    /// Mean loss of the step's masked tokens.
    pub loss: f64,
    /// Learning rate of the update.
    pub learning_rate: f64,
    /// Norm of the gradient before clipping.
    pub grad_norm: f64,
    /// In fp16, what the loss was multiplied by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss_scale: Option<f64>,
    /// Whether fp16 overflowed, so that nothing was updated; left out where not.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub skipped_update: bool,
    /// Digest of the step's sequences and masks.
    #[serde(serialize_with = "as_digest")]
    pub digest: u64,
    /// Real tokens of the step, padding left out.
    pub tokens: u64,
    /// Masked tokens of the step.
    pub masked_tokens: u64,
    /// Real tokens since the run began.
    pub tokens_seen: u64,
    /// Rates and times since the line before.
    #[serde(flatten)]
    pub meters: Meters,
    /// Sequences that each rank took.
    pub local_sequences: Vec<u64>,
    /// The most memory that each rank has held so far.
    pub peak_memory_bytes: Vec<u64>,
}

/// What the steps since the line before came to. Times are rank 0's, but for those of each rank's passes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Meters {
    tokens: u64,
    model_flops: u64,
    took: Duration,
    times: Times,
    local_compute: Vec<Duration>,
    peak_flops_per_second: f64,
}

impl Meters {
    /// Nothing yet, on ranks that together reach `peak_flops_per_second`.
    pub(crate) fn new(peak_flops_per_second: f64) -> Self {
        Self {
            tokens: 0,
            model_flops: 0,
            took: Duration::ZERO,
            times: Times::default(),
            local_compute: Vec::new(),
            peak_flops_per_second,
        }
    }

    /// Adds a step that took `took` from asking for its data on.
    pub(crate) fn add(&mut self, record: &StepRecord, took: Duration, times: Times) {
        self.tokens += record.tokens;
        self.model_flops += record.model_flops;
        self.took += took;
        self.times.add(&times);
        self.local_compute
            .resize(record.local_compute.len(), Duration::ZERO);
        for (sum, local) in self.local_compute.iter_mut().zip(&record.local_compute) {
            *sum += *local;
        }
    }

    /// What there is, and nothing from now on.
    #[must_use]
    pub(crate) fn take(&mut self) -> Self {
        let empty = Self::new(self.peak_flops_per_second);
        std::mem::replace(self, empty)
    }

    /// Real tokens a second, over all ranks.
    pub(crate) fn tokens_per_second(&self) -> f64 {
        self.tokens as f64 / self.seconds()
    }

    /// Share of the ranks' peak rate that the model's products on real tokens come to.
    pub(crate) fn model_flops_utilization(&self) -> f64 {
        self.model_flops as f64 / self.seconds() / self.peak_flops_per_second
    }

    fn seconds(&self) -> f64 {
        self.took.as_secs_f64().max(1e-9)
    }
}

impl Serialize for Meters {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let ms = |time: Duration| (time.as_secs_f64() * 1e6).round() / 1e3;
        let times = &self.times;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("tokens_per_second", &self.tokens_per_second())?;
        map.serialize_entry("model_flops", &self.model_flops)?;
        map.serialize_entry("peak_flops_per_second", &self.peak_flops_per_second)?;
        map.serialize_entry("model_flops_utilization", &self.model_flops_utilization())?;
        map.serialize_entry("step_ms", &ms(self.took))?;
        map.serialize_entry("data_wait_ms", &ms(times.data_wait))?;
        map.serialize_entry("forward_ms", &ms(times.forward))?;
        map.serialize_entry("backward_ms", &ms(times.backward))?;
        map.serialize_entry("communication_ms", &ms(times.communication))?;
        map.serialize_entry("optimizer_ms", &ms(times.optimizer))?;
        let local_compute: Vec<f64> = self.local_compute.iter().copied().map(ms).collect();
        map.serialize_entry("local_compute_ms", &local_compute)?;
        map.end()
    }
}

/// One evaluation.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct EvaluationLine<'a> {
    /// Steps finished.
    pub step: u64,
    /// When, RFC 3339 with milliseconds.
    pub time: String,
    /// The figures.
    pub eval: &'a EvaluationRecord,
}

/// The part of any line that resuming needs.
#[derive(Debug, Deserialize)]
struct LineStep {
    step: u64,
    /// Only there in an evaluation's line.
    eval: Option<IgnoredAny>,
}

/// The file, open for appending.
#[derive(Debug)]
pub(crate) struct Metrics {
    file: File,
    path: PathBuf,
    last_evaluated: Option<u64>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature that serde asks for"
)]
fn as_digest<S: Serializer>(digest: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&loader::format_digest(*digest))
}

impl Metrics {
    /// Opens the run folder's file: anew, or behind the lines of the first `resumed` steps;
    /// later ones are dropped.
    ///
    /// # Errors
    /// When the file cannot be read, replaced or opened.
    pub(crate) fn open(run_dir: &Path, resumed: Option<u64>) -> Result<Self, TrainError> {
        let path = run_dir.join("metrics.jsonl");
        let last_evaluated = keep_until(&path, resumed)?;
        let file = durable::open_own(OpenOptions::new().create(true).append(true), &path);
        let file = file.map_err(|source| DurableError::new(Operation::Write, &path, source))?;
        Ok(Self {
            file,
            path,
            last_evaluated,
        })
    }

    /// The step after which the last evaluation in the file was made, as it was when opened.
    pub(crate) fn last_evaluated(&self) -> Option<u64> {
        self.last_evaluated
    }

    /// Appends a line.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn append<T: Serialize>(&mut self, line: &T) -> Result<(), TrainError> {
        let write = |file: &mut File| -> io::Result<()> {
            let mut bytes = serde_json::to_vec(line)?;
            bytes.push(b'\n');
            file.write_all(&bytes)
        };
        write(&mut self.file).map_err(|source| DurableError::new(Operation::Write, &self.path, source).into())
    }
}

/// Drops the lines after `resumed`, and a last line that a killed run left unfinished. Gives
/// the step of the last evaluation that stays.
fn keep_until(path: &Path, resumed: Option<u64>) -> Result<Option<u64>, TrainError> {
    let text = match durable::read_text(path, u64::MAX) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(DurableError::new(Operation::Read, path, source).into()),
    };
    let mut kept = String::new();
    let mut last_evaluated = None;
    for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
        let Ok(LineStep { step, eval }) = serde_json::from_str(line) else {
            continue;
        };
        if resumed.is_some_and(|resumed| step <= resumed) {
            kept.push_str(line);
            last_evaluated = eval.map(|_| step).or(last_evaluated);
        }
    }
    if kept != text {
        replace(path, &kept)?;
    }
    Ok(last_evaluated)
}

fn replace(path: &Path, text: &str) -> Result<(), DurableError> {
    durable::commit_bytes(&DISK, path, text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ranks::timestamp::timestamp;

    fn line(step: u64) -> StepLine {
        StepLine {
            step,
            time: timestamp(),
            loss: 1.5,
            learning_rate: 0.1,
            grad_norm: 2.0,
            loss_scale: None,
            skipped_update: false,
            digest: 0xab,
            tokens: 10,
            masked_tokens: 2,
            tokens_seen: 10 * step,
            meters: Meters::new(1e9),
            local_sequences: vec![4, 4],
            peak_memory_bytes: vec![1 << 20, 1 << 20],
        }
    }

    #[test]
    fn a_pipe_in_the_place_of_the_file_is_refused_at_once() {
        for resumed in [None, Some(3)] {
            let folder = tempfile::tempdir().unwrap();
            durable::testing::lay_pipe(&folder.path().join("metrics.jsonl")).unwrap();
            let run_dir = folder.path().to_owned();
            let open = move || Metrics::open(&run_dir, resumed).map(drop);
            let error = durable::testing::within_a_minute(open).unwrap_err();
            let said = crate::error::chain(&error);
            assert!(
                said.contains("metrics.jsonl") && said.contains("it is a pipe"),
                "{said}"
            );
        }
    }

    #[test]
    fn a_full_disk_is_named_with_the_way_out() {
        let path = PathBuf::from("/dev/full");
        let file = OpenOptions::new().append(true).open(&path).unwrap();
        let mut metrics = Metrics {
            file,
            path,
            last_evaluated: None,
        };
        let message = metrics.append(&line(1)).unwrap_err().to_string();
        assert!(
            message.contains("/dev/full: the disk is full") && message.contains("free space"),
            "{message}"
        );
    }

    #[test]
    fn the_last_evaluation_that_stays_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let mut metrics = Metrics::open(folder.path(), None).unwrap();
        for step in 0..=4 {
            let value = serde_json::json!({ "step": step, "eval": { "loss": 1.0 } });
            metrics.append(&value).unwrap();
            metrics.append(&line(step)).unwrap();
        }
        let metrics = Metrics::open(folder.path(), Some(3)).unwrap();
        assert_eq!(metrics.last_evaluated(), Some(3));
    }

    #[test]
    fn a_resumed_run_continues_behind_its_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        let mut metrics = Metrics::open(folder.path(), None).unwrap();
        (1..=4).for_each(|step| metrics.append(&line(step)).unwrap());
        metrics.file.write_all(b"{\"step\": 2, \"unfin").unwrap();
        let mut metrics = Metrics::open(folder.path(), Some(2)).unwrap();
        metrics.append(&line(3)).unwrap();
        let text = std::fs::read_to_string(folder.path().join("metrics.jsonl")).unwrap();
        let steps: Vec<u64> = text
            .lines()
            .map(|line| serde_json::from_str::<LineStep>(line).unwrap().step)
            .collect();
        assert_eq!(steps, [1, 2, 3]);
        assert_eq!(metrics.last_evaluated(), None);
        assert!(text.contains("\"digest\":\"00000000000000ab\""), "{text}");
    }
}
