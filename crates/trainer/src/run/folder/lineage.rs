//! Where a run's weights came from, and what was left out of its data: recorded in every
//! checkpoint, so that the model card can tell.

use std::path::{Path, PathBuf};

use collectives::Collective;
use hf_folder::HfModel;
use loader::{EVALUATION_MASK_SEED, SkippedSteps};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{
    config::{KeyPlace, RunConfig},
    error::TrainError,
    ranks::agree::{agree, compare},
    run::{folder::saved_run_error::SavedRunError, plan::identity::differing, session::Session},
    step::learner::Learner,
};

/// Fields of a model's configuration that do not decide which tensors it has and what they
/// compute without dropout.
const FREE_FIELDS: [&str; 4] = [
    "architectures",
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
    "initializer_range",
];

/// What a checkpoint records of a run's past, as `lineage` in `trainer.json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lineage {
    /// The model that the weights were taken from before the first step.
    pub init_from: Option<InitFrom>,
    /// What was left out of the data, in order of the steps.
    pub left_out: Vec<LeftOut>,
    /// Where `training.max_steps` was raised, in order of the steps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lengthened: Vec<Lengthened>,
    /// Seed of the masks of evaluation; without it, in a run that an older program began, `run.seed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluation_mask_seed: Option<u64>,
}

/// A run that was resumed with more steps than it had been planned for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lengthened {
    /// Steps that were finished.
    pub after_step: u64,
    /// `training.max_steps` before.
    pub from: u64,
    /// And since.
    pub to: u64,
}

/// The model that a run continues.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct InitFrom {
    /// Its folder.
    pub folder: PathBuf,
    /// SHA-256 of its `model.safetensors`.
    pub sha256: String,
}

/// `data.exclude` and `data.skip_steps` from a step on, until the next entry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LeftOut {
    /// Steps that were finished when it began to hold.
    pub after_step: u64,
    /// Ids of documents.
    pub exclude: Vec<String>,
    /// Ranges of steps.
    pub skip_steps: Vec<String>,
}

impl Lineage {
    /// Adds what `config` leaves out after `step`, unless that is what held before.
    pub(crate) fn going_on(mut self, config: &RunConfig, step: u64) -> Self {
        let now = LeftOut {
            after_step: step,
            exclude: config.data.exclude.clone(),
            skip_steps: config.data.skip_steps.clone(),
        };
        let same = match self.left_out.last() {
            Some(last) => (&last.exclude, &last.skip_steps) == (&now.exclude, &now.skip_steps),
            None => now.exclude.is_empty() && now.skip_steps.is_empty(),
        };
        if !same {
            self.left_out.push(now);
        }
        self
    }

    /// Seed of the masks of evaluation, which a run keeps to its end so that its figures compare.
    pub(crate) fn mask_seed(&self, config: &RunConfig) -> u64 {
        self.evaluation_mask_seed.unwrap_or(config.run.seed)
    }

    /// Adds that the run goes on after `step` to `to` steps, where it had been planned for fewer.
    pub(crate) fn lengthened(mut self, (from, to): (Option<u64>, u64), step: u64) -> Self {
        if let Some(from) = from.filter(|from| *from < to) {
            self.lengthened.push(Lengthened {
                after_step: step,
                from,
                to,
            });
        }
        self
    }

    /// Steps that are finished are as they were: none of them can be skipped any more.
    ///
    /// # Errors
    /// [`SavedRunError::SkipsTakenStep`] for the first one that `config` would skip and that was taken.
    pub(crate) fn check_skips(&self, config: &RunConfig, finished: u64) -> Result<(), TrainError> {
        let wanted = SkippedSteps::parse(&config.data.skip_steps)?;
        for step in (1..=finished).filter(|&step| wanted.contains(step)) {
            let then = self.at(step).map_or(&[][..], |then| &then.skip_steps);
            if !SkippedSteps::parse(then)?.contains(step) {
                return Err(SavedRunError::SkipsTakenStep {
                    place: KeyPlace::of(&config.places, "data.skip_steps"),
                    step,
                    finished,
                }
                .into());
            }
        }
        Ok(())
    }

    /// What was left out when `step` was taken; `None` before anything was.
    fn at(&self, step: u64) -> Option<&LeftOut> {
        self.left_out.iter().rev().find(|entry| entry.after_step < step)
    }
}

/// `config` of the run in `run_dir` with what it left out of the data when it took `step`: a resumed
/// run may leave out something else, and its `config.toml` has that alone. Steps that no checkpoint
/// has behind it are taken with `config` as it is.
///
/// # Errors
/// When the checkpoints cannot be listed, or the newest whole one has no such record.
pub(crate) fn as_taken(mut config: RunConfig, run_dir: &Path, step: u64) -> Result<RunConfig, TrainError> {
    let checkpoints = checkpoint::list(&run_dir.join("checkpoints"))?;
    let with_step = checkpoints
        .iter()
        .rev()
        .take_while(|(finished, _)| *finished >= step);
    let whole = with_step
        .map(|(_, folder)| checkpoint::restore_trainer(folder))
        .find_map(Result::ok);
    let Some(mut trainer) = whole else {
        return Ok(config);
    };
    let recorded = trainer["lineage"].take();
    let lineage: Option<Lineage> = serde_json::from_value(recorded).map_err(|source| TrainError::Json {
        what: "`lineage` in a checkpoint's trainer.json".to_owned(),
        source,
    })?;
    let then = lineage.unwrap_or_default().at(step).cloned();
    let LeftOut {
        exclude, skip_steps, ..
    } = then.unwrap_or_default();
    config.data.exclude = exclude;
    config.data.skip_steps = skip_steps;
    Ok(config)
}

/// Gives `learner` the weights that the run begins with: those of `model.init_from`, else the
/// initial ones of the seed. All ranks must call it.
///
/// # Errors
/// [`TrainError::OtherTokenizer`] and [`TrainError::OtherShape`] for a model that does not fit
/// the run; [`TrainError::HfFolder`] for a folder that cannot be read.
pub(crate) fn initialize(
    learner: &mut Learner,
    session: &Session,
    collective: &mut dyn Collective,
) -> Result<Lineage, TrainError> {
    let config = &session.plan.config;
    learner.model.initialize(config.run.seed)?;
    let lineage = Lineage {
        evaluation_mask_seed: Some(EVALUATION_MASK_SEED),
        ..Lineage::default()
    };
    let Some(folder) = &config.model.init_from else {
        return Ok(lineage);
    };
    let loaded = agree(collective, load(learner, session, folder))?;
    compare(collective, &json!({ "model.init_from": loaded.sha256 }))?;
    Ok(Lineage {
        init_from: Some(loaded),
        ..lineage
    })
}

fn load(learner: &mut Learner, session: &Session, folder: &Path) -> Result<InitFrom, TrainError> {
    let source = HfModel::open(folder)?;
    if source.tokenizer.hash() != session.hashes.tokenizer {
        return Err(TrainError::OtherTokenizer {
            tokenizer: folder.to_owned(),
            found: source.tokenizer.hash().to_owned(),
            corpus: session.plan.config.data.corpus.clone(),
            expected: session.hashes.tokenizer.clone(),
        });
    }
    let own = fields(&session.plan.config.model.config)?;
    let theirs = fields(&source.config)?;
    if own != theirs {
        return Err(TrainError::OtherShape {
            folder: folder.to_owned(),
            fields: differing(&Value::Object(own), &Value::Object(theirs)),
        });
    }
    source.load_into(&mut learner.model)?;
    if !source.tensors.has_masked_lm_head() {
        tracing::warn!(
            "{} has no masked-LM head: the head begins with the initial weights of run.seed",
            folder.display()
        );
    }
    Ok(InitFrom {
        folder: folder.to_owned(),
        sha256: durable::sha256_file(&folder.join("model.safetensors"))?,
    })
}

/// The fields of a model that have to agree.
fn fields(config: &model::RobertaConfig) -> Result<Map<String, Value>, TrainError> {
    let value = serde_json::to_value(config).map_err(|source| TrainError::Json {
        what: "a model's configuration".to_owned(),
        source,
    })?;
    let mut fields = match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    for key in FREE_FIELDS {
        fields.remove(key);
    }
    Ok(fields)
}

/// `--init-from FOLDER` as overrides: `model.init_from`, and the model's shape from the folder.
///
/// # Errors
/// When the folder's `config.json` cannot be read.
pub(crate) fn overrides(folder: &Path) -> Result<Vec<String>, TrainError> {
    let config = HfModel::read_config(folder)?;
    let path = json!(folder.to_string_lossy());
    let shape = fields(&config)?.into_iter();
    // a JSON string or number is a TOML value too
    let shape = shape.map(|(key, value)| format!("model.{key}={value}"));
    Ok([format!("model.init_from={path}")]
        .into_iter()
        .chain(shape)
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::tiny;

    #[test]
    fn what_is_left_out_is_recorded_with_the_step_from_which_it_is() {
        let lineage = Lineage::default().going_on(&tiny(&[]), 0);
        assert_eq!(lineage, Lineage::default(), "nothing left out leaves no record");
        let excluding = tiny(&["data.exclude=['a']"]);
        let lineage = lineage.going_on(&excluding, 40).going_on(&excluding, 60);
        let lineage = lineage.going_on(&tiny(&["data.skip_steps=['70..80']"]), 65);
        let entry = |after_step, exclude: &[&str], skip_steps: &[&str]| LeftOut {
            after_step,
            exclude: exclude.iter().map(|&id| id.to_owned()).collect(),
            skip_steps: skip_steps.iter().map(|&range| range.to_owned()).collect(),
        };
        assert_eq!(
            lineage.left_out,
            [entry(40, &["a"], &[]), entry(65, &[], &["70..80"])]
        );
        assert_eq!(lineage.at(40), None);
        assert_eq!(lineage.at(41), Some(&entry(40, &["a"], &[])));
        assert_eq!(lineage.at(66), Some(&entry(65, &[], &["70..80"])));
        let lineage = lineage.going_on(&tiny(&[]), 90);
        assert_eq!(lineage.left_out.last(), Some(&entry(90, &[], &[])));
    }

    #[test]
    fn a_step_that_was_taken_cannot_be_skipped_any_more_and_one_that_was_skipped_stays_so() {
        let skipping = |ranges: &str| tiny(&[&format!("data.skip_steps={ranges}")]);
        let lineage = Lineage::default().going_on(&skipping("['3..5']"), 0);
        for fine in ["['3..5']", "['3..5', '11..20']", "['4']", "[]"] {
            lineage.check_skips(&skipping(fine), 10).unwrap();
        }
        for (taken, step) in [("['2..5']", 2), ("['3..6']", 5), ("['10']", 10)] {
            let error = lineage.check_skips(&skipping(taken), 10).unwrap_err();
            assert!(
                matches!(error, TrainError::SavedRun(SavedRunError::SkipsTakenStep { step: named, finished: 10, .. }) if named == step),
                "{taken}: {error}"
            );
        }
    }
}
