//! Checks of the repository itself: `cargo run -q -p xtask -- COMMAND`.
//!
//! Each check prints what it finds, a line a finding, and exits with 1 when there is any.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for the terminal"
)]

mod code;
mod code_rules;
mod docs_check;
mod figures;
mod golden;
mod layout;
mod licenses;
mod metadata;
mod outcome;
mod promises;
mod reads;
mod room_order;
mod sources;
mod supply;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;

use crate::outcome::Outcome;

const USAGE: &str = "usage: cargo run -q -p xtask -- COMMAND

  layout          dependencies between the crates are those of docs/design.md; files are opened through durable;
                  no cycle between files, rooms import in their order, no long function, no tuple of three as a
                  parameter, no crowded folder
  figures [DIR]   sizes, public items, levels of imports, cycles, of this repository or another checkout
  docs-check      links, anchors, paths, sections, decisions, make targets and configurations that pages and
                  comments name exist
  promises        every test that docs/promises.toml names exists
  supply          licenses and sources of all packages, the lock file, digests of base images
  licenses DIR    copy the license texts of all that is linked into the programs into DIR
  golden-update   write tests/golden/ anew with the peers' Python (scripts/setup.sh peers)";

fn main() -> ExitCode {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments[..] {
        ["layout"] => whole_layout(root),
        ["docs-check"] => docs_check::check(root),
        ["promises"] => promises::check(root),
        ["supply"] => supply::check(root),
        ["licenses", out] => licenses::collect(root, Path::new(out)),
        ["golden-update"] => golden::update(root),
        ["figures"] => return print(figures::text(root)),
        ["figures", checkout] => return print(figures::text(Path::new(checkout))),
        ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    report(arguments[0], outcome)
}

fn print(text: Result<String>) -> ExitCode {
    match text {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn whole_layout(root: &Path) -> Result<Outcome> {
    let mut outcome = layout::check(root)?;
    outcome.findings.extend(reads::findings(root)?);
    outcome.findings.extend(code_rules::findings(root)?);
    outcome.findings.extend(room_order::findings(root)?);
    Ok(outcome)
}

fn report(command: &str, outcome: Result<Outcome>) -> ExitCode {
    match outcome {
        Ok(outcome) if outcome.findings.is_empty() => {
            println!("{command}: {}", outcome.looked_at);
            ExitCode::SUCCESS
        }
        Ok(outcome) => {
            for finding in &outcome.findings {
                eprintln!("{command}: {finding}");
            }
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{command}: {error:#}");
            ExitCode::FAILURE
        }
    }
}
