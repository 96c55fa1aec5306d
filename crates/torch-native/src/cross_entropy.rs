//! Cross entropy of rows of logits, in one pass over a row forward and one backward.
//!
//! A row costs the logarithm of the sum of its exponentials, less the logit of its label; its
//! gradient is each exponential divided by that sum, less 1 at the label. Beside the logits one
//! number a row is kept. The kernel is for f32 and bf16 on the CPU; everything else goes by libtorch's
//! operations.
//!
//! M masked positions, V vocabulary, as many classes; columns behind them are padding.

#![expect(
    unsafe_code,
    reason = "calls a copy once the processor was seen to have it; threads write disjoint rows"
)]
#![expect(
    clippy::inline_always,
    reason = "a function is compiled for AVX2 by being inlined into one that is"
)]

use tch::{Kind, Tensor};

use crate::TorchError;
use crate::autograd::attach_backward;
use crate::gpu::has_own_kernels;
use crate::instructions::{Instructions, each_copy};
use crate::lanes::{Lanes, WIDTH};
use crate::memory::{Bf16, slice, slice_mut};
use crate::parallel::{SharedSlice, parallel_for};
use crate::stored::Stored;

const OPERATION: &str = "cross_entropy";
/// Vectors that are added up before they meet other sums, so that a sum of 50,000 numbers is as
/// exact as one of a few hundred.
const BLOCK: usize = 64;

/// The rest of a row behind its whole vectors, filled up with what has probability 0.
#[inline(always)]
fn filled<T: Stored>(rest: &[T]) -> [f32; WIDTH] {
    std::array::from_fn(|lane| rest.get(lane).map_or(f32::NEG_INFINITY, |logit| logit.widened()))
}

/// ln(sum of exp(x)) over a row. No closure works on lanes: it would be compiled for itself, without
/// the instructions.
#[inline(always)]
fn log_sum_row<L: Lanes, T: Stored>(row: &[T], log_sum: &mut f32) {
    let (chunks, rest) = row.as_chunks::<WIDTH>();
    let rest = L::load(&filled(rest));
    let mut largest = rest;
    for chunk in chunks {
        // The second operand where one is no number: a NaN is found again in the sum.
        largest = T::read::<L>(chunk).maximum(largest);
    }
    let largest = largest.largest();
    let shift = L::splat(largest);
    let mut sum = rest.minus(shift).exp();
    for block in chunks.chunks(BLOCK) {
        let mut of_block = L::splat(0.0);
        for chunk in block {
            of_block = of_block.plus(T::read::<L>(chunk).minus(shift).exp());
        }
        sum = sum.plus(of_block);
    }
    *log_sum = largest + sum.sum().ln();
}

/// Writes the probabilities of a row's classes times `scale`.
#[inline(always)]
fn probabilities_row<L: Lanes, T: Stored>(row: &[T], log_sum: f32, scale: f32, target: &mut [T]) {
    let (shift, factor) = (L::splat(log_sum), L::splat(scale));
    let (chunks, rest) = row.as_chunks::<WIDTH>();
    let (targets, target_rest) = target.as_chunks_mut::<WIDTH>();
    for (logits, target) in chunks.iter().zip(targets) {
        T::write(T::read::<L>(logits).minus(shift).exp().times(factor), target);
    }
    let of_rest = L::load(&filled(rest)).minus(shift).exp().times(factor);
    for (target, value) in target_rest.iter_mut().zip(of_rest.values()) {
        *target = T::narrowed(value);
    }
}

each_copy!(fn log_sum_on<T: Stored> = log_sum_row(row: &[T], log_sum: &mut f32));
each_copy!(fn probabilities_on<T: Stored> = probabilities_row(
    row: &[T],
    log_sum: f32,
    scale: f32,
    target: &mut [T],
));

/// What the backward pass needs.
struct SavedLosses {
    instructions: Instructions,
    /// [M, V padded]
    logits: Tensor,
    labels: Vec<usize>,
    log_sums: Vec<f32>,
    num_classes: usize,
    num_columns: usize,
}

impl SavedLosses {
    fn forward<T: Stored>(
        instructions: Instructions,
        logits: Tensor,
        labels: Vec<usize>,
        num_classes: usize,
    ) -> Result<(Self, Tensor), TorchError> {
        let num_columns = logits.numel() / labels.len().max(1);
        let mut log_sums = vec![0.0; labels.len()];
        let values: &[T] = slice(OPERATION, &logits)?;
        let shared = SharedSlice::new(&mut log_sums);
        parallel_for(labels.len(), 1, &|rows| {
            for row in rows {
                let classes = &values[row * num_columns..][..num_classes];
                // SAFETY: the ranges of `parallel_for` are disjoint.
                let log_sum = unsafe { shared.part(row..row + 1) };
                log_sum_on(instructions, classes, &mut log_sum[0]);
            }
        })?;
        let of_labels = labels
            .iter()
            .enumerate()
            .map(|(row, label)| values[row * num_columns + label]);
        let losses: Vec<f32> = log_sums
            .iter()
            .zip(of_labels)
            .map(|(sum, logit)| sum - logit.widened())
            .collect();
        let saved = Self {
            instructions,
            logits,
            labels,
            log_sums,
            num_classes,
            num_columns,
        };
        Ok((saved, Tensor::f_from_slice(&losses)?))
    }

    /// Gradient of the logits [M, V padded] from that of the losses `[M]`.
    fn backward<T: Stored>(&self, gradient: &Tensor) -> Result<Tensor, TorchError> {
        let gradient = gradient.f_contiguous()?;
        let scales: &[f32] = slice(OPERATION, &gradient)?;
        let mut result = self.logits.f_empty_like()?;
        let values: &[T] = slice(OPERATION, &self.logits)?;
        let shared = SharedSlice::new(slice_mut(OPERATION, &mut result)?);
        let (num_columns, num_classes, instructions) =
            (self.num_columns, self.num_classes, self.instructions);
        let (labels, log_sums) = (&self.labels, &self.log_sums);
        parallel_for(labels.len(), 1, &|rows| {
            for row in rows {
                let range = row * num_columns..(row + 1) * num_columns;
                // SAFETY: the ranges of `parallel_for` are disjoint.
                let target = unsafe { shared.part(range.clone()) };
                let (classes, padding) = target.split_at_mut(num_classes);
                let logits = &values[range][..num_classes];
                probabilities_on(instructions, logits, log_sums[row], scales[row], classes);
                // Rounded once, behind the difference.
                let label = labels[row];
                let probability = (logits[label].widened() - log_sums[row]).exp();
                classes[label] = T::narrowed(probability.mul_add(scales[row], -scales[row]));
                padding.fill(T::narrowed(0.0));
            }
        })?;
        Ok(result)
    }
}

/// Cross entropy of each row, differentiable by `logits`: [M, V padded] of any float kind, of which the
/// first `num_classes` columns count; `labels`: `[M]`, i64 -> `[M]` in f32, or f64 for f64 logits.
///
/// # Errors
/// [`TorchError::OutOfRange`] for a label that is no class where the kernel runs (libtorch's own
/// error elsewhere), [`TorchError::SizeMismatch`] and
/// [`TorchError::Tch`] when the shapes do not fit or libtorch fails.
pub fn cross_entropy(logits: &Tensor, labels: &Tensor, num_classes: usize) -> Result<Tensor, TorchError> {
    cross_entropy_on(Instructions::detect(), logits, labels, num_classes)
}

fn cross_entropy_on(
    instructions: Instructions,
    logits: &Tensor,
    labels: &Tensor,
    num_classes: usize,
) -> Result<Tensor, TorchError> {
    match logits.f_kind()? {
        Kind::Float if has_own_kernels(logits.device()) => {
            by_kernel::<f32>(instructions, logits, labels, num_classes)
        }
        Kind::BFloat16 if has_own_kernels(logits.device()) => {
            by_kernel::<Bf16>(instructions, logits, labels, num_classes)
        }
        _ => by_operations(logits, labels, num_classes),
    }
}

fn by_kernel<T: Stored>(
    instructions: Instructions,
    logits: &Tensor,
    labels: &Tensor,
    num_classes: usize,
) -> Result<Tensor, TorchError> {
    let (num_rows, num_columns) = match logits.size()[..] {
        [rows, columns] => (size(rows), size(columns)),
        _ => return Err(misfit("dimensions of the logits", 2, logits.dim())),
    };
    if num_columns < num_classes {
        return Err(misfit("a row of logits", num_classes, num_columns));
    }
    if labels.numel() != num_rows {
        return Err(misfit("labels", num_rows, labels.numel()));
    }
    let checked = checked_labels(labels, num_classes)?;
    let detached = logits.f_detach()?.f_contiguous()?;
    let (saved, losses) = SavedLosses::forward::<T>(instructions, detached, checked, num_classes)?;
    attach_backward(losses, &[logits], move |gradient| {
        let _no_grad = tch::no_grad_guard();
        Ok(vec![Some(saved.backward::<T>(gradient)?)])
    })
}

fn size(dimension: i64) -> usize {
    usize::try_from(dimension).unwrap_or(0)
}

fn misfit(what: &'static str, expected: usize, found: usize) -> TorchError {
    TorchError::SizeMismatch {
        operation: OPERATION,
        what,
        expected,
        found,
    }
}

fn checked_labels(labels: &Tensor, num_classes: usize) -> Result<Vec<usize>, TorchError> {
    let labels = labels.f_contiguous()?;
    let labels: &[i64] = slice(OPERATION, &labels)?;
    let checked = labels.iter().map(|&label| {
        let class = usize::try_from(label).ok().filter(|class| *class < num_classes);
        class.ok_or(TorchError::OutOfRange {
            name: "label",
            value: label as f64,
            expected: "a class, from 0 on",
        })
    });
    checked.collect()
}

fn by_operations(logits: &Tensor, labels: &Tensor, num_classes: usize) -> Result<Tensor, TorchError> {
    let kind = if logits.f_kind()? == Kind::Double {
        Kind::Double
    } else {
        Kind::Float
    };
    let classes = logits.f_narrow(-1, 0, i64::try_from(num_classes).unwrap_or(i64::MAX))?;
    let log_probabilities = classes.f_log_softmax(-1, kind)?;
    let picked = log_probabilities.f_gather(-1, &labels.f_unsqueeze(-1)?, false)?;
    Ok(picked.f_squeeze_dim(-1)?.f_neg()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fill_normal;
    use tch::Device;

    /// Losses and the gradient of the logits, computed in `kind` from the same numbers.
    fn results(instructions: Instructions, (classes, columns): (i64, i64), kind: Kind) -> [Tensor; 2] {
        let logits = Tensor::zeros([67, columns], (Kind::Double, Device::Cpu));
        fill_normal(&logits, 3.0, [1, 2], 0).unwrap();
        let logits = logits.to_kind(Kind::Float).to_kind(kind).set_requires_grad(true);
        let labels = Tensor::arange(67, (Kind::Int64, Device::Cpu)).remainder(classes);
        let weights = (Tensor::arange(67, (kind, Device::Cpu)) + 1.0) / 67.0;
        let losses = cross_entropy_on(instructions, &logits, &labels, size(classes)).unwrap();
        (&losses * weights).sum(kind).backward();
        [losses.detach(), logits.grad()]
    }

    #[test]
    fn losses_and_gradients_equal_those_of_libtorch_operations_in_f64() {
        for instructions in Instructions::all() {
            for sizes in [(1, 1), (7, 8), (8, 8), (50, 64), (5_003, 5_008)] {
                let ours = results(instructions, sizes, Kind::Float);
                for (ours, expected) in ours.iter().zip(&results(instructions, sizes, Kind::Double)) {
                    let error = (ours.to_kind(Kind::Double) - expected).norm().double_value(&[]);
                    let limit = 1e-6 * expected.norm().double_value(&[]) + 1e-12;
                    assert!(error <= limit, "{instructions:?} {sizes:?}: {error}");
                }
            }
        }
    }

    #[test]
    fn a_bf16_gradient_is_the_f32_one_rounded_and_losses_are_the_same() {
        let logits = Tensor::zeros([9, 56], (Kind::Double, Device::Cpu));
        fill_normal(&logits, 3.0, [1, 2], 0).unwrap();
        let rounded = logits.to_kind(Kind::BFloat16);
        let labels = Tensor::arange(9, (Kind::Int64, Device::Cpu)) * 5;
        let weights = Tensor::arange(9, (Kind::Float, Device::Cpu)) * 0.37;
        let run = |instructions, logits: Tensor| {
            let logits = logits.set_requires_grad(true);
            let losses = cross_entropy_on(instructions, &logits, &labels, 51).unwrap();
            (&losses * &weights).sum(Kind::Float).backward();
            (losses.detach(), logits.grad())
        };
        for instructions in Instructions::all() {
            let (losses, gradient) = run(instructions, rounded.copy());
            let expected = run(instructions, rounded.to_kind(Kind::Float));
            assert_eq!(losses, expected.0);
            assert_eq!(gradient, expected.1.to_kind(Kind::BFloat16));
        }
    }

    #[test]
    fn what_is_no_number_makes_its_own_row_none_and_no_other() {
        for instructions in Instructions::all() {
            for bad in [f32::NAN, f32::INFINITY] {
                for column in [0, 9, 18] {
                    let logits = Tensor::zeros([3, 24], (Kind::Float, Device::Cpu));
                    let _ = logits.narrow(0, 1, 1).narrow(1, column, 1).fill_(f64::from(bad));
                    let losses =
                        cross_entropy_on(instructions, &logits, &Tensor::from_slice(&[0i64, 1, 2]), 19)
                            .unwrap();
                    let finite = Vec::<bool>::try_from(losses.isfinite()).unwrap();
                    assert_eq!(finite, [true, false, true], "{instructions:?} {bad} {column}");
                }
            }
        }
    }

    #[test]
    fn the_padding_has_no_part_in_it() {
        let logits = Tensor::zeros([2, 16], (Kind::Float, Device::Cpu)).set_requires_grad(true);
        let _ = logits.detach().narrow(1, 10, 6).fill_(f64::NAN);
        let losses = cross_entropy(&logits, &Tensor::from_slice(&[0i64, 9]), 10).unwrap();
        losses.sum(Kind::Float).backward();
        assert!((losses.double_value(&[1]) - 10f64.ln()).abs() < 1e-6);
        let padding = Vec::<f32>::try_from(logits.grad().narrow(1, 10, 6).contiguous().view(-1)).unwrap();
        assert_eq!(padding, [0.0; 12]);
    }

    #[test]
    fn labels_that_are_no_class_and_shapes_that_do_not_fit_are_refused() {
        let logits = Tensor::zeros([2, 16], (Kind::Float, Device::Cpu));
        for label in [-1i64, 10] {
            let refused = cross_entropy(&logits, &Tensor::from_slice(&[0, label]), 10).unwrap_err();
            assert!(matches!(refused, TorchError::OutOfRange { .. }), "{refused}");
        }
        for (num_labels, num_classes) in [(3, 10), (2, 17)] {
            let labels = Tensor::zeros([num_labels], (Kind::Int64, Device::Cpu));
            let refused = cross_entropy(&logits, &labels, num_classes).unwrap_err();
            assert!(matches!(refused, TorchError::SizeMismatch { .. }), "{refused}");
        }
    }
}
