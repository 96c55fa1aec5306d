//! A launch: from a configuration to a trained run.

pub(crate) mod beginning;
pub(crate) mod dry_run;

use std::{path::Path, time::Instant};

use collectives::Collective;
use durable::FolderLock;
use serde_json::json;

use crate::{
    config::RunConfig,
    error::{TrainError, chain},
    ranks::{
        agree::{agree, agreed, on_first_rank},
        exit::{self, ExitStatus, write_last_exit},
        logs::LogFile,
        stop::StopRequest,
        stop_reason::StopReason,
    },
    run::{
        data::DataFiles,
        evaluate::{EvaluationOptions, Evaluator},
        folder::{RunFolder, metrics::Metrics},
        launch::beginning::{Resume, begin, checkpoint_to_resume, precision_of},
        plan::memory,
        session::Session,
        train::{Finish, Reporter, Run, progress_report::ProgressReport, train},
        watch::{crowd::CrowdWatch, liveness},
    },
    step::meters,
};

/// Trains `config` on all ranks.
///
/// # Errors
/// Whatever ends the run; `last_exit.json` has the reason when the run folder was entered.
pub(crate) fn train_run(
    config: RunConfig,
    collective: &mut dyn Collective,
    resume: Resume,
    stop: &StopRequest,
    log_file: &LogFile,
) -> Result<Finish, TrainError> {
    let asked = json!({ "command": "train", "resume": resume });
    let rank = collective.rank().0;
    let run_dir = config.run.dir.clone();
    stop.approach(&run_dir, rank);
    if let Some(after) = &config.run.stop_after {
        // A time that no clock can hold never comes.
        if let Some(at) = Instant::now().checked_add(after.duration()) {
            stop.limit(at, StopReason::StopAfter);
        }
    }
    let session = Session::start(config, collective, DataFiles::Prepare, &asked)
        .inspect_err(|error| leave_unstarted(&run_dir, error, rank))?;
    let launch = TrainingLaunch {
        session: &session,
        resume,
        stop,
        log_file,
    };
    launch.train(collective)
}

/// A launch that has started: what it trains, where that begins, and by what it is stopped and logged.
pub(crate) struct TrainingLaunch<'a> {
    pub(crate) session: &'a Session,
    pub(crate) resume: Resume,
    pub(crate) stop: &'a StopRequest,
    pub(crate) log_file: &'a LogFile,
}

impl TrainingLaunch<'_> {
    /// Trains in the run's folder, and writes `last_exit.json`.
    pub(crate) fn train(&self, collective: &mut dyn Collective) -> Result<Finish, TrainError> {
        let rank = collective.rank().0;
        let session = self.session;
        let folder = RunFolder::enter(collective, &session.plan.config.run.dir, &session.hosts)?;
        self.stop.enter(folder.dir(), rank);
        let result = self.train_watched(&folder, collective);
        leave(folder.dir(), &result, rank);
        if result.is_ok() && self.log_file.has_lost_lines() {
            tracing::warn!("some lines could not be written to logs/rank-{rank}.jsonl");
        }
        result
    }

    /// Trains beside the channel that notices lost ranks.
    fn train_watched(
        &self,
        folder: &RunFolder,
        collective: &mut dyn Collective,
    ) -> Result<Finish, TrainError> {
        let log = format!("rank-{}.jsonl", collective.rank());
        let opened = self.log_file.open(&folder.dir().join("logs").join(log));
        agree(collective, opened)?;
        let (session, run_dir) = (self.session, Some(folder.dir()));
        let train = |collective: &mut dyn Collective| self.train_in(folder, collective);
        let Some(channel) = liveness::open(collective, session, folder.dir())? else {
            return session.connected(collective, run_dir, train);
        };
        self.stop.tell_by(channel.end_notice());
        let watched = &mut channel.watch(collective);
        let result = session.connected(watched, run_dir, train);
        liveness::close(channel, &result);
        result
    }

    fn train_in(&self, folder: &RunFolder, collective: &mut dyn Collective) -> Result<Finish, TrainError> {
        let (session, stop) = (self.session, self.stop);
        let checkpoints = folder.checkpoints();
        let restored = checkpoint_to_resume(collective, folder.dir(), self.resume)?;
        let config = &session.plan.config;
        let precision = precision_of(restored.as_ref(), session, collective)?;
        session.check_memory(collective, precision)?;
        on_first_rank(collective, || folder.describe(session, precision))?;
        let mut learner = session.learner(precision)?;
        let (progress, lineage) = begin(restored.as_ref(), session, collective, &mut learner)?;
        let last_checkpoint = restored.map(|restored| restored.path);
        let resumed = last_checkpoint.is_some();
        let outputs = on_first_rank(collective, || {
            let metrics = Metrics::open(folder.dir(), resumed.then_some(progress.step))?;
            Ok((
                metrics,
                ProgressReport::new(progress.step, config.training.max_steps),
            ))
        })?;
        if let Some((_, report)) = outputs.as_ref().filter(|_| resumed) {
            report.say(&going_on(&folder.checkpoints(), progress.step, config));
        }
        let evaluator = open_evaluator(session, collective, lineage.mask_seed(config))?;
        let peak = meters::peak_flops_per_second(collective, &learner.model)?;
        let crowd = CrowdWatch::begin(session, collective.rank().0);
        let mut run = Run {
            collective,
            session,
            learner,
            progress,
            lineage: lineage.going_on(config, progress.step),
            checkpoints: &checkpoints,
            last_checkpoint,
            evaluator,
            stop,
            reporter: Reporter::new(outputs, peak),
            crowd,
        };
        train(&mut run).map_err(|error| memory::explain(error, &session.plan))
    }
}

/// What a resumed run says first.
fn going_on(checkpoints: &Path, step: u64, config: &RunConfig) -> String {
    let max_steps = config.training.max_steps;
    if step < max_steps {
        return format!("going on after step {step} of {max_steps}");
    }
    let longer = if config.schedule.kind.may_be_lengthened() {
        "; a larger training.max_steps lengthens the run"
    } else {
        ""
    };
    format!(
        "the run is finished: all {max_steps} steps of training.max_steps are in {}, and nothing is left to \
         train; `tenk-pretrain export` writes the model{longer}",
        checkpoints.display()
    )
}

/// The evaluator of a run that evaluates.
fn open_evaluator(
    session: &Session,
    collective: &mut dyn Collective,
    mask_seed: u64,
) -> Result<Option<Evaluator>, TrainError> {
    let evaluation = &session.plan.config.evaluation;
    if evaluation.every_steps == 0 {
        return Ok(None);
    }
    let evaluated = EvaluationOptions {
        max_sequences: Some(evaluation.max_sequences as u64),
        mask_seed,
    };
    Evaluator::open(session, collective, evaluated).map(Some)
}

/// Writes `last_exit.json` of a launch that could not start, where its run folder is there and
/// no other launch holds it: what the launch before left must not pass for this one's end.
fn leave_unstarted(run_dir: &Path, error: &TrainError, rank: u32) {
    if rank != 0 || !run_dir.is_dir() {
        return;
    }
    if let Ok(_lock) = FolderLock::acquire(run_dir, "tenk-pretrain train") {
        let _ = exit::forget(run_dir);
        leave(run_dir, &Err(agreed(error)), rank);
    }
}

/// Writes `last_exit.json`: rank 0 for all, or the rank that failed alone. Where that fails
/// too, the error that ends the run is the one to report.
fn leave(dir: &Path, result: &Result<Finish, TrainError>, rank: u32) {
    let (status, reason, step) = match result {
        Ok(Finish::Done { step }) => (ExitStatus::Done, "all steps are finished".to_owned(), Some(*step)),
        Ok(Finish::Stopped { stop, step }) => {
            (ExitStatus::Stopped, format!("asked to stop: {stop}"), Some(*step))
        }
        Err(error) => (ExitStatus::Failed, chain(error), None),
    };
    let alone = result.as_ref().is_err_and(|error| !error.is_on_all_ranks());
    if rank != 0 && !alone {
        return;
    }
    match write_last_exit(dir, status, &reason, rank, step) {
        Err(error) if result.is_ok() => {
            tracing::warn!("last_exit.json was not written: {}", chain(&error));
        }
        Err(error) => tracing::debug!("last_exit.json was not written: {}", chain(&error)),
        Ok(()) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::tiny;

    #[test]
    fn a_finished_run_says_that_nothing_is_left_to_train() {
        let folder = Path::new("runs/x/checkpoints");
        let say = |step, kind: &str| going_on(folder, step, &tiny(&[&format!("schedule.kind='{kind}'")]));
        assert_eq!(say(4, "linear"), "going on after step 4 of 10");
        for kind in ["linear", "wsd"] {
            let text = say(10, kind);
            assert!(
                text.contains("nothing is left to train") && text.contains("runs/x/checkpoints"),
                "{text}"
            );
            assert_eq!(
                text.contains("training.max_steps lengthens"),
                kind == "wsd",
                "{text}"
            );
        }
    }
}
