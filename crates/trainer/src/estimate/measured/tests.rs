use std::fmt::Write as _;

use super::*;
use crate::config::tests::tiny;

/// A run folder whose steps begin at second `at` of a day and take what they are told.
struct Folder(tempfile::TempDir, String, f64);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap(), String::new(), 0.0)
    }

    fn time(&self) -> String {
        format!("{:.3}", begun() + std::time::Duration::from_secs_f64(self.2))
    }

    /// A line of `num` steps up to `step`, on so many ranks.
    fn step(&mut self, step: u64, num: u64, seconds: f64, ranks: usize) {
        self.2 += seconds;
        let ranks = vec!["4"; ranks].join(",");
        let rate = 100.0 * num as f64 / seconds;
        let (time, ms) = (self.time(), seconds * 1e3);
        let _ = writeln!(
            self.1,
            r#"{{"step":{step},"time":"{time}","loss":null,"tokens":100,"tokens_per_second":{rate},"step_ms":{ms},"local_sequences":[{ranks}]}}"#
        );
    }

    fn steps(&mut self, steps: std::ops::RangeInclusive<u64>, seconds: f64) {
        steps.for_each(|step| self.step(step, 1, seconds, 2));
    }

    fn evaluation(&mut self, step: u64, seconds: f64) {
        self.2 += seconds;
        let time = self.time();
        let _ = writeln!(
            self.1,
            r#"{{"step":{step},"time":"{time}","eval":{{"loss":1.0}}}}"#
        );
    }

    fn pause(&mut self, seconds: f64) {
        self.2 += seconds;
    }

    fn left(&self, overrides: &[&str]) -> Result<Remaining, TrainError> {
        let path = self.0.path().join("metrics.jsonl");
        durable::commit_bytes(&durable::DISK, &path, self.1.as_bytes()).unwrap();
        let own = [
            "training.max_steps=1000",
            "schedule.warmup_steps=0",
            "checkpoint.every_steps=0",
        ];
        let overrides: Vec<&str> = own.iter().chain(overrides).copied().collect();
        let now = begun() + std::time::Duration::from_secs_f64(self.2 + 7.0);
        remaining(self.0.path(), &tiny(&overrides), now)
    }
}

fn begun() -> Timestamp {
    "2026-11-30T00:00:00Z".parse().unwrap()
}

fn assert_near(found: f64, expected: f64) {
    assert!(
        (found - expected).abs() <= 1e-9 * expected.abs().max(1.0),
        "{found} against {expected}"
    );
}

#[test]
fn a_steady_run_has_its_steps_times_its_rate_left() {
    let mut folder = Folder::new();
    folder.steps(1..=100, 3.6);
    let left = folder.left(&[]).unwrap();
    assert_eq!(
        (left.finished_steps, left.steps_left, left.measured_steps),
        (100, 900, 100)
    );
    assert_eq!((left.world_size, left.stalls.steps), (2, 0));
    for hours in [left.hours_left.value, left.hours_left.low, left.hours_left.high] {
        assert_near(hours, 0.9);
    }
    assert_near(left.seconds_per_step.value, 3.6);
    assert_near(left.seconds_since_last_line, 7.0);
}

#[test]
fn the_interval_is_that_of_the_slowest_and_fastest_part() {
    let mut folder = Folder::new();
    folder.steps(1..=50, 1.0);
    folder.steps(51..=100, 2.0);
    let left = folder.left(&[]).unwrap();
    let hours = left.hours_left;
    assert_near(hours.low, 900.0 / 3600.0);
    assert_near(hours.value, 1350.0 / 3600.0);
    assert_near(hours.high, 1800.0 / 3600.0);
}

#[test]
fn fewer_than_50_steps_are_refused_with_their_number_and_the_way_out() {
    let mut folder = Folder::new();
    for (until, steps) in [(0, 0), (49, 49)] {
        folder.steps(1..=until, 1.0);
        let error = folder.left(&[]).unwrap_err().to_string();
        assert!(
            error.contains(&format!("measured {steps} steps")) && error.contains("ask again"),
            "{error}"
        );
    }
    folder.steps(50..=50, 1.0);
    assert_eq!(folder.left(&[]).unwrap().measured_steps, 50);
    // Enough steps, in too few lines to say how they differ.
    let mut coarse = Folder::new();
    (1..=4).for_each(|line| coarse.step(100 * line, 100, 100.0, 2));
    let error = coarse.left(&["logging.every_steps=100"]).unwrap_err().to_string();
    assert!(error.contains("logging.every_steps"), "{error}");
    coarse.step(500, 100, 100.0, 2);
    assert_near(coarse.left(&[]).unwrap().hours_left.value, 500.0 / 3600.0);
}

#[test]
fn a_stalled_step_is_told_and_not_foretold() {
    let mut folder = Folder::new();
    folder.steps(1..=60, 1.0);
    folder.step(61, 1, 28_800.0, 2);
    folder.steps(62..=100, 1.0);
    let left = folder.left(&[]).unwrap();
    assert_near(left.hours_left.high, 0.25);
    assert_eq!(left.stalls.steps, 1);
    assert_near(left.stalls.seconds, 28_799.0);
    assert_near(left.stalls.hours_if_they_go_on, 28_799.0 * 9.0 / 3600.0);
}

#[test]
fn what_lies_between_two_launches_and_steps_that_are_taken_again_are_no_time_of_steps() {
    let mut folder = Folder::new();
    folder.steps(1..=90, 1.0);
    folder.pause(86_400.0);
    // From a checkpoint after step 80, in a file whose later lines a program left.
    folder.steps(81..=120, 1.0);
    let left = folder.left(&[]).unwrap();
    assert_eq!((left.finished_steps, left.measured_steps), (120, 120));
    assert_near(left.hours_left.value, 880.0 / 3600.0);
    // A line of ten steps, of which the launch took three.
    let mut coarse = Folder::new();
    (1..=9).for_each(|line| coarse.step(10 * line, 10, 10.0, 2));
    coarse.step(100, 3, 3.0, 2);
    let left = coarse.left(&[]).unwrap();
    assert_eq!(left.measured_steps, 93);
    assert_near(left.hours_left.value, 0.25);
}

#[test]
fn only_steps_on_the_ranks_that_train_now_count() {
    let mut folder = Folder::new();
    (1..=100).for_each(|step| folder.step(step, 1, 4.0, 4));
    (101..=120).for_each(|step| folder.step(step, 1, 1.0, 8));
    let error = folder.left(&[]).unwrap_err().to_string();
    assert!(error.contains("20 steps on its 8 ranks"), "{error}");
    (121..=200).for_each(|step| folder.step(step, 1, 1.0, 8));
    let left = folder.left(&[]).unwrap();
    assert_eq!((left.world_size, left.measured_steps), (8, 100));
    assert_near(left.hours_left.value, 800.0 / 3600.0);
}

#[test]
fn a_line_that_is_cut_off_is_passed_over_and_damaged_ones_are_counted() {
    let mut folder = Folder::new();
    folder.steps(1..=60, 1.0);
    folder
        .1
        .push_str("{\"step\": 7, \"tim\nno line\n{\"step\":8,\"time\":\"yesterday\"}\n");
    folder.steps(61..=100, 1.0);
    folder.1.push_str(r#"{"step":101,"time":"2026-11-30T0"#);
    let left = folder.left(&[]).unwrap();
    assert_eq!(
        (left.finished_steps, left.measured_steps, left.damaged_lines),
        (100, 100, 3)
    );
    for odd in ["-1", "0", "null", "1e999"] {
        let mut odd_times = Folder::new();
        odd_times.steps(1..=60, 1.0);
        let line =
            format!(r#"{{"step":61,"time":"2026-11-30T00:02:00Z","step_ms":{odd},"local_sequences":[4,4]}}"#);
        odd_times.1.push_str(&(line + "\n"));
        let left = odd_times.left(&[]).unwrap();
        assert!(
            left.hours_left.value.is_finite() && left.measured_steps == 60,
            "{odd}"
        );
    }
}

#[test]
fn evaluations_and_checkpoints_that_come_are_in_the_hours() {
    let mut folder = Folder::new();
    for step in 1..=200_u64 {
        folder.step(step, 1, 1.0, 2);
        if step.is_multiple_of(20) {
            folder.pause(2.0);
        }
        if step.is_multiple_of(100) {
            folder.evaluation(step, 30.0);
        }
    }
    folder.steps(201..=201, 1.0);
    let rhythm = ["checkpoint.every_steps=20", "evaluation.every_steps=100"];
    let left = folder.left(&rhythm).unwrap();
    // 799 steps, 8 evaluations with their checkpoints, 32 checkpoints without.
    assert_near(left.hours_of_overhead, (8.0 * 32.0 + 32.0 * 2.0) / 3600.0);
    assert_near(left.hours_left.value, (799.0 + 8.0 * 32.0 + 32.0 * 2.0) / 3600.0);
    assert!(left.not_counted.is_empty());
    let unknown = folder
        .left(&["checkpoint.every_steps=20", "evaluation.every_steps=500"])
        .unwrap();
    assert_eq!(unknown.not_counted, ["evaluations"]);
}

#[test]
fn longer_sequences_of_later_phases_and_steps_that_are_passed_over_are_foretold() {
    let mut folder = Folder::new();
    folder.steps(1..=100, 1.0);
    let phases = "data.phases=[{until_step=500, sequence_length=16}]";
    let left = folder.left(&[phases]).unwrap();
    let model = tiny(&[]).model.config;
    let work = |length| {
        model.training_flops(
            length,
            mask_capacity(usize::try_from(length).unwrap(), 0.15) as u64,
        ) as f64
    };
    let longer = work(32) / work(16);
    assert!(longer > 1.9, "{longer}");
    assert_near(left.hours_left.value, (400.0 + 500.0 * longer) / 3600.0);
    assert_near(left.seconds_per_step.value, 1.0);
    let skipping = folder.left(&["data.skip_steps=['50..60', '200..300']"]).unwrap();
    assert_eq!(skipping.steps_left, 800);
    assert_near(skipping.hours_left.value, 800.0 / 3600.0);
}

#[test]
fn a_finished_run_has_nothing_left() {
    let mut folder = Folder::new();
    folder.steps(1..=100, 1.0);
    let left = folder.left(&["training.max_steps=100"]).unwrap();
    assert_eq!(left.steps_left, 0);
    assert_near(left.hours_left.high, 0.0);
}
