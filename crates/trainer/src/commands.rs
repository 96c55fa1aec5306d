//! The command line of `tenk-pretrain`: a file a command, with its arguments and what it prints.

pub(crate) mod compare;
pub(crate) mod config_arguments;
pub(crate) mod eval;
pub(crate) mod export;
pub(crate) mod gpu_check;
pub(crate) mod on_all_ranks;
pub(crate) mod output;
pub(crate) mod plan;
pub(crate) mod replay;
pub(crate) mod train;

use clap::{Parser, Subcommand};
use collectives::Launch;

use self::output::print_or_fail;
use crate::ranks::{exit::ExitStatus, logs::LogFile};

/// Pre-train RoBERTa encoders on token shards, on one core or on many hosts.
#[derive(Debug, Parser)]
#[command(name = "tenk-pretrain", version)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Train a model, in one process or under mpirun or srun.
    Train(train::TrainArguments),
    /// Estimate what a run will need before you rent a machine: memory, hours, cost, and which settings
    /// would help. For a run that has started: the hours left.
    Plan(plan::PlanArguments),
    /// Evaluate a checkpoint on held-out text.
    Eval(eval::EvalArguments),
    /// Print what a step was trained on: digest, origin of each sequence, and text with its masks.
    Replay(replay::ReplayArguments),
    /// Write a checkpoint as a Hugging Face folder.
    Export(export::ExportArguments),
    /// Compare runs by their held-out figures, before and after training.
    Compare(compare::CompareArguments),
    /// Check this machine's GPU against its CPU, and time it. Says so if there is no GPU.
    GpuCheck,
}

/// Runs a command to its end; `variable` looks up the environment.
pub fn run_command(arguments: Arguments, variable: impl Fn(&str) -> Option<String>) -> ExitStatus {
    let launch = Launch::detect(&variable);
    let job_end = variable("SLURM_JOB_END_TIME");
    let rank = launch.and_then(|launch| launch.rank).unwrap_or(0);
    let log_file = LogFile::init(rank);
    match arguments.command {
        Command::Train(arguments) => train::run(&arguments, launch, job_end.as_deref(), &log_file),
        Command::Plan(arguments) => plan::run(&arguments),
        Command::Eval(arguments) => eval::run(&arguments, launch),
        Command::Replay(arguments) => print_or_fail(replay::run(&arguments)),
        Command::Export(arguments) => print_or_fail(export::run(&arguments)),
        Command::Compare(arguments) => print_or_fail(compare::run(&arguments)),
        Command::GpuCheck => gpu_check::run(),
    }
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
        assert!(parse("tenk-pretrain eval --run runs/a --checkpoint step-00000010").is_ok());
    }
}
