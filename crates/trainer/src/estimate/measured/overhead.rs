//! What a run does between its steps: evaluations and checkpoints, by the time between its lines.

use std::ops::Range;

use super::lines::Read;
use crate::config::RunConfig;

/// Evaluations and checkpoints that come.
pub(super) struct Overhead {
    pub seconds: f64,
    /// Of what comes, what was not measured yet.
    pub not_counted: Vec<&'static str>,
}

/// What happens after a step.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Event {
    Checkpoint,
    Evaluation,
}

/// How often.
#[derive(Clone, Copy)]
struct Rhythm {
    checkpoint: u64,
    evaluation: u64,
}

impl Rhythm {
    fn of(config: &RunConfig) -> Self {
        Self {
            checkpoint: config.checkpoint.every_steps,
            evaluation: config.evaluation.every_steps,
        }
    }

    fn every(self, event: Event) -> u64 {
        match event {
            Event::Checkpoint => self.checkpoint,
            Event::Evaluation => self.evaluation,
        }
    }

    /// How often that is due after the steps of a range.
    fn num(self, event: Event, steps: Range<u64>) -> u64 {
        let every = self.every(event);
        let until = |step: u64| step.checked_div(every).unwrap_or(0);
        until(steps.end.saturating_sub(1)).saturating_sub(until(steps.start.saturating_sub(1)))
    }
}

impl Overhead {
    /// Of the steps behind `left.start` up to `left.end`.
    pub(super) fn of(read: &Read, config: &RunConfig, left: Range<u64>) -> Self {
        let rhythm = Rhythm::of(config);
        let checkpoint = in_the_middle(between(read, |steps| {
            rhythm.num(Event::Evaluation, steps.clone()) == 0 && rhythm.num(Event::Checkpoint, steps) == 1
        }));
        // An evaluation comes behind the checkpoint of its step, where one is due.
        let with_evaluation = in_the_middle(between(read, |steps| {
            rhythm.num(Event::Evaluation, steps.clone()) == 1 && rhythm.num(Event::Checkpoint, steps) <= 1
        }));
        let coming = left.start.saturating_add(1)..left.end.saturating_add(1);
        let evaluations = rhythm.num(Event::Evaluation, coming.clone());
        let checkpoints = rhythm.num(Event::Checkpoint, coming.clone());
        let together = if rhythm.evaluation > 0 && rhythm.checkpoint > 0 {
            let both = least_common_multiple(rhythm.evaluation, rhythm.checkpoint);
            let every = Rhythm {
                evaluation: both,
                ..rhythm
            };
            every.num(Event::Evaluation, coming)
        } else {
            0
        };
        let mut overhead = Self {
            seconds: 0.0,
            not_counted: Vec::new(),
        };
        overhead.add("evaluations", evaluations, with_evaluation);
        overhead.add("checkpoints", checkpoints - together, checkpoint);
        overhead
    }

    fn add(&mut self, what: &'static str, number: u64, each: Option<f64>) {
        match each {
            Some(seconds) => self.seconds += seconds * number as f64,
            None if number > 0 => self.not_counted.push(what),
            None => {}
        }
    }
}

/// Seconds beside training between two lines with such steps in between. What lies between two launches
/// is in some of them, which are few.
fn between(read: &Read, is_wanted: impl Fn(Range<u64>) -> bool) -> Vec<f64> {
    let pairs = read.steps.windows(2);
    let wanted = pairs.filter(|pair| is_wanted(pair[0].step..pair[1].step));
    let beside = wanted.map(|pair| {
        let passed = pair[1].time.duration_since(pair[0].time).as_secs_f64();
        (passed - pair[1].seconds).max(0.0)
    });
    beside.collect()
}

fn in_the_middle(mut seconds: Vec<f64>) -> Option<f64> {
    seconds.sort_by(f64::total_cmp);
    seconds.get(seconds.len().saturating_sub(1) / 2).copied()
}

fn least_common_multiple(one: u64, other: u64) -> u64 {
    let (mut divisor, mut rest) = (one, other);
    while rest > 0 {
        (divisor, rest) = (rest, divisor % rest);
    }
    (one / divisor).saturating_mul(other)
}
