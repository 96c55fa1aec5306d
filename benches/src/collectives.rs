//! The group `collectives`: sums over two ranks beside gloo's, and what several ranks cost a run.
//!
//! The figures of training come from the time-stamps of `tenk-pretrain train` runs of one named
//! configuration: 8 layers, 512 wide, vocabulary 8,192, without padding, so that ranks have equal
//! work. Each run is noted in
//! `runs/bench-collectives/` as soon as it is done, and a call goes on where the one before
//! stopped.

pub(crate) mod between_hosts;
mod contestant;
mod host_sums;
mod hosts;
mod inputs;
mod table;
mod watching;

use anyhow::Result;

use crate::arguments::Arguments;
use crate::contest;
use crate::record::Record;
use contestant::{
    AFTERWARDS, CANONICAL, CHECKED, ONE_RANK, OVERLAPPED, PADDED, PADDED_ALONE, PLANNED, RankSetup,
    TWO_RANKS, TWO_THREADS, TrainRun,
};
pub(crate) use host_sums::{all_reduce, arrivals};
use hosts::Hosts;
use inputs::CollectiveInputs;

/// Runs what is missing of `arguments.runs` rounds and, when nothing is, writes the table.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let folder = std::path::absolute("runs/bench-collectives")?;
    let inputs = CollectiveInputs::prepare(&folder, &std::path::absolute(&arguments.bin)?)?;
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

fn contestants(with_hosts: bool) -> Vec<RankSetup> {
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
            RankSetup::Wide { num_ranks, width },
            RankSetup::Planned { num_ranks, width },
        ]);
    }
    if with_hosts {
        all.extend([OVERLAPPED, AFTERWARDS]);
    }
    all
}

fn measure(inputs: &CollectiveInputs, record: &Record<TrainRun>, contestant: RankSetup) -> Result<TrainRun> {
    match contestant {
        RankSetup::Local {
            num_ranks,
            num_threads,
            setting,
        } => inputs.train_here((num_ranks, num_threads), setting),
        RankSetup::Limited { overlap } => {
            // The link of all rounds is the one that the first two-rank run asks for.
            let local = record.of(&TWO_RANKS.name(), 1)?;
            let rate = hosts::bits_per_second(&local[0]);
            inputs.train_on(&Hosts::joined_at(rate)?, overlap)
        }
        RankSetup::Wide { num_ranks, width } => inputs.train_wide(num_ranks, width),
        RankSetup::Planned { num_ranks, width } => inputs.plan(num_ranks, width),
    }
}

#[expect(clippy::print_stderr, reason = "progress of a run of a quarter of an hour")]
fn note(text: &str) {
    eprintln!("collectives: {text}");
}
