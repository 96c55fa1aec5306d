//! The checks, where the CPU is checked against itself, and the way in which they are run.

use std::{
    sync::mpsc::channel,
    time::{Duration, Instant},
};

use super::{finding::Found, *};
use crate::error::TrainError;

pub(super) fn on_cpu() -> Checked {
    Checked {
        device: Device::Cpu,
        config: model_of(64, 1, 507),
        shape: BatchShape {
            sequences: 4,
            length: 32,
        },
    }
}

fn made(checks: Vec<Check>, limit: Duration) -> Vec<Finding> {
    let mut findings = Vec::new();
    run_checks(checks, limit, &mut |finding| findings.push(finding.clone()));
    findings
}

#[test]
fn the_checks_pass_where_the_cpu_is_checked_against_itself() {
    let checks = correctness(&on_cpu(), &[Precision::Bf16, Precision::Fp16]);
    let findings = made(checks, Duration::from_mins(5));
    assert_eq!(findings.len(), 13);
    assert!(findings.iter().all(|finding| finding.passed), "{findings:#?}");
    let operators = training::operators(&on_cpu()).unwrap();
    assert!(operators.1.contains("layers"), "{operators:?}");
}

#[test]
fn a_result_that_is_off_does_not_pass() {
    let (passed, _) = on_cpu().parity(Precision::Fp16, Padding::Some, 1e-7).unwrap();
    assert!(!passed);
}

#[test]
fn the_most_telling_checks_come_first() {
    let mut names = Vec::new();
    let none = Duration::ZERO;
    run_checks(
        checks(Device::Cpu, &[Precision::Bf16, Precision::Fp16]),
        none,
        &mut |finding| names.push(finding.what.clone()),
    );
    let place = |part: &str| names.iter().position(|name| name.contains(part)).unwrap();
    let order = [
        "bf16 against the CPU",
        "dropout, bf16",
        "fp16 overflow",
        "NCCL",
        "deterministic resume",
        "bf16, 32 x 512",
    ];
    assert!(order.map(place).is_sorted(), "{names:#?}");
}

#[test]
fn a_step_is_timed_and_its_memory_stands_beside_the_plan_s() {
    let speed = Speed {
        device: Device::Cpu,
        config: model_of(64, 1, 507),
        precision: Precision::F32,
        padding: Padding::None,
        shape: BatchShape {
            sequences: 2,
            length: 16,
        },
    };
    let (passed, found) = speed.measure().unwrap();
    assert!(passed, "{found}");
    for part in ["tokens/s", "TFLOP/s", "% of the", "plan: "] {
        assert!(found.contains(part), "{found}");
    }
}

#[test]
fn an_error_and_a_panic_are_findings_and_the_next_check_is_made() {
    let fails = || -> Found { Err(TrainError::NothingHeldOut) };
    let findings = made(
        vec![
            Check::new("fails", fails),
            Check::new("panics", || panic!("on purpose")),
            Check::new("passes", || Ok((true, "well".to_owned()))),
        ],
        Duration::from_mins(1),
    );
    let passed: Vec<bool> = findings.iter().map(|finding| finding.passed).collect();
    assert_eq!(passed, [false, false, true]);
    assert!(findings[0].found.contains("held"), "{}", findings[0].found);
    assert!(findings[1].found.contains("panicked"), "{}", findings[1].found);
}

#[test]
fn a_finding_is_told_before_the_next_check_is_made() {
    let (told, wait) = channel();
    let checks = vec![
        Check::new("first", || Ok((true, String::new()))),
        // It would wait for ever if the first finding came with its own.
        Check::new("second", move || {
            let told = wait.recv_timeout(Duration::from_mins(1)).is_ok();
            Ok((told, String::new()))
        }),
    ];
    let mut passed = Vec::new();
    run_checks(checks, Duration::from_mins(2), &mut |finding| {
        passed.push(finding.passed);
        told.send(()).unwrap_or_default();
    });
    assert_eq!(passed, [true, true]);
}

#[test]
fn a_check_that_hangs_is_a_finding_and_ends_the_report_in_time() {
    let begun = Instant::now();
    let hangs = || {
        std::thread::sleep(Duration::from_mins(2));
        Ok((true, String::new()))
    };
    let findings = made(
        vec![
            Check::new("quick", || Ok((true, String::new()))),
            Check::new("hangs", hangs),
            Check::new("behind", || Ok((true, String::new()))),
        ],
        Duration::from_secs(2),
    );
    assert!(begun.elapsed() < Duration::from_mins(1));
    let passed: Vec<bool> = findings.iter().map(|finding| finding.passed).collect();
    assert_eq!(passed, [true, false, false]);
    assert!(
        findings[1].found.contains("did not end within 2 s"),
        "{}",
        findings[1].found
    );
    assert!(findings[2].found.contains("not made"), "{}", findings[2].found);
}

#[test]
fn without_a_gpu_the_one_finding_says_so() {
    if torch_native::num_gpus() == 0 {
        let mut findings = Vec::new();
        gpu_check(&mut |finding| findings.push(finding.clone()));
        assert!(
            findings.len() == 1 && findings[0].passed && findings[0].found.contains("nothing was checked"),
            "{findings:?}"
        );
    }
}
