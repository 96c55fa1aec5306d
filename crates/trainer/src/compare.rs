//! The held-out figures of several runs side by side, before their first step and after their
//! last, out of their `metrics.jsonl`.

use std::path::{Path, PathBuf};

use durable::{DurableError, Operation};
use serde::{Deserialize, Serialize};

use crate::error::TrainError;

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
}

/// Reads the evaluations of each run folder.
///
/// # Errors
/// [`TrainError::NotEvaluated`] for a run without any; others when a file cannot be read.
pub fn compare_runs(runs: &[PathBuf]) -> Result<Vec<ComparedRun>, TrainError> {
    runs.iter().map(|run| compared(run)).collect()
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
    })
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
        let mut file = std::fs::File::create_new(run.join("metrics.jsonl")).unwrap();
        for (step, loss) in losses.iter().enumerate() {
            let eval =
                format!(r#""loss": {loss}, "unigram_loss": 6.5, "top1_accuracy": 0.1, "top5_accuracy": 0.2"#);
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

    #[test]
    fn a_run_without_evaluations_is_refused_with_the_key() {
        let folder = tempfile::tempdir().unwrap();
        let error = compare_runs(&[run(folder.path(), "run", &[])]).unwrap_err();
        assert!(error.to_string().contains("evaluation.every_steps"), "{error}");
    }
}
