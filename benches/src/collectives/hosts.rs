//! Two hosts on this machine, joined by a link of limited rate: network namespaces, made and
//! removed by `benches/peers/hosts.sh`.

use std::process::Command;

use anyhow::{Context, Result};

use super::contestant::TrainRun;
use crate::contest::succeed;

const SCRIPT: &str = "benches/peers/hosts.sh";
/// How long the gradients are to be on the link, of the time that a step computes.
const SHARE_OF_COMPUTE: f64 = 0.5;

/// The hosts, as long as this lives.
#[derive(Debug)]
pub(super) struct Hosts;

impl Hosts {
    /// Makes them.
    pub(super) fn joined_at(bits_per_second: u64) -> Result<Self> {
        let mut up = Command::new(SCRIPT);
        succeed(up.arg("up").arg(bits_per_second.to_string()))
            .context("no network namespaces on this machine (they need root, ip and tc)")?;
        Ok(Self)
    }

    /// Whether they can be made here.
    pub(super) fn permitted() -> Result<()> {
        Self::joined_at(1_000_000_000).map(drop)
    }

    /// `mpirun` with a rank on each.
    pub(super) fn mpirun(&self) -> Command {
        let Self = self;
        let mut command = Command::new(SCRIPT);
        command.arg("mpirun");
        command
    }

    /// MPICH's launcher with a rank on each.
    pub(super) fn mpich(&self) -> Command {
        let Self = self;
        let mut command = Command::new(SCRIPT);
        command.arg("mpich");
        command
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        // What is left is removed by the next `up`.
        let _ = Command::new(SCRIPT).arg("down").output();
    }
}

/// The rate at which two ranks sum the gradients of a step in half the time that they compute it:
/// each sends as many bytes as it has.
pub(super) fn bits_per_second(local: &TrainRun) -> u64 {
    let compute_seconds = local.step_seconds - local.communication_seconds;
    let bits = local.gradient_bytes * 8.0 / (SHARE_OF_COMPUTE * compute_seconds);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "whole and positive"
    )]
    let bits = bits.max(1.0).round() as u64;
    bits
}
