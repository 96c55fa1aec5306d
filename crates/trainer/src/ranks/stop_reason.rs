//! Why a run stops, as its ranks tell each other and people.

use std::fmt;

use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1},
    low_level,
};

/// The signals that ask a run to stop.
pub(super) const SIGNALS: [i32; 4] = [SIGUSR1, SIGTERM, SIGINT, SIGHUP];

/// Why a rank was asked to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StopReason {
    /// One of [`SIGUSR1`], [`SIGTERM`], [`SIGINT`] and [`SIGHUP`].
    Signal(i32),
    /// The time of `run.stop_after` is over.
    StopAfter,
    /// The end of the job that Slurm says is near.
    JobEnds,
}

impl StopReason {
    const ALL: [Self; 6] = [
        Self::Signal(SIGUSR1),
        Self::Signal(SIGTERM),
        Self::Signal(SIGINT),
        Self::Signal(SIGHUP),
        Self::StopAfter,
        Self::JobEnds,
    ];

    /// A number from 1 by which ranks tell each other.
    pub(super) fn code(self) -> u64 {
        let index = Self::ALL.iter().position(|&reason| reason == self);
        index.map_or(0, |index| index as u64 + 1)
    }

    /// `None` for 0.
    pub(super) fn from_code(code: u64) -> Option<Self> {
        let index = usize::try_from(code).ok()?.checked_sub(1)?;
        Self::ALL.get(index).copied()
    }
}

impl fmt::Display for StopReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signal(signal) => formatter.write_str(name(*signal)),
            Self::StopAfter => formatter.write_str("the time of run.stop_after is over"),
            Self::JobEnds => formatter.write_str("the job ends soon (SLURM_JOB_END_TIME)"),
        }
    }
}

/// What all ranks know of a request once they have agreed on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stop {
    /// Why.
    pub reason: StopReason,
    /// The lowest rank that was asked by the step that was the last; `None` where all were.
    pub rank: Option<u32>,
}

impl Stop {
    /// What the ranks have told, each by [`StopRequest::code`](super::stop::StopRequest); `None` where nobody was asked.
    pub(crate) fn agreed(codes: &[u64]) -> Option<Self> {
        let reasons = codes.iter().map(|&code| StopReason::from_code(code));
        let (rank, reason) = (0..)
            .zip(reasons)
            .find_map(|(rank, reason)| Some((rank, reason?)))?;
        let rank = codes.contains(&0).then_some(rank);
        Some(Self { reason, rank })
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.reason, self.rank) {
            (StopReason::Signal(_), Some(rank)) => write!(formatter, "{}, at rank {rank}", self.reason),
            (reason, _) => reason.fmt(formatter),
        }
    }
}

/// What people call a signal.
pub(super) fn name(signal: i32) -> &'static str {
    low_level::signal_name(signal).unwrap_or("a signal")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_agree_on_the_reason_of_the_lowest_that_was_asked() {
        let (interrupt, job) = (StopReason::Signal(SIGINT).code(), StopReason::JobEnds.code());
        let said = |codes: &[u64]| Stop::agreed(codes).map(|stop| stop.to_string());
        assert_eq!(said(&[0, 0, 0]), None);
        assert_eq!(said(&[0, interrupt, job]).unwrap(), "SIGINT, at rank 1");
        assert_eq!(said(&[interrupt; 3]).unwrap(), "SIGINT");
        assert_eq!(said(&[0, job]).unwrap(), "the job ends soon (SLURM_JOB_END_TIME)");
        for signal in SIGNALS {
            assert!(StopReason::Signal(signal).code() > 0, "{}", name(signal));
        }
        for reason in StopReason::ALL {
            assert_eq!(StopReason::from_code(reason.code()), Some(reason));
        }
    }
}
