//! Runs beside a process that always wants a core: how much longer a step takes than alone.

use std::process::{Child, Command};

use anyhow::{Context, Result};

use super::inputs::{ModelSize, Precision};
use super::{Contestant, ours, peer};

/// Most of the time that a step takes alone. What is fair on two cores is 1.5 times, as each of three
/// gets two thirds of a core; 2 where the other work is another user's.
pub(super) const AT_MOST: &str = "at most 2.3";

/// Who shares the cores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sharer {
    /// One rank that computes on all cores.
    OneRank,
    /// A rank of one thread for each core.
    RankPerCore,
    /// Tuned `PyTorch` on all cores.
    Tuned,
}

impl Sharer {
    pub(super) const ALL: [Self; 3] = [Self::OneRank, Self::RankPerCore, Self::Tuned];

    /// In a table.
    pub(super) fn described(self) -> &'static str {
        match self {
            Self::OneRank => "one rank on all cores",
            Self::RankPerCore => "one rank of a thread a core",
            Self::Tuned => "tuned PyTorch",
        }
    }

    /// The contestant that has the cores for itself.
    pub(super) fn alone(self, size: ModelSize, precision: Precision) -> Contestant {
        match self {
            Self::OneRank => ours(size, precision, true),
            Self::RankPerCore => Contestant::RankPerCore { size, precision },
            Self::Tuned => peer(size, "tuned.py", precision),
        }
    }

    /// The contestant that has not.
    pub(super) fn beside(self, size: ModelSize, precision: Precision) -> Contestant {
        Contestant::Beside {
            sharer: self,
            size,
            precision,
        }
    }
}

/// Alone, where no other figure needs that run, and beside a busy process.
pub(super) fn contestants(models: [(ModelSize, Precision); 2], others: &[Contestant]) -> Vec<Contestant> {
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
