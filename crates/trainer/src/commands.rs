//! The command line of `tenk-pretrain`: its arguments, and what each command prints.

pub mod compare;
pub(crate) mod eval;
pub(crate) mod export;
pub mod gpu_check;
pub(crate) mod plan;
pub mod replay;

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use clap::{Args, Parser, Subcommand, ValueEnum};
use collectives::{Backend, Collective, CollectiveError, Launch, connect};
use serde_json::{Value, json};

use self::{
    compare::{compare_runs, table},
    eval::{Selection, Weights, evaluate_run, find_checkpoint},
    export::export_run,
    gpu_check::gpu_check,
    plan::PlanArguments,
    replay::in_words,
};
use crate::{
    config::{RunConfig, plan::LONGEST_TIMEOUT_S},
    error::{TrainError, chain},
    ranks::agree::agree,
    run::{
        exit::ExitStatus,
        launch::{DryRun, Resume, dry_run, train_run},
        lineage,
        logs::LogFile,
        stop::{self, StopReason, StopRequest},
        train::Finish,
    },
};

/// Pre-trains RoBERTa-class encoders on shards, from one core to many hosts.
#[derive(Debug, Parser)]
#[command(name = "tenk-pretrain", version)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Train a run; one process, or under mpirun or srun.
    Train(TrainArguments),
    /// Say what a run will need, before any machine is rented: memory, hours, cost, and which switches
    /// would help; of a run that has begun the hours left.
    Plan(PlanArguments),
    /// Evaluate a checkpoint on held-out text.
    Eval(EvalArguments),
    /// Print what a step was trained on: digest, provenance, text with its masks.
    Replay(ReplayArguments),
    /// Write a checkpoint as a Hugging Face folder.
    Export(ExportArguments),
    /// Show the held-out figures of runs side by side, before and after training.
    Compare(CompareArguments),
    /// Check this machine's GPU against its CPU, and time it; says so where there is none.
    GpuCheck,
}

#[derive(Debug, Args)]
struct ConfigArguments {
    /// The run's TOML file.
    #[arg(long)]
    config: PathBuf,
    /// Override a key: section.key=value, the value in TOML. May be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
}

#[derive(Debug, Args)]
struct TrainArguments {
    #[command(flatten)]
    config: ConfigArguments,
    /// Go on from the newest checkpoint of the run folder, if there is one. With --dry-run: whether
    /// it fits, and the step after it.
    #[arg(long, value_enum)]
    resume: Option<ResumeArgument>,
    /// Check everything, show plan, shapes and first batch, take one step, write nothing.
    #[arg(long)]
    dry_run: bool,
    /// Begin with the weights of a Hugging Face RoBERTa folder, and take the model's shape from
    /// it. Its tokenizer has to be the corpus's. A resumed run goes on with its own weights.
    #[arg(long, value_name = "DIR")]
    init_from: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ResumeArgument {
    Auto,
}

#[derive(Debug, Args)]
struct EvalArguments {
    /// The run's TOML file; by default the one in the run folder.
    #[arg(long, required_unless_present = "run")]
    config: Option<PathBuf>,
    /// The run folder.
    #[arg(long)]
    run: Option<PathBuf>,
    /// Override a key: section.key=value, the value in TOML. May be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// A checkpoint: its folder, its name or its step; the newest by default.
    #[arg(long)]
    checkpoint: Option<String>,
    /// Evaluate the weights before the first step instead.
    #[arg(long, conflicts_with = "checkpoint")]
    initial: bool,
    /// At most so many sequences a source, evenly spaced; all by default.
    #[arg(long)]
    max_sequences: Option<u64>,
    /// Seed of the masks; by default that of the run's own evaluations, which is 0 but in runs that an
    /// older program began: these have their run.seed.
    #[arg(long, value_name = "N")]
    mask_seed: Option<u64>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct ReplayArguments {
    /// The run's TOML file; by default the one in the run folder.
    #[arg(long, required_unless_present = "run")]
    config: Option<PathBuf>,
    /// The run folder.
    #[arg(long)]
    run: Option<PathBuf>,
    /// Override a key: section.key=value, the value in TOML. May be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// The step, as metrics.jsonl names it.
    #[arg(long)]
    step: u64,
    /// One slot of its batch; all by default.
    #[arg(long)]
    slot: Option<u64>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct ExportArguments {
    /// The run folder.
    #[arg(long)]
    run: PathBuf,
    /// A checkpoint: its folder, its name or its step; the newest by default.
    #[arg(long)]
    checkpoint: Option<String>,
    /// The tokenizer folder; by default the one that the run used.
    #[arg(long)]
    tokenizer: Option<PathBuf>,
    /// The folder to write; it must not exist.
    #[arg(long)]
    out: PathBuf,
}

#[derive(Debug, Args)]
struct CompareArguments {
    /// Run folders; the later ones are compared with the first.
    #[arg(required = true)]
    runs: Vec<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs a command to its end; `variable` looks up the environment.
pub fn run(arguments: Arguments, variable: impl Fn(&str) -> Option<String>) -> ExitStatus {
    let launch = Launch::detect(&variable);
    let job_end = variable("SLURM_JOB_END_TIME");
    let rank = launch.and_then(|launch| launch.rank).unwrap_or(0);
    let log_file = LogFile::init(rank);
    match arguments.command {
        Command::Train(arguments) => train(&arguments, (launch, job_end), &log_file),
        Command::Plan(arguments) => plan(&arguments).unwrap_or_else(|error| fail(&error)),
        Command::Eval(arguments) => evaluate(&arguments, launch),
        Command::Replay(arguments) => print_or_fail(replay(&arguments)),
        Command::Export(arguments) => print_or_fail(export(&arguments)),
        Command::Compare(arguments) => print_or_fail(compare(&arguments)),
        Command::GpuCheck => check_gpu(),
    }
}

/// `job_end` is what Slurm says about the end of the job.
fn train(
    arguments: &TrainArguments,
    (launch, job_end): (Option<Launch>, Option<String>),
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
        .and_then(|model| load(config, &[model.as_slice(), overrides].concat()))
        .and_then(|config| Ok((config, stop.transpose()?)));
    on_all_ranks(loaded, launch, |(config, stop), collective| {
        let resume = arguments
            .resume
            .map_or(Resume::Never, |ResumeArgument::Auto| Resume::Auto);
        let Some(stop) = stop else {
            let report = dry_run(config, collective, resume)?;
            return Ok(print_on_first(collective, || dry_run_text(&report)));
        };
        if let Some(job_end) = &job_end {
            stop_before(job_end, &stop);
        }
        match train_run(config, collective, resume, &stop, log_file)? {
            Finish::Done { .. } => Ok(ExitStatus::Done),
            Finish::Stopped { stop, step } => {
                if collective.rank().0 == 0 {
                    tracing::info!("stopped after step {step}: {stop}; `--resume auto` goes on");
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
            "SLURM_JOB_END_TIME = {job_end:?} is no time in seconds since 1970, so the run does not stop by itself before its job ends"
        );
    }
}

fn evaluate(arguments: &EvalArguments, launch: Option<Launch>) -> ExitStatus {
    let path = config_of(arguments.config.as_deref(), arguments.run.as_deref());
    let loaded = load(&path, &arguments.overrides).and_then(|mut config| {
        if let Some(run) = &arguments.run {
            config.run.dir.clone_from(run);
        }
        let weights = match (&arguments.checkpoint, arguments.initial) {
            (_, true) => Weights::Initial,
            (Some(wanted), false) => Weights::Checkpoint(find_checkpoint(&config.run.dir, Some(wanted))?),
            (None, false) => Weights::Latest,
        };
        Ok((config, weights))
    });
    on_all_ranks(loaded, launch, |(config, weights), collective| {
        let selection = Selection {
            max_sequences: arguments.max_sequences,
            mask_seed: arguments.mask_seed,
        };
        let (progress, record) = evaluate_run(config, collective, &weights, selection)?;
        let value = json!({ "step": progress.step, "eval": record });
        Ok(print_on_first(collective, || {
            if arguments.json {
                pretty(&value)
            } else {
                evaluation_text(&value)
            }
        }))
    })
}

/// The file that was given, else that of the run folder; one of them is there.
fn config_of(config: Option<&Path>, run: Option<&Path>) -> PathBuf {
    let of_run = || run.unwrap_or(Path::new("")).join("config.toml");
    config.map_or_else(of_run, Path::to_path_buf)
}

fn replay(arguments: &ReplayArguments) -> Result<String, TrainError> {
    let path = config_of(arguments.config.as_deref(), arguments.run.as_deref());
    let config = load(&path, &arguments.overrides)?;
    // What is given on the command line is tried instead of what was.
    let config = match &arguments.run {
        Some(run) if arguments.overrides.is_empty() => lineage::as_taken(config, run, arguments.step)?,
        _ => config,
    };
    let replay = replay::replay(config, arguments.step, arguments.slot)?;
    if arguments.json {
        return Ok(pretty(&serde_json::to_value(&replay).unwrap_or_default()));
    }
    let sequences: Vec<String> = replay.sequences.iter().map(sequence_text).collect();
    Ok(format!(
        "step {}  digest {}{}\n\n{}",
        replay.step,
        replay.digest,
        if replay.skipped {
            "  (skipped: data.skip_steps)"
        } else {
            ""
        },
        sequences.join("\n\n")
    ))
}

fn export(arguments: &ExportArguments) -> Result<String, TrainError> {
    let report = export_run(
        &arguments.run,
        arguments.checkpoint.as_deref(),
        arguments.tokenizer.as_deref(),
        &arguments.out,
    )?;
    Ok(format!(
        "exported step {} ({} tensors, {} parameters) to {}",
        report.step,
        report.num_tensors,
        report.num_parameters,
        arguments.out.display()
    ))
}

/// A check that did not pass is a failure of the command, after its whole report.
fn check_gpu() -> ExitStatus {
    let mut status = ExitStatus::Done;
    gpu_check(&mut |finding| {
        let verdict = if finding.passed { "ok" } else { "FAILED" };
        let printed = print(&format!("{verdict:<6} {:<30} {}", finding.what, finding.found));
        if !finding.passed || printed == ExitStatus::Failed {
            status = ExitStatus::Failed;
        }
    });
    status
}

/// Prints what is planned also where it is that the run does not fit.
fn plan(arguments: &PlanArguments) -> Result<ExitStatus, TrainError> {
    let planned = plan::plan(arguments)?;
    let status = print(planned.text.trim_end());
    planned.refused.map_or(Ok(status), Err)
}

fn compare(arguments: &CompareArguments) -> Result<String, TrainError> {
    let runs = compare_runs(&arguments.runs)?;
    if arguments.json {
        return Ok(pretty(&serde_json::to_value(&runs).unwrap_or_default()));
    }
    Ok(table(&runs))
}

fn load(path: &Path, overrides: &[String]) -> Result<RunConfig, TrainError> {
    Ok(RunConfig::load(path, overrides)?)
}

/// Connects the ranks and runs `work`. One rank reports what all of them know; a rank that
/// fails alone reports by itself and ends the others.
///
/// A rank that has no configuration connects all the same: the others wait for it, and its
/// error, told to all of them, is reported once.
fn on_all_ranks<T>(
    loaded: Loaded<T>,
    launch: Option<Launch>,
    work: impl FnOnce((RunConfig, T), &mut dyn Collective) -> Result<ExitStatus, TrainError>,
) -> ExitStatus {
    let (loaded, mut collective) = match connect_with(loaded, launch) {
        Ok(connected) => connected,
        Err(error) => return fail_unconnected(&error, launch),
    };
    let collective = collective.as_mut();
    let result = agree(collective, loaded).and_then(|loaded| work(loaded, collective));
    let rank = collective.rank().0;
    match result {
        Ok(status) => status,
        Err(error) if collective.world_size() == 1 => fail(&error),
        Err(error) if error.is_on_all_ranks() && error.is_reported_by(rank) => fail(&error),
        Err(error) if error.is_on_all_ranks() => ExitStatus::Failed,
        Err(error) => {
            let status = fail_on(rank, &error);
            collective.abort(&chain(&error));
            status
        }
    }
}

/// A configuration with what else a command was given, or what is wrong with them.
type Loaded<T> = Result<(RunConfig, T), TrainError>;

/// How long ranks without a configuration wait for each other.
const WITHOUT_CONFIGURATION: Duration = Duration::from_mins(1);

/// The connection, and the configuration or what is wrong with it, of which the other ranks
/// have to learn.
///
/// # Errors
/// When there can be no connection; an error of the configuration comes first.
fn connect_with<T>(
    loaded: Loaded<T>,
    launch: Option<Launch>,
) -> Result<(Loaded<T>, Box<dyn Collective>), TrainError> {
    let error = match loaded {
        Ok((config, more)) => {
            // What the plan refuses must not end the connection through which it is told.
            let timeout = Duration::from_secs(config.parallel.timeout_s.clamp(1, LONGEST_TIMEOUT_S));
            match connect(config.parallel.backend.into(), launch, timeout) {
                Ok(collective) => return Ok((Ok((config, more)), collective)),
                // The launcher has a connection for those that want none.
                Err(error @ CollectiveError::SingleUnderLauncher { .. }) => error.into(),
                Err(error) => return Err(error.into()),
            }
        }
        Err(error) => error,
    };
    match connect(Backend::Auto, launch, WITHOUT_CONFIGURATION) {
        Ok(collective) => Ok((Err(error), collective)),
        Err(_) => Err(error),
    }
}

/// Reports an error of a rank that the others cannot be told of. What program and launcher
/// make impossible is the same on every rank, and rank 0 says it.
fn fail_unconnected(error: &TrainError, launch: Option<Launch>) -> ExitStatus {
    let rank = launch.and_then(|launch| launch.rank).unwrap_or(0);
    let is_everywhere = matches!(
        error,
        TrainError::Collective(CollectiveError::NotBuiltWithMpi { .. } | CollectiveError::OtherFamily { .. })
    );
    match launch.and_then(|launch| launch.world_size) {
        Some(2..) if is_everywhere && rank > 0 => ExitStatus::Failed,
        Some(2..) if !is_everywhere => fail_on(rank, error),
        _ => fail(error),
    }
}

fn print_or_fail(result: Result<String, TrainError>) -> ExitStatus {
    match result {
        Ok(text) => print(&text),
        Err(error) => fail(&error),
    }
}

fn print_on_first(collective: &dyn Collective, text: impl FnOnce() -> String) -> ExitStatus {
    if collective.rank().0 == 0 {
        print(&text())
    } else {
        ExitStatus::Done
    }
}

/// A result goes to standard output; a reader that has left early is no failure.
fn print(text: &str) -> ExitStatus {
    match writeln!(io::stdout(), "{text}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => ExitStatus::Failed,
        _ => ExitStatus::Done,
    }
}

fn fail(error: &TrainError) -> ExitStatus {
    tracing::error!("{}", chain(error));
    ExitStatus::Failed
}

fn fail_on(rank: u32, error: &TrainError) -> ExitStatus {
    tracing::error!("rank {rank}: {}", without_rank(&chain(error), rank));
    ExitStatus::Failed
}

/// A message that may begin with the rank already.
fn without_rank(message: &str, rank: u32) -> &str {
    message.strip_prefix(&format!("rank {rank}: ")).unwrap_or(message)
}

fn pretty(value: &Value) -> String {
    format!("{value:#}")
}

fn dry_run_text(report: &DryRun) -> String {
    let record = &report.record;
    format!(
        "plan\n{}\n\n{}\n\nbatch of step {}: digest {}, {} tokens, {} masked; its first sequence:\n{}\n\none step: loss {:.4}, gradient norm {:.4}\nnothing was written",
        pretty(&report.plan),
        report.checkpoint.as_ref().map_or_else(
            || "begins anew".to_owned(),
            |path| format!("goes on from {}", path.display())
        ),
        record.step.0,
        loader::format_digest(record.digest),
        record.tokens,
        record.masked_tokens,
        sequence_text(&in_words(&report.first_sequence)),
        record.loss,
        record.grad_norm,
    )
}

fn sequence_text(sequence: &Value) -> String {
    let documents = sequence["documents"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let documents: Vec<String> = documents.iter().map(document_text).collect();
    format!(
        "slot {}  digest {}  {} epoch {} row {}  {} block {} offset {} ({} tokens)\n  {}\n{}",
        sequence["slot"],
        bare(&sequence["digest"]),
        bare(&sequence["source"]),
        sequence["epoch"],
        sequence["row"],
        bare(&sequence["shard"]),
        sequence["block"],
        sequence["token_offset"],
        sequence["length"],
        documents.join("\n  "),
        bare(&sequence["text"]),
    )
}

/// What is known about a document: company, title, form, accession number, filing date, id, and
/// which of its tokens are in the sequence.
fn document_text(document: &Value) -> String {
    let known = ["company", "title", "source", "accession", "filed", "id"].map(|key| bare(&document[key]));
    let mut known: Vec<String> = known.into_iter().filter(|text| *text != "null").collect();
    let (first, tokens) = (&document["sequence_first_token"], &document["sequence_tokens"]);
    known.push(format!("{tokens} tokens from token {first} on"));
    if document["excluded"] == true {
        known.push("left out by data.exclude".to_owned());
    }
    known.join(", ")
}

/// A string without its quotes, anything else as JSON.
fn bare(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn evaluation_text(value: &Value) -> String {
    let mut lines = vec![
        format!(
            "held-out text after {} steps, masks of seed {}",
            value["step"], value["eval"]["mask_seed"]
        ),
        "source             loss  unigram  perplexity   top 1   top 5   masked tokens".to_owned(),
    ];
    let eval = &value["eval"];
    let sources = eval["sources"].as_object();
    let named = sources
        .into_iter()
        .flatten()
        .map(|(name, figures)| (name.as_str(), figures));
    for (name, figures) in named.chain([("total", eval)]) {
        let number = |key: &str| figures[key].as_f64().unwrap_or(f64::NAN);
        lines.push(format!(
            "{name:<15} {:>7.4} {:>8.4} {:>11.2} {:>6.2} % {:>6.2} % {:>13}",
            number("loss"),
            number("unigram_loss"),
            number("perplexity"),
            number("top1_accuracy") * 100.0,
            number("top5_accuracy") * 100.0,
            figures["masked_tokens"],
        ));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
        let parse = |line: &str| Arguments::try_parse_from(line.split(' '));
        assert!(parse("tenk-pretrain train --config a.toml --set run.seed=2 --resume auto").is_ok());
        assert!(parse("tenk-pretrain train --config a.toml --resume auto --dry-run").is_ok());
        assert!(parse("tenk-pretrain eval").is_err());
        assert!(parse("tenk-pretrain plan --config a.toml --device h100 --network ethernet").is_ok());
        assert!(parse("tenk-pretrain plan --config a.toml --device k80").is_err());
        assert!(parse("tenk-pretrain plan --from runs/a").is_ok());
        assert!(parse("tenk-pretrain plan").is_err());
        assert!(parse("tenk-pretrain plan --from runs/a --config a.toml").is_err());
        assert!(parse("tenk-pretrain plan --from runs/a --set training.max_steps=9").is_err());
        assert!(parse("tenk-pretrain replay --step 3").is_err());
        assert!(parse("tenk-pretrain replay --step 3 --run runs/a").is_ok());
        let of_run = config_of(None, Some(Path::new("runs/a")));
        assert_eq!(of_run, Path::new("runs/a/config.toml"));
        assert!(parse("tenk-pretrain eval --run runs/a --checkpoint step-00000010").is_ok());
    }

    #[test]
    fn an_evaluation_is_a_table_by_source() {
        let figures = json!({ "loss": 2.0, "unigram_loss": 6.5, "perplexity": 7.39, "top1_accuracy": 0.5, "top5_accuracy": 0.75, "masked_tokens": 12 });
        let mut eval = figures.clone();
        eval["mask_seed"] = json!(0);
        eval["sources"] = json!({ "10-K": figures });
        let text = evaluation_text(&json!({ "step": 3, "eval": eval }));
        assert!(
            text.lines().count() == 4 && text.contains("10-K") && text.contains("50.00 %"),
            "{text}"
        );
    }
}
