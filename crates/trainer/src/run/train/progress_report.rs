//! What a person sees while a run goes on: a bar on a terminal, else a log line now and then.

use std::{
    io::{IsTerminal, stderr},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

use crate::run::folder::metrics::StepLine;

/// Log lines come at most this often: a run of days should not fill a log with steps that
/// `metrics.jsonl` has anyway.
const BETWEEN_LINES: Duration = Duration::from_secs(5);

/// The bar or the log lines of rank 0.
#[derive(Debug)]
pub(crate) struct ProgressReport {
    bar: Option<ProgressBar>,
    last_line: Option<Instant>,
    max_steps: u64,
}

impl ProgressReport {
    /// For a run that has finished `step` of `max_steps`.
    pub(crate) fn new(step: u64, max_steps: u64) -> Self {
        let bar = stderr().is_terminal().then(|| {
            ProgressBar::new(max_steps)
                .with_style(style())
                .with_position(step)
        });
        Self {
            bar,
            last_line: None,
            max_steps,
        }
    }

    /// Shows a finished step.
    pub(crate) fn show(&mut self, line: &StepLine) {
        let text = format!(
            "loss {:.4}, {:.0} tokens/s",
            line.loss,
            line.meters.tokens_per_second()
        );
        if let Some(bar) = &self.bar {
            bar.set_position(line.step);
            bar.set_message(text);
            return;
        }
        let due = self.last_line.is_none_or(|last| last.elapsed() >= BETWEEN_LINES);
        if due || line.step == self.max_steps {
            tracing::info!("step {} of {}: {text}", line.step, self.max_steps);
            self.last_line = Some(Instant::now());
        }
    }

    /// Says something without breaking the bar.
    pub(crate) fn say(&self, text: &str) {
        if let Some(bar) = &self.bar {
            bar.suspend(|| tracing::info!("{text}"));
        } else {
            tracing::info!("{text}");
        }
    }
}

impl Drop for ProgressReport {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.abandon();
        }
    }
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{bar:30} step {pos} of {len} [{elapsed} < {eta}] {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}
