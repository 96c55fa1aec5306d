//! The estimates of one run, as people read them.

use std::fmt::Write as _;

use super::{
    advice_text::hours,
    device::Device,
    network::Network,
    published::residuals,
    report::{Asked, Estimate},
};
use crate::{config::Reduction, run::plan::TrainPlan, step::precision};

/// Passes over a corpus above which a warning is given: Muennighoff et al. 2023 found that the
/// value of repeated text is all but gone by then.
const MANY_PASSES: f64 = 40.0;

/// The estimate for people.
pub(crate) fn text(estimate: &Estimate, plan: &TrainPlan, asked: &Asked<'_>) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_all(&mut text, estimate, plan, asked);
    text
}

fn write_all(
    out: &mut String,
    estimate: &Estimate,
    plan: &TrainPlan,
    asked: &Asked<'_>,
) -> Result<(), std::fmt::Error> {
    let (training, device) = (&plan.config.training, asked.device);
    writeln!(
        out,
        "{} steps of {} sequences of {} tokens on {} x {}, {}, {}",
        training.max_steps,
        training.global_batch_size,
        plan.config.data.sequence_length,
        asked.num_devices,
        device.name,
        asked.network.name,
        precision::name(device.precision)
    )?;
    writeln!(
        out,
        "parameters            {:>10.1} M",
        estimate.parameters as f64 / 1e6
    )?;
    writeln!(
        out,
        "FLOPs a token         {:>10.3} G (dense head {:.3} G)",
        estimate.flops_per_token_sparse / 1e9,
        estimate.flops_per_token_dense / 1e9
    )?;
    write_memory(out, estimate, plan, device)?;
    write_sums(out, estimate, plan, asked.network)?;
    write_range(out, estimate)?;
    write_passes(out, estimate)?;
    write_scaling(out, estimate)?;
    if device.is_cpu() {
        return Ok(());
    }
    write_residuals(out)
}

fn write_passes(out: &mut String, estimate: &Estimate) -> Result<(), std::fmt::Error> {
    match estimate.passes {
        Some(passes) => writeln!(
            out,
            "\npasses over the corpus {passes:>9.1}{}",
            if passes > MANY_PASSES {
                format!(
                    ": WARNING, text repeated more than {MANY_PASSES} times teaches next to nothing; add a source or lower training.max_steps"
                )
            } else {
                String::new()
            }
        ),
        None => writeln!(
            out,
            "\npasses over the corpus   unknown: data.corpus does not exist; give its size with --corpus-tokens N"
        ),
    }
}

fn write_scaling(out: &mut String, estimate: &Estimate) -> Result<(), std::fmt::Error> {
    writeln!(
        out,
        "\ndevices  micro-batch     hours  efficiency (at the fastest rate)"
    )?;
    for row in &estimate.scaling {
        writeln!(
            out,
            "{:>7} {:>12} {:>9}  {:>9.1} %",
            row.num_devices,
            row.micro_batch,
            hours(row.hours),
            row.efficiency * 100.0
        )?;
    }
    Ok(())
}

fn write_memory(
    out: &mut String,
    estimate: &Estimate,
    plan: &TrainPlan,
    device: &Device,
) -> Result<(), std::fmt::Error> {
    let memory = &estimate.memory;
    writeln!(out, "\nmemory of a device, GB")?;
    for (what, bytes) in [
        ("weights", memory.weights_bytes),
        ("gradients", memory.gradients_bytes),
        ("optimizer", memory.optimizer_bytes),
        ("16-bit copies", memory.copies_bytes),
        ("sums that wait", memory.waiting_bytes),
        ("driver and libraries", memory.reserved_bytes),
        ("activations a sequence", memory.activations_bytes_per_sequence),
        ("logits a sequence", memory.logits_bytes_per_sequence),
        ("all of the micro-batch", estimate.memory_bytes),
    ] {
        writeln!(out, "  {what:<24} {:>8.2}", bytes / 1e9)?;
    }
    writeln!(
        out,
        "  largest micro-batch in {:.1}: {} sequences; training.micro_batch_size = {} {}{}",
        device.memory_bytes / 1e9,
        estimate.largest_micro_batch,
        plan.config.training.micro_batch_size,
        if estimate.fits(plan) {
            "fits"
        } else {
            "DOES NOT FIT"
        },
        if plan.config.model.checkpoint_activations {
            ", with model.checkpoint_activations"
        } else {
            ""
        }
    )
}

fn write_sums(
    out: &mut String,
    estimate: &Estimate,
    plan: &TrainPlan,
    network: &Network,
) -> Result<(), std::fmt::Error> {
    write!(
        out,
        "\ngradients a step      {:>10.2} GB: ",
        estimate.gradient_bytes / 1e9
    )?;
    match estimate.in_host_memory_seconds {
        Some(seconds) => write!(
            out,
            "{:.1} ms {}in host memory, hidden behind nothing",
            seconds * 1e3,
            if plan.config.parallel.reduction == Reduction::Canonical {
                "in the canonical tree, "
            } else {
                ""
            }
        )?,
        None => write!(
            out,
            "{:.1} ms in one ring, {:.1} ms by nodes{}",
            estimate.ring_seconds * 1e3,
            estimate.hierarchical_seconds * 1e3,
            if plan.config.parallel.overlap {
                ""
            } else {
                ", hidden behind nothing (parallel.overlap = false)"
            }
        )?,
    }
    writeln!(out, " ({})", network.source)
}

fn write_range(out: &mut String, estimate: &Estimate) -> Result<(), std::fmt::Error> {
    writeln!(
        out,
        "\n TFLOPS   step ms  exposed ms     hours        cost  rate from"
    )?;
    for range in &estimate.ranges {
        let cost = range
            .cost
            .map_or_else(|| "-".to_owned(), |cost| format!("{cost:.0}"));
        writeln!(
            out,
            "{:>7.*} {:>9.0} {:>11.1} {:>9} {cost:>11}  {}",
            if range.flops_per_second < 1e13 { 2 } else { 0 },
            range.flops_per_second / 1e12,
            range.step.seconds() * 1e3,
            range.step.exposed_seconds * 1e3,
            hours(range.hours),
            range.source
        )?;
    }
    Ok(())
}

fn write_residuals(out: &mut String) -> Result<(), std::fmt::Error> {
    writeln!(
        out,
        "\nthe same arithmetic beside published rates (BERT-large, sequences a second)"
    )?;
    for residual in residuals() {
        let row = residual.row;
        writeln!(
            out,
            "  {:>3} x {:<9} length {:<3} {:>9.1} predicted {:>9.1} {:>+6.1} %{}",
            row.num_devices,
            row.device,
            row.length,
            row.sequences_per_second,
            residual.predicted,
            residual.relative() * 100.0,
            if residual.fitted { "  (fitted)" } else { "" }
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::estimate::report::tests::{on_64, recipe, v100};

    #[test]
    fn the_text_has_parameters_memory_the_warning_and_the_residuals() {
        let plan = recipe("roberta-sec-base.toml", &[]);
        let device = v100(&plan);
        let asked = on_64(&device);
        let said = text(&Estimate::new(&plan, &asked), &plan, &asked);
        for part in [
            "124.7 M",
            "WARNING",
            "largest micro-batch",
            "predicted",
            "(fitted)",
        ] {
            assert!(said.contains(part), "{part}:\n{said}");
        }
    }
}
