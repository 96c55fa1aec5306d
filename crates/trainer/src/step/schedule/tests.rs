use std::path::Path;

use serde::Deserialize;

use super::*;
use crate::config::tests::tiny;

/// A schedule, and the rates that `transformers` gives for the steps from 0 on.
#[derive(Debug, Deserialize)]
struct Case {
    learning_rate: f64,
    max_steps: u64,
    schedule: ScheduleSection,
    rates: Vec<f64>,
}

fn schedule(peak: f64, section: &ScheduleSection, max_steps: u64) -> Schedule {
    let optimizer = OptimizerSection {
        learning_rate: peak,
        ..tiny(&[]).optimizer
    };
    Schedule::new(&optimizer, section, max_steps)
}

fn section(kind: ScheduleKind, warmup_steps: u64) -> ScheduleSection {
    ScheduleSection {
        kind,
        warmup_steps,
        ..ScheduleSection::default()
    }
}

const KINDS: [ScheduleKind; 5] = [
    ScheduleKind::Linear,
    ScheduleKind::Cosine,
    ScheduleKind::Constant,
    ScheduleKind::Polynomial,
    ScheduleKind::Wsd,
];

/// Both do the same operations in the same order, so that nothing differs but the last bit of a cosine
/// or a power: two units of it, of numbers up to the peak.
fn assert_equal_transformers(cases: &Path, at_least: usize) {
    let text = std::fs::read_to_string(cases).unwrap();
    let cases: Vec<Case> = serde_json::from_str(&text).unwrap();
    assert!(cases.len() >= at_least, "{}", cases.len());
    for kind in KINDS {
        assert!(cases.iter().any(|case| case.schedule.kind == kind), "{kind:?}");
    }
    for case in cases {
        let schedule = schedule(case.learning_rate, &case.schedule, case.max_steps);
        assert_eq!(
            case.schedule.problems(case.learning_rate, case.max_steps),
            [""; 0]
        );
        let most = 2.0 * f64::EPSILON * case.learning_rate;
        assert!(case.rates.len() as u64 >= case.max_steps, "{case:?}");
        for (step, expected) in (0..).zip(&case.rates) {
            let rate = schedule.learning_rate(Step(step));
            assert!(
                (rate - expected).abs() <= most,
                "step {step}: {rate:e} against {expected:e} of {:?}, {} steps",
                case.schedule,
                case.max_steps
            );
        }
    }
}

#[test]
fn every_kind_is_pointwise_what_transformers_gives() {
    let golden = test_data::repository().join("tests/golden/schedule/rates.json");
    assert_equal_transformers(&golden, 30);
}

#[test]
fn random_schedules_equal_transformers_that_runs_beside_them() {
    const CASES: usize = 200;
    let Some(folder) = test_data::random_fixtures("tests/parity/schedule_fixtures.py", CASES) else {
        return;
    };
    assert_equal_transformers(&folder.path().join("rates.json"), CASES);
}

#[test]
fn it_rises_to_the_peak_and_falls_to_zero() {
    let schedule = schedule(2.0, &section(ScheduleKind::Linear, 4), 12);
    let rates: Vec<f64> = (0..=12).map(|step| schedule.learning_rate(Step(step))).collect();
    let expected = [
        0.0, 0.5, 1.0, 1.5, 2.0, 1.75, 1.5, 1.25, 1.0, 0.75, 0.5, 0.25, 0.0,
    ];
    assert!(
        rates
            .iter()
            .zip(expected)
            .all(|(rate, expected)| (rate - expected).abs() < 1e-12),
        "{rates:?}"
    );
}

#[test]
fn without_warm_up_the_first_update_has_the_peak_unless_the_whole_run_decays() {
    for kind in KINDS {
        let rate = |max_steps| schedule(2.0, &section(kind, 0), max_steps).learning_rate(Step(0));
        assert!(
            (rate(5) - 2.0).abs() < 1e-12 && (rate(1) - 2.0).abs() < 1e-12,
            "{kind:?}"
        );
    }
}

#[test]
fn a_rate_is_never_below_zero_above_the_peak_or_no_number() {
    let shares = [0.0, 1e-9, 0.3, 0.5, 1.0];
    let powers = [1e-3, 0.5, 1.0, 2.0, 1e6];
    for kind in KINDS {
        for max_steps in [1, 2, 3, 10, u64::MAX >> 1] {
            for warmup_steps in [0, 1, 2, max_steps / 2, max_steps] {
                for (share, power) in shares.into_iter().zip(powers) {
                    let mut section = section(kind, warmup_steps);
                    match kind {
                        ScheduleKind::Wsd => section.decay_share = Some(share),
                        ScheduleKind::Polynomial => {
                            (section.power, section.lr_end) = (Some(power), Some(0.0));
                        }
                        _ => {}
                    }
                    let schedule = schedule(1e-3, &section, max_steps);
                    for step in [
                        0,
                        1,
                        2,
                        warmup_steps,
                        max_steps / 2,
                        max_steps - 1,
                        max_steps,
                        u64::MAX,
                    ] {
                        let rate = schedule.learning_rate(Step(step));
                        assert!(
                            (0.0..=1e-3).contains(&rate),
                            "{rate} at {step} of {max_steps}: {section:?}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn past_the_end_the_rate_stays_what_it_came_to() {
    for (kind, end) in KINDS.into_iter().zip([0.0, 0.0, 2.0, LR_END, 0.0]) {
        let schedule = schedule(2.0, &section(kind, 1), 5);
        for step in [5, 6, 9, u64::MAX] {
            let rate = schedule.learning_rate(Step(step));
            assert!((rate - end).abs() < 1e-15, "{kind:?} at {step}: {rate}");
        }
    }
    let all_warm_up = schedule(2.0, &section(ScheduleKind::Linear, 5), 5);
    assert!((all_warm_up.learning_rate(Step(4)) - 1.6).abs() < 1e-12);
}

#[test]
fn a_longer_run_has_the_same_rates_up_to_the_decay() {
    for kind in KINDS {
        let rate = |max_steps, step| schedule(2.0, &section(kind, 3), max_steps).learning_rate(Step(step));
        let same = (0..18).all(|step| rate(20, step).to_bits() == rate(40, step).to_bits());
        assert_eq!(same, kind.may_be_lengthened(), "{kind:?}");
    }
}

fn problems(kind: &str, overrides: &[&str]) -> Vec<String> {
    let kind = format!("schedule.kind='{kind}'");
    let overrides: Vec<&str> = [kind.as_str()]
        .into_iter()
        .chain(overrides.iter().copied())
        .collect();
    let config = tiny(&overrides);
    config
        .schedule
        .problems(config.optimizer.learning_rate, config.training.max_steps)
}

#[test]
fn a_key_that_the_kind_does_not_use_is_refused_with_the_kind_that_does() {
    for kind in ["linear", "cosine", "constant", "polynomial", "wsd"] {
        for (key, user) in [
            ("decay_share", "wsd"),
            ("power", "polynomial"),
            ("lr_end", "polynomial"),
        ] {
            let found = problems(kind, &[&format!("schedule.{key}=0.0005")]);
            if kind == user {
                assert_eq!(found, [""; 0], "{kind} {key}");
            } else {
                assert!(
                    found.len() == 1
                        && found[0].starts_with(&format!("schedule.{key} = 0.0005"))
                        && found[0].contains(&format!("schedule.kind = \"{user}\"")),
                    "{kind} {key}: {found:?}"
                );
            }
        }
    }
}

#[test]
fn values_that_no_schedule_can_have_are_refused_with_their_key() {
    for (kind, wrong, key) in [
        ("wsd", "schedule.decay_share=-0.1", "schedule.decay_share"),
        ("wsd", "schedule.decay_share=1.01", "schedule.decay_share"),
        ("wsd", "schedule.decay_share=nan", "schedule.decay_share"),
        ("wsd", "schedule.decay_share=inf", "schedule.decay_share"),
        ("wsd", "schedule.decay_share=1", "schedule.decay_share"),
        ("wsd", "schedule.warmup_steps=10", "schedule.decay_share"),
        ("wsd", "schedule.warmup_steps=11", "schedule.warmup_steps"),
        ("constant", "schedule.warmup_steps=11", "schedule.warmup_steps"),
        ("polynomial", "schedule.power=0.0", "schedule.power"),
        ("polynomial", "schedule.power=nan", "schedule.power"),
        ("polynomial", "schedule.lr_end=-1e-9", "schedule.lr_end"),
        ("polynomial", "schedule.lr_end=1e-3", "schedule.lr_end"),
        ("polynomial", "schedule.lr_end=nan", "schedule.lr_end"),
        ("polynomial", "optimizer.learning_rate=1e-8", "schedule.lr_end"),
    ] {
        let found = problems(kind, &[wrong]);
        assert!(
            found.len() == 1 && found[0].starts_with(key),
            "{kind} {wrong}: {found:?}"
        );
    }
    let whole = ["schedule.decay_share=1", "schedule.warmup_steps=0"];
    assert_eq!(problems("wsd", &whole), [""; 0]);
    assert_eq!(
        problems("wsd", &["schedule.decay_share=0", "schedule.warmup_steps=10"]),
        [""; 0]
    );
}
