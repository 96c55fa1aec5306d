//! Who trains, and what a run comes to.

use serde::{Deserialize, Serialize};

/// Steps that are timed, and one before them that warms up.
pub(super) const COUNTED_STEPS: u64 = 2;
pub(super) const WARM_UP_STEPS: u64 = 1;

/// Who trains in a round, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RankSetup {
    /// Ranks of this machine.
    Local {
        num_ranks: u32,
        num_threads: u32,
        setting: Setting,
    },
    /// Two ranks of a thread, each on a host of its own, over a link of limited rate.
    Limited { overlap: bool },
    /// Ranks of a thread that train a model of two layers and this width.
    Wide { num_ranks: u32, width: usize },
    /// What `plan --device cpu` says of them.
    Planned { num_ranks: u32, width: usize },
}

/// The ranks and widths that are planned for.
pub(super) const PLANNED: [(u32, usize); 3] = [(1, 512), (1, 768), (2, 768)];

/// What a run does otherwise than by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Setting {
    Default,
    /// `parallel.reduction = "canonical"`
    Canonical,
    /// `parallel.check_every = 1`
    Checked,
    /// `data.packing = "full-sentences"`: ranks pad differently much, so their work is unequal.
    Padded,
}

pub(super) const TWO_RANKS: RankSetup = local(2, 1, Setting::Default);
pub(super) const ONE_RANK: RankSetup = local(1, 1, Setting::Default);
pub(super) const TWO_THREADS: RankSetup = local(1, 2, Setting::Default);
pub(super) const CANONICAL: RankSetup = local(2, 1, Setting::Canonical);
pub(super) const CHECKED: RankSetup = local(2, 1, Setting::Checked);
pub(super) const PADDED: RankSetup = local(2, 1, Setting::Padded);
pub(super) const PADDED_ALONE: RankSetup = local(1, 1, Setting::Padded);
pub(super) const OVERLAPPED: RankSetup = RankSetup::Limited { overlap: true };
pub(super) const AFTERWARDS: RankSetup = RankSetup::Limited { overlap: false };

const fn local(num_ranks: u32, num_threads: u32, setting: Setting) -> RankSetup {
    RankSetup::Local {
        num_ranks,
        num_threads,
        setting,
    }
}

impl RankSetup {
    /// The name under which its runs are noted.
    pub(super) fn name(self) -> String {
        match self {
            Self::Local {
                num_ranks,
                num_threads,
                setting,
            } => format!("{num_ranks} x {num_threads}, {setting:?}"),
            Self::Limited { overlap } => format!("limited link, overlap {overlap}"),
            Self::Wide { num_ranks, width } => format!("{num_ranks} x 1, {width} wide"),
            Self::Planned { num_ranks, width } => format!("{num_ranks} x 1, {width} wide, planned"),
        }
    }
}

/// What a run came to, or is expected to. Seconds are of one counted step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct TrainRun {
    pub(super) tokens_per_second: f64,
    pub(super) step_seconds: f64,
    /// Of rank 0 in collective calls, its waiting for a rank whose passes took longer left out.
    pub(super) communication_seconds: f64,
    /// In which rank 0's thread of the liveness channel was on a core.
    pub(super) liveness_seconds: f64,
    pub(super) gradient_bytes: f64,
    /// The part of them that is the word matrix's.
    pub(super) tied_bytes: f64,
}
