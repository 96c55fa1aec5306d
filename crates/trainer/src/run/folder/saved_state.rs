//! Training state to a checkpoint and back.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use checkpoint::{Checkpoint, Dtype, Manifest, NamedTensor};
use collectives::{Collective, Rank};
use durable::DISK;
use loader::Step;
use model::Precision;
use serde_json::{Value, json};
use tch::{Kind, Tensor};
use torch_native::{tensor_bytes, tensor_from_bytes};

use crate::{
    config::{CheckpointSection, Reduction},
    error::TrainError,
    ranks::agree::{agree, compare, on_first_rank},
    run::{
        folder::{
            find_checkpoint::newest, lineage::Lineage, saved_run_error::SavedRunError, text_dates::text_dates,
        },
        plan::{
            identity::{Hashes, differing, differing_from, essential},
            reproducibility_key::ReproducibilityKey,
        },
        session::Session,
    },
    step::{learner::Learner, precision, schedule::Schedule},
};

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Progress {
    /// Steps finished.
    pub step: u64,
    /// Real tokens of these steps.
    pub tokens_seen: u64,
    /// Loss of the last one.
    pub loss: Option<f64>,
}

/// Writes a checkpoint and deletes those that are no longer kept.
///
/// # Errors
/// When it cannot be written. One that cannot be deleted is only reported.
pub(crate) fn save(
    checkpoints: &Path,
    session: &Session,
    learner: &Learner,
    (progress, lineage): (Progress, &Lineage),
) -> Result<PathBuf, TrainError> {
    let parameters = learner.model.parameters();
    let weights = learner.model.named_tensors()?;
    let moments = learner.optimizer.named_tensors(parameters)?;
    let (model, optimizer) = (named(&weights)?, named(&moments)?);
    let mut trainer = trainer_state(session, learner, progress)?;
    trainer["lineage"] = json!(lineage);
    let path = checkpoint::save(&DISK, checkpoints, progress.step, &model, &optimizer, &trainer)?;
    let CheckpointSection {
        keep_last,
        keep_every,
        ..
    } = session.plan.config.checkpoint;
    let retained = checkpoint::apply(&DISK, checkpoints, keep_last, Some(keep_every))?;
    for failed in retained.failed {
        tracing::warn!(
            "cannot delete the old checkpoint {}: {}",
            failed.path.display(),
            failed.reason
        );
    }
    Ok(path)
}

/// On the CPU the memory of the tensors themselves: a checkpoint takes no other.
fn named(tensors: &[(String, Tensor)]) -> Result<Vec<NamedTensor<'_>>, TrainError> {
    let mut named = Vec::with_capacity(tensors.len());
    for (name, tensor) in tensors {
        let size = tensor.size().into_iter();
        named.push(NamedTensor {
            name: name.clone(),
            dtype: if tensor.f_kind()? == Kind::Double {
                Dtype::F64
            } else {
                Dtype::F32
            },
            shape: size.map(|size| usize::try_from(size).unwrap_or(0)).collect(),
            bytes: tensor_bytes(tensor)?,
        });
    }
    Ok(named)
}

/// `trainer.json`, without the step, which the checkpoint adds.
fn trainer_state(session: &Session, learner: &Learner, progress: Progress) -> Result<Value, TrainError> {
    let config = &session.plan.config;
    Ok(json!({
        "step": progress.step,
        "tokens_seen": progress.tokens_seen,
        "loss": progress.loss,
        "precision": precision::name(learner.model.precision()),
        "loss_scale": learner.loss_scale,
        "schedule": learner.schedule.describe(),
        "seed": config.run.seed,
        "model_config": config.model.config,
        "attention_permutation": config.model.attention_permutation,
        "hashes": session.hashes,
        "config": essential(config)?,
        "tuple": session.reproducibility_key,
        "text_dates": text_dates(session.text.corpus.manifest()),
        "tokenizer_folder": session.text.tokenizer_dir.to_string_lossy(),
        "program_version": env!("CARGO_PKG_VERSION"),
    }))
}

/// A checkpoint in memory, with the place that it came from.
#[derive(Debug)]
pub(crate) struct Restored {
    /// Its folder.
    pub path: PathBuf,
    /// Its content.
    pub checkpoint: Checkpoint,
}

impl Restored {
    /// Reads the newest whole checkpoint of a folder on every rank; `None` when there is none.
    /// Checkpoints of which none can be used are an error: starting over would lose the run.
    ///
    /// # Errors
    /// Those of [`newest`] and [`Restored::read_on_all`].
    pub(crate) fn latest(
        collective: &mut dyn Collective,
        checkpoints: &Path,
    ) -> Result<Option<Self>, TrainError> {
        let found = on_first_rank(collective, || newest(checkpoints))?;
        let name = found
            .flatten()
            .and_then(|path| path.file_name().map(|name| name.to_string_lossy().into_owned()));
        let mut name = name.unwrap_or_default().into_bytes();
        collective.broadcast(Rank(0), &mut name)?;
        if name.is_empty() {
            return Ok(None);
        }
        let path = checkpoints.join(String::from_utf8_lossy(&name).as_ref());
        Self::read_on_all(collective, path).map(Some)
    }

    /// Reads one checkpoint on every rank, which must find the same content: the folder may be
    /// another one there.
    ///
    /// # Errors
    /// When it is not whole on a rank, or not the same on all.
    pub(crate) fn read_on_all(collective: &mut dyn Collective, path: PathBuf) -> Result<Self, TrainError> {
        let files = Manifest::read(&path).map_err(TrainError::from);
        let files = agree(collective, files)?.files;
        compare(collective, &json!({ "checkpoint": files }))?;
        agree(collective, Self::read(path))
    }

    /// Reads one checkpoint.
    ///
    /// # Errors
    /// When it is not whole.
    pub(crate) fn read(path: PathBuf) -> Result<Self, TrainError> {
        let checkpoint = checkpoint::restore(&path)?;
        Ok(Self { path, checkpoint })
    }

    /// Refuses a checkpoint of another run, naming what differs; says what makes its bits
    /// differ although it is the same run.
    ///
    /// # Errors
    /// [`SavedRunError::OtherRun`] and [`SavedRunError::IncompleteCheckpoint`].
    pub(crate) fn check_same_run(&self, session: &Session) -> Result<(), TrainError> {
        let saved: Hashes = serde_json::from_value(self.checkpoint.trainer["hashes"].clone())
            .map_err(|_| self.lacks("hashes"))?;
        let own = &session.hashes;
        let mut fields = Vec::new();
        if saved.config != own.config {
            fields.push(differing_from(
                &self.checkpoint.trainer["config"],
                &session.plan.config,
            )?);
        }
        fields.retain(|differing| !differing.is_empty());
        for (name, saved, own) in [
            ("corpus", &saved.corpus, &own.corpus),
            ("packing", &saved.packing, &own.packing),
            ("tokenizer", &saved.tokenizer, &own.tokenizer),
        ] {
            if saved != own {
                fields.push(format!("the {name}'s hash: {saved} against {own}"));
            }
        }
        let (choice, precision) = (session.plan.config.training.precision, self.precision()?);
        if !precision::fits(choice, precision) {
            fields.push(format!(
                "`training.precision`: {} against {choice:?}",
                precision::name(precision)
            ));
        }
        if fields.is_empty() {
            return Ok(());
        }
        Err(SavedRunError::OtherRun {
            path: self.path.clone(),
            fields: fields.join(", "),
        }
        .into())
    }

    /// `training.max_steps` of the launch that wrote it.
    pub(crate) fn max_steps(&self) -> Option<u64> {
        self.checkpoint.trainer["schedule"]["max_steps"].as_u64()
    }

    /// Says that the run is lengthened, and whether its rate had begun to fall.
    pub(crate) fn report_lengthening(&self, session: &Session) {
        let config = &session.plan.config;
        let (max_steps, step) = (config.training.max_steps, self.checkpoint.step);
        let Some(before) = self.max_steps().filter(|before| *before < max_steps) else {
            return;
        };
        let planned = Schedule::new(&config.optimizer, &config.schedule, before);
        let now = &session.plan.schedule;
        let is_other = |step: &u64| planned.learning_rate(Step(*step)) < now.learning_rate(Step(*step));
        // The rates of both are the same up to the decay of the shorter one.
        let taken: Vec<u64> = (0..step).rev().take_while(is_other).collect();
        let Some(first) = taken.last().map(|first| first + 1) else {
            tracing::info!(
                "training.max_steps is raised from {before} to {max_steps} after step {step}; the rates of the steps so far are those of the longer run"
            );
            return;
        };
        tracing::warn!(
            "training.max_steps is raised from {before} to {max_steps} after step {step}; the steps from {first} on were taken in the decay of the shorter run, and the rate goes on at {:e}. To go on from before it, remove the checkpoints from step {first} on and resume from the one before",
            now.learning_rate(Step(step)),
        );
    }

    /// Says what of the launch makes it equal only to rounding; once, because it is the same on all
    /// ranks.
    pub(crate) fn report_reproducibility_key(&self, session: &Session) {
        let own = serde_json::to_value(&session.reproducibility_key).unwrap_or_default();
        // Read as what it is: what an older program did not write is what it did.
        let saved: Option<ReproducibilityKey> =
            serde_json::from_value(self.checkpoint.trainer["tuple"].clone()).ok();
        let mut saved = serde_json::to_value(saved).unwrap_or_default();
        let canonical = json!(Reduction::Canonical);
        if saved["reduction"] == canonical && own["reduction"] == canonical {
            // The bits are the same at any number of ranks.
            saved["world_size"] = own["world_size"].clone();
        }
        if saved["sums"].is_null() {
            saved["sums"] = own["sums"].clone();
        }
        let differing = differing(&saved, &own);
        if !differing.is_empty() {
            let micro_batch = saved["micro_batch_size"] != own["micro_batch_size"];
            let same = if micro_batch {
                "the order of the data is the same, but dropout draws other masks, because they belong to micro-batches"
            } else {
                "the order of the data is the same, and the loss is equal to rounding"
            };
            tracing::warn!("{same} (the checkpoint's against this run's): {differing}");
        }
    }

    /// The precision that the run was decided to have.
    ///
    /// # Errors
    /// [`SavedRunError::IncompleteCheckpoint`] when it names none.
    pub(crate) fn precision(&self) -> Result<Precision, TrainError> {
        let name = self.checkpoint.trainer["precision"].as_str().unwrap_or_default();
        precision::parse(name).ok_or_else(|| self.lacks("precision"))
    }

    /// Puts weights and, unless `weights_only`, the optimizer's moments in place.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape.
    pub(crate) fn load_into(&self, learner: &mut Learner, weights_only: bool) -> Result<(), TrainError> {
        let weights = by_name(&self.checkpoint.model)?;
        learner
            .model
            .load_tensors(|name| weights.get(name).map(Tensor::shallow_clone))?;
        if !weights_only {
            let moments = by_name(&self.checkpoint.optimizer)?;
            let lookup = |name: &str| moments.get(name).map(Tensor::shallow_clone);
            learner
                .optimizer
                .load_tensors(learner.model.parameters(), lookup)?;
            if learner.loss_scale.is_some() {
                let saved = &self.checkpoint.trainer["loss_scale"];
                let loss_scale =
                    serde_json::from_value(saved.clone()).map_err(|_| self.lacks("loss_scale"))?;
                learner.loss_scale = Some(loss_scale);
            }
        }
        Ok(())
    }

    /// How far the run was.
    ///
    /// # Errors
    /// [`SavedRunError::IncompleteCheckpoint`] when it does not say.
    pub(crate) fn progress(&self) -> Result<Progress, TrainError> {
        let trainer = &self.checkpoint.trainer;
        Ok(Progress {
            step: self.checkpoint.step,
            tokens_seen: trainer["tokens_seen"]
                .as_u64()
                .ok_or_else(|| self.lacks("tokens_seen"))?,
            loss: trainer["loss"].as_f64(),
        })
    }

    /// Where the weights came from and what was left out so far; nothing in a checkpoint from
    /// before it was recorded.
    ///
    /// # Errors
    /// [`SavedRunError::IncompleteCheckpoint`] when it is no such record.
    pub(crate) fn lineage(&self) -> Result<Lineage, TrainError> {
        match &self.checkpoint.trainer["lineage"] {
            Value::Null => Ok(Lineage::default()),
            recorded => serde_json::from_value(recorded.clone()).map_err(|_| self.lacks("lineage")),
        }
    }

    fn lacks(&self, what: &str) -> TrainError {
        SavedRunError::IncompleteCheckpoint {
            path: self.path.clone(),
            what: format!("`{what}` in trainer.json"),
        }
        .into()
    }
}

fn by_name(tensors: &[NamedTensor<'_>]) -> Result<HashMap<String, Tensor>, TrainError> {
    let convert = |tensor: &NamedTensor<'_>| {
        let kind = match tensor.dtype {
            Dtype::F32 => Kind::Float,
            Dtype::F64 => Kind::Double,
        };
        let shape: Vec<i64> = tensor
            .shape
            .iter()
            .map(|&size| i64::try_from(size).unwrap_or(i64::MAX))
            .collect();
        Ok((
            tensor.name.clone(),
            tensor_from_bytes(kind, &shape, &tensor.bytes)?,
        ))
    };
    tensors.iter().map(convert).collect()
}
