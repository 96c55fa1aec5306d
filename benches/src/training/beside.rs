//! Runs beside a process that always wants a core: how much longer a step takes than alone.

use std::process::{Child, Command};

use anyhow::{Context, Result};

use super::contestant::{ModelSize, Precision, Sharer, Trainer};

/// Most of the time that a step takes alone. What is fair on two cores is 1.5 times, as each of three
/// gets two thirds of a core; 2 where the other work is another user's.
pub(super) const AT_MOST: &str = "at most 2.3";

/// Alone, where no other figure needs that run, and beside a busy process.
pub(super) fn contestants(models: [(ModelSize, Precision); 2], others: &[Trainer]) -> Vec<Trainer> {
    let mut all = Vec::new();
    for (size, precision) in models {
        for sharer in Sharer::ALL {
            let alone = sharer.alone(size, precision);
            all.extend((!others.contains(&alone)).then_some(alone));
            all.push(sharer.beside(size, precision));
        }
    }
    all
}

/// A process that never sleeps, for as long as this lives.
#[derive(Debug)]
pub(super) struct BusyProcess(Child);

impl BusyProcess {
    pub(super) fn start() -> Result<Self> {
        let child = Command::new("sh").args(["-c", "while :; do :; done"]).spawn();
        Ok(Self(child.context("starting a busy process")?))
    }
}

impl Drop for BusyProcess {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
