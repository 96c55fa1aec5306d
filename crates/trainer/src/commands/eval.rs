//! Evaluating a saved run, and finding its checkpoints.

use std::path::{Path, PathBuf};

use checkpoint::folder_name;
use collectives::Collective;
use loader::EVALUATION_MASK_SEED;
use serde_json::json;

use crate::{
    config::RunConfig,
    error::TrainError,
    ranks::{agree::agree, crowd::CrowdWatch},
    run::{
        data::DataFiles,
        evaluate::{Evaluated, EvaluationRecord, Evaluator},
        lineage,
        saved_state::{Progress, Restored, newest},
        session::Session,
        unigram::Unigram,
    },
    step::precision,
};

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
pub(crate) struct Selection {
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
    selection: Selection,
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
                latest.ok_or(TrainError::NoCheckpoint {
                    dir: checkpoints,
                    wanted: None,
                }),
            )?)
        }
    };
    let (learner, progress, own_masks) = match &restored {
        None => {
            let precision = precision::decide(collective, &session.plan.config, &session.processors)?;
            let mut learner = session.learner(precision)?;
            lineage::initialize(&mut learner, &session, collective)?;
            (learner, Progress::default(), EVALUATION_MASK_SEED)
        }
        Some(restored) => {
            let precision = agree(collective, check_tokenizer(restored, &session))?;
            let mut learner = session.learner(precision)?;
            agree(collective, restored.load_into(&mut learner, true))?;
            let progress = agree(collective, restored.progress())?;
            let lineage = agree(collective, restored.lineage())?;
            (learner, progress, lineage.mask_seed(&session.plan.config))
        }
    };
    let unigram = Unigram::count(
        collective,
        &session.text.corpus,
        session.text.tokenizer.vocab_size(),
    )?;
    let evaluated = Evaluated {
        max_sequences: selection.max_sequences,
        mask_seed: selection.mask_seed.unwrap_or(own_masks),
    };
    let evaluator = agree(collective, Evaluator::new(&session.loader, unigram, evaluated))?;
    torch_native::keep_large_blocks();
    let _crowd = CrowdWatch::begin(&session, collective.rank().0);
    let record = evaluator.evaluate(&learner.model, collective)?;
    Ok((progress, record))
}

/// Any corpus may evaluate a model, if its tokens are the model's. The precision is the run's.
fn check_tokenizer(restored: &Restored, session: &Session) -> Result<model::Precision, TrainError> {
    let saved = &restored.checkpoint.trainer["hashes"]["tokenizer"];
    let own = &session.hashes.tokenizer;
    if saved.as_str() != Some(own) {
        return Err(TrainError::OtherRun {
            path: restored.path.clone(),
            fields: format!("the tokenizer's hash: {saved} against {own}"),
        });
    }
    restored.precision()
}

/// The folder of a checkpoint of `run_dir`: by path, by name (`step-00000100`), by number, or
/// the newest whole one.
///
/// # Errors
/// [`TrainError::NoCheckpoint`] when there is none; those of [`newest`].
pub(crate) fn find_checkpoint(run_dir: &Path, wanted: Option<&str>) -> Result<PathBuf, TrainError> {
    let checkpoints = run_dir.join("checkpoints");
    let found = match wanted {
        None => newest(&checkpoints)?,
        Some(wanted) => {
            let number = wanted.strip_prefix("step-").unwrap_or(wanted).parse().ok();
            let named = number.map(|step| checkpoints.join(folder_name(step)));
            let candidates = [named, Some(checkpoints.join(wanted)), Some(PathBuf::from(wanted))];
            candidates.into_iter().flatten().find(|path| path.is_dir())
        }
    };
    found.ok_or(TrainError::NoCheckpoint {
        dir: checkpoints,
        wanted: wanted.map(str::to_owned),
    })
}
