//! What a run begins with: the state of a checkpoint, else the initial weights.

use collectives::Collective;
use model::Precision;

use crate::{
    error::TrainError,
    ranks::agree::agree,
    run::{
        lineage::{self, Lineage},
        saved_state::{Progress, Restored},
        session::Session,
    },
    step::{learner::Learner, precision},
};

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
/// When the state of the checkpoint cannot be used, or the model of `model.init_from`.
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
    let steps = (restored.max_steps(), session.plan.config.training.max_steps);
    Ok((progress, restored.lineage()?.lengthened(steps, progress.step)))
}
