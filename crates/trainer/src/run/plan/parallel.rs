//! Checks of `[run]` and `[parallel]`, and of what happens every so many steps.

use crate::config::{BackendChoice, DeviceChoice, PrecisionChoice, ReduceDtype, Reduction, RunConfig};

/// Longest deadline of a collective call: a year, which every clock can add.
pub(crate) const LONGEST_TIMEOUT_S: u64 = 366 * 24 * 60 * 60;

/// Where the run is written, and what happens every so many steps or seconds.
pub(super) fn check_run(config: &RunConfig, problems: &mut Vec<String>) {
    if config.run.dir.as_os_str().is_empty() {
        problems.push("run.dir is empty: name the folder of the run".to_owned());
    }
    let zeros = [
        ("parallel.timeout_s", config.parallel.timeout_s == 0),
        ("parallel.silence_s", config.parallel.silence_s == 0),
        ("parallel.abort_s", config.parallel.abort_s == 0),
        ("parallel.threads", config.parallel.threads == Some(0)),
        ("checkpoint.keep_last", config.checkpoint.keep_last == 0),
        ("logging.every_steps", config.logging.every_steps == 0),
        ("evaluation.max_sequences", config.evaluation.max_sequences == 0),
    ];
    problems.extend(
        zeros
            .into_iter()
            .filter(|(_, zero)| *zero)
            .map(|(key, _)| format!("{key} = 0: it has to be at least 1")),
    );
    check_backend(config, problems);
    check_reduce_dtype(config, problems);
    check_times(config, problems);
}

/// NCCL sums on GPUs, in an order of its own.
fn check_backend(config: &RunConfig, problems: &mut Vec<String>) {
    let parallel = &config.parallel;
    if parallel.backend == BackendChoice::Nccl && parallel.device == DeviceChoice::Cpu {
        problems.push(
            "parallel.backend = \"nccl\": it sums on GPUs, but parallel.device is \"cpu\"; set one of them to \"auto\""
                .to_owned(),
        );
    }
    if parallel.backend == BackendChoice::Nccl && parallel.reduction == Reduction::Canonical {
        problems.push(
            "parallel.backend = \"nccl\": NCCL adds in an order of its own, so it cannot give the sums of parallel.reduction = \"canonical\"; set the backend to \"auto\" or the reduction to \"fast\""
                .to_owned(),
        );
    }
}

/// bf16 on the wire rounds what other settings promise to keep.
fn check_reduce_dtype(config: &RunConfig, problems: &mut Vec<String>) {
    let parallel = &config.parallel;
    if parallel.reduce_dtype == ReduceDtype::Bf16 {
        if parallel.reduction == Reduction::Canonical {
            problems.push(
                "parallel.reduce_dtype = \"bf16\": parallel.reduction is \"canonical\", whose sums are exact to the bit at any number of ranks; set one of them to its default"
                    .to_owned(),
            );
        }
        if config.training.precision == PrecisionChoice::F64 {
            problems.push(
                "parallel.reduce_dtype = \"bf16\": training.precision is \"f64\", of which 8 bits would be left; set parallel.reduce_dtype = \"f32\", which sends f64 as it is"
                    .to_owned(),
            );
        }
    }
}

fn check_times(config: &RunConfig, problems: &mut Vec<String>) {
    let parallel = &config.parallel;
    let times = [
        ("timeout_s", parallel.timeout_s),
        ("silence_s", parallel.silence_s),
        ("abort_s", parallel.abort_s),
    ];
    for (key, seconds) in times {
        if seconds > LONGEST_TIMEOUT_S {
            problems.push(format!(
                "parallel.{key} = {seconds}: it has to be at most {LONGEST_TIMEOUT_S} (a year)"
            ));
        }
    }
}
