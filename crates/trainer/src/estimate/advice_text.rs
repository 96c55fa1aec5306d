//! Suggestions, and what a started run has left, as people read them.

use std::fmt::Write as _;

use super::{
    measured::{Between, Remaining},
    suggest::Suggestion,
};

/// The suggestions for people; they follow the estimate.
pub(crate) fn text_of_suggestions(suggestions: &[Suggestion]) -> String {
    if suggestions.is_empty() {
        return "\nno single setting makes this run much faster or smaller\n".to_owned();
    }
    let mut text = "\nwith one setting changed, each planned by itself (hours at the fastest rate, memory of a device)\n    hours    faster  memory GB   fewer GB  setting, and what it costs\n".to_owned();
    for one in suggestions {
        let set: Vec<String> = one.set.iter().map(|(key, value)| switch(key, value)).collect();
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{:>9} {:>7.1} % {:>10.2} {:>10.2}  {} ({})",
            hours(one.hours),
            one.share_saved * 100.0,
            one.memory_bytes / 1e9,
            one.memory_bytes_saved / 1e9,
            set.join(", "),
            one.costs
        );
    }
    text
}

/// As it stands in a file, or on the command line.
fn switch(key: &str, value: &serde_json::Value) -> String {
    if key.starts_with("--") {
        format!("{key} {value}")
    } else {
        format!("{key} = {value}")
    }
}

/// What is left of a run, for people. `price`: of a device for an hour.
pub(crate) fn text_of_remaining(left: &Remaining, price: Option<f64>) -> String {
    let mut lines = vec![
        format!(
            "{} steps are finished, {} are left",
            left.finished_steps, left.steps_left
        ),
        format!(
            "a step takes {} s, measured over {} steps on {} ranks",
            between(left.seconds_per_step, |seconds| format!("{seconds:.3}")),
            left.measured_steps,
            left.world_size
        ),
        format!(
            "hours left            {}, of which {} for evaluations and checkpoints",
            between(left.hours_left, hours),
            hours(left.hours_of_overhead)
        ),
    ];
    if let Some(price) = price {
        let cost = |hours: f64| format!("{:.2}", hours * price * left.world_size as f64);
        lines.push(format!(
            "cost left             {}",
            between(left.hours_left, cost)
        ));
    }
    if !left.not_counted.is_empty() {
        lines.push(format!(
            "not included in the hours, because none has been measured yet: {}",
            left.not_counted.join(", ")
        ));
    }
    if left.stalls.steps > 0 {
        lines.push(format!(
            "{} steps stalled, for {:.1} s in all. They are not included in the hours; they would add {} if steps went on stalling as often",
            left.stalls.steps,
            left.stalls.seconds,
            hours(left.stalls.hours_if_they_go_on)
        ));
    }
    if left.damaged_lines > 0 {
        lines.push(format!(
            "{} lines of metrics.jsonl could not be read and were skipped",
            left.damaged_lines
        ));
    }
    // A step, an evaluation and a checkpoint are over by then.
    if left.steps_left > 0 && left.seconds_since_last_line > 600.0 + 10.0 * left.seconds_per_step.high {
        lines.push(format!(
            "the newest line is {} hours old: does the run still go on?",
            hours(left.seconds_since_last_line / 3600.0)
        ));
    }
    lines.join("\n") + "\n"
}

fn between(number: Between, text: impl Fn(f64) -> String) -> String {
    format!(
        "{} ({} to {})",
        text(number.value),
        text(number.low),
        text(number.high)
    )
}

/// Hours with one digit behind the point, with four below an hour: debugging takes minutes.
pub(super) fn hours(hours: f64) -> String {
    format!("{hours:.*}", if hours.abs() < 1.0 { 4 } else { 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_seconds_have_hours_too() {
        assert_eq!(
            [hours(0.008), hours(0.25), hours(172.34)],
            ["0.0080", "0.2500", "172.3"]
        );
    }
}
