//! The group `training`: RoBERTa-base and a small model beside transformers and tuned `PyTorch`.
//!
//! All train on the same micro-batches from the same weights. Ours is the rate between the
//! time-stamps of a `tenk-pretrain train` run; before anything is timed, its loss on the first
//! micro-batch has to be the peer's. Every timed run is noted in `runs/bench-training/` as soon
//! as it is done, and a call goes on where the one before stopped.

mod beside;
mod contestant;
mod inputs;
mod table;

use std::path::PathBuf;

use anyhow::Result;

use crate::arguments::Arguments;
use crate::record::Record;
use contestant::{ModelSize, Precision, Trainer, ours, peer};
use inputs::TrainingInputs;

/// The best precision of this processor: what `training.precision = "auto"` comes to.
fn best_precision() -> Precision {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    if info.contains("avx512_bf16") || info.contains("amx_bf16") {
        Precision::Bf16
    } else {
        Precision::F32
    }
}

fn contestants(best: Precision) -> Vec<Trainer> {
    let (base, small, f32) = (ModelSize::Base, ModelSize::Small, Precision::F32);
    let mut all = vec![
        ours(base, best, true),
        peer(base, "tuned.py", best),
        ours(base, best, false),
        Trainer::Products { precision: best },
        peer(base, "run_mlm.py", f32),
        ours(small, f32, true),
        peer(small, "run_mlm.py", f32),
        Trainer::Loader,
        Trainer::Collator,
        Trainer::DataWait,
    ];
    if best != f32 {
        all.extend([peer(base, "run_mlm.py", best), ours(base, f32, true)]);
    }
    all.extend(beside::contestants([(base, best), (small, f32)], &all));
    all
}

/// Runs what is missing of `arguments.runs` rounds and, when nothing is, writes the table.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let folder = std::path::absolute("runs/bench-training")?;
    let bin: PathBuf = std::path::absolute(&arguments.bin)?;
    let inputs = TrainingInputs::prepare(&folder, &bin, &arguments.python()?)?;
    for size in [ModelSize::Base, ModelSize::Small] {
        inputs.prepare_model(size)?;
    }
    let mut record = Record::open(&inputs.runs_folder(), &bin.join("tenk-pretrain"))?;
    let best = best_precision();
    let mut left = arguments.at_most.unwrap_or(usize::MAX);
    let rounds =
        (0..arguments.runs).flat_map(|round| contestants(best).into_iter().map(move |who| (round, who)));
    for (round, contestant) in rounds {
        let name = contestant.name();
        if record.is_settled(round, &name) {
            continue;
        }
        if left == 0 {
            note("more runs are left; the same command goes on");
            return Ok(());
        }
        left -= 1;
        match inputs.measure(contestant) {
            Ok(measured) => {
                note(&format!("round {} {name}: {:.2}", round + 1, measured.rate));
                record.add(round, name, measured)?;
            }
            Err(error) => {
                note(&format!("round {} {name} failed: {error:#}", round + 1));
                record.fail(name, format!("{error:#}"));
            }
        }
    }
    let table = table::table(&inputs, &record, best, arguments.runs)?;
    crate::report::write_section("training", &table)?;
    record.none_failed()
}

#[expect(clippy::print_stderr, reason = "progress of a run of half an hour")]
fn note(text: &str) {
    eprintln!("training: {text}");
}
