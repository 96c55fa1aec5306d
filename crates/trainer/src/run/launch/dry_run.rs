//! A dry run: everything is checked, one step is taken and thrown away, nothing is written.

use std::path::PathBuf;

use collectives::Collective;
use loader::{SequenceDescription, Step};
use serde_json::json;

use crate::{
    config::RunConfig,
    error::TrainError,
    ranks::{
        agree::{agree, agreed},
        stop::StopRequest,
    },
    run::{
        data::DataFiles,
        folder::saved_run_error::SavedRunError,
        launch::beginning::{Resume, begin, checkpoint_to_resume, precision_of},
        session::Session,
    },
    step::{learner::Learner, precision, ready::ReadyStep, record::StepRecord, train_step},
};

/// What a dry run found.
#[derive(Debug)]
pub(crate) struct DryRun {
    /// The checkpoint that it began with.
    pub checkpoint: Option<PathBuf>,
    /// Derived numbers and shapes.
    pub plan: serde_json::Value,
    /// The first sequence of the batch.
    pub first_sequence: SequenceDescription,
    /// The one step that was taken, and thrown away.
    pub record: StepRecord,
}

/// Checks everything, takes the first step or, to resume, the one after the newest checkpoint,
/// and writes nothing. A run that would be refused is refused here, too.
///
/// # Errors
/// As [`train_run`](super::train_run); [`SavedRunError::Finished`] for a checkpoint of the last step.
pub(crate) fn dry_run(
    config: RunConfig,
    collective: &mut dyn Collective,
    resume: Resume,
) -> Result<DryRun, TrainError> {
    let asked = json!({ "command": "train", "dry_run": true, "resume": resume });
    let session = Session::start(config, collective, DataFiles::OnlyRead, &asked)?;
    let config = &session.plan.config;
    let restored = checkpoint_to_resume(collective, &config.run.dir, resume)?;
    let precision = precision_of(restored.as_ref(), &session, collective)?;
    session.check_memory(collective, precision)?;
    let mut learner = session.learner(precision)?;
    let (progress, _) = begin(restored.as_ref(), &session, collective, &mut learner)?;
    if progress.step >= config.training.max_steps {
        return Err(agreed(
            &SavedRunError::Finished {
                dir: config.run.dir.clone(),
                step: progress.step,
            }
            .into(),
        ));
    }
    let step = Step(progress.step);
    let place = (collective.rank().0, collective.world_size());
    let batches = session.loader.step_batches(step, place.0, place.1);
    let ready = batches.map_err(TrainError::from).and_then(|batches| {
        ReadyStep::new(
            batches,
            &*learner.objective,
            learner.model.config(),
            session.device,
        )
    });
    let ready = agree(collective, ready)?;
    let first_sequence = agree(
        collective,
        session.loader.describe(step, 0).map_err(TrainError::from),
    )?;
    let plan = describe_plan(&session, &learner, precision::name(precision));
    let step =
        |collective: &mut dyn Collective| train_step(&mut learner, collective, &ready, &StopRequest::new());
    let record = session.connected(collective, None, step)?;
    Ok(DryRun {
        checkpoint: restored.map(|restored| restored.path),
        plan,
        first_sequence,
        record,
    })
}

fn describe_plan(session: &Session, learner: &Learner, precision: &str) -> serde_json::Value {
    let (plan, config) = (&session.plan, &session.plan.config);
    let (batch, length) = (config.training.micro_batch_size, config.data.sequence_length);
    let parameters = learner.model.parameters();
    json!({
        "parameters": parameters.num_parameters(),
        "precision": precision,
        "world_size": plan.world_size,
        "threads_per_rank": session.threads.num_threads,
        "micro_batches_per_step": plan.num_micro_batches,
        "micro_batches_per_rank": plan.micro_batches_per_rank,
        "positions_per_step": plan.positions_per_step,
        "shapes": {
            "input_ids": [batch, length],
            "masked_positions": [batch, plan.mask_capacity],
            "hidden_states": [batch, length, config.model.config.hidden_size],
            "logits": [batch * plan.mask_capacity as u64, config.model.config.padded_vocab_size()],
            "flat_parameters": parameters.flat().numel(),
        },
        "sources": session.loader.sources().map(|(name, rows)| (name.to_owned(), rows)).collect::<std::collections::BTreeMap<_, _>>(),
        "hashes": session.hashes,
        "schedule": plan.schedule.describe(),
    })
}
