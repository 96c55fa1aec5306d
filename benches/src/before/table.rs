//! The table of the two trees: median, lowest and highest of each, and their ratios pair by pair.

use std::path::Path;

use anyhow::{Context, Result};

use super::compared::{Compared, Run};
use crate::{machine, report};

/// Prints the table and writes it to `path`.
pub(super) fn write(path: &Path, commit: &str, jobs: &[Compared]) -> Result<()> {
    let table = table(commit, jobs);
    report::print(&table);
    durable::commit_bytes(&durable::DISK, path, table.as_bytes())
        .with_context(|| format!("writing {}", path.display()))
}

fn table(commit: &str, jobs: &[Compared]) -> String {
    let rounds = jobs
        .iter()
        .filter_map(|job| job.runs.as_ref().ok())
        .map(Vec::len)
        .max()
        .unwrap_or(0);
    let mut text = format!(
        "Machine: {}. This tree beside {commit}, {rounds} rounds in turn; median (lowest to highest). \
         Below 1.00 this tree needs less.\n\n\
         | job | processor s before | now | ratio, pair by pair | peak MB before | now | ratio | rate, now / before | output |\n\
         |---|---|---|---|---|---|---|---|---|\n",
        machine::description()
    );
    text.extend(jobs.iter().map(line));
    text
}

fn line(job: &Compared) -> String {
    match &job.runs {
        Ok(runs) => row(job.name, runs),
        Err(error) => {
            let reason = format!("{error:#}");
            let reason = reason.lines().next().unwrap_or_default();
            format!("| {} | failed: {reason} | | | | | | | |\n", job.name)
        }
    }
}

fn row(name: &str, runs: &[[Run; 2]]) -> String {
    let seconds = |run: &Run| Some(run.processor_seconds);
    let megabytes = |run: &Run| Some(run.peak_bytes / 1e6);
    let cells = [
        side(runs, 0, seconds),
        side(runs, 1, seconds),
        ratios(runs, seconds),
        side(runs, 0, megabytes),
        side(runs, 1, megabytes),
        ratios(runs, megabytes),
        ratios(runs, |run| run.rate),
    ];
    // Each round is compared: two runs of one tree may differ too.
    let differing = runs
        .iter()
        .map(|[before, now]| now.output.beside(&before.output))
        .find(|difference| difference != "same");
    let output = differing.unwrap_or_else(|| "same".to_owned());
    format!("| {name} | {} | {output} |\n", cells.join(" | "))
}

fn side(runs: &[[Run; 2]], index: usize, of: impl Fn(&Run) -> Option<f64>) -> String {
    let values: Vec<f64> = runs.iter().filter_map(|pair| of(&pair[index])).collect();
    report::spread(&values)
}

fn ratios(runs: &[[Run; 2]], of: impl Fn(&Run) -> Option<f64>) -> String {
    let values: Vec<f64> = runs
        .iter()
        .filter_map(|[before, now]| Some(of(now)? / of(before)?))
        .collect();
    report::spread(&values)
}

#[cfg(test)]
mod tests {
    use super::super::output::Output;
    use super::*;

    fn run(processor_seconds: f64, count: u64) -> Run {
        Run {
            processor_seconds,
            peak_bytes: 1e6,
            rate: None,
            output: Output::Count(count),
        }
    }

    #[test]
    fn a_row_has_both_sides_their_ratio_and_what_differs() {
        let runs = vec![[run(2.0, 1), run(1.0, 1)], [run(4.0, 1), run(2.0, 2)]];
        let jobs = [
            Compared {
                name: "job",
                runs: Ok(runs),
            },
            Compared {
                name: "broken",
                runs: Err(anyhow::anyhow!("why")),
            },
        ];
        let text = table("abc", &jobs);
        assert!(text.contains("beside abc, 2 rounds"), "{text}");
        assert!(text.contains("| 0.50 (0.50 to 0.50) |"), "{text}");
        assert!(text.contains("1 became 2 |"), "{text}");
        assert!(text.contains("| broken | failed: why |"), "{text}");
    }
}
