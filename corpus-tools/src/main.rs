//! `tenk-corpus`: from raw filings and dumps to shards. It reads arguments, calls the library and
//! prints the answer; everything else is in `corpus`, `tokenizer` and `shards`.
//!
//! Results go to stdout, progress and messages to stderr. Exit codes: 0 done, 1 failed with a
//! message, 2 wrong usage.

mod arguments;
mod columns;
mod commands;
mod folders;
mod output;
mod progress_bar;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Command};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    start_log();
    let done = match arguments.command {
        Command::Sample(command) => commands::sample::run(&command),
        Command::Fetch(command) => commands::fetch::run(&command),
        Command::Ingest(command) => commands::ingest::run(&command),
        Command::Tokenizer(command) => commands::tokenizer::run(&command),
        Command::Build(command) => commands::build::run(&command),
        Command::Verify(command) => commands::verify::run(&command),
        Command::Inspect(command) => commands::inspect::run(&command),
        Command::Sections(command) => commands::sections::run(&command),
        Command::Table(command) => commands::table::run(&command),
        Command::Stats(command) => commands::stats::run(&command),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if output::is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::print_error(&error);
            ExitCode::FAILURE
        }
    }
}

/// Messages to stderr; `RUST_LOG` chooses which (`warn` when it says nothing).
fn start_log() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .without_time()
        .init();
}
