//! How answers and errors reach the user. A reader that has seen enough (`| head`) is no error.

use std::fmt::Write as _;
use std::io::Write;
use std::path::Path;

use anyhow::Result;
use corpus::{CorpusError, PartReport, grouped};
use durable::DurableError;
use serde::Serialize;

/// Prints an answer to stdout.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    Ok(stdout.flush()?)
}

/// Prints an answer as JSON to stdout.
pub(crate) fn print_json(value: &impl Serialize) -> Result<()> {
    print(&(serde_json::to_string_pretty(value)? + "\n"))
}

/// Prints what a part of a job has done.
pub(crate) fn print_part(report: &PartReport, json: bool) -> Result<()> {
    if json {
        return print_json(report);
    }
    let mut text = format!(
        "part {}: {} of {} segments are in {}; after all parts run the same command with --merge in place of --part\n",
        report.part,
        grouped(report.segments.into()),
        grouped(report.all_segments.into()),
        report.folder.display(),
    );
    for dump in &report.undivided {
        push_line(
            &mut text,
            format_args!(
                "note: {} cannot be divided and is in one part whole; a multistream dump and several files can be",
                dump.display()
            ),
        );
    }
    print(&text)
}

/// An error of making `out`, with what is kept of the work.
pub(crate) fn with_kept_work(error: CorpusError, out: &Path) -> anyhow::Error {
    let of_another = matches!(
        error,
        CorpusError::Durable(DurableError::Locked { .. } | DurableError::AlreadyExists { .. })
    );
    match corpus::kept_work(out).filter(|_| !of_another) {
        Some(folder) => anyhow::Error::new(error).context(format!(
            "not finished; what is done is kept in {}, and the same command goes on with it",
            folder.display()
        )),
        None => error.into(),
    }
}

/// Prints an error and its causes to stderr.
pub(crate) fn print_error(error: &anyhow::Error) {
    let mut message = format!("tenk-corpus: {error}");
    for cause in error.chain().skip(1) {
        // Writing to a string does not fail.
        let _ = write!(message, "\n  because: {cause}");
    }
    // Nothing can be done when stderr is closed.
    let _ = writeln!(std::io::stderr().lock(), "{message}");
}

pub(crate) fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<std::io::Error>()
        .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

/// Adds a line to a text.
pub(crate) fn push_line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "{line}");
}

/// A table with a left-aligned first column and right-aligned others.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(header: &[&str]) -> Self {
        let mut table = Self::default();
        table.row(header.iter().map(ToString::to_string).collect());
        table
    }

    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    pub(crate) fn render(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            self.rows
                .iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for row in &self.rows {
            let cells = row
                .iter()
                .zip(&widths)
                .enumerate()
                .map(|(column, (cell, width))| {
                    if column == 0 {
                        format!("{cell:<width$}")
                    } else {
                        format!("{cell:>width$}")
                    }
                });
            text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_aligns_names_left_and_numbers_right() {
        let mut table = Table::new(&["source", "tokens"]);
        table.row(vec!["10-K/A".into(), "7".into()]);
        assert_eq!(table.render(), "source  tokens\n10-K/A       7\n");
    }
}
