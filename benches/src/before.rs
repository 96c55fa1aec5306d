//! `make bench BEFORE=REV`: this tree beside an earlier commit, on the same jobs, in turn, in one go.
//!
//! Wall time is noise on a shared machine. So each job is compared by processor time, by peak memory
//! and by what it wrote; its own rate stands beside them where it prints one. The inputs are made by
//! the earlier programs, because this tree has to read what they wrote.

mod checkout;
mod compared;
mod jobs;
mod output;
mod table;

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::arguments::Arguments;
use crate::contest::last_line;
use crate::inputs::remove;
use compared::{Compared, Run, Side};
use jobs::{Job, Written};
use output::Output;

/// Inputs, outputs and the table.
const FOLDER: &str = "runs/bench-before";

/// The last line of `usage.py`.
#[derive(Debug, Deserialize)]
struct Usage {
    processor_seconds: f64,
    peak_bytes: f64,
    last_line: String,
}

/// Builds `revision` beside this tree, runs the jobs of the chosen groups and writes the table.
///
/// # Errors
/// When `revision` cannot be built or a job fails on either side.
pub(crate) fn run(arguments: &Arguments, revision: &str) -> Result<()> {
    let folder = std::path::absolute(FOLDER)?;
    let python = arguments.python()?;
    let checkout = checkout::build(revision)?;
    remove(&folder)?;
    std::fs::create_dir_all(&folder)?;
    let sides = [
        Side {
            bin: checkout.bin,
            out: folder.join("before"),
        },
        Side {
            bin: std::path::absolute(&arguments.bin)?,
            out: folder.join("now"),
        },
    ];
    let jobs = jobs::prepare(arguments, &sides[0].bin, &folder)?;
    ensure!(!jobs.is_empty(), "--group names no group that has jobs");
    let compared: Vec<Compared> = jobs
        .iter()
        .map(|job| Compared {
            name: job.name,
            runs: compare(job, &sides, &python, arguments.runs),
        })
        .collect();
    table::write(&folder.join("table.md"), &checkout.commit, &compared)?;
    let failed: Vec<&str> = compared
        .iter()
        .filter(|job| job.runs.is_err())
        .map(|job| job.name)
        .collect();
    ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
    Ok(())
}

/// Runs a job once uncounted on each side, then `runs` times in turn.
fn compare(job: &Job, sides: &[Side; 2], python: &Path, runs: usize) -> Result<Vec<[Run; 2]>> {
    let mut pairs = Vec::new();
    for round in 0..=runs {
        note(&format!("{}: round {round} of {runs}", job.name));
        pairs.push([once(job, &sides[0], python)?, once(job, &sides[1], python)?]);
    }
    pairs.remove(0);
    Ok(pairs)
}

fn once(job: &Job, side: &Side, python: &Path) -> Result<Run> {
    remove(&side.out)?;
    std::fs::create_dir_all(&side.out)?;
    let command = job.command(side);
    let mut measured = Command::new(python);
    measured
        .arg("benches/peers/usage.py")
        .arg(command.get_program())
        .args(command.get_args());
    let usage: Usage =
        last_line(&mut measured).with_context(|| format!("{} of {}", job.name, side.bin.display()))?;
    Ok(Run {
        processor_seconds: usage.processor_seconds,
        peak_bytes: usage.peak_bytes,
        rate: jobs::rate(&usage.last_line),
        output: match job.written {
            Written::Printed => Output::printed(&usage.last_line)?,
            Written::FixedTime => Output::FixedTime,
            Written::Files(extensions) => Output::files(&side.out, extensions)?,
            Written::Metrics => Output::metrics(&side.out.join("run"))?,
        },
    })
}

#[expect(clippy::print_stderr, reason = "progress of a run of minutes")]
fn note(text: &str) {
    eprintln!("before: {text}");
}
