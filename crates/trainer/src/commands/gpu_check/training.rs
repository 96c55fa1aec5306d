//! Whole training steps: an overflow of fp16, the operators of a step, and resuming to the bit.

use std::collections::BTreeMap;

use model::Precision;
use tch::Tensor;
use torch_native::{count_operators, use_deterministic_algorithms};

use super::{device::Checked, finding::Found};
use crate::{error::TrainError, run::synthetic::SyntheticRun, step::loss_scale::LossScale};

/// A scale at which the first gradients overflow.
const TOO_LARGE_A_SCALE: f64 = 16_777_216.0;

/// Operators in which the host waits for the GPU, and how often a step of one micro-batch may: it reads
/// the loss of the micro-batch and the norm of the gradient.
pub(super) const WAITS: [(&str, u64); 7] = [
    ("aten::_local_scalar_dense", 2),
    ("aten::nonzero", 0),
    ("aten::masked_select", 0),
    ("aten::equal", 0),
    ("aten::is_nonzero", 0),
    ("aten::repeat_interleave", 0),
    ("aten::_unique2", 0),
];

/// From a scale that is far too large, fp16 has to come to one at which it learns.
pub(super) fn overflow_is_skipped(checked: &Checked) -> Found {
    let mut synthetic = checked.synthetic(Precision::Fp16)?;
    synthetic.learner.loss_scale = Some(LossScale {
        scale: TOO_LARGE_A_SCALE,
        ..LossScale::first(1)
    });
    let records = (0..25).map(|_| synthetic.step()).collect::<Result<Vec<_>, _>>()?;
    let num_skipped = records.iter().filter(|record| record.skipped_update).count();
    let scale = synthetic
        .learner
        .loss_scale
        .map_or(0.0, |loss_scale| loss_scale.scale);
    let last = &records[records.len() - 1];
    let text = format!(
        "{num_skipped} steps skipped from a scale of 2^24 to {scale}, then a loss of {:.4}",
        last.loss
    );
    Ok((
        num_skipped > 0 && !last.skipped_update && last.loss.is_finite(),
        text,
    ))
}

/// How many operators a step runs, and in which of them the host waits.
pub(super) fn operators(checked: &Checked) -> Found {
    let counts = operators_of_a_step(checked, Precision::F32)?;
    let all: u64 = counts.values().sum();
    let more = too_many_waits(&counts);
    let layers = checked.config.num_hidden_layers;
    let text = format!(
        "{all} in {layers} layers and what is around them; waits: {}",
        waits(&counts)
    );
    if more.is_empty() {
        return Ok((true, text));
    }
    Ok((false, format!("{text}; too many: {}", more.join(", "))))
}

/// The operators of the second step, with padding.
fn operators_of_a_step(checked: &Checked, precision: Precision) -> Result<BTreeMap<String, u64>, TrainError> {
    let mut synthetic = checked.synthetic(precision)?;
    synthetic.step()?;
    let ready = synthetic.ready_step()?;
    let (record, counts) = count_operators(|| synthetic.take_alone(&ready))?;
    record?;
    Ok(counts)
}

pub(super) fn too_many_waits(counts: &BTreeMap<String, u64>) -> Vec<String> {
    let found = |name: &str| counts.get(name).copied().unwrap_or(0);
    let more = WAITS.iter().filter(|(name, allowed)| found(name) > *allowed);
    more.map(|(name, allowed)| format!("{} x {name} (at most {allowed})", found(name)))
        .collect()
}

fn waits(counts: &BTreeMap<String, u64>) -> String {
    let known = WAITS.iter().filter_map(|(name, _)| counts.get_key_value(*name));
    let known: Vec<String> = known.map(|(name, count)| format!("{count} x {name}")).collect();
    if known.is_empty() {
        "none".to_owned()
    } else {
        known.join(", ")
    }
}

/// A training that was saved and went on ends in the bits of one that was not, with
/// `parallel.deterministic`, which is off again afterwards.
pub(super) fn resumes_to_the_bit(checked: &Checked) -> Found {
    use_deterministic_algorithms(true)?;
    let found = both_ways(checked);
    use_deterministic_algorithms(false)?;
    let (whole, parts) = found?;
    let equal = whole.f_equal(&parts)?;
    let says = if equal { "equal" } else { "not equal" };
    Ok((equal, format!("four steps, and two and two: the bits are {says}")))
}

fn both_ways(checked: &Checked) -> Result<(Tensor, Tensor), TrainError> {
    let steps = |synthetic: &mut SyntheticRun, count| (0..count).try_for_each(|_| synthetic.step().map(drop));
    let weights = |synthetic: &SyntheticRun| synthetic.learner.model.parameters().flat().f_detach_copy();
    let mut whole = checked.synthetic(Precision::F32)?;
    steps(&mut whole, 4)?;
    let mut first = checked.synthetic(Precision::F32)?;
    steps(&mut first, 2)?;
    let mut second = checked.synthetic(Precision::F32)?;
    second.go_on_from(&first)?;
    drop(first);
    steps(&mut second, 2)?;
    Ok((weights(&whole)?, weights(&second)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::gpu_check::tests::on_cpu;

    #[test]
    fn a_wait_that_is_not_on_the_list_is_found() {
        let counts = |pairs: &[(&str, u64)]| {
            let pairs = pairs.iter().map(|(name, count)| ((*name).to_owned(), *count));
            too_many_waits(&pairs.collect())
        };
        assert!(counts(&[("aten::mm", 1000), ("aten::_local_scalar_dense", 2)]).is_empty());
        assert_eq!(
            counts(&[("aten::nonzero", 1), ("aten::_local_scalar_dense", 3)]),
            [
                "3 x aten::_local_scalar_dense (at most 2)",
                "1 x aten::nonzero (at most 0)"
            ]
        );
    }

    /// By all other tests of a process operators are run too.
    fn alone(name: &str) -> Option<String> {
        test_data::own_process(&format!("commands::gpu_check::training::tests::{name}"))
    }

    #[test]
    fn a_step_waits_for_the_gpu_as_often_as_the_list_says_and_prints_nothing() {
        let name = "a_step_waits_for_the_gpu_as_often_as_the_list_says_and_prints_nothing";
        if let Some(stderr) = alone(name) {
            assert_eq!(stderr, "");
            return;
        }
        for precision in [Precision::F32, Precision::Bf16, Precision::Fp16] {
            let counts = operators_of_a_step(&on_cpu(), precision).unwrap();
            let more = too_many_waits(&counts);
            assert!(more.is_empty(), "{precision:?}: {more:?}");
            assert!(counts.contains_key("aten::_local_scalar_dense"), "{counts:?}");
        }
    }

    /// What a layer costs in a step, the GPU's way: all operators of forward and backward pass and of the
    /// update, those that operators call by themselves too, counted as a step of three layers less one of
    /// two, with libtorch 2.11. About half belong to the update of a layer's eight runs of parameters with
    /// and without decay, some to attention in its parts, which on a GPU is one kernel; the half precisions
    /// also cast each weight and each gradient. The host has to start every one, whatever the layer's
    /// width, so a number that grows is a GPU that waits for the host.
    #[cfg(feature = "gpu-branch")]
    const OPERATORS_OF_A_LAYER: [(Precision, u64); 3] = [
        (Precision::F32, 776),
        (Precision::Bf16, 905),
        (Precision::Fp16, 905),
    ];

    #[cfg(feature = "gpu-branch")]
    #[test]
    fn a_layer_runs_no_more_operators_than_it_did() {
        if alone("a_layer_runs_no_more_operators_than_it_did").is_some() {
            return;
        }
        let counts = |layers, precision| {
            let mut checked = on_cpu();
            checked.config.num_hidden_layers = layers;
            operators_of_a_step(&checked, precision).unwrap()
        };
        let found = OPERATORS_OF_A_LAYER.map(|(precision, _)| {
            let (two, three) = (counts(2, precision), counts(3, precision));
            let more = |(name, count): (&String, &u64)| {
                let of_layer = count.saturating_sub(two.get(name).copied().unwrap_or(0));
                // Nodes of the backward pass are told as well.
                (of_layer > 0 && name.starts_with("aten::")).then(|| (name.clone(), of_layer))
            };
            let of_layer: BTreeMap<String, u64> = three.iter().filter_map(more).collect();
            (precision, of_layer.values().sum::<u64>(), of_layer)
        });
        let mut pairs = found.iter().zip(OPERATORS_OF_A_LAYER);
        assert!(
            pairs.all(|((_, count, _), (_, most))| *count <= most),
            "{found:#?}"
        );
    }

    #[test]
    fn an_overflow_is_skipped_and_a_resumed_training_ends_in_the_same_bits() {
        let (passed, found) = overflow_is_skipped(&on_cpu()).unwrap();
        assert!(passed, "{found}");
        let (passed, found) = resumes_to_the_bit(&on_cpu()).unwrap();
        assert!(passed, "{found}");
    }
}
