//! `tenk-pretrain train`.

use std::{path::PathBuf, time::SystemTime};

use clap::{Args, ValueEnum};
use collectives::Launch;

use crate::{
    commands::{
        config_arguments::ConfigArguments,
        on_all_ranks::on_all_ranks,
        output::{pretty, print_on_first},
        replay::{in_words, sequence_text},
    },
    config::RunConfig,
    error::TrainError,
    ranks::{
        exit::ExitStatus,
        logs::LogFile,
        stop::{self, StopRequest},
        stop_reason::StopReason,
    },
    run::{
        folder::lineage,
        launch::{
            beginning::Resume,
            dry_run::{DryRun, dry_run},
            train_run,
        },
        train::Finish,
    },
};

#[derive(Debug, Args)]
pub(crate) struct TrainArguments {
    #[command(flatten)]
    config: ConfigArguments,
    /// Resume from the newest checkpoint of the run folder, if there is one. With --dry-run: check that it
    /// fits, and take the step after it.
    #[arg(long, value_enum)]
    resume: Option<ResumeArgument>,
    /// Check everything, print plan, shapes and first batch, take one step, and write nothing.
    #[arg(long)]
    dry_run: bool,
    /// Start from the weights and the model shape of a Hugging Face RoBERTa folder. Its tokenizer must be
    /// that of the corpus. A resumed run continues with its own weights.
    #[arg(long, value_name = "DIR")]
    init_from: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ResumeArgument {
    Auto,
}

/// `job_end` is what Slurm says about the end of the job.
pub(crate) fn run(
    arguments: &TrainArguments,
    launch: Option<Launch>,
    job_end: Option<&str>,
    log_file: &LogFile,
) -> ExitStatus {
    let ConfigArguments { config, overrides } = &arguments.config;
    let model = arguments
        .init_from
        .as_deref()
        .map_or(Ok(Vec::new()), lineage::overrides);
    // A dry run writes nothing that a signal would have to wait for.
    let stop = (!arguments.dry_run).then(listen_to_signals);
    let loaded = model
        .and_then(|model| Ok(RunConfig::load(config, &[model.as_slice(), overrides].concat())?))
        .and_then(|config| Ok((config, stop.transpose()?)));
    on_all_ranks(loaded, launch, |(config, stop), collective| {
        let resume = arguments
            .resume
            .map_or(Resume::Never, |ResumeArgument::Auto| Resume::Auto);
        let Some(stop) = stop else {
            let report = dry_run(config, collective, resume)?;
            return Ok(print_on_first(collective, || dry_run_text(&report)));
        };
        if let Some(job_end) = job_end {
            stop_before(job_end, &stop);
        }
        match train_run(config, collective, resume, &stop, log_file)? {
            Finish::Done { .. } => Ok(ExitStatus::Done),
            Finish::Stopped { stop, step } => {
                if collective.rank().0 == 0 {
                    tracing::info!("stopped after step {step}: {stop}; resume it with `--resume auto`");
                }
                Ok(ExitStatus::Stopped)
            }
        }
    })
}

fn listen_to_signals() -> Result<StopRequest, TrainError> {
    StopRequest::on_signals().map_err(|source| TrainError::Io {
        operation: "listen to signals of",
        path: "this process".into(),
        source,
    })
}

/// A job's end that cannot be read is said, and the launcher's signal still stops the run.
fn stop_before(job_end: &str, stop: &StopRequest) {
    if let Some(at) = stop::before_job_end(job_end, SystemTime::now()) {
        stop.limit(at, StopReason::JobEnds);
    } else {
        tracing::warn!(
            "SLURM_JOB_END_TIME = {job_end:?} is not a time in seconds since 1970. The run will not stop by itself before its job ends"
        );
    }
}

fn dry_run_text(report: &DryRun) -> String {
    let record = &report.record;
    format!(
        "plan\n{}\n\n{}\n\nbatch of step {}: digest {}, {} tokens, {} masked; its first sequence:\n{}\n\none step: loss {:.4}, gradient norm {:.4}\nnothing was written",
        pretty(&report.plan),
        report.checkpoint.as_ref().map_or_else(
            || "starts at step 0".to_owned(),
            |path| format!("resumes from {}", path.display())
        ),
        record.step.0,
        loader::format_digest(record.digest),
        record.tokens,
        record.num_losses,
        sequence_text(&in_words(&report.first_sequence)),
        record.loss,
        record.grad_norm,
    )
}
