//! The fused kernels against the same attention in libtorch's operations, in f64.

use super::*;
use crate::autograd::backward_from;
use crate::{DropoutKey, dropout, fill_normal, num_threads, set_num_threads};

const KEY: DropoutKey = DropoutKey {
    seed: 7,
    step: 11,
    micro_batch: 3,
};

#[derive(Debug, Clone, Copy)]
struct Case {
    sequences: i64,
    positions: i64,
    heads: i64,
    head_size: i64,
    probability: f64,
    /// Whether sequence b has a mask: keys from 1 to T - 1 - b, and one beyond.
    masked: bool,
}

const CASE: Case = Case {
    sequences: 2,
    positions: 50,
    heads: 3,
    head_size: 8,
    probability: 0.1,
    masked: false,
};

impl Case {
    fn normal(&self, width: i64, stream: u64) -> Tensor {
        let tensor = Tensor::zeros(
            [self.sequences, self.positions, width],
            (Kind::Double, Device::Cpu),
        );
        fill_normal(&tensor, 1.0, [1, 2], stream).unwrap();
        tensor.to_kind(Kind::Float)
    }

    fn width(&self) -> i64 {
        self.heads * self.head_size
    }

    fn query_key_value(&self) -> Tensor {
        self.normal(3 * self.width(), 0) * 1.5
    }

    fn mask(&self) -> Option<Tensor> {
        let row = |b: i64| {
            (0..self.positions).map(move |t| t == 0 || (t > 1 && t < (self.positions - b) / 2) || t == 20 + b)
        };
        let mask: Vec<bool> = (0..self.sequences).flat_map(row).collect();
        self.masked
            .then(|| Tensor::from_slice(&mask).view([self.sequences, self.positions]))
    }

    fn dropout(&self) -> Option<Dropout<'static>> {
        (self.probability > 0.0).then_some(Dropout {
            probability: self.probability,
            key: &KEY,
            site: 5,
        })
    }

    fn plan(&self, instructions: Instructions) -> Plan {
        let (input, mask) = (self.query_key_value(), self.mask());
        let sequences = Sequences::Padded(mask.as_ref());
        let shape = shape_of(&input, usize::try_from(self.heads).unwrap(), sequences).unwrap();
        Plan {
            shape,
            starts: starts(shape, sequences, 0).unwrap(),
            bias: bias(shape, sequences).unwrap(),
            dropout: keep_stream(self.dropout(), 0).unwrap(),
            instructions,
        }
    }

    /// [B, T, D] in libtorch's operations.
    fn by_operations(&self, query_key_value: &Tensor) -> Tensor {
        let [b, t, n, h] = [self.sequences, self.positions, self.heads, self.head_size];
        let parts = query_key_value.view([b, t, 3, n, h]).permute([2, 0, 3, 1, 4]);
        let mut scores = parts.get(0).matmul(&parts.get(1).transpose(2, 3)) / (self.head_size as f64).sqrt();
        if let Some(mask) = self.mask() {
            scores = scores.masked_fill(&mask.logical_not().view([b, 1, 1, t]), f64::NEG_INFINITY);
        }
        let probabilities = scores.softmax(-1, scores.kind());
        let kept = dropout(&probabilities, self.probability, &KEY, 5).unwrap();
        kept.matmul(&parts.get(2)).transpose(1, 2).reshape([b, t, n * h])
    }

    /// Output and gradient in `kind`, under a random gradient of the output, of numbers that `input_kind`
    /// holds.
    fn results(&self, input_kind: Kind, kind: Kind, attend: impl Fn(&Tensor) -> Tensor) -> [Tensor; 2] {
        let rounded = |tensor: Tensor| tensor.to_kind(input_kind).to_kind(kind);
        let input = rounded(self.query_key_value()).set_requires_grad(true);
        let output = attend(&input);
        backward_from(&output, &rounded(self.normal(self.width(), 1))).unwrap();
        [output.detach(), input.grad()]
    }

    /// Relative distance of output and gradient in `kind` from those of libtorch's operations on the
    /// same numbers in f64.
    fn errors(&self, kind: Kind, attend: impl Fn(&Tensor) -> Tensor) -> [f64; 2] {
        let expected = self.results(kind, Kind::Double, |input| self.by_operations(input));
        let ours = self.results(kind, kind, attend);
        [0, 1].map(|index| {
            let difference = (ours[index].to_kind(Kind::Double) - &expected[index]).norm();
            difference.double_value(&[]) / expected[index].norm().double_value(&[])
        })
    }

    /// By the public function.
    fn attend(&self, input: &Tensor) -> Tensor {
        let (heads, mask) = (usize::try_from(self.heads).unwrap(), self.mask());
        fused_attention(input, heads, Sequences::Padded(mask.as_ref()), self.dropout()).unwrap()
    }

    fn check(&self, instructions: Instructions) {
        let errors = self.errors(Kind::Float, |input| {
            attention::<f32>(input, self.plan(instructions)).unwrap()
        });
        // An f32 has 24 bits; sums of at most a few hundred terms lose two or three of them.
        assert!(
            errors.iter().all(|error| *error < 1e-6),
            "{self:?} {instructions:?}: {errors:?}"
        );
    }
}

#[test]
fn outputs_and_gradients_equal_those_of_libtorch_operations() {
    for instructions in Instructions::all() {
        for positions in [1, 2, 7, 16, 17, 47, 48, 49, 96, 97, 130, 192, 200, 385] {
            for (masked, probability) in [(false, 0.0), (false, 0.1), (true, 0.3)] {
                Case {
                    positions,
                    probability,
                    masked,
                    ..CASE
                }
                .check(instructions);
            }
        }
    }
}

/// By the kernel of bf16 pairs where the processor has them, and in f32, as elsewhere.
#[test]
fn bf16_is_as_near_to_exact_arithmetic_as_its_roundings_allow() {
    let sizes = [
        (1, 8),
        (2, 8),
        (17, 64),
        (47, 5),
        (96, 17),
        (97, 64),
        (130, 1),
        (200, 33),
        (385, 64),
    ];
    for (positions, head_size) in sizes {
        for (masked, probability) in [(false, 0.0), (false, 0.1), (true, 0.3)] {
            let case = Case {
                positions,
                head_size,
                probability,
                masked,
                ..CASE
            };
            let [output, gradient] = case.errors(Kind::BFloat16, |input| case.attend(input));
            // A rounding moves a number by at most 2^-9 of itself. Two are between the input and the
            // output (probability, output), three between it and the gradient (output, probability or
            // score gradient, gradient). Where a query has one key the gradient of its score is 0, and
            // there is nothing that a rounding could be small beside.
            assert!(output < 2.0 / 512.0, "{case:?}: output {output}");
            assert!(
                positions <= 2 || gradient < 3.0 / 512.0,
                "{case:?}: gradient {gradient}"
            );
        }
    }
}

#[test]
fn any_head_size_and_number_of_heads_works() {
    for instructions in Instructions::all() {
        for (sequences, heads, head_size) in [(1, 1, 1), (1, 5, 3), (3, 2, 16), (1, 3, 17), (2, 1, 64)] {
            Case {
                sequences,
                positions: 101,
                heads,
                head_size,
                masked: true,
                ..CASE
            }
            .check(instructions);
        }
    }
}

#[test]
fn keys_that_are_masked_get_no_gradient() {
    // 96 keys of which 16 are used: a whole panel, but no whole strip; 250 of which the last 50 are.
    for (positions, first, last) in [(96, 0, 16), (250, 200, 250)] {
        let case = Case {
            sequences: 1,
            positions,
            ..CASE
        };
        let used: Vec<bool> = (0..positions)
            .map(|position| (first..last).contains(&position))
            .collect();
        let used = Tensor::from_slice(&used);
        for kind in [Kind::Float, Kind::BFloat16] {
            let input = case.query_key_value().to_kind(kind).set_requires_grad(true);
            let output = fused_attention(&input, 3, Sequences::Padded(Some(&used)), case.dropout()).unwrap();
            output.sum(Kind::Float).backward();
            let gradient = input.grad().narrow(2, 24, 48).abs().amax([0, 2], false);
            let masked = (gradient * used.logical_not()).max().double_value(&[]);
            assert_eq!(masked.to_bits(), 0, "{kind:?}");
        }
    }
}

#[test]
fn packed_sequences_give_the_bits_of_padded_ones() {
    for (lengths, kind) in [
        ([37, 50, 1, 49], Kind::Float),
        ([37, 50, 1, 49], Kind::BFloat16),
        ([200, 97, 1, 385], Kind::Float),
        ([200, 97, 1, 385], Kind::BFloat16),
    ] {
        packed_equals_padded(&lengths, kind);
    }
}

fn packed_equals_padded(lengths: &[usize; 4], kind: Kind) {
    let positions = lengths.iter().copied().max().unwrap();
    let case = Case {
        sequences: 4,
        positions: i64::try_from(positions).unwrap(),
        ..CASE
    };
    let is_key = |length: &usize| {
        let length = *length;
        (0..positions).map(move |position| position < length)
    };
    let mask: Vec<bool> = lengths.iter().flat_map(is_key).collect();
    let rows: Vec<i64> = (0..)
        .zip(&mask)
        .filter(|(_, is_key)| **is_key)
        .map(|(row, _)| row)
        .collect();
    let (mask, rows) = (Tensor::from_slice(&mask), Tensor::from_slice(&rows));
    let pick = |padded: &Tensor, width: i64| padded.reshape([-1, width]).index_select(0, &rows);
    let (input, weights) = (
        case.query_key_value().to_kind(kind),
        case.normal(24, 1).to_kind(kind),
    );
    let packed = pick(&input, 72).set_requires_grad(true);
    let padded = input.set_requires_grad(true);
    let sequences = Sequences::Packed { lengths, positions };
    let from_packed = fused_attention(&packed, 3, sequences, case.dropout()).unwrap();
    let from_padded = fused_attention(&padded, 3, Sequences::Padded(Some(&mask)), case.dropout()).unwrap();
    assert_eq!(from_packed, pick(&from_padded, 24), "{lengths:?} {kind:?}");
    backward_from(&from_packed, &pick(&weights, 24)).unwrap();
    // Padded queries have no say in the gradients.
    let is_real = mask.view([4, case.positions, 1]).to_kind(kind);
    backward_from(&from_padded, &(weights * is_real)).unwrap();
    assert_eq!(packed.grad(), pick(&padded.grad(), 72), "{lengths:?} {kind:?}");
}

#[test]
fn the_result_does_not_depend_on_the_number_of_threads() {
    let before = num_threads();
    let case = Case {
        positions: 100,
        masked: true,
        ..CASE
    };
    for kind in [Kind::Float, Kind::BFloat16] {
        let results: Vec<[Tensor; 2]> = [1, 2, 3, 7]
            .into_iter()
            .map(|threads| {
                set_num_threads(threads).unwrap();
                case.results(kind, kind, |input| case.attend(input))
            })
            .collect();
        assert!(results.iter().all(|result| result == &results[0]), "{kind:?}");
    }
    set_num_threads(before).unwrap();
}

/// One thread computes the heads one after another in the same memory; with an odd number of queries
/// a word is filled up.
#[test]
fn what_is_no_number_in_one_sequence_does_not_reach_another() {
    let before = num_threads();
    set_num_threads(1).unwrap();
    let case = Case {
        positions: 97,
        ..CASE
    };
    for kind in [Kind::Float, Kind::BFloat16] {
        let of_second = |input: Tensor| {
            let input = input.set_requires_grad(true);
            let output = fused_attention(&input, 3, Sequences::Padded(None), case.dropout()).unwrap();
            backward_from(&output, &case.normal(24, 1).to_kind(kind)).unwrap();
            [output.detach().get(1), input.grad().get(1)]
        };
        let clean = case.query_key_value().to_kind(kind);
        let spoilt = clean.copy();
        let _ = spoilt.narrow(0, 0, 1).fill_(f64::NAN);
        assert_eq!(of_second(spoilt), of_second(clean), "{kind:?}");
    }
    set_num_threads(before).unwrap();
}

/// Whether output and gradient are finite.
fn are_finite(input: &Tensor, attend: impl Fn(&Tensor) -> Tensor) -> [bool; 2] {
    let input = input.copy().set_requires_grad(true);
    let output = attend(&input);
    output.sum(Kind::Float).backward();
    [output.detach(), input.grad()].map(|tensor| tensor.isfinite().all().int64_value(&[]) == 1)
}

fn check_large_and_spoilt_inputs(attend: impl Fn(&Tensor) -> Tensor, input: &Tensor) {
    assert_eq!(are_finite(input, &attend), [true, true]);
    for bad in [f64::NAN, f64::INFINITY] {
        let spoilt = input.copy();
        let _ = spoilt.narrow(1, 130, 1).fill_(bad);
        assert_eq!(are_finite(&spoilt, &attend), [false, false]);
    }
}

#[test]
fn large_scores_do_not_overflow_and_a_nan_reaches_the_output_and_the_gradient() {
    let case = Case {
        positions: 200,
        ..CASE
    };
    let input = case.query_key_value() * 100.0;
    for instructions in Instructions::all() {
        check_large_and_spoilt_inputs(
            |input| attention::<f32>(input, case.plan(instructions)).unwrap(),
            &input,
        );
    }
    check_large_and_spoilt_inputs(|input| case.attend(input), &input.to_kind(Kind::BFloat16));
}

#[test]
fn what_does_not_fit_is_refused() {
    let input = CASE.query_key_value();
    let attend = |input: &Tensor, heads: usize, mask: Option<&Tensor>| {
        fused_attention(input, heads, Sequences::Padded(mask), CASE.dropout()).unwrap_err()
    };
    for heads in [0, 5] {
        assert!(matches!(
            attend(&input, heads, None),
            TorchError::SizeMismatch { found: 72, .. }
        ));
    }
    assert!(matches!(
        attend(&input.to_kind(Kind::Double), 3, None),
        TorchError::UnsupportedKind { .. }
    ));
    let mask = |size: i64| Tensor::zeros([size], (Kind::Bool, Device::Cpu));
    assert!(matches!(
        attend(&input, 3, Some(&mask(99))),
        TorchError::SizeMismatch { found: 99, .. }
    ));
    assert!(matches!(
        attend(&input, 3, Some(&mask(100))),
        TorchError::OutOfRange { .. }
    ));
    let dropout = Dropout {
        probability: 1.0,
        key: &KEY,
        site: 0,
    };
    assert!(matches!(
        fused_attention(&input, 3, Sequences::Padded(None), Some(dropout)),
        Err(TorchError::OutOfRange { .. })
    ));
    let packed = |lengths: &[usize]| {
        let rows = input.view([100, 72]);
        let sequences = Sequences::Packed {
            lengths,
            positions: 60,
        };
        fused_attention(&rows, 3, sequences, None).unwrap_err()
    };
    assert!(matches!(
        packed(&[50, 49]),
        TorchError::SizeMismatch { found: 99, .. }
    ));
    for lengths in [[61, 39], [0, 60]] {
        assert!(matches!(packed(&lengths), TorchError::OutOfRange { .. }));
    }
}
