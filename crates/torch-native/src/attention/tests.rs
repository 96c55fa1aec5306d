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

    /// Output and gradient, under a random gradient of the output.
    fn results(&self, kind: Kind, attend: impl Fn(&Tensor) -> Tensor) -> [Tensor; 2] {
        let input = self.query_key_value().to_kind(kind).set_requires_grad(true);
        let output = attend(&input);
        (&output * self.normal(self.width(), 1).to_kind(kind))
            .sum(kind)
            .backward();
        [output.detach(), input.grad()]
    }

    fn fused(&self, instructions: Instructions) -> [Tensor; 2] {
        self.results(Kind::Float, |input| {
            attention::<f32>(input, self.plan(instructions)).unwrap()
        })
    }

    /// Relative distance of the public function's output and gradient in `kind` from those of
    /// libtorch's operations on the same numbers in f64.
    fn errors_in(&self, kind: Kind) -> [f64; 2] {
        let rounded = |tensor: &Tensor| tensor.to_kind(kind).to_kind(Kind::Double);
        let results = |kind: Kind, attend: &dyn Fn(&Tensor) -> Tensor| {
            let input = rounded(&self.query_key_value())
                .to_kind(kind)
                .set_requires_grad(true);
            let output = attend(&input);
            backward_from(&output, &rounded(&self.normal(self.width(), 1)).to_kind(kind)).unwrap();
            [output.detach(), input.grad()].map(|tensor| tensor.to_kind(Kind::Double))
        };
        let expected = results(Kind::Double, &|input| self.by_operations(input));
        let mask = self.mask();
        let ours = results(kind, &|input| {
            let heads = usize::try_from(self.heads).unwrap();
            fused_attention(input, heads, Sequences::Padded(mask.as_ref()), self.dropout()).unwrap()
        });
        let norm = |tensor: Tensor| tensor.norm().double_value(&[]);
        [0, 1].map(|index| norm(&ours[index] - &expected[index]) / norm(expected[index].copy()))
    }

    fn check(&self, instructions: Instructions) {
        let expected = self.results(Kind::Double, |input| self.by_operations(input));
        for (ours, expected) in self.fused(instructions).iter().zip(&expected) {
            let difference = (ours.to_kind(Kind::Double) - expected).norm().double_value(&[]);
            // An f32 has 24 bits; sums of at most a few hundred terms lose two or three of them.
            let error = difference / expected.norm().double_value(&[]);
            assert!(error < 1e-6, "{self:?} {instructions:?}: {error}");
        }
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

/// By the kernel of bf16 pairs where the processor has them, and in f32 elsewhere.
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
            let [output, gradient] = case.errors_in(Kind::BFloat16);
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
fn masked_keys_and_packed_sequences_are_the_same_in_bf16() {
    let (lengths, positions) = ([37, 50, 1, 49], 50);
    let case = Case { sequences: 4, ..CASE };
    let is_key = |length: usize| (0..positions).map(move |position| position < length);
    let mask: Vec<bool> = lengths.into_iter().flat_map(is_key).collect();
    let rows: Vec<i64> = (0..)
        .zip(&mask)
        .filter(|(_, is_key)| **is_key)
        .map(|(row, _)| row)
        .collect();
    let (mask, rows) = (Tensor::from_slice(&mask), Tensor::from_slice(&rows));
    let pick = |padded: &Tensor, width: i64| padded.reshape([-1, width]).index_select(0, &rows);
    let input = case.query_key_value().to_kind(Kind::BFloat16);
    let packed = pick(&input, 72).set_requires_grad(true);
    let padded = input.set_requires_grad(true);
    let sequences = Sequences::Packed {
        lengths: &lengths,
        positions,
    };
    let from_packed = fused_attention(&packed, 3, sequences, case.dropout()).unwrap();
    let from_padded = fused_attention(&padded, 3, Sequences::Padded(Some(&mask)), case.dropout()).unwrap();
    assert_eq!(from_packed, pick(&from_padded, 24));
    from_packed.sum(Kind::Float).backward();
    (&from_padded * mask.view([4, 50, 1])).sum(Kind::Float).backward();
    assert_eq!(packed.grad(), pick(&padded.grad(), 72));
    let keys_and_values = padded.grad().narrow(2, 24, 48) * mask.logical_not().view([4, 50, 1]);
    assert_eq!(keys_and_values.abs().max().double_value(&[]).to_bits(), 0);
}

#[test]
fn large_bf16_scores_do_not_overflow_and_a_nan_reaches_the_output_and_the_gradient() {
    let case = Case {
        positions: 200,
        ..CASE
    };
    let run = |input: &Tensor| {
        let input = input.copy().set_requires_grad(true);
        let output = fused_attention(&input, 3, Sequences::Padded(None), case.dropout()).unwrap();
        output.sum(Kind::Float).backward();
        [output.detach(), input.grad()].map(|tensor| tensor.isfinite().all().int64_value(&[]) == 1)
    };
    let input = (case.query_key_value() * 100.0).to_kind(Kind::BFloat16);
    assert_eq!(run(&input), [true, true]);
    for bad in [f64::NAN, f64::INFINITY] {
        let spoilt = input.copy();
        let _ = spoilt.narrow(1, 130, 1).fill_(bad);
        assert_eq!(run(&spoilt), [false, false]);
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
    // 96 keys of which 16 are used: a whole panel, but no whole strip.
    let case = Case {
        sequences: 1,
        positions: 96,
        ..CASE
    };
    let used: Vec<bool> = (0..96).map(|position| position < 16).collect();
    let input = case.query_key_value().set_requires_grad(true);
    let used = Tensor::from_slice(&used);
    let output = fused_attention(&input, 3, Sequences::Padded(Some(&used)), case.dropout()).unwrap();
    output.sum(Kind::Float).backward();
    let masked = input.grad().narrow(1, 16, 80).narrow(2, 24, 48);
    assert_eq!(masked.abs().max().double_value(&[]).to_bits(), 0);
}

#[test]
fn packed_sequences_give_the_bits_of_padded_ones() {
    let (lengths, positions) = ([37, 50, 1, 49], 50);
    let case = Case { sequences: 4, ..CASE };
    let is_key = |length: usize| (0..positions).map(move |position| position < length);
    let mask: Vec<bool> = lengths.into_iter().flat_map(is_key).collect();
    let rows: Vec<i64> = (0..)
        .zip(&mask)
        .filter(|(_, is_key)| **is_key)
        .map(|(row, _)| row)
        .collect();
    let (mask, rows) = (Tensor::from_slice(&mask), Tensor::from_slice(&rows));
    let pick = |padded: &Tensor, width: i64| padded.reshape([-1, width]).index_select(0, &rows);
    let weights = case.normal(24, 1);
    let packed = pick(&case.query_key_value(), 72).set_requires_grad(true);
    let padded = case.query_key_value().set_requires_grad(true);
    let sequences = Sequences::Packed {
        lengths: &lengths,
        positions,
    };
    let from_packed = fused_attention(&packed, 3, sequences, case.dropout()).unwrap();
    let from_padded = fused_attention(&padded, 3, Sequences::Padded(Some(&mask)), case.dropout()).unwrap();
    assert_eq!(from_packed, pick(&from_padded, 24));
    (&from_packed * pick(&weights, 24)).sum(Kind::Float).backward();
    // Padded queries have no say in the gradients.
    (&from_padded * weights * mask.view([4, 50, 1]))
        .sum(Kind::Float)
        .backward();
    assert_eq!(packed.grad(), pick(&padded.grad(), 72));
}

#[test]
fn the_result_does_not_depend_on_the_number_of_threads() {
    let before = num_threads();
    let case = Case {
        positions: 100,
        masked: true,
        ..CASE
    };
    let results: Vec<[Tensor; 2]> = [1, 2, 3, 7]
        .into_iter()
        .map(|threads| {
            set_num_threads(threads).unwrap();
            case.fused(Instructions::detect())
        })
        .collect();
    set_num_threads(before).unwrap();
    assert!(results.iter().all(|result| result == &results[0]));
}

#[test]
fn large_scores_do_not_overflow_and_a_nan_reaches_the_output_and_the_gradient() {
    let case = Case {
        positions: 200,
        ..CASE
    };
    for instructions in Instructions::all() {
        let run = |input: &Tensor| {
            let input = input.copy().set_requires_grad(true);
            let output = attention::<f32>(&input, case.plan(instructions)).unwrap();
            output.sum(Kind::Float).backward();
            [output.detach(), input.grad()].map(|tensor| tensor.isfinite().all().int64_value(&[]) == 1)
        };
        let input = case.query_key_value() * 100.0;
        assert_eq!(run(&input), [true, true]);
        for bad in [f64::NAN, f64::INFINITY] {
            let spoilt = input.copy();
            let _ = spoilt.narrow(1, 130, 1).fill_(bad);
            assert_eq!(run(&spoilt), [false, false]);
        }
    }
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
