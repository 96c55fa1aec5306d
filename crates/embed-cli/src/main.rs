//! `tenk-embed`: reads arguments, calls the library, prints the answer or the error.
//!
//! Results go to stdout, messages to stderr. Exit codes: 0 done, 1 failed with a message,
//! 2 wrong usage.

mod arguments;
mod commands;

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Command};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    start_log();
    let done = match arguments.command {
        Command::Encode(arguments) => commands::encode(&arguments),
        Command::Serve(arguments) => commands::serve(&arguments),
        Command::FillMask(arguments) => commands::fill_mask(&arguments),
        Command::Nearest(arguments) => commands::nearest_lines(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            print_error(&error);
            ExitCode::FAILURE
        }
    }
}

/// An error and its causes. Where stderr is closed nothing can be said; the exit code still is.
fn print_error(error: &anyhow::Error) {
    let mut stderr = io::stderr().lock();
    let _ = writeln!(stderr, "tenk-embed: {error}");
    for cause in error.chain().skip(1) {
        let _ = writeln!(stderr, "  because: {cause}");
    }
}

/// Whether the reader of our output went away, as `head` does.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Messages to stderr; `RUST_LOG` chooses which (`warn` when it says nothing).
fn start_log() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .without_time()
        .init();
}
