//! `tenk-pretrain gpu-check`: whether this machine's GPU computes what the CPU computes, and how
//! fast it trains. Needs no corpus: its micro-batches are made of random tokens.
//!
//! The checks that tell most come first, each finding is told at once, and what fails ends nothing but
//! its own check: time on a GPU is short.

mod attention;
mod device;
mod finding;
mod memory;
mod nccl;
mod runner;
mod speed;
mod training;

use std::time::Duration;

use model::{Precision, RobertaConfig};
use serde_json::json;
use tch::Device;

use self::{
    device::{Checked, Padding},
    finding::Finding,
    nccl::NcclSetup,
    runner::{Check, run_checks},
    speed::Speed,
};
use crate::{commands::output::print, ranks::exit::ExitStatus, run::synthetic::BatchShape, step::precision};

/// All checks together end within it; they take a minute or two. Two more are left for the peer that
/// `scripts/gpu_check.sh` runs beside them.
const LIMIT: Duration = Duration::from_mins(6);

/// A check that did not pass is a failure of the command, after its whole report.
pub(crate) fn run() -> ExitStatus {
    let mut status = ExitStatus::Done;
    gpu_check(&mut |finding| {
        let verdict = if finding.passed { "ok" } else { "FAILED" };
        let printed = print(&format!("{verdict:<6} {:<30} {}", finding.what, finding.found));
        if !finding.passed || printed == ExitStatus::Failed {
            status = ExitStatus::Failed;
        }
    });
    status
}

/// Checks the first GPU and tells `report` each finding as soon as it is made; a single one that says so
/// where there is none.
pub(crate) fn gpu_check(report: &mut dyn FnMut(&Finding)) {
    let version = torch_native::libtorch_version();
    if torch_native::num_gpus() == 0 {
        report(&Finding {
            what: "GPU".to_owned(),
            found: format!(
                "libtorch {version} finds no GPU that it can use, so nothing was checked. On a machine with a \
                 GPU, put the folder of a CUDA build of libtorch {version} first on LD_LIBRARY_PATH"
            ),
            passed: true,
        });
        return;
    }
    let capability = torch_native::compute_capability(0);
    let half = if matches!(capability, Ok((8.., _))) {
        vec![Precision::Bf16, Precision::Fp16]
    } else {
        vec![Precision::Fp16]
    };
    let gpu = Check::new("GPU", move || {
        let (major, minor) = capability?;
        Ok((
            true,
            format!("compute capability {major}.{minor}, libtorch {version}"),
        ))
    });
    let checks = std::iter::once(gpu).chain(checks(Device::Cuda(0), &half));
    run_checks(checks.collect(), LIMIT, report);
}

/// All of `device`, the most telling first; `half`: the half precisions that it is fast in, the one that
/// a run would choose first.
fn checks(device: Device, half: &[Precision]) -> Vec<Check> {
    let checked = Checked {
        device,
        // RoBERTa's proportions; 192 positions are 64 more than a multiple of 128, where kernels of
        // attention have failed before.
        config: model_of(256, 4, 5003),
        shape: BatchShape {
            sequences: 4,
            length: 192,
        },
    };
    let mut checks = correctness(&checked, half);
    for setup in NcclSetup::ALL {
        let checked = checked.clone();
        let what = format!("NCCL, one rank, {setup}");
        checks.push(Check::new(&what, move || nccl::one_rank(&checked, setup)));
    }
    let operators = checked.clone();
    checks.push(Check::new("operators of a step", move || {
        training::operators(&operators)
    }));
    checks.push(Check::new("deterministic resume", move || {
        training::resumes_to_the_bit(&checked)
    }));
    checks.extend(performance(device, half));
    checks
}

/// Everything that does not depend on speed, for one process alone.
fn correctness(checked: &Checked, half: &[Precision]) -> Vec<Check> {
    let mut checks = Vec::new();
    for precision in [half, &[Precision::F32, Precision::F64]].concat() {
        for padding in [Padding::Some, Padding::None] {
            let checked = checked.clone();
            let what = format!("{} against the CPU, {padding}", precision::name(precision));
            checks.push(Check::new(&what, move || {
                checked.parity(precision, padding, device::tolerance(precision))
            }));
        }
    }
    for precision in [half, &[Precision::F32]].concat() {
        let (device, kind) = (checked.device, precision.compute());
        let what = format!("dropout, {}", precision::name(precision));
        checks.push(Check::new(&what, move || attention::dropout_rates(device, kind)));
    }
    let by_its_key = checked.clone();
    checks.push(Check::new("dropout by its key", move || {
        by_its_key.dropout_repeats()
    }));
    if half.contains(&Precision::Fp16) {
        let checked = checked.clone();
        checks.push(Check::new("fp16 overflow", move || {
            training::overflow_is_skipped(&checked)
        }));
    }
    checks
}

/// Tokens a second and memory of RoBERTa-base, the precision that a run would choose first.
fn performance(device: Device, half: &[Precision]) -> Vec<Check> {
    let mut checks = Vec::new();
    for precision in [half, &[Precision::F32]].concat() {
        for padding in [Padding::None, Padding::Some] {
            let speed = Speed {
                device,
                config: model_of(768, 12, 50_265),
                precision,
                padding,
                shape: BatchShape {
                    sequences: 32,
                    length: 512,
                },
            };
            let what = format!("{}, 32 x 512, {padding}", precision::name(precision));
            checks.push(Check::new(&what, move || speed.measure()));
        }
    }
    checks
}

/// Width, layers and vocabulary; the rest as RoBERTa has it.
fn model_of(hidden_size: usize, layers: usize, vocab_size: usize) -> RobertaConfig {
    let config = json!({
        "model_type": "roberta", "vocab_size": vocab_size, "hidden_size": hidden_size,
        "num_hidden_layers": layers, "num_attention_heads": hidden_size / 64,
        "intermediate_size": 4 * hidden_size, "max_position_embeddings": 514, "type_vocab_size": 1,
    });
    RobertaConfig::from_json(&config.to_string()).expect("these are the fields of a RoBERTa")
}

#[cfg(test)]
mod tests;
