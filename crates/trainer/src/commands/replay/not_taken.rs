//! Whether the run in the folder took the step that is replayed: what is printed is what the configuration
//! says of a step, and no run need ever have taken it so.

use std::{io, path::Path};

use durable::{DurableError, Operation};
use serde::Deserialize;

use crate::error::TrainError;

/// What a line of `metrics.jsonl` says of its step.
#[derive(Deserialize)]
struct LoggedStep {
    step: u64,
    /// Not in the line of an evaluation.
    digest: Option<String>,
}

/// Why a replayed `step` with this digest is not what the run in `run_dir` trained on, as far as its files
/// tell; `None` where they do not contradict it.
///
/// # Errors
/// When the files cannot be read.
pub(super) fn remark(run_dir: &Path, step: u64, digest: &str) -> Result<Option<String>, TrainError> {
    let dir = run_dir.display();
    let steps = logged_steps(run_dir)?;
    let saved = checkpoint::list(&run_dir.join("checkpoints"))?;
    let last_saved = saved.iter().map(|(step, _)| *step).max();
    let finished = steps.iter().map(|logged| logged.step).max().max(last_saved);
    let Some(finished) = finished else {
        return Ok(Some(format!(
            "{dir} holds no run that has taken a step: this is step {step} as a run of this configuration would take it"
        )));
    };
    if step > finished {
        return Ok(Some(format!(
            "the run in {dir} has finished {finished} steps: this is step {step} as a run of this configuration would take it"
        )));
    }
    let mut logged = steps.iter().rev().filter(|logged| logged.step == step);
    let taken = logged.find_map(|logged| logged.digest.as_ref());
    Ok(taken.filter(|taken| *taken != digest).map(|taken| {
        format!(
            "the run in {dir} took step {step} with other data (digest {taken}): this is the step of this configuration; `tenk-pretrain replay --run {dir} --step {step}` prints what was taken"
        )
    }))
}

/// The lines of `metrics.jsonl`; none where it is missing.
fn logged_steps(run_dir: &Path) -> Result<Vec<LoggedStep>, TrainError> {
    let path = run_dir.join("metrics.jsonl");
    match durable::read_text(&path, u64::MAX) {
        Ok(text) => Ok(text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(source) => Err(DurableError::new(Operation::Read, &path, source).into()),
    }
}

#[cfg(test)]
mod tests {
    use durable::{DISK, commit_bytes};

    use super::*;

    fn said(run_dir: &Path, step: u64) -> Option<String> {
        remark(run_dir, step, "aa").unwrap()
    }

    #[test]
    fn a_step_that_the_run_did_not_take_or_took_otherwise_is_told_apart_from_one_that_it_took() {
        let folder = tempfile::tempdir().unwrap();
        let missing = said(&folder.path().join("nowhere"), 1).unwrap();
        assert!(missing.contains("no run that has taken a step"), "{missing}");
        let lines = concat!(
            r#"{"step":0,"eval":{}}"#,
            "\n",
            r#"{"step":2,"digest":"aa"}"#,
            "\n",
            r#"{"step":4,"digest":"bb"}"#,
            "\n",
            r#"{"step":4,"eval":{}}"#,
            "\n",
            r#"{"step":5,"dig"#,
        );
        commit_bytes(&DISK, &folder.path().join("metrics.jsonl"), lines.as_bytes()).unwrap();
        assert_eq!(said(folder.path(), 2), None);
        assert_eq!(said(folder.path(), 3), None, "a step that was not logged");
        let other = said(folder.path(), 4).unwrap();
        assert!(other.contains("digest bb") && other.contains("--run"), "{other}");
        let later = said(folder.path(), 5).unwrap();
        assert!(later.contains("has finished 4 steps"), "{later}");
    }
}
