//! `tenk-pretrain compare`: the held-out figures of several runs side by side, before their first step and after their
//! last, out of their `metrics.jsonl`.

use std::path::{Path, PathBuf};

use clap::Args;
use durable::{DurableError, Operation};
use loader::EVALUATION_MASK_SEED;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    commands::output::pretty,
    config::RunConfig,
    error::TrainError,
    run::{folder, plan::identity::differing},
};

#[derive(Debug, Args)]
pub(crate) struct CompareArguments {
    /// Run folders. The others are compared with the first one.
    #[arg(required = true)]
    runs: Vec<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What is printed.
///
/// # Errors
/// Those of [`compare_runs`].
pub(crate) fn run(arguments: &CompareArguments) -> Result<String, TrainError> {
    let runs = compare_runs(&arguments.runs)?;
    if arguments.json {
        return Ok(pretty(&serde_json::to_value(&runs).unwrap_or_default()));
    }
    Ok(table(&runs))
}

/// The figures of one evaluation that are compared.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct ComparedFigures {
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
    /// Seed of the masks; an older program did not write it, and used `run.seed`.
    #[serde(default, skip_serializing)]
    mask_seed: Option<u64>,
}

/// One evaluation of a run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct EvaluatedStep {
    /// Steps finished.
    pub step: u64,
    /// The figures.
    pub eval: ComparedFigures,
}

/// A run's first and last evaluation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct ComparedRun {
    /// The run folder.
    pub run: PathBuf,
    /// The first evaluation: before the first step.
    pub before: EvaluatedStep,
    /// The last one.
    pub after: EvaluatedStep,
    /// Seed of the masks of its evaluations; not known of an old run without its `config.toml`.
    pub mask_seed: Option<u64>,
    /// Why its losses say nothing beside those of the first run: they are of other tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_comparable: Option<String>,
    /// Hashes of corpus and tokenizer.
    #[serde(skip)]
    hashes: Value,
    /// How tokens are masked, and how long sequences are, where the run folder says it.
    #[serde(skip)]
    masking: Value,
}

impl ComparedRun {
    /// What the losses of both depend on beside the model, where it differs.
    fn difference(&self, first: &Self) -> Option<String> {
        let of = |run: &Self| {
            json!({
                "corpus": run.hashes["corpus"],
                "tokenizer": run.hashes["tokenizer"],
                "mask_seed": run.mask_seed,
                "masking": run.masking,
                "masked_tokens": run.after.eval.masked_tokens,
                "unigram_loss": run.after.eval.unigram_loss,
            })
        };
        let mut fields = differing(&of(first), &of(self));
        if first.mask_seed != self.mask_seed {
            fields.push_str(
                " (an older program masked held-out text by run.seed; `tenk-pretrain eval --run RUN --mask-seed 0` evaluates such a run on the masks of all others)",
            );
        }
        (!fields.is_empty()).then_some(fields)
    }
}

/// Reads the evaluations of each run folder.
///
/// # Errors
/// [`TrainError::NotEvaluated`] for a run without any; others when a file cannot be read.
pub(crate) fn compare_runs(runs: &[PathBuf]) -> Result<Vec<ComparedRun>, TrainError> {
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
    let text = durable::read_text(&path, u64::MAX)
        .map_err(|source| DurableError::new(Operation::Read, &path, source))?;
    // Lines of steps have no `eval` and are passed over.
    let mut evaluations = text.lines().filter_map(|line| serde_json::from_str(line).ok());
    let before: EvaluatedStep = evaluations.next().ok_or(TrainError::NotEvaluated { path })?;
    let after = evaluations.next_back().unwrap_or(before);
    let config = config_of(run)?;
    let seed = config.as_ref().map(|config| config.run.seed);
    let masking = config
        .map(|config| json!({ "section": config.masking, "sequence_length": config.data.sequence_length }));
    Ok(ComparedRun {
        run: run.to_owned(),
        before,
        after,
        mask_seed: after.eval.mask_seed.or(seed),
        not_comparable: None,
        hashes: hashes(run)?,
        masking: masking.unwrap_or_default(),
    })
}

/// The run's configuration, where its folder still has it.
fn config_of(run: &Path) -> Result<Option<RunConfig>, TrainError> {
    let path = run.join("config.toml");
    if !path.exists() {
        return Ok(None);
    }
    Ok(Some(folder::config(run)?))
}

/// The hashes of a run's `environment.json`.
fn hashes(run: &Path) -> Result<Value, TrainError> {
    let path = run.join("environment.json");
    let text = durable::read_text(&path, durable::MOST_JSON_BYTES)
        .map_err(|source| DurableError::new(Operation::Read, &path, source))?;
    let environment: Value = serde_json::from_str(&text).map_err(|source| TrainError::Json {
        what: path.display().to_string(),
        source,
    })?;
    Ok(environment["hashes"].clone())
}

/// A table for people: losses in nats, and the margin under the unigram baseline and under
/// each later run.
pub(crate) fn table(runs: &[ComparedRun]) -> String {
    let mut lines =
        vec!["                          step     loss  unigram  margin    top 1    top 5".to_owned()];
    for run in runs {
        lines.push(format!("{}{}", run.run.display(), masks(run)));
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
                    "{} and {} cannot be compared, because their losses are of other tokens or other masks: {fields}",
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

/// Which masks a run has that are not those of all runs.
fn masks(run: &ComparedRun) -> String {
    match run.mask_seed {
        Some(EVALUATION_MASK_SEED) => String::new(),
        Some(seed) => format!(" (evaluated on masks of seed {seed}, its run.seed, by an older program)"),
        None => " (evaluated on masks of its run.seed, by an older program)".to_owned(),
    }
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

    /// Writes a run's configuration, and into its evaluations which masks they have.
    fn masked(run: &Path, overrides: &[&str], mask_seed: Option<u64>) {
        let config = config_file::to_toml(&crate::config::tests::tiny(overrides)).unwrap();
        durable::commit_bytes(&durable::DISK, &run.join("config.toml"), config.as_bytes()).unwrap();
        let Some(seed) = mask_seed else { return };
        let metrics = run.join("metrics.jsonl");
        let said = format!(r#""mask_seed": {seed}, "sources""#);
        let text = std::fs::read_to_string(&metrics)
            .unwrap()
            .replace(r#""sources""#, &said);
        durable::commit_bytes(&durable::DISK, &metrics, text.as_bytes()).unwrap();
    }

    #[test]
    fn seeds_compare_on_the_masks_of_all_runs_and_old_runs_where_their_masks_are_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let verdict = |names: [&str; 2], settings: [(&str, Option<u64>); 2]| {
            let runs = names.map(|name| run(folder.path(), name, &[9.0, 7.0]));
            for (run, (overrides, mask_seed)) in runs.iter().zip(settings) {
                masked(run, &[overrides], mask_seed);
            }
            table(&compare_runs(&runs).unwrap())
        };
        let new = verdict(["a", "b"], [("run.seed=1", Some(0)), ("run.seed=2", Some(0))]);
        assert!(new.contains("nats below") && !new.contains("older"), "{new}");
        let same = verdict(["c", "d"], [("run.seed=1", None), ("run.seed=1", None)]);
        assert!(
            same.contains("nats below") && same.contains("masks of seed 1, its run.seed"),
            "{same}"
        );
        let old = verdict(["e", "f"], [("run.seed=1", None), ("run.seed=2", None)]);
        assert!(old.contains("`mask_seed`: 1 against 2"), "{old}");
        let mixed = verdict(["g", "h"], [("run.seed=1", Some(0)), ("run.seed=1", None)]);
        assert!(
            mixed.contains("`mask_seed`: 0 against 1") && mixed.contains("--mask-seed 0"),
            "{mixed}"
        );
        // Masks of seed 0 are what they were before.
        let zero = verdict(["i", "j"], [("run.seed=4", Some(0)), ("run.seed=0", None)]);
        assert!(zero.contains("nats below"), "{zero}");
    }

    #[test]
    fn runs_that_mask_otherwise_get_no_verdict_although_the_same_tokens_are_predicted() {
        let folder = tempfile::tempdir().unwrap();
        let runs = ["a", "b", "c"].map(|name| run(folder.path(), name, &[9.0, 7.0]));
        let settings = [
            "masking.mlm_probability=0.15",
            "masking.mask_replace_prob=0.5",
            "data.sequence_length=16",
        ];
        for (run, setting) in runs.iter().zip(settings) {
            masked(run, &[setting], Some(0));
        }
        let table = table(&compare_runs(&runs).unwrap());
        assert!(!table.contains("nats below"), "{table}");
        for reason in [
            "`masking.section.mask_replace_prob`: 0.8 against 0.5",
            "`masking.sequence_length`: 32 against 16",
        ] {
            assert!(table.contains(reason), "{reason}: {table}");
        }
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
            table.contains("cannot be compared") && !table.contains("nats below"),
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
    fn a_pipe_under_the_name_of_any_file_of_a_run_is_refused_at_once() {
        for name in ["metrics.jsonl", "environment.json", "config.toml"] {
            let folder = tempfile::tempdir().unwrap();
            let run = run(folder.path(), "run", &[9.0, 7.0]);
            masked(&run, &["run.seed=1"], None);
            assert!(run.join(name).exists(), "{name}");
            compare_runs(std::slice::from_ref(&run)).unwrap();
            durable::testing::lay_pipe(&run.join(name)).unwrap();
            let compare = move || compare_runs(&[run]).map(drop);
            let error = durable::testing::within_a_minute(compare).unwrap_err();
            let said = crate::error::chain(&error);
            assert!(said.contains(name) && said.contains("it is a pipe"), "{said}");
        }
    }

    #[test]
    fn a_run_without_evaluations_is_refused_with_the_key() {
        let folder = tempfile::tempdir().unwrap();
        let error = compare_runs(&[run(folder.path(), "run", &[])]).unwrap_err();
        assert!(error.to_string().contains("evaluation.every_steps"), "{error}");
    }
}
