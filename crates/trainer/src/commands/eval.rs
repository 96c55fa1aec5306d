//! `tenk-pretrain eval`: evaluates a checkpoint on held-out text.

use std::path::PathBuf;

use clap::Args;
use collectives::{Collective, Launch};
use loader::EVALUATION_MASK_SEED;
use serde_json::{Value, json};

use crate::{
    commands::{
        config_arguments::RunArguments,
        on_all_ranks::on_all_ranks,
        output::{pretty, print_on_first},
    },
    config::RunConfig,
    error::TrainError,
    ranks::{agree::agree, exit::ExitStatus},
    run::{
        data::DataFiles,
        evaluate::{EvaluationOptions, EvaluationRecord, Evaluator},
        folder::{
            find_checkpoint::find_checkpoint,
            lineage,
            saved_run_error::SavedRunError,
            saved_state::{Progress, Restored},
        },
        session::Session,
        watch::crowd::CrowdWatch,
    },
    step::{learner::Learner, precision},
};

#[derive(Debug, Args)]
pub(crate) struct EvalArguments {
    #[command(flatten)]
    run: RunArguments,
    /// The checkpoint: its folder, its name or its step [default: the newest].
    #[arg(long)]
    checkpoint: Option<String>,
    /// Evaluate the weights before the first step.
    #[arg(long, conflicts_with = "checkpoint")]
    initial: bool,
    /// Most sequences of each source, evenly spaced [default: all].
    #[arg(long)]
    max_sequences: Option<u64>,
    /// Seed of the masks [default: the seed of the run's own evaluations. It is 0, but run.seed for runs
    /// that an older program started].
    #[arg(long, value_name = "N")]
    mask_seed: Option<u64>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Evaluates on all ranks, and prints the figures.
pub(crate) fn run(arguments: &EvalArguments, launch: Option<Launch>) -> ExitStatus {
    let loaded = arguments.run.load().and_then(|mut config| {
        if let Some(run) = &arguments.run.run {
            config.run.dir.clone_from(run);
        }
        let weights = match (&arguments.checkpoint, arguments.initial) {
            (_, true) => Weights::Initial,
            (Some(wanted), false) => Weights::Checkpoint(find_checkpoint(&config.run.dir, Some(wanted))?),
            (None, false) => Weights::Latest,
        };
        Ok((config, weights))
    });
    on_all_ranks(loaded, launch, |(config, weights), collective| {
        let selection = EvaluationOverrides {
            max_sequences: arguments.max_sequences,
            mask_seed: arguments.mask_seed,
        };
        let (progress, record) = evaluate_run(config, collective, &weights, selection)?;
        let value = json!({ "step": progress.step, "eval": record });
        Ok(print_on_first(collective, || {
            if arguments.json {
                pretty(&value)
            } else {
                evaluation_text(&value)
            }
        }))
    })
}

/// Which weights are evaluated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Weights {
    /// Those before the first step.
    Initial,
    /// Those of the newest whole checkpoint of the run.
    Latest,
    /// Those of this checkpoint folder.
    Checkpoint(PathBuf),
}

/// What of the held-out text is evaluated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct EvaluationOverrides {
    /// At most so many sequences a source.
    pub max_sequences: Option<u64>,
    /// Seed of the masks; without it those of the run's own evaluations.
    pub mask_seed: Option<u64>,
}

/// Evaluates weights on the corpus's held-out text.
///
/// # Errors
/// When there are no such weights or there is no held-out text.
pub(crate) fn evaluate_run(
    config: RunConfig,
    collective: &mut dyn Collective,
    weights: &Weights,
    selection: EvaluationOverrides,
) -> Result<(Progress, EvaluationRecord), TrainError> {
    let checkpoints = config.run.dir.join("checkpoints");
    // Which checkpoint is compared by its content, because its path may differ between hosts.
    let kind = match weights {
        Weights::Initial => "initial",
        Weights::Checkpoint(_) => "checkpoint",
        Weights::Latest => "latest",
    };
    let asked = json!({
        "command": "eval", "weights": kind,
        "max_sequences": selection.max_sequences, "mask_seed": selection.mask_seed,
    });
    let session = Session::start(config, collective, DataFiles::OnlyRead, &asked)?;
    let restored = match weights {
        Weights::Initial => None,
        Weights::Checkpoint(path) => Some(Restored::read_on_all(collective, path.clone())?),
        Weights::Latest => {
            let latest = Restored::latest(collective, &checkpoints)?;
            Some(agree(
                collective,
                latest.ok_or_else(|| {
                    SavedRunError::NoCheckpoint {
                        dir: checkpoints,
                        wanted: None,
                    }
                    .into()
                }),
            )?)
        }
    };
    let (learner, progress, own_masks) = learner_of(restored.as_ref(), &session, collective)?;
    let evaluated = EvaluationOptions {
        max_sequences: selection.max_sequences,
        mask_seed: selection.mask_seed.unwrap_or(own_masks),
    };
    let evaluator = Evaluator::open(&session, collective, evaluated)?;
    torch_native::keep_large_blocks();
    let _crowd = CrowdWatch::begin(&session, collective.rank().0);
    let record = evaluator.evaluate(&learner.model, collective)?;
    Ok((progress, record))
}

/// The weights of a checkpoint, else the initial ones, how far they were trained, and the seed of their
/// run's own masks.
fn learner_of(
    restored: Option<&Restored>,
    session: &Session,
    collective: &mut dyn Collective,
) -> Result<(Learner, Progress, u64), TrainError> {
    let config = &session.plan.config;
    let Some(restored) = restored else {
        let precision = precision::decide(collective, config, &session.processors)?;
        let mut learner = session.learner(precision)?;
        lineage::initialize(&mut learner, session, collective)?;
        return Ok((learner, Progress::default(), EVALUATION_MASK_SEED));
    };
    let precision = agree(collective, check_tokenizer(restored, session))?;
    let mut learner = session.learner(precision)?;
    agree(collective, restored.load_into(&mut learner, true))?;
    let progress = agree(collective, restored.progress())?;
    let lineage = agree(collective, restored.lineage())?;
    Ok((learner, progress, lineage.mask_seed(config)))
}

/// Any corpus may evaluate a model, if its tokens are the model's. The precision is the run's.
fn check_tokenizer(restored: &Restored, session: &Session) -> Result<model::Precision, TrainError> {
    let saved = &restored.checkpoint.trainer["hashes"]["tokenizer"];
    let own = &session.hashes.tokenizer;
    if saved.as_str() != Some(own) {
        return Err(SavedRunError::OtherRun {
            path: restored.path.clone(),
            fields: format!("the tokenizer's hash: {saved} against {own}"),
        }
        .into());
    }
    restored.precision()
}

fn evaluation_text(value: &Value) -> String {
    let mut lines = vec![
        format!(
            "held-out text after {} steps, masks of seed {}",
            value["step"], value["eval"]["mask_seed"]
        ),
        "source             loss  unigram  perplexity   top 1   top 5   masked tokens".to_owned(),
    ];
    let eval = &value["eval"];
    let sources = eval["sources"].as_object();
    let named = sources
        .into_iter()
        .flatten()
        .map(|(name, figures)| (name.as_str(), figures));
    for (name, figures) in named.chain([("total", eval)]) {
        let number = |key: &str| figures[key].as_f64().unwrap_or(f64::NAN);
        lines.push(format!(
            "{name:<15} {:>7.4} {:>8.4} {:>11.2} {:>6.2} % {:>6.2} % {:>13}",
            number("loss"),
            number("unigram_loss"),
            number("perplexity"),
            number("top1_accuracy") * 100.0,
            number("top5_accuracy") * 100.0,
            figures["masked_tokens"],
        ));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_evaluation_is_a_table_by_source() {
        let figures = json!({ "loss": 2.0, "unigram_loss": 6.5, "perplexity": 7.39, "top1_accuracy": 0.5, "top5_accuracy": 0.75, "masked_tokens": 12 });
        let mut eval = figures.clone();
        eval["mask_seed"] = json!(0);
        eval["sources"] = json!({ "10-K": figures });
        let text = evaluation_text(&json!({ "step": 3, "eval": eval }));
        assert!(
            text.lines().count() == 4 && text.contains("10-K") && text.contains("50.00 %"),
            "{text}"
        );
    }
}
