//! What a run begins with: the state of a checkpoint, else the initial weights.

use std::path::Path;

use collectives::Collective;
use model::Precision;
use serde::Serialize;

use crate::{
    error::TrainError,
    ranks::agree::{agree, agreed},
    run::{
        folder::{
            lineage::{self, Lineage},
            saved_run_error::SavedRunError,
            saved_state::{Progress, Restored},
        },
        session::Session,
    },
    step::{learner::Learner, precision},
};

/// Where a run begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) enum Resume {
    /// At step 0; refused where there are checkpoints.
    Never,
    /// At the newest whole checkpoint; at step 0 where there is none.
    Auto,
}

/// The checkpoint of `run_dir` from which a run goes on; `None` where it begins anew.
///
/// # Errors
/// [`SavedRunError::HasCheckpoints`] for a run that is not to be resumed and has some; those of
/// [`Restored::latest`].
pub(crate) fn checkpoint_to_resume(
    collective: &mut dyn Collective,
    run_dir: &Path,
    resume: Resume,
) -> Result<Option<Restored>, TrainError> {
    let restored = Restored::latest(collective, &run_dir.join("checkpoints"))?;
    if restored.is_some() && resume == Resume::Never {
        let dir = run_dir.to_owned();
        return Err(agreed(&SavedRunError::HasCheckpoints { dir }.into()));
    }
    Ok(restored)
}

/// The precision of a checkpoint of this run, else the one that is decided now.
///
/// # Errors
/// When the checkpoint is of another run.
pub(crate) fn precision_of(
    restored: Option<&Restored>,
    session: &Session,
    collective: &mut dyn Collective,
) -> Result<Precision, TrainError> {
    let Some(restored) = restored else {
        return precision::decide(collective, &session.plan.config, &session.processors);
    };
    let fits = restored.check_same_run(session);
    let precision = agree(collective, fits.and_then(|()| restored.precision()))?;
    if collective.rank().0 == 0 {
        restored.report_reproducibility_key(session);
        restored.report_lengthening(session);
    }
    Ok(precision)
}

/// Gives `learner` what it begins with: the state of a checkpoint, else the initial weights.
///
/// # Errors
/// When the state of the checkpoint cannot be used, or the model of `model.init_from`, or when the
/// configuration skips a step that was taken.
pub(crate) fn begin(
    restored: Option<&Restored>,
    session: &Session,
    collective: &mut dyn Collective,
    learner: &mut Learner,
) -> Result<(Progress, Lineage), TrainError> {
    let Some(restored) = restored else {
        let lineage = lineage::initialize(learner, session, collective)?;
        return Ok((Progress::default(), lineage));
    };
    agree(collective, restored.load_into(learner, false))?;
    let progress = restored.progress()?;
    let config = &session.plan.config;
    let steps = (restored.max_steps(), config.training.max_steps);
    let lineage = restored.lineage()?.lengthened(steps, progress.step);
    agree(collective, lineage.check_skips(config, progress.step))?;
    Ok((progress, lineage))
}
