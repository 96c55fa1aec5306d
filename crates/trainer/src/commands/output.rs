//! What commands print, and how they report an error.

use std::io::{self, Write};

use collectives::Collective;
use serde_json::Value;

use crate::{
    error::{TrainError, chain},
    ranks::exit::ExitStatus,
};

pub(crate) fn print_or_fail(result: Result<String, TrainError>) -> ExitStatus {
    match result {
        Ok(text) => print(&text),
        Err(error) => fail(&error),
    }
}

pub(crate) fn print_on_first(collective: &dyn Collective, text: impl FnOnce() -> String) -> ExitStatus {
    if collective.rank().0 == 0 {
        print(&text())
    } else {
        ExitStatus::Done
    }
}

/// A result goes to standard output; a reader that has left early is no failure.
pub(crate) fn print(text: &str) -> ExitStatus {
    match writeln!(io::stdout(), "{text}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => ExitStatus::Failed,
        _ => ExitStatus::Done,
    }
}

pub(crate) fn fail(error: &TrainError) -> ExitStatus {
    tracing::error!("{}", chain(error));
    ExitStatus::Failed
}

pub(crate) fn fail_on(rank: u32, error: &TrainError) -> ExitStatus {
    tracing::error!("rank {rank}: {}", without_rank(&chain(error), rank));
    ExitStatus::Failed
}

/// A message that may begin with the rank already.
fn without_rank(message: &str, rank: u32) -> &str {
    message.strip_prefix(&format!("rank {rank}: ")).unwrap_or(message)
}

pub(crate) fn pretty(value: &Value) -> String {
    format!("{value:#}")
}
