//! The learning rate as a function of the step.
//!
//! Linear warm-up, then linear decay to 0: pointwise what `get_linear_schedule_with_warmup` of
//! `transformers` gives, with its convention that the update from step N to N + 1 uses the
//! value at N (so the very first update of a warm-up has rate 0).

use loader::Step;

use crate::config::{OptimizerSection, ScheduleKind, ScheduleSection};

/// The learning rate over a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    kind: ScheduleKind,
    peak: f64,
    warmup_steps: u64,
    max_steps: u64,
}

impl Schedule {
    /// The schedule of a checked configuration.
    pub fn new(optimizer: &OptimizerSection, schedule: &ScheduleSection, max_steps: u64) -> Self {
        Self {
            kind: schedule.kind,
            peak: optimizer.learning_rate,
            warmup_steps: schedule.warmup_steps,
            max_steps,
        }
    }

    /// The rate of the update from `finished` steps to one more.
    pub fn learning_rate(&self, finished: Step) -> f64 {
        let Step(step) = finished;
        if step < self.warmup_steps {
            return self.peak * (step as f64 / self.warmup_steps as f64);
        }
        match self.kind {
            ScheduleKind::Linear => {
                let left = self.max_steps.saturating_sub(step);
                let length = (self.max_steps - self.warmup_steps.min(self.max_steps)).max(1);
                self.peak * (left as f64 / length as f64)
            }
        }
    }

    /// The schedule in words, for a checkpoint.
    pub fn describe(&self) -> serde_json::Value {
        serde_json::json!({
            "kind": self.kind,
            "peak": self.peak,
            "warmup_steps": self.warmup_steps,
            "max_steps": self.max_steps,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(warmup_steps: u64, max_steps: u64) -> Schedule {
        Schedule {
            kind: ScheduleKind::Linear,
            peak: 2.0,
            warmup_steps,
            max_steps,
        }
    }

    #[test]
    fn it_rises_to_the_peak_and_falls_to_zero() {
        let schedule = schedule(4, 12);
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
    fn without_warm_up_the_first_update_has_the_peak() {
        assert!((schedule(0, 5).learning_rate(Step(0)) - 2.0).abs() < 1e-12);
    }

    #[test]
    fn a_warm_up_as_long_as_the_run_never_decays_and_past_the_end_the_rate_is_zero() {
        let all_warm_up = schedule(5, 5);
        assert!((all_warm_up.learning_rate(Step(4)) - 1.6).abs() < 1e-12);
        assert!(schedule(1, 5).learning_rate(Step(9)).abs() < 1e-12);
    }
}
