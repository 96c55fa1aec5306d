//! The hours that a started run has left, from the rate that its own `metrics.jsonl` has measured:
//! `plan --from RUN`.
//!
//! A step's time is that of training alone, so that what lay between two launches is in none. Steps that
//! stalled are told apart and not foretold; evaluations and checkpoints are, from the time between lines.

mod lines;
mod overhead;

use std::{ops::Range, path::Path};

use jiff::Timestamp;
use loader::SkippedSteps;
use masking::mask_capacity;
use serde::Serialize;

use crate::{config::RunConfig, error::TrainError, estimate::error::EstimateError};

use lines::{Read, TimedLine, read};
use overhead::Overhead;

/// Steps that have to be measured.
pub(crate) const FEWEST_STEPS: u64 = 50;
/// Lines of them: of one nothing can be said about how much steps differ.
const FEWEST_LINES: usize = 5;
/// Lines that count, the newest: what was long ago was perhaps on another machine.
const MOST_LINES: usize = 2000;
/// The lines are cut into so many runs of lines, the fastest and the slowest of which are the interval.
const PARTS: usize = 10;
/// Lines that take so many times as long as the one in the middle have stalled.
const STALLED: f64 = 5.0;
const SECONDS_PER_HOUR: f64 = 3600.0;

/// A number with the interval that the measured parts of the run span.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Between {
    /// As most of the steps were.
    pub value: f64,
    /// As the fastest tenth was.
    pub low: f64,
    /// As the slowest tenth was.
    pub high: f64,
}

impl Between {
    fn times(self, factor: f64) -> Self {
        self.plus(0.0, factor)
    }

    fn plus(self, addend: f64, factor: f64) -> Self {
        let of = |number: f64| number * factor + addend;
        Self {
            value: of(self.value),
            low: of(self.low),
            high: of(self.high),
        }
    }
}

/// Steps that took far longer than the others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub(crate) struct Stalls {
    /// How many.
    pub steps: u64,
    /// What they took beyond the others.
    pub seconds: f64,
    /// What stalls would add to the hours left if they went on as often.
    pub hours_if_they_go_on: f64,
}

/// What a started run has left.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Remaining {
    /// Steps that are finished, as the newest line says.
    pub finished_steps: u64,
    /// Steps that are left to take.
    pub steps_left: u64,
    /// Steps that the rate comes from.
    pub measured_steps: u64,
    /// Ranks that they were taken on.
    pub world_size: usize,
    /// Of a step of the length that is trained now.
    pub seconds_per_step: Between,
    /// Until the last step is finished, evaluations and checkpoints included.
    pub hours_left: Between,
    /// What of that is evaluations and checkpoints.
    pub hours_of_overhead: f64,
    /// What of these comes and has not been measured yet, so that it is not in the hours.
    pub not_counted: Vec<&'static str>,
    /// Steps that stalled, which are not in the hours either.
    pub stalls: Stalls,
    /// Since the newest line was written.
    pub seconds_since_last_line: f64,
    /// Lines that could not be read.
    pub damaged_lines: usize,
}

/// What the run in `run`, of `config`, has left at `now`.
///
/// # Errors
/// [`EstimateError::NotMeasured`] before enough steps are measured; others where the file cannot be read.
pub(crate) fn remaining(run: &Path, config: &RunConfig, now: Timestamp) -> Result<Remaining, TrainError> {
    let read = read(&run.join("metrics.jsonl"))?;
    let work = Work::new(config)?;
    match MeasuredSteps::new(&read, &work) {
        Some(measured) if measured.is_enough() => Ok(told(&read, &work, &measured, now)),
        few => Err(EstimateError::NotMeasured {
            run: run.to_owned(),
            steps: few.map_or(0, |measured| measured.num_steps()),
            world_size: read.steps.last().map_or(0, |line| line.world_size),
            logging: config.logging.every_steps,
        }
        .into()),
    }
}

fn told(read: &Read, work: &Work, measured: &MeasuredSteps<'_>, now: Timestamp) -> Remaining {
    let last = &measured.lines[measured.lines.len() - 1];
    let per_work = measured.seconds_per_work();
    let left = last.step..work.max_steps;
    let overhead = Overhead::of(read, &work.config, left.clone());
    let work_left = work.of_steps(left.clone());
    let hours = per_work.times(work_left / SECONDS_PER_HOUR);
    let stalls = measured.stalls(work_left);
    Remaining {
        finished_steps: last.step,
        steps_left: work.num_taken(left),
        measured_steps: measured.num_steps(),
        world_size: last.world_size,
        seconds_per_step: per_work.times(work.of_step(last.step)),
        hours_left: hours.plus(overhead.seconds / SECONDS_PER_HOUR, 1.0),
        hours_of_overhead: overhead.seconds / SECONDS_PER_HOUR,
        not_counted: overhead.not_counted,
        stalls,
        seconds_since_last_line: now.duration_since(last.time).as_secs_f64().max(0.0),
        damaged_lines: read.damaged,
    }
}

/// How much work steps are: a step of a phase with longer sequences takes longer.
struct Work {
    config: RunConfig,
    max_steps: u64,
    skipped: SkippedSteps,
}

impl Work {
    fn new(config: &RunConfig) -> Result<Self, TrainError> {
        Ok(Self {
            config: config.clone(),
            max_steps: config.training.max_steps,
            skipped: SkippedSteps::parse(&config.data.skip_steps)?,
        })
    }

    /// Floating-point operations of a sequence in the step that finishes step `number`.
    fn of_step(&self, number: u64) -> f64 {
        let data = &self.config.data;
        let phase = data.phases.iter().find(|phase| number <= phase.until_step);
        let length = phase
            .and_then(|phase| phase.sequence_length)
            .unwrap_or(data.sequence_length);
        let rows = mask_capacity(length, self.config.masking.mlm_probability);
        self.config
            .model
            .config
            .training_flops(length as u64, rows as u64) as f64
    }

    /// The same of all steps behind `range.start` up to `range.end`.
    fn of_steps(&self, range: Range<u64>) -> f64 {
        let ends = self.config.data.phases.iter().map(|phase| phase.until_step);
        let mut begin = range.start;
        let mut work = 0.0;
        for end in ends.chain([range.end]) {
            let end = end.min(range.end);
            if end > begin {
                work += self.num_taken(begin..end) as f64 * self.of_step(end);
                begin = end;
            }
        }
        work
    }

    /// Steps behind `range.start` up to `range.end` that are not passed over.
    fn num_taken(&self, range: Range<u64>) -> u64 {
        let all = range.end.saturating_sub(range.start);
        all - self
            .skipped
            .num_in(range.start.saturating_add(1)..range.end.saturating_add(1))
    }
}

/// The lines that the rate comes from: the newest of the ranks that train now.
struct MeasuredSteps<'a> {
    lines: &'a [TimedLine],
    /// Seconds of a step over its work, of each line.
    costs: Vec<f64>,
    /// Above it a line has stalled.
    stalled_from: f64,
}

impl<'a> MeasuredSteps<'a> {
    /// `None` without a line.
    fn new(read: &'a Read, work: &Work) -> Option<Self> {
        let last = read.steps.last()?;
        let other = read
            .steps
            .iter()
            .rposition(|line| line.world_size != last.world_size);
        let lines = &read.steps[other.map_or(0, |other| other + 1)..];
        let lines = &lines[lines.len().saturating_sub(MOST_LINES)..];
        let costs: Vec<f64> = lines
            .iter()
            .map(|line| line.seconds / (line.num_steps as f64 * work.of_step(line.step)))
            .collect();
        let mut sorted = costs.clone();
        sorted.sort_by(f64::total_cmp);
        Some(Self {
            lines,
            stalled_from: STALLED * sorted[sorted.len() / 2],
            costs,
        })
    }

    fn is_enough(&self) -> bool {
        self.num_steps() >= FEWEST_STEPS && self.lines.len() >= FEWEST_LINES
    }

    fn num_steps(&self) -> u64 {
        self.lines.iter().map(|line| line.num_steps).sum()
    }

    /// Lines without a stall, each with its cost.
    fn usual(&self) -> Vec<(&TimedLine, f64)> {
        let all = self.lines.iter().zip(self.costs.iter().copied());
        all.filter(|(_, cost)| *cost <= self.stalled_from).collect()
    }

    fn seconds_per_work(&self) -> Between {
        let usual = self.usual();
        let mean = |part: &[(&TimedLine, f64)]| {
            let steps: u64 = part.iter().map(|(line, _)| line.num_steps).sum();
            part.iter()
                .map(|(line, cost)| cost * line.num_steps as f64)
                .sum::<f64>()
                / steps.max(1) as f64
        };
        // At most PARTS of them, and none of a few lines left over.
        let parts = usual.chunks(usual.len().div_ceil(PARTS).max(1)).map(mean);
        let value = mean(&usual);
        parts.fold(
            Between {
                value,
                low: value,
                high: value,
            },
            |between, part| Between {
                low: between.low.min(part),
                high: between.high.max(part),
                ..between
            },
        )
    }

    fn stalls(&self, work_left: f64) -> Stalls {
        let usual = self.seconds_per_work().value;
        let stalled = self.lines.iter().zip(&self.costs);
        let stalled: Vec<_> = stalled.filter(|(_, cost)| **cost > self.stalled_from).collect();
        let share = |(line, cost): &(&TimedLine, &f64)| line.seconds * (1.0 - usual / **cost);
        let seconds: f64 = stalled.iter().map(share).sum();
        let measured: f64 = self
            .lines
            .iter()
            .zip(&self.costs)
            .map(|(line, cost)| line.seconds / cost)
            .sum();
        Stalls {
            steps: stalled.iter().map(|(line, _)| line.num_steps).sum(),
            seconds,
            hours_if_they_go_on: seconds * work_left / measured / SECONDS_PER_HOUR,
        }
    }
}

#[cfg(test)]
mod tests;
