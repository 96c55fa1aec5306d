//! Who trains, on what, and what a run comes to.

use serde::{Deserialize, Serialize};

/// Steps that are timed, behind those that warm up.
pub(super) const COUNTED_STEPS: u64 = 1;

/// What a run came to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Measured {
    /// Tokens a second; seconds for the products, percent for the data wait.
    pub(crate) rate: f64,
    /// Most memory that the process held; 0 where it was not asked.
    #[serde(default)]
    pub(crate) peak_bytes: f64,
}

/// Who takes part in a round, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trainer {
    Ours {
        size: ModelSize,
        precision: Precision,
        dropout: bool,
    },
    Peer {
        size: ModelSize,
        script: &'static str,
        precision: Precision,
    },
    /// Ours, a rank of one thread for each core.
    RankPerCore { size: ModelSize, precision: Precision },
    /// Ours or a peer beside a process that always wants a core.
    Beside {
        sharer: Sharer,
        size: ModelSize,
        precision: Precision,
    },
    /// The matrix products of a step alone; its rate is seconds.
    Products { precision: Precision },
    /// Our masks and micro-batches, one thread.
    Loader,
    /// Those of transformers.
    Collator,
    /// How long a null model waits for data; its rate is percent of the time.
    DataWait,
}

impl Trainer {
    /// The name under which its runs are noted.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Ours {
                size,
                precision,
                dropout,
            } => format!("{size:?} {precision:?} ours, dropout {dropout}"),
            Self::Peer {
                size,
                script,
                precision,
            } => format!("{size:?} {precision:?} {script}"),
            Self::RankPerCore { size, precision } => format!("{size:?} {precision:?} ours, a rank a core"),
            Self::Beside {
                sharer,
                size,
                precision,
            } => format!("{size:?} {precision:?} {sharer:?} beside a busy process"),
            Self::Products { precision } => format!("{precision:?} products"),
            Self::Loader => "loader".to_owned(),
            Self::Collator => "collator".to_owned(),
            Self::DataWait => "data wait".to_owned(),
        }
    }
}

/// The two models.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ModelSize {
    /// RoBERTa-base, 8 sequences a step.
    Base,
    /// 256 wide, 4 layers, 16 sequences a step.
    Small,
}

impl ModelSize {
    /// Width, layers, sequences a step.
    pub(super) fn numbers(self) -> (usize, usize, usize) {
        match self {
            Self::Base => (768, 12, 8),
            Self::Small => (256, 4, 16),
        }
    }
}

/// Arithmetic of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Precision {
    F32,
    Bf16,
}

impl Precision {
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        }
    }
}

pub(super) fn ours(size: ModelSize, precision: Precision, dropout: bool) -> Trainer {
    Trainer::Ours {
        size,
        precision,
        dropout,
    }
}

pub(super) fn peer(size: ModelSize, script: &'static str, precision: Precision) -> Trainer {
    Trainer::Peer {
        size,
        script,
        precision,
    }
}

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
    pub(super) fn alone(self, size: ModelSize, precision: Precision) -> Trainer {
        match self {
            Self::OneRank => ours(size, precision, true),
            Self::RankPerCore => Trainer::RankPerCore { size, precision },
            Self::Tuned => peer(size, "tuned.py", precision),
        }
    }

    /// The contestant that has not.
    pub(super) fn beside(self, size: ModelSize, precision: Precision) -> Trainer {
        Trainer::Beside {
            sharer: self,
            size,
            precision,
        }
    }
}
