//! The held-out figures of several runs side by side, before their first step and after their
//! last, out of their `metrics.jsonl`.

use std::path::{Path, PathBuf};

use durable::{DurableError, Operation};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{error::TrainError, identity::differing};

/// The figures of one evaluation that are compared.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Evaluated {
    /// Mean cross-entropy in nats.
    pub loss: f64,
    /// Mean cross-entropy of the same tokens by their frequency in the training shards.
    pub unigram_loss: f64,
    /// Share of the tokens that the model ranks first.
    pub top1_accuracy: f64,
    /// Share of the tokens that the model ranks among its first five.
    pub top5_accuracy: f64,
    /// Masked tokens.
    pub masked_tokens: u64,
}

/// One evaluation of a run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EvaluatedStep {
    /// Steps finished.
    pub step: u64,
    /// The figures.
    pub eval: Evaluated,
}

/// A run's first and last evaluation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComparedRun {
    /// The run folder.
    pub run: PathBuf,
    /// The first evaluation: before the first step.
    pub before: EvaluatedStep,
    /// The last one.
    pub after: EvaluatedStep,
    /// Why its losses say nothing beside those of the first run: they are of other tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_comparable: Option<String>,
    /// Hashes of corpus and tokenizer.
    #[serde(skip)]
    hashes: Value,
}

impl ComparedRun {
    /// What the losses of both depend on beside the model, where it differs.
    fn difference(&self, first: &Self) -> Option<String> {
        let of = |run: &Self| {
            json!({
                "corpus": run.hashes["corpus"],
                "tokenizer": run.hashes["tokenizer"],
                "masked_tokens": run.after.eval.masked_tokens,
                "unigram_loss": run.after.eval.unigram_loss,
            })
        };
        let fields = differing(&of(first), &of(self));
        (!fields.is_empty()).then_some(fields)
    }
}

/// Reads the evaluations of each run folder.
///
/// # Errors
/// [`TrainError::NotEvaluated`] for a run without any; others when a file cannot be read.
pub fn compare_runs(runs: &[PathBuf]) -> Result<Vec<ComparedRun>, TrainError> {
    let mut runs: Vec<ComparedRun> = runs.iter().map(|run| compared(run)).collect::<Result<_, _>>()?;
    if let [first, others @ ..] = runs.as_mut_slice() {
        for other in others {
            other.not_comparable = other.difference(first);
        }
    }
    Ok(runs)
}

fn compared(run: &Path) -> Result<ComparedRun, TrainError> {
    let path = run.join("metrics.jsonl");
    let text =
        std::fs::read_to_string(&path).map_err(|source| DurableError::new(Operation::Read, &path, source))?;
    // Lines of steps have no `eval` and are passed over.
    let mut evaluations = text.lines().filter_map(|line| serde_json::from_str(line).ok());
    let before: EvaluatedStep = evaluations.next().ok_or(TrainError::NotEvaluated { path })?;
    Ok(ComparedRun {
        run: run.to_owned(),
        before,
        after: evaluations.next_back().unwrap_or(before),
        not_comparable: None,
        hashes: hashes(run)?,
    })
}

/// The hashes of a run's `environment.json`.
fn hashes(run: &Path) -> Result<Value, TrainError> {
    let path = run.join("environment.json");
    let text =
        std::fs::read_to_string(&path).map_err(|source| DurableError::new(Operation::Read, &path, source))?;
    let environment: Value = serde_json::from_str(&text).map_err(|source| TrainError::Json {
        what: path.display().to_string(),
        source,
    })?;
    Ok(environment["hashes"].clone())
}

/// A table for people: losses in nats, and the margin under the unigram baseline and under
/// each later run.
pub fn table(runs: &[ComparedRun]) -> String {
    let mut lines =
        vec!["                          step     loss  unigram  margin    top 1    top 5".to_owned()];
    for run in runs {
        lines.push(run.run.display().to_string());
        for (name, at) in [("before", &run.before), ("after", &run.after)] {
            let eval = &at.eval;
            lines.push(format!(
                "  {name:<20} {:>7} {:>8.4} {:>8.4} {:>7.4} {:>6.2} % {:>6.2} %",
                at.step,
                eval.loss,
                eval.unigram_loss,
                eval.unigram_loss - eval.loss,
                eval.top1_accuracy * 100.0,
                eval.top5_accuracy * 100.0,
            ));
        }
    }
    if let [first, others @ ..] = runs {
        for other in others {
            if let Some(fields) = &other.not_comparable {
                lines.push(format!(
                    "{} and {} do not compare, their losses are of other tokens: {fields}",
                    first.run.display(),
                    other.run.display()
                ));
                continue;
            }
            let margin = other.after.eval.loss - first.after.eval.loss;
            lines.push(format!(
                "{} ends {margin:.4} nats below {}",
                first.run.display(),
                other.run.display()
            ));
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn run(folder: &Path, name: &str, losses: &[f64]) -> PathBuf {
        let run = folder.join(name);
        std::fs::create_dir(&run).unwrap();
        describe(&run, "one");
        let mut file = std::fs::File::create_new(run.join("metrics.jsonl")).unwrap();
        for (step, loss) in losses.iter().enumerate() {
            let eval = format!(
                r#""loss": {loss}, "unigram_loss": 6.5, "top1_accuracy": 0.1, "top5_accuracy": 0.2, "masked_tokens": 40"#
            );
            writeln!(file, r#"{{"step": {step}, "eval": {{{eval}, "sources": {{}}}}}}"#).unwrap();
            writeln!(file, r#"{{"step": {step}, "loss": 1.0}}"#).unwrap();
        }
        run
    }

    #[test]
    fn runs_are_compared_before_and_after() {
        let folder = tempfile::tempdir().unwrap();
        let runs = [
            run(folder.path(), "model", &[9.0, 7.0, 5.5]),
            run(folder.path(), "control", &[9.0, 6.0]),
        ];
        let compared = compare_runs(&runs).unwrap();
        assert_eq!((compared[0].before.step, compared[0].after.step), (0, 2));
        let table = table(&compared);
        assert!(
            table.contains("model ends 0.5000 nats below") && table.contains(" 1.0000 "),
            "{table}"
        );
    }

    fn describe(run: &Path, corpus: &str) {
        let text = json!({ "hashes": { "corpus": corpus, "tokenizer": "t" } }).to_string();
        durable::commit_bytes(&durable::DISK, &run.join("environment.json"), text.as_bytes()).unwrap();
    }

    #[test]
    fn runs_on_other_text_get_no_verdict_but_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let runs = ["a", "b", "c"].map(|name| run(folder.path(), name, &[9.0, 7.0]));
        describe(&runs[1], "two");
        let metrics = runs[2].join("metrics.jsonl");
        let text = std::fs::read_to_string(&metrics).unwrap().replace("6.5", "6.4");
        durable::commit_bytes(&durable::DISK, &metrics, text.as_bytes()).unwrap();
        let table = table(&compare_runs(&runs).unwrap());
        assert!(
            table.contains("do not compare") && !table.contains("nats below"),
            "{table}"
        );
        for reason in [
            "`corpus`: \"one\" against \"two\"",
            "`unigram_loss`: 6.5 against 6.4",
        ] {
            assert!(table.contains(reason), "{reason}: {table}");
        }
    }

    #[test]
    fn a_run_without_evaluations_is_refused_with_the_key() {
        let folder = tempfile::tempdir().unwrap();
        let error = compare_runs(&[run(folder.path(), "run", &[])]).unwrap_err();
        assert!(error.to_string().contains("evaluation.every_steps"), "{error}");
    }
}
