//! The training loop, and the run that it drives.

pub(crate) mod progress_report;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use collectives::{Collective, Rank};
use loader::{PrefetchedSteps, Step};

use crate::{
    error::TrainError,
    ranks::{agree::agree, drift, stop::StopRequest, stop_reason::Stop, timestamp::timestamp},
    run::{
        evaluate::Evaluator,
        folder::{
            lineage::Lineage,
            metrics::{EvaluationLine, Meters, Metrics, StepLine},
            saved_state::{self, Progress},
        },
        session::Session,
        train::progress_report::ProgressReport,
        watch::crowd::CrowdWatch,
    },
    step::{
        learner::Learner,
        meters::{Times, timed},
        ready::ReadyStep,
        record::StepRecord,
        train_step,
    },
};

/// Steps that the loader prepares ahead.
const PREFETCH_DEPTH: usize = 2;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finish {
    /// All steps are finished.
    Done {
        /// The last step.
        step: u64,
    },
    /// A rank was asked to stop; a checkpoint of this step is there.
    Stopped {
        /// Why, and where.
        stop: Stop,
        /// The last finished step.
        step: u64,
    },
}

/// A run in its folder.
#[derive(Debug)]
pub(crate) struct Run<'a> {
    pub(crate) collective: &'a mut dyn Collective,
    pub(crate) session: &'a Session,
    pub(crate) learner: Learner,
    pub(crate) progress: Progress,
    pub(crate) lineage: Lineage,
    pub(crate) checkpoints: &'a Path,
    /// The newest one, on rank 0.
    pub(crate) last_checkpoint: Option<PathBuf>,
    pub(crate) evaluator: Option<Evaluator>,
    pub(crate) stop: &'a StopRequest,
    pub(crate) reporter: Reporter,
    pub(crate) crowd: Option<CrowdWatch>,
}

/// Metrics and progress; rank 0 alone has them.
#[derive(Debug)]
pub(crate) struct Reporter {
    pub(crate) outputs: Option<(Metrics, ProgressReport)>,
    since_line: Meters,
}

/// Trains until the last step or until a rank is asked to stop.
///
/// A step's checkpoint comes before its evaluation: a launcher that has asked for a stop waits
/// a second or two and kills. An evaluation that a stop or a kill left out is made up for when
/// the run is resumed.
///
/// # Errors
/// Whatever ends the run; the last checkpoint stays.
pub(crate) fn train(run: &mut Run<'_>) -> Result<Finish, TrainError> {
    let max_steps = run.session.plan.config.training.max_steps;
    // From here on every step frees what the next one allocates; what a checkpoint was read
    // into before is not kept.
    torch_native::keep_large_blocks();
    let mut steps = run.upcoming_steps(max_steps)?;
    if run.lacks_evaluation()? {
        run.evaluate()?;
    }
    while run.progress.step < max_steps {
        let begun = Instant::now();
        let is_crowded = run.crowd.as_ref().is_some_and(CrowdWatch::is_crowded);
        run.collective.wait_asleep(is_crowded);
        let mut times = Times::default();
        let ready = timed(&mut times.data_wait, || next_step(&mut steps, run.progress.step))?;
        let record = train_step(&mut run.learner, run.collective, &ready, run.stop)
            .map_err(|error| run.with_last_checkpoint(error))?;
        times.add(&record.times);
        run.reporter.since_line.add(&record, begun.elapsed(), times);
        run.advance(&record)?;
        if run.is_due(run.session.plan.config.parallel.check_every) {
            drift::check(run.collective, run.learner.model.parameters(), run.progress.step)?;
        }
        let last = run.progress.step == max_steps;
        if run.is_due(run.session.plan.config.checkpoint.every_steps) || last || record.stop.is_some() {
            run.save_checkpoint()?;
        }
        if let Some(stop) = record.stop.filter(|_| !last) {
            return Ok(Finish::Stopped {
                stop,
                step: run.progress.step,
            });
        }
        if run.evaluates_here() {
            run.evaluate()?;
        }
    }
    Ok(Finish::Done { step: max_steps })
}

type ReadySteps = PrefetchedSteps<ReadyStep, TrainError>;

fn next_step(steps: &mut ReadySteps, finished: u64) -> Result<ReadyStep, TrainError> {
    steps
        .next()
        .ok_or(TrainError::LoaderEnded { step: finished + 1 })?
}

impl Run<'_> {
    fn upcoming_steps(&self, max_steps: u64) -> Result<ReadySteps, TrainError> {
        let place = (self.collective.rank().0, self.collective.world_size());
        let range = (Step(self.progress.step), Step(max_steps));
        let (config, device) = (self.learner.model.config().clone(), self.session.device);
        let objective = Arc::clone(&self.learner.objective);
        let prepare = move |batches| ReadyStep::new(batches, &*objective, &config, device);
        let loader = self.session.loader.clone();
        Ok(loader.prepared_steps(place, range, PREFETCH_DEPTH, prepare)?)
    }

    fn is_due(&self, every_steps: u64) -> bool {
        every_steps > 0 && self.progress.step.is_multiple_of(every_steps)
    }

    /// Whether a run evaluates after the steps that are finished: before the first one, after
    /// every so many and after the last.
    fn evaluates_here(&self) -> bool {
        let config = &self.session.plan.config;
        self.evaluator.is_some()
            && (self.is_due(config.evaluation.every_steps) || self.progress.step == config.training.max_steps)
    }

    /// Whether an evaluation is due before the next step; rank 0, which has the metrics, knows.
    fn lacks_evaluation(&mut self) -> Result<bool, TrainError> {
        if !self.evaluates_here() {
            return Ok(false);
        }
        let outputs = self.reporter.outputs.as_ref();
        let is_there =
            outputs.is_some_and(|(metrics, _)| metrics.last_evaluated() == Some(self.progress.step));
        let mut answer = vec![u8::from(!is_there)];
        self.collective.broadcast(Rank(0), &mut answer)?;
        Ok(answer == [1])
    }

    /// A loss that is not finite, with the checkpoint from which people go on.
    fn with_last_checkpoint(&self, mut error: TrainError) -> TrainError {
        if let TrainError::NotFinite { checkpoint, .. } = &mut error {
            checkpoint.clone_from(&self.last_checkpoint);
        }
        error
    }

    fn advance(&mut self, record: &StepRecord) -> Result<(), TrainError> {
        self.progress = Progress {
            step: record.step.0,
            tokens_seen: self.progress.tokens_seen + record.tokens,
            loss: Some(record.loss).filter(|loss| loss.is_finite()),
        };
        let due = self.is_due(self.session.plan.config.logging.every_steps);
        self.reporter.log(record, self.progress.tokens_seen, due)
    }

    /// All ranks evaluate; rank 0 writes the figures down.
    fn evaluate(&mut self) -> Result<(), TrainError> {
        let Some(evaluator) = &self.evaluator else {
            return Ok(());
        };
        let record = evaluator.evaluate(&self.learner.model, self.collective)?;
        let Some((metrics, progress)) = &mut self.reporter.outputs else {
            return Ok(());
        };
        let total = &record.total;
        progress.say(&format!(
            "held out after {} steps: loss {:.4}, unigram {:.4}, perplexity {:.2}, top 1 {:.1} %, top 5 {:.1} %",
            self.progress.step,
            total.loss,
            total.unigram_loss,
            total.perplexity,
            total.top1_accuracy * 100.0,
            total.top5_accuracy * 100.0,
        ));
        metrics.append(&EvaluationLine {
            step: self.progress.step,
            time: timestamp(),
            eval: &record,
        })
    }

    /// Rank 0 writes a checkpoint, the others wait for its answer.
    fn save_checkpoint(&mut self) -> Result<(), TrainError> {
        let first = self.collective.rank().0 == 0;
        let state = (self.progress, &self.lineage);
        let write = || saved_state::save(self.checkpoints, self.session, &self.learner, state);
        let saved = first.then(write).transpose();
        let path = agree(self.collective, saved)?;
        if let (Some(path), Some((_, progress))) = (&path, &self.reporter.outputs) {
            progress.say(&format!("wrote {}", path.display()));
        }
        self.last_checkpoint = path;
        Ok(())
    }
}

impl Reporter {
    /// `peak_flops_per_second`: what all ranks together reach at most.
    pub(crate) fn new(outputs: Option<(Metrics, ProgressReport)>, peak_flops_per_second: f64) -> Self {
        Self {
            outputs,
            since_line: Meters::new(peak_flops_per_second),
        }
    }

    /// Evaluations and checkpoints are not in the time, so the rate is that of training.
    fn log(&mut self, record: &StepRecord, tokens_seen: u64, due: bool) -> Result<(), TrainError> {
        let Some((metrics, progress)) = self.outputs.as_mut().filter(|_| due) else {
            return Ok(());
        };
        let line = StepLine {
            step: record.step.0,
            time: timestamp(),
            loss: record.loss,
            learning_rate: record.learning_rate,
            grad_norm: record.grad_norm,
            loss_scale: record.loss_scale,
            skipped_update: record.skipped_update,
            digest: record.digest,
            tokens: record.tokens,
            masked_tokens: record.num_losses,
            tokens_seen,
            meters: self.since_line.take(),
            local_sequences: record.local_sequences.clone(),
            peak_memory_bytes: record.peak_memory_bytes.clone(),
        };
        metrics.append(&line)?;
        progress.show(&line);
        Ok(())
    }
}
