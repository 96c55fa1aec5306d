//! The kernel against libtorch's operations, in f64.

use super::*;
use crate::{DropoutKey, fill_normal, num_threads, set_num_threads};
use tch::{Device, Kind};

const KEY: DropoutKey = DropoutKey {
    seed: 7,
    step: 11,
    micro_batch: 3,
};

/// Output and the gradients of input, bias, residual, weight and bias of the norm.
fn results(
    instructions: Instructions,
    (width, rows): (i64, i64),
    probability: f64,
    kind: Kind,
) -> Vec<Tensor> {
    // Weights of bf16 rows are f32.
    let weight_kind = if kind == Kind::BFloat16 { Kind::Float } else { kind };
    let rounded = |shape: [i64; 2], stream| {
        let tensor = Tensor::zeros(shape, (Kind::Double, Device::Cpu));
        fill_normal(&tensor, 1.5, [1, 2], stream).unwrap();
        let kind = if shape[0] == 1 { weight_kind } else { kind };
        tensor.to_kind(Kind::Float).to_kind(kind)
    };
    let sizes = [rows, 1, rows, 1, 1];
    let leaves: Vec<Tensor> = (0..5)
        .zip(sizes)
        .map(|(stream, rows)| rounded([rows, width], stream).set_requires_grad(true))
        .collect();
    let vector = |index: usize| leaves[index].view([width]);
    let inputs = ResidualInputs {
        input: &leaves[0],
        bias: &vector(1),
        residual: &leaves[2],
    };
    let norm = LayerNormWeights {
        weight: &vector(3),
        bias: &vector(4),
        epsilon: 1e-5,
    };
    let dropout = (probability > 0.0).then_some(Dropout {
        probability,
        key: &KEY,
        site: 5,
    });
    let output = residual_layer_norm_on(instructions, inputs, norm, dropout).unwrap();
    (&output * rounded([rows, width], 9)).sum(kind).backward();
    let mut results = vec![output.detach()];
    results.extend(leaves.iter().map(Tensor::grad));
    results
}

#[test]
fn the_kernel_equals_libtorch_operations_in_f64() {
    let sizes = [(8, 1), (40, 65), (24, 130), (768, 3), (5, 7)];
    let all = Instructions::all().into_iter();
    for (instructions, size) in all.flat_map(|one| sizes.map(|size| (one, size))) {
        for probability in [0.0, 0.1, 0.5] {
            let expected = results(instructions, size, probability, Kind::Double);
            let ours = results(instructions, size, probability, Kind::Float);
            for (index, (ours, expected)) in ours.iter().zip(&expected).enumerate() {
                let error = (ours.to_kind(Kind::Double) - expected)
                    .abs()
                    .max()
                    .double_value(&[]);
                let scale = expected.abs().max().double_value(&[]);
                assert!(
                    error <= 4e-6 * scale,
                    "{instructions:?} {size:?} {probability} {index}: {error} of {scale}"
                );
            }
        }
    }
}

#[test]
fn bf16_rows_are_the_same_but_for_the_rounding_of_what_is_written() {
    for instructions in Instructions::all() {
        for probability in [0.0, 0.1] {
            let size = (768, 65);
            let expected = results(instructions, size, probability, Kind::Float);
            let ours = results(instructions, size, probability, Kind::BFloat16);
            for (index, (ours, expected)) in ours.iter().zip(&expected).enumerate() {
                let difference = (ours.to_kind(Kind::Float) - expected).norm().double_value(&[]);
                let error = difference / expected.norm().double_value(&[]);
                // Inputs, sum and result are rounded, each by at most 2^-9 of itself.
                assert!(
                    error <= 3.0 / 512.0,
                    "{instructions:?} {probability} {index}: {error}"
                );
            }
        }
    }
}

#[test]
fn the_result_does_not_depend_on_the_number_of_threads() {
    let before = num_threads();
    let all: Vec<Vec<Tensor>> = [1, 2, 3]
        .into_iter()
        .map(|threads| {
            set_num_threads(threads).unwrap();
            results(Instructions::detect(), (40, 300), 0.1, Kind::Float)
        })
        .collect();
    set_num_threads(before).unwrap();
    assert!(all.iter().all(|results| results == &all[0]));
}
