//! The group `collectives`: sums over two ranks beside gloo's, and what several ranks cost a run.
//!
//! The figures of training come from the time-stamps of `tenk-pretrain train` runs of one named
//! configuration: 8 layers, 512 wide, vocabulary 8,192, without padding, so that ranks have equal
//! work. Each run is noted in
//! `runs/bench-collectives/` as soon as it is done, and a call goes on where the one before
//! stopped.

mod host_sums;
mod hosts;
mod inputs;
mod table;
mod watching;

use std::path::Path;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::record::Record;
use crate::{Arguments, contest};
pub(crate) use host_sums::{all_reduce, arrivals};
use hosts::Hosts;
use inputs::Inputs;

/// Steps that are timed, and one before them that warms up.
const COUNTED_STEPS: u64 = 2;
const WARM_UP_STEPS: u64 = 1;

/// Who trains in a round, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contestant {
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
const PLANNED: [(u32, usize); 3] = [(1, 512), (1, 768), (2, 768)];

/// What a run does otherwise than by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Setting {
    Default,
    /// `parallel.reduction = "canonical"`
    Canonical,
    /// `parallel.check_every = 1`
    Checked,
    /// `data.packing = "full-sentences"`: ranks pad differently much, so their work is unequal.
    Padded,
}

const TWO_RANKS: Contestant = local(2, 1, Setting::Default);
const ONE_RANK: Contestant = local(1, 1, Setting::Default);
const TWO_THREADS: Contestant = local(1, 2, Setting::Default);
const CANONICAL: Contestant = local(2, 1, Setting::Canonical);
const CHECKED: Contestant = local(2, 1, Setting::Checked);
const PADDED: Contestant = local(2, 1, Setting::Padded);
const PADDED_ALONE: Contestant = local(1, 1, Setting::Padded);
const OVERLAPPED: Contestant = Contestant::Limited { overlap: true };
const AFTERWARDS: Contestant = Contestant::Limited { overlap: false };

const fn local(num_ranks: u32, num_threads: u32, setting: Setting) -> Contestant {
    Contestant::Local {
        num_ranks,
        num_threads,
        setting,
    }
}

impl Contestant {
    /// The name under which its runs are noted.
    fn name(self) -> String {
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
pub(crate) struct TrainRun {
    tokens_per_second: f64,
    step_seconds: f64,
    /// Of rank 0 in collective calls, its waiting for a rank whose passes took longer left out.
    communication_seconds: f64,
    /// In which rank 0's thread of the liveness channel was on a core.
    liveness_seconds: f64,
    gradient_bytes: f64,
    /// The part of them that is the word matrix's.
    tied_bytes: f64,
}

/// Runs what is missing of `arguments.runs` rounds and, when nothing is, writes the table.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let folder = std::path::absolute("runs/bench-collectives")?;
    let inputs = Inputs::prepare(&folder, &std::path::absolute(&arguments.bin)?)?;
    let mut record = Record::open(&folder, &inputs.program())?;
    let not_permitted = Hosts::permitted().err();
    let mut left = arguments.at_most.unwrap_or(usize::MAX);
    for round in 0..arguments.runs {
        for contestant in contestants(not_permitted.is_none()) {
            let name = contestant.name();
            if record.is_settled(round, &name) {
                continue;
            }
            if left == 0 {
                note("more runs are left; the same command goes on");
                return Ok(());
            }
            left -= 1;
            match measure(&inputs, &record, contestant) {
                Ok(run) => {
                    note(&format!("round {} {name}: {run:?}", round + 1));
                    record.add(round, name, run)?;
                }
                Err(error) => {
                    note(&format!("round {} {name} failed: {error:#}", round + 1));
                    record.fail(name, format!("{error:#}"));
                }
            }
        }
    }
    let sums = contest::run(&host_sums::figure(arguments)?, arguments.runs);
    let reason = not_permitted.map(|error| format!("{error:#}"));
    let table = table::table(&inputs, &record, &sums, reason.as_deref(), arguments.runs);
    crate::report::write_section("collectives", &table)?;
    contest::none_failed(&[sums]).and(record.none_failed())
}

fn contestants(with_hosts: bool) -> Vec<Contestant> {
    let mut all = vec![
        TWO_RANKS,
        ONE_RANK,
        TWO_THREADS,
        CANONICAL,
        CHECKED,
        PADDED,
        PADDED_ALONE,
    ];
    for (num_ranks, width) in PLANNED {
        all.extend([
            Contestant::Wide { num_ranks, width },
            Contestant::Planned { num_ranks, width },
        ]);
    }
    if with_hosts {
        all.extend([OVERLAPPED, AFTERWARDS]);
    }
    all
}

fn measure(inputs: &Inputs, record: &Record<TrainRun>, contestant: Contestant) -> Result<TrainRun> {
    match contestant {
        Contestant::Local {
            num_ranks,
            num_threads,
            setting,
        } => inputs.train_here((num_ranks, num_threads), setting),
        Contestant::Limited { overlap } => {
            // The link of all rounds is the one that the first two-rank run asks for.
            let local = record.of(&TWO_RANKS.name(), 1)?;
            let rate = hosts::bits_per_second(&local[0]);
            inputs.train_on(&Hosts::joined_at(rate)?, overlap)
        }
        Contestant::Wide { num_ranks, width } => inputs.train_wide(num_ranks, width),
        Contestant::Planned { num_ranks, width } => inputs.plan(num_ranks, width),
    }
}

#[expect(clippy::print_stderr, reason = "progress of a run of a quarter of an hour")]
fn note(text: &str) {
    eprintln!("collectives: {text}");
}

/// The script that starts ranks on this machine.
pub(crate) fn mpirun() -> &'static Path {
    Path::new("scripts/mpirun.sh")
}
