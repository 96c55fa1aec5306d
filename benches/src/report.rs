//! Medians, spread and ratios, to stdout and between the group's marks in `docs/benchmarks.md`.

use std::path::Path;

use anyhow::{Context, Result};

use crate::contest::Outcome;
use crate::machine;

const PAGE: &str = "docs/benchmarks.md";
const HEADER: &str = "\
# Benchmarks

Written by `make bench`. The contestants of a figure ran in turn in one run; median (lowest to
highest). More is better, unless the figure says otherwise. `make bench BEFORE=REV` compares this tree
with an earlier commit instead and writes `runs/bench-before/table.md`.
";

/// Prints the results and replaces the tables of their groups in the page.
pub(crate) fn write(outcomes: &[Outcome]) -> Result<()> {
    let mut groups: Vec<&str> = outcomes.iter().map(|outcome| outcome.group).collect();
    groups.dedup();
    for group in groups {
        let table = table(group, outcomes.iter().filter(|outcome| outcome.group == group));
        write_section(group, &table)?;
    }
    Ok(())
}

/// Prints a group's table and puts it into the page.
pub(crate) fn write_section(group: &str, table: &str) -> Result<()> {
    print(table);
    let page = std::fs::read_to_string(PAGE).unwrap_or_default();
    let page = replace_section(&with_header(&page), group, table);
    durable::commit_file(&durable::DISK, Path::new(PAGE), |file| {
        file.write_all(page.as_bytes())
    })
    .context("writing the page of benchmarks")
}

#[expect(clippy::print_stdout, reason = "the program's result")]
pub(crate) fn print(table: &str) {
    println!("{table}");
}

fn table<'a>(group: &str, outcomes: impl Iterator<Item = &'a Outcome>) -> String {
    let mut text = format!(
        "Machine: {}.\n\n| {group} | unit | ours | peer | | ratio, pair by pair |\n|---|---|---|---|---|---|\n",
        machine::description()
    );
    for outcome in outcomes {
        let rates = match &outcome.failed {
            Some(reason) => Err(reason.as_str()),
            None => Ok((&outcome.ours[..], &outcome.peer[..])),
        };
        text += &row(&outcome.name, outcome.unit, rates, outcome.peer_name);
    }
    text
}

/// A figure's row: its name, what its second column says, ours, the peer's and their ratios, or
/// why there are none.
pub(crate) fn row(
    name: &str,
    second: &str,
    rates: Result<(&[f64], &[f64]), &str>,
    peer_name: &str,
) -> String {
    match rates {
        Ok((ours, peer)) => {
            let ratios: Vec<f64> = ours.iter().zip(peer).map(|(ours, peer)| ours / peer).collect();
            let [ours, peer, ratios] = [ours, peer, &ratios].map(spread);
            format!("| {name} | {second} | {ours} | {peer} | {peer_name} | {ratios} |\n")
        }
        Err(reason) => {
            let reason = reason.lines().next().unwrap_or_default();
            format!("| {name} | {second} | failed: {reason} | | {peer_name} | |\n")
        }
    }
}

/// `median (lowest to highest)`, three digits each.
pub(crate) fn spread(values: &[f64]) -> String {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let [first, .., last] = sorted.as_slice() else {
        return sorted.first().map_or_else(String::new, |only| digits(*only));
    };
    format!(
        "{} ({} to {})",
        digits(sorted[sorted.len() / 2]),
        digits(*first),
        digits(*last)
    )
}

fn digits(value: f64) -> String {
    if value >= 100.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.2}")
    }
}

/// The page's sections under the header of today.
fn with_header(page: &str) -> String {
    let sections = page.find("<!-- ").map(|start| &page[start..]);
    sections.map_or_else(|| HEADER.to_owned(), |sections| format!("{HEADER}\n{sections}"))
}

fn replace_section(page: &str, group: &str, table: &str) -> String {
    let (begin, end) = (
        format!("<!-- {group} -->\n"),
        format!("<!-- end of {group} -->\n"),
    );
    let section = format!("{begin}## {group}\n\n{table}{end}");
    match (page.find(&begin), page.find(&end)) {
        (Some(from), Some(to)) => format!("{}{section}{}", &page[..from], &page[to + end.len()..]),
        _ => format!("{page}\n{section}"),
    }
}
