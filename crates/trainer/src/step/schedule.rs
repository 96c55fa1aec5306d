//! The learning rate as a function of the step: `[schedule]`.
//!
//! A linear warm-up, then one of the shapes of the field. Each is pointwise what `transformers` gives
//! with its defaults (`get_linear_`, `get_cosine_`, `get_constant_` and
//! `get_polynomial_decay_schedule_with_warmup`, `get_wsd_schedule`), with its convention that the update
//! from step N to N + 1 uses the value at N (so the very first update of a warm-up has rate 0).
//!
//! Cosine and power are not the system's, whose last bit depends on the processor: every rank asks for
//! its rate by itself.

use std::f64::consts::PI;

use loader::Step;

use crate::config::{OptimizerSection, ScheduleKind, ScheduleSection};

/// Share of a run that `wsd` decays over: from a tenth on the loss gained nothing more (Hu et al. 2024,
/// arXiv 2404.06395, section 4.3).
const DECAY_SHARE: f64 = 0.1;
/// Of `transformers`.
const POWER: f64 = 1.0;
/// Of `transformers`.
const LR_END: f64 = 1e-7;

/// The learning rate over a run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Schedule {
    shape: Shape,
    peak: f64,
    warmup_steps: u64,
    max_steps: u64,
}

/// What follows the warm-up, with the numbers that it has of its own.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Shape {
    Linear,
    Cosine,
    Constant,
    Polynomial { power: f64, lr_end: f64 },
    Wsd { decay_share: f64, decay_steps: u64 },
}

impl Schedule {
    /// The schedule of a checked configuration.
    pub(crate) fn new(optimizer: &OptimizerSection, schedule: &ScheduleSection, max_steps: u64) -> Self {
        let shape = match schedule.kind {
            ScheduleKind::Linear => Shape::Linear,
            ScheduleKind::Cosine => Shape::Cosine,
            ScheduleKind::Constant => Shape::Constant,
            ScheduleKind::Polynomial => Shape::Polynomial {
                power: schedule.power.unwrap_or(POWER),
                lr_end: schedule.lr_end.unwrap_or(LR_END),
            },
            ScheduleKind::Wsd => {
                let decay_share = schedule.decay_share.unwrap_or(DECAY_SHARE);
                Shape::Wsd {
                    decay_share,
                    decay_steps: decay_steps(decay_share, max_steps),
                }
            }
        };
        Self {
            shape,
            peak: optimizer.learning_rate,
            warmup_steps: schedule.warmup_steps,
            max_steps,
        }
    }

    /// The rate of the update from `finished` steps to one more.
    pub(crate) fn learning_rate(&self, finished: Step) -> f64 {
        self.peak * self.factor(finished.0)
    }

    /// The share of the peak, in the order of operations of `transformers`. Past the end it is that of
    /// the end.
    fn factor(&self, step: u64) -> f64 {
        if step < self.warmup_steps {
            return step as f64 / self.warmup_steps as f64;
        }
        let (taken, left) = (step - self.warmup_steps, self.max_steps.saturating_sub(step));
        let length = self.max_steps.saturating_sub(self.warmup_steps).max(1) as f64;
        match self.shape {
            Shape::Linear => left as f64 / length,
            Shape::Cosine => half_cosine(taken as f64 / length),
            Shape::Constant => 1.0,
            Shape::Polynomial { power, lr_end } => {
                let remaining = (1.0 - taken as f64 / length).max(0.0);
                // A warm-up as long as the run leaves no step to decay over.
                let remaining = if left == 0 { 0.0 } else { remaining };
                ((self.peak - lr_end) * libm::pow(remaining, power) + lr_end) / self.peak
            }
            Shape::Wsd { decay_steps, .. } => match decay_steps.checked_sub(left) {
                Some(decayed) if decay_steps > 0 => half_cosine(decayed as f64 / decay_steps as f64),
                _ if left == 0 => 0.0,
                _ => 1.0,
            },
        }
    }

    /// The schedule in words, for a checkpoint.
    pub(crate) fn describe(&self) -> serde_json::Value {
        let mut described = serde_json::json!({
            "kind": self.kind(),
            "peak": self.peak,
            "warmup_steps": self.warmup_steps,
            "max_steps": self.max_steps,
        });
        match self.shape {
            Shape::Polynomial { power, lr_end } => {
                described["power"] = power.into();
                described["lr_end"] = lr_end.into();
            }
            Shape::Wsd {
                decay_share,
                decay_steps,
            } => {
                described["decay_share"] = decay_share.into();
                described["decay_steps"] = decay_steps.into();
            }
            Shape::Linear | Shape::Cosine | Shape::Constant => {}
        }
        described
    }

    fn kind(&self) -> ScheduleKind {
        match self.shape {
            Shape::Linear => ScheduleKind::Linear,
            Shape::Cosine => ScheduleKind::Cosine,
            Shape::Constant => ScheduleKind::Constant,
            Shape::Polynomial { .. } => ScheduleKind::Polynomial,
            Shape::Wsd { .. } => ScheduleKind::Wsd,
        }
    }
}

/// From 1 at `progress` 0 to 0 at 1 and from there on.
fn half_cosine(progress: f64) -> f64 {
    (0.5 * (1.0 + libm::cos(PI * progress.min(1.0)))).max(0.0)
}

/// The last steps of the run, as near to the share as whole steps come.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of a number of steps, at least 0 and rounded"
)]
fn decay_steps(share: f64, max_steps: u64) -> u64 {
    ((share * max_steps as f64).round() as u64).min(max_steps)
}

impl ScheduleKind {
    /// Whether `training.max_steps` of a run that has begun may be raised: the steps that it has taken
    /// had the rates of the longer run, but for those in the decay of `wsd`.
    pub(crate) fn may_be_lengthened(self) -> bool {
        matches!(self, Self::Constant | Self::Wsd)
    }
}

impl ScheduleSection {
    /// The section with what its kind takes where it says nothing.
    #[must_use]
    pub(crate) fn resolved(&self) -> Self {
        let mut resolved = self.clone();
        match self.kind {
            ScheduleKind::Polynomial => {
                resolved.power.get_or_insert(POWER);
                resolved.lr_end.get_or_insert(LR_END);
            }
            ScheduleKind::Wsd => {
                resolved.decay_share.get_or_insert(DECAY_SHARE);
            }
            ScheduleKind::Linear | ScheduleKind::Cosine | ScheduleKind::Constant => {}
        }
        resolved
    }

    /// What is wrong with the section in a run of `max_steps` with this peak, each with its key.
    pub(crate) fn problems(&self, peak: f64, max_steps: u64) -> Vec<String> {
        let mut problems = self.unused_keys();
        if self.warmup_steps > max_steps {
            problems.push(format!(
                "schedule.warmup_steps = {}: longer than the run of training.max_steps = {max_steps}",
                self.warmup_steps
            ));
        }
        match self.kind {
            ScheduleKind::Polynomial => self.check_polynomial(peak, &mut problems),
            ScheduleKind::Wsd => self.check_decay(max_steps, &mut problems),
            ScheduleKind::Linear | ScheduleKind::Cosine | ScheduleKind::Constant => {}
        }
        problems
    }

    /// Keys that nothing would read are no settings.
    fn unused_keys(&self) -> Vec<String> {
        let keys = [
            ("decay_share", self.decay_share, ScheduleKind::Wsd, "wsd"),
            ("power", self.power, ScheduleKind::Polynomial, "polynomial"),
            ("lr_end", self.lr_end, ScheduleKind::Polynomial, "polynomial"),
        ];
        let unused = keys.into_iter().filter_map(|(key, value, kind, name)| {
            let value = value.filter(|_| self.kind != kind)?;
            Some(format!(
                "schedule.{key} = {value}: only schedule.kind = \"{name}\" uses it; remove it, or set that kind"
            ))
        });
        unused.collect()
    }

    fn check_polynomial(&self, peak: f64, problems: &mut Vec<String>) {
        let (power, lr_end) = (self.power.unwrap_or(POWER), self.lr_end.unwrap_or(LR_END));
        if !(power.is_finite() && power > 0.0) {
            problems.push(format!("schedule.power = {power}: it has to be above 0"));
        }
        if !(lr_end >= 0.0 && lr_end < peak) {
            problems.push(format!(
                "schedule.lr_end = {lr_end:e}: the rate falls to it, so it has to be at least 0 and below \
                 optimizer.learning_rate = {peak:e}"
            ));
        }
    }

    fn check_decay(&self, max_steps: u64, problems: &mut Vec<String>) {
        let share = self.decay_share.unwrap_or(DECAY_SHARE);
        if !(0.0..=1.0).contains(&share) {
            problems.push(format!(
                "schedule.decay_share = {share}: it is a share of training.max_steps, from 0 (no decay) to 1"
            ));
            return;
        }
        let decay = decay_steps(share, max_steps);
        if self.warmup_steps <= max_steps && self.warmup_steps.saturating_add(decay) > max_steps {
            problems.push(format!(
                "schedule.decay_share = {share}: the last {decay} of training.max_steps = {max_steps} decay, \
                 which leaves fewer than schedule.warmup_steps = {} before them; lower one of the two",
                self.warmup_steps
            ));
        }
    }
}

#[cfg(test)]
mod tests;
