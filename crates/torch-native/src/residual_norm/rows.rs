//! The arithmetic of blocks of rows of [`super::residual_layer_norm`].
//!
//! Statistics as Ba, Kiros, Hinton, "Layer Normalization", arXiv 1607.06450, equation 3;
//! a row stays in the first cache between its passes.

#![expect(unsafe_code, reason = "blocks write disjoint rows")]
#![expect(
    clippy::inline_always,
    reason = "a function is compiled for AVX2 by being inlined into one that is"
)]

use std::ops::Range;

use crate::dropout::keep_bits::{KeepBits, KeepStream, RowBits};
use crate::instructions::each_copy;
use crate::lanes::{Lanes, WIDTH};
use crate::parallel::SharedSlice;
use crate::stored::Stored;

/// Of one row of the sum.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Statistics {
    mean: f32,
    /// 1 / sqrt(variance + epsilon).
    inverse: f32,
}

/// What the forward pass reads and writes: [R, D] and `[D]`.
pub(super) struct ForwardPass<'a, T> {
    pub(super) input: &'a [T],
    pub(super) bias: &'a [f32],
    pub(super) residual: &'a [T],
    pub(super) norm_weight: &'a [f32],
    pub(super) norm_bias: &'a [f32],
    pub(super) epsilon: f64,
    pub(super) dropout: Option<KeepStream>,
    pub(super) sum: SharedSlice<'a, T>,
    pub(super) output: SharedSlice<'a, T>,
    pub(super) statistics: SharedSlice<'a, Statistics>,
}

/// What the backward pass reads and writes: [R, D] and `[D]`.
pub(super) struct BackwardPass<'a, T> {
    pub(super) sum: &'a [T],
    pub(super) statistics: &'a [Statistics],
    pub(super) norm_weight: &'a [f32],
    pub(super) output_gradient: &'a [T],
    pub(super) dropout: Option<KeepStream>,
    pub(super) residual_gradient: SharedSlice<'a, T>,
    /// Empty without dropout.
    pub(super) input_gradient: SharedSlice<'a, T>,
}

/// The bits of a block of rows, and what kept elements are multiplied by.
struct BlockBits {
    bits: KeepBits,
    scale: f32,
}

impl BlockBits {
    /// Bits for the rows `rows`, where there is dropout.
    #[inline(always)]
    fn new(dropout: Option<KeepStream>, rows: &Range<usize>, width: usize) -> Option<Self> {
        let KeepStream { stream, scale } = dropout?;
        let mut bits = KeepBits::new(rows.len(), width);
        bits.fill(stream, rows);
        Some(Self { bits, scale })
    }

    #[inline(always)]
    fn row(&self, row: usize) -> ScaledBits<'_> {
        ScaledBits {
            bits: self.bits.row(row, 0),
            scale: self.scale,
        }
    }
}

/// The bits of one row, and what kept elements are multiplied by.
#[derive(Clone, Copy)]
struct ScaledBits<'a> {
    bits: RowBits<'a>,
    scale: f32,
}

/// Eight values under dropout, which may be none.
#[inline(always)]
fn kept<L: Lanes>(value: L, dropout: Option<ScaledBits<'_>>, chunk: usize) -> L {
    match dropout {
        Some(ScaledBits { bits, scale }) => value
            .keep(bits.word(chunk), L::selector(bits.shift))
            .times(L::splat(scale)),
        None => value,
    }
}

#[inline(always)]
fn forward_rows<L: Lanes, T: Stored>(pass: &ForwardPass<'_, T>, rows: Range<usize>) {
    let width = pass.bias.len();
    let bits = BlockBits::new(pass.dropout, &rows, width);
    // SAFETY: a row is in one block.
    let statistics = unsafe { pass.statistics.part(rows.clone()) };
    for (index, row) in rows.enumerate() {
        let range = row * width..(row + 1) * width;
        // SAFETY: as above.
        let (sum, output) = unsafe { (pass.sum.part(range.clone()), pass.output.part(range.clone())) };
        add_row::<L, T>(pass, range, bits.as_ref().map(|bits| bits.row(index)), sum);
        statistics[index] = row_statistics::<L, T>(sum, pass.epsilon);
        normalize_row::<L, T>(pass, sum, statistics[index], output);
    }
}

#[inline(always)]
fn add_row<L: Lanes, T: Stored>(
    pass: &ForwardPass<'_, T>,
    range: Range<usize>,
    bits: Option<ScaledBits<'_>>,
    sum: &mut [T],
) {
    let inputs = pass.input[range.clone()].as_chunks().0.iter();
    let added = pass
        .bias
        .as_chunks()
        .0
        .iter()
        .zip(pass.residual[range].as_chunks().0);
    let sums = sum.as_chunks_mut::<WIDTH>().0.iter_mut();
    for (chunk, ((input, (bias, residual)), sum)) in inputs.zip(added).zip(sums).enumerate() {
        let value = kept(T::read::<L>(input).plus(L::load(bias)), bits, chunk);
        T::write(value.plus(T::read(residual)), sum);
    }
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "statistics are kept in f32")]
fn row_statistics<L: Lanes, T: Stored>(row: &[T], epsilon: f64) -> Statistics {
    let chunks = row.as_chunks::<WIDTH>().0;
    let mut total = L::splat(0.0);
    for chunk in chunks {
        total = total.plus(T::read(chunk));
    }
    let mean = total.sum() / row.len() as f32;
    let mut squares = L::splat(0.0);
    for chunk in chunks {
        let difference = T::read::<L>(chunk).minus(L::splat(mean));
        squares = difference.times_plus(difference, squares);
    }
    let variance = f64::from(squares.sum()) / row.len() as f64;
    Statistics {
        mean,
        inverse: (1.0 / (variance + epsilon).sqrt()) as f32,
    }
}

#[inline(always)]
fn normalize_row<L: Lanes, T: Stored>(
    pass: &ForwardPass<'_, T>,
    sum: &[T],
    statistics: Statistics,
    output: &mut [T],
) {
    let (mean, inverse) = (L::splat(statistics.mean), L::splat(statistics.inverse));
    let weights = pass
        .norm_weight
        .as_chunks()
        .0
        .iter()
        .zip(pass.norm_bias.as_chunks().0);
    let sums = sum.as_chunks().0.iter().zip(output.as_chunks_mut::<WIDTH>().0);
    for ((sum, output), (weight, bias)) in sums.zip(weights) {
        let normal = T::read::<L>(sum).minus(mean).times(inverse);
        T::write(normal.times_plus(L::load(weight), L::load(bias)), output);
    }
}

/// Adds to `sums`, three times D: gradients of the norm's weight and bias, and of the input's bias.
#[inline(always)]
fn backward_rows<L: Lanes, T: Stored>(pass: &BackwardPass<'_, T>, rows: Range<usize>, sums: &mut [f32]) {
    let width = pass.norm_weight.len();
    let bits = BlockBits::new(pass.dropout, &rows, width);
    let (norm_sums, bias_sums) = sums.split_at_mut(2 * width);
    for (index, row) in rows.enumerate() {
        let range = row * width..(row + 1) * width;
        let means = gradient_means::<L, T>(pass, row, norm_sums);
        // SAFETY: a row is in one block.
        let residual_gradient = unsafe { pass.residual_gradient.part(range.clone()) };
        gradient_row::<L, T>(pass, row, means, residual_gradient);
        let residual_gradient = residual_gradient.as_chunks::<WIDTH>().0;
        let bias_sums = bias_sums.as_chunks_mut::<WIDTH>().0.iter_mut();
        let Some(bits) = bits.as_ref().map(|bits| bits.row(index)) else {
            for (gradient, sum) in residual_gradient.iter().zip(bias_sums) {
                L::load(sum).plus(T::read(gradient)).store(sum);
            }
            continue;
        };
        // SAFETY: as above.
        let input_gradient = unsafe { pass.input_gradient.part(range) };
        let targets = input_gradient
            .as_chunks_mut::<WIDTH>()
            .0
            .iter_mut()
            .zip(bias_sums);
        for (chunk, (gradient, (target, sum))) in residual_gradient.iter().zip(targets).enumerate() {
            let gradient = kept(T::read::<L>(gradient), Some(bits), chunk);
            T::write(gradient, target);
            L::load(sum).plus(gradient).store(sum);
        }
    }
}

/// Means over the row of g and of g times the normalized value, where g is the gradient of the
/// normalized value; adds to the gradients of weight and bias.
#[inline(always)]
fn gradient_means<L: Lanes, T: Stored>(
    pass: &BackwardPass<'_, T>,
    row: usize,
    norm_sums: &mut [f32],
) -> [L; 2] {
    let width = pass.norm_weight.len();
    let range = row * width..(row + 1) * width;
    let Statistics { mean, inverse } = pass.statistics[row];
    let (mean, inverse) = (L::splat(mean), L::splat(inverse));
    let (weight_sums, bias_sums) = norm_sums.split_at_mut(width);
    let mut totals = [L::splat(0.0); 2];
    let values = pass.sum[range.clone()].as_chunks().0.iter();
    let gradients = pass.output_gradient[range].as_chunks().0.iter();
    let sums = weight_sums
        .as_chunks_mut()
        .0
        .iter_mut()
        .zip(bias_sums.as_chunks_mut().0);
    let weights = pass.norm_weight.as_chunks::<WIDTH>().0;
    for (((value, gradient), weight), (weight_sum, bias_sum)) in values.zip(gradients).zip(weights).zip(sums)
    {
        let normal = T::read::<L>(value).minus(mean).times(inverse);
        let gradient = T::read::<L>(gradient);
        gradient.times_plus(normal, L::load(weight_sum)).store(weight_sum);
        gradient.plus(L::load(bias_sum)).store(bias_sum);
        let inner = gradient.times(L::load(weight));
        totals[0] = totals[0].plus(inner);
        totals[1] = inner.times_plus(normal, totals[1]);
    }
    totals.map(|total| L::splat(total.sum() / width as f32))
}

#[inline(always)]
fn gradient_row<L: Lanes, T: Stored>(
    pass: &BackwardPass<'_, T>,
    row: usize,
    means: [L; 2],
    target: &mut [T],
) {
    let width = pass.norm_weight.len();
    let range = row * width..(row + 1) * width;
    let Statistics { mean, inverse } = pass.statistics[row];
    let (mean, inverse) = (L::splat(mean), L::splat(inverse));
    let values = pass.sum[range.clone()].as_chunks().0.iter();
    let gradients = pass.output_gradient[range].as_chunks().0.iter();
    let weights = pass.norm_weight.as_chunks().0.iter();
    let targets = target.as_chunks_mut::<WIDTH>().0.iter_mut();
    for (((value, gradient), weight), target) in values.zip(gradients).zip(weights).zip(targets) {
        let normal = T::read::<L>(value).minus(mean).times(inverse);
        let inner = T::read::<L>(gradient).times(L::load(weight)).minus(means[0]);
        T::write(inner.minus(normal.times(means[1])).times(inverse), target);
    }
}

each_copy!(pub(super) fn forward_on<T: Stored> = forward_rows(pass: &ForwardPass<'_, T>, rows: Range<usize>));
each_copy!(pub(super) fn backward_on<T: Stored> = backward_rows(
    pass: &BackwardPass<'_, T>,
    rows: Range<usize>,
    sums: &mut [f32],
));
