//! Runs the two contestants of a figure in turn and keeps every rate.

use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, de::DeserializeOwned};

/// One figure: what is measured, by whom, in which unit.
#[derive(Debug)]
pub(crate) struct Figure {
    pub(crate) group: &'static str,
    pub(crate) name: String,
    pub(crate) unit: &'static str,
    pub(crate) peer_name: &'static str,
    pub(crate) ours: RateCommand,
    pub(crate) peer: RateCommand,
}

/// Makes the command of one run; the command's last line is `{"rate": x}`.
pub(crate) struct RateCommand(pub(crate) Box<dyn Fn() -> Result<Command>>);

impl std::fmt::Debug for RateCommand {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("RateCommand")
    }
}

/// The rates of a figure's runs, in the order in which they ran.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) group: &'static str,
    pub(crate) name: String,
    pub(crate) unit: &'static str,
    pub(crate) peer_name: &'static str,
    pub(crate) ours: Vec<f64>,
    pub(crate) peer: Vec<f64>,
    /// Why there are no rates: what a contestant that failed said.
    pub(crate) failed: Option<String>,
}

#[derive(Deserialize)]
struct PrintedRate {
    rate: f64,
}

/// Runs each contestant once uncounted, then `runs` times in turn. A contestant that fails ends its
/// figure, and no other.
pub(crate) fn run(figure: &Figure, runs: usize) -> Outcome {
    let measured = (0..=runs)
        .map(|_| Ok((rate(&figure.ours)?, rate(&figure.peer)?)))
        .collect::<Result<Vec<_>>>();
    let (pairs, failed) = match measured {
        Ok(pairs) => (pairs, None),
        Err(error) => (Vec::new(), Some(format!("{error:#}"))),
    };
    let (ours, peer) = pairs.into_iter().skip(1).unzip();
    Outcome {
        group: figure.group,
        name: figure.name.clone(),
        unit: figure.unit,
        peer_name: figure.peer_name,
        ours,
        peer,
        failed,
    }
}

/// Whether every figure was measured.
///
/// # Errors
/// Names the figures that failed.
pub(crate) fn none_failed(outcomes: &[Outcome]) -> Result<()> {
    let failed: Vec<String> = outcomes
        .iter()
        .filter_map(|outcome| Some(format!("{}: failed: {}", outcome.name, outcome.failed.as_ref()?)))
        .collect();
    ensure!(failed.is_empty(), "{}", failed.join("\n"));
    Ok(())
}

fn rate(contestant: &RateCommand) -> Result<f64> {
    let measured: PrintedRate = last_line(&mut contestant.0()?)?;
    Ok(measured.rate)
}

/// Runs a command, which must succeed; what the last line that it prints says.
pub(crate) fn last_line<T: DeserializeOwned>(command: &mut Command) -> Result<T> {
    let output = succeed(command)?;
    let stdout = String::from_utf8_lossy(&output.stdout);
    let last = stdout.lines().last().context("a contestant printed nothing")?;
    serde_json::from_str(last).with_context(|| format!("{command:?} printed {last:?}"))
}

/// Runs a command, which must succeed; its error output is in the message where it does not.
pub(crate) fn succeed(command: &mut Command) -> Result<Output> {
    let output = command
        .output()
        .with_context(|| format!("starting {command:?}"))?;
    ensure!(
        output.status.success(),
        "{command:?} failed:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(output)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(text: &'static str) -> RateCommand {
        RateCommand(Box::new(move || {
            let mut command = Command::new("echo");
            command.arg(text);
            Ok(command)
        }))
    }

    fn against(peer: RateCommand) -> Outcome {
        let figure = Figure {
            group: "corpus",
            name: "x".to_owned(),
            unit: "MB/s",
            peer_name: "y",
            ours: says(r#"{"rate": 2.0}"#),
            peer,
        };
        run(&figure, 2)
    }

    #[test]
    fn a_figure_whose_peer_fails_has_its_reason_and_the_others_have_rates() {
        let outcomes = [against(says("no rate")), against(says(r#"{"rate": 1.0}"#))];
        assert!(
            outcomes[0]
                .failed
                .as_ref()
                .is_some_and(|why| why.contains("no rate"))
        );
        assert_eq!(
            (&outcomes[1].ours, &outcomes[1].peer),
            (&vec![2.0; 2], &vec![1.0; 2])
        );
        assert!(none_failed(&outcomes).is_err() && none_failed(&outcomes[1..]).is_ok());
    }
}
