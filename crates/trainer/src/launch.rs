//! A launch: from a configuration to a trained run, or to the first step of a dry run.

use std::{path::Path, time::Instant};

use collectives::Collective;
use durable::FolderLock;
use loader::{SequenceDescription, Step};
use serde::Serialize;
use serde_json::json;

use crate::{
    agree::{agree, on_first_rank},
    config::RunConfig,
    data::MissingPacking,
    error::{TrainError, chain},
    evaluate::Evaluator,
    exit::{self, ExitStatus, write_last_exit},
    lineage, liveness,
    logs::LogFile,
    metrics::Metrics,
    precision,
    progress_report::ProgressReport,
    run_folder::RunFolder,
    saved_state::{Progress, Restored},
    session::Session,
    step::{StepRecord, train_step},
    stop::StopRequest,
    train::{Finish, Reporter, Run, train},
    unigram::Unigram,
};

/// Where a run begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Resume {
    /// At step 0; refused where there are checkpoints.
    Never,
    /// At the newest whole checkpoint; at step 0 where there is none.
    Auto,
}

/// Trains `config` on all ranks.
///
/// # Errors
/// Whatever ends the run; `last_exit.json` has the reason when the run folder was entered.
pub fn train_run(
    config: RunConfig,
    collective: &mut dyn Collective,
    resume: Resume,
    stop: &StopRequest,
    log_file: &LogFile,
) -> Result<Finish, TrainError> {
    let asked = json!({ "command": "train", "resume": resume });
    let rank = collective.rank().0;
    let run_dir = config.run.dir.clone();
    if let Some(after) = &config.run.stop_after {
        let reason = format!("run.stop_after = {:?} is over", after.as_str());
        // A time that no clock can hold never comes.
        if let Some(at) = Instant::now().checked_add(after.duration()) {
            stop.limit(at, &reason);
        }
    }
    let session = Session::start(config, collective, MissingPacking::Write, &asked)
        .inspect_err(|error| leave_unstarted(&run_dir, error, rank))?;
    let folder = RunFolder::enter(collective, &run_dir)?;
    stop.enter(folder.dir(), rank);
    let result = train_watched(&folder, &session, collective, resume, stop, log_file);
    leave(folder.dir(), &result, rank, stop.reason());
    if result.is_ok() && log_file.has_lost_lines() {
        tracing::warn!("logs/rank-{rank}.jsonl lacks lines that could not be written");
    }
    result
}

/// Trains beside the channel that notices lost ranks.
fn train_watched(
    folder: &RunFolder,
    session: &Session,
    collective: &mut dyn Collective,
    resume: Resume,
    stop: &StopRequest,
    log_file: &LogFile,
) -> Result<Finish, TrainError> {
    let log = format!("rank-{}.jsonl", collective.rank());
    let opened = log_file.open(&folder.dir().join("logs").join(log));
    agree(collective, opened)?;
    let Some(channel) = liveness::open(collective, session, folder.dir())? else {
        return train_in(folder, session, collective, resume, stop);
    };
    let result = train_in(folder, session, &mut channel.watch(collective), resume, stop);
    liveness::close(channel, &result);
    result
}

fn train_in(
    folder: &RunFolder,
    session: &Session,
    collective: &mut dyn Collective,
    resume: Resume,
    stop: &StopRequest,
) -> Result<Finish, TrainError> {
    let checkpoints = folder.checkpoints();
    let restored = Restored::latest(collective, &checkpoints)?;
    if restored.is_some() && resume == Resume::Never {
        return Err(agreed(&TrainError::HasCheckpoints {
            dir: folder.dir().to_owned(),
        }));
    }
    let config = &session.plan.config;
    let precision = match &restored {
        Some(restored) => agree(
            collective,
            restored
                .check_same_run(session)
                .and_then(|()| restored.precision()),
        )?,
        None => precision::decide(collective, config, &session.processors)?,
    };
    on_first_rank(collective, || folder.describe(session, precision))?;
    let mut learner = session.learner(precision)?;
    let (progress, lineage) = if let Some(restored) = &restored {
        agree(collective, restored.load_into(&mut learner, false))?;
        (restored.progress()?, restored.lineage()?)
    } else {
        let lineage = lineage::initialize(&mut learner, session, collective)?;
        (Progress::default(), lineage)
    };
    let resumed = restored.is_some();
    drop(restored);
    let outputs = on_first_rank(collective, || {
        let metrics = Metrics::open(folder.dir(), resumed.then_some(progress.step))?;
        Ok((
            metrics,
            ProgressReport::new(progress.step, config.training.max_steps),
        ))
    })?;
    if let Some((_, report)) = outputs.as_ref().filter(|_| resumed) {
        report.say(&format!("going on after step {}", progress.step));
    }
    let evaluator = open_evaluator(session, collective)?;
    let mut run = Run {
        collective,
        session,
        learner,
        progress,
        lineage: lineage.going_on(config, progress.step),
        checkpoints: &checkpoints,
        evaluator,
        stop,
        reporter: Reporter::new(outputs),
    };
    train(&mut run)
}

/// The evaluator of a run that evaluates.
fn open_evaluator(
    session: &Session,
    collective: &mut dyn Collective,
) -> Result<Option<Evaluator>, TrainError> {
    let evaluation = &session.plan.config.evaluation;
    if evaluation.every_steps == 0 {
        return Ok(None);
    }
    let unigram = Unigram::count(
        collective,
        &session.text.corpus,
        session.text.tokenizer.vocab_size(),
    )?;
    let evaluator = Evaluator::new(&session.loader, unigram, Some(evaluation.max_sequences as u64));
    agree(collective, evaluator).map(Some)
}

/// An error that every rank has found by itself.
fn agreed(error: &TrainError) -> TrainError {
    TrainError::Agreed {
        message: chain(error),
    }
}

/// Writes `last_exit.json` of a launch that could not start, where its run folder is there and
/// no other launch holds it: what the launch before left must not pass for this one's end.
fn leave_unstarted(run_dir: &Path, error: &TrainError, rank: u32) {
    if rank != 0 || !run_dir.is_dir() {
        return;
    }
    if let Ok(_lock) = FolderLock::acquire(run_dir, "tenk-pretrain train") {
        let _ = exit::forget(run_dir);
        leave(run_dir, &Err(agreed(error)), rank, None);
    }
}

/// Writes `last_exit.json`: rank 0 for all, or the rank that failed alone. Where that fails
/// too, the error that ends the run is the one to report. `asked` is why this rank was asked to
/// stop.
fn leave(dir: &Path, result: &Result<Finish, TrainError>, rank: u32, asked: Option<&str>) {
    let (status, reason, step) = match result {
        Ok(Finish::Done { step }) => (ExitStatus::Done, "all steps are finished".to_owned(), Some(*step)),
        Ok(Finish::Stopped { step }) => (
            ExitStatus::Stopped,
            format!("asked to stop: {}", asked.unwrap_or("another rank was")),
            Some(*step),
        ),
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

/// What a dry run found.
#[derive(Debug)]
pub struct DryRun {
    /// Derived numbers and shapes.
    pub plan: serde_json::Value,
    /// The first sequence of the first batch.
    pub first_sequence: SequenceDescription,
    /// The one step that was taken, and thrown away.
    pub record: StepRecord,
}

/// Checks everything, takes one step and writes nothing.
///
/// # Errors
/// As [`train_run`].
pub fn dry_run(config: RunConfig, collective: &mut dyn Collective) -> Result<DryRun, TrainError> {
    let asked = json!({ "command": "train", "dry_run": true });
    let session = Session::start(config, collective, MissingPacking::KeepInMemory, &asked)?;
    let config = &session.plan.config;
    let precision = precision::decide(collective, config, &session.processors)?;
    let mut learner = session.learner(precision)?;
    lineage::initialize(&mut learner, &session, collective)?;
    let place = (collective.rank().0, collective.world_size());
    let batches = agree(
        collective,
        session
            .loader
            .step_batches(Step(0), place.0, place.1)
            .map_err(TrainError::from),
    )?;
    let first_sequence = agree(
        collective,
        session.loader.describe(Step(0), 0).map_err(TrainError::from),
    )?;
    let plan = describe_plan(&session, &learner, precision::name(precision));
    let record = train_step(&mut learner, collective, &batches, &StopRequest::new())?;
    Ok(DryRun {
        plan,
        first_sequence,
        record,
    })
}

fn describe_plan(session: &Session, learner: &crate::step::Learner, precision: &str) -> serde_json::Value {
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
