//! Runs the two contestants of a figure in turn and keeps every rate.

use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

/// One figure: what is measured, by whom, in which unit (more is better).
#[derive(Debug)]
pub(crate) struct Figure {
    pub(crate) group: &'static str,
    pub(crate) name: String,
    pub(crate) unit: &'static str,
    pub(crate) peer_name: &'static str,
    pub(crate) ours: Contestant,
    pub(crate) peer: Contestant,
}

/// Makes the command of one run; the command's last line is `{"rate": x}`.
pub(crate) struct Contestant(pub(crate) Box<dyn Fn() -> Result<Command>>);

impl std::fmt::Debug for Contestant {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Contestant")
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
}

#[derive(Deserialize)]
struct Measured {
    rate: f64,
}

/// Runs each contestant once uncounted, then `runs` times in turn.
pub(crate) fn run(figure: &Figure, runs: usize) -> Result<Outcome> {
    let (mut ours, mut peer) = (Vec::new(), Vec::new());
    for index in 0..=runs {
        let pair = (rate(&figure.ours)?, rate(&figure.peer)?);
        if index > 0 {
            ours.push(pair.0);
            peer.push(pair.1);
        }
    }
    Ok(Outcome {
        group: figure.group,
        name: figure.name.clone(),
        unit: figure.unit,
        peer_name: figure.peer_name,
        ours,
        peer,
    })
}

fn rate(contestant: &Contestant) -> Result<f64> {
    let mut command = contestant.0()?;
    let output = succeed(&mut command)?;
    let stdout = String::from_utf8_lossy(&output.stdout);
    let last = stdout.lines().last().context("a contestant printed nothing")?;
    let measured: Measured =
        serde_json::from_str(last).with_context(|| format!("{command:?} printed {last:?}"))?;
    Ok(measured.rate)
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
