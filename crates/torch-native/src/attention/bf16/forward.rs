//! Forward pass, as [`crate::attention::forward`], with logarithms to the base of 2.
//!
//! B sequences, T positions, D hidden, N heads, H per head.

use std::arch::x86_64::{
    _mm512_add_ps, _mm512_fmadd_ps, _mm512_maskz_mov_ps, _mm512_max_ps, _mm512_mul_ps, _mm512_reduce_add_ps,
    _mm512_reduce_max_ps, _mm512_set1_ps, _mm512_setzero_ps, _mm512_sub_ps,
};
use std::ops::Range;

use super::pack::{Rows, pack_panels, pack_row_pairs, pack_rows, panels, row_pairs, words_of_head};
use super::product::multiply;
use super::vector::{LANES, exp2, kept, load, store, store_rounded, write_row};
use crate::attention::head::{Buffer, Inputs, Outputs, Projection, QUERY_BLOCK, Shape, blocks};
use crate::attention::operands::{Left, Size, Target};
use crate::attention::softmax_rows::SoftmaxRows;
use crate::dropout::keep_bits::KeepBits;
use crate::memory::Bf16;

/// Keys handled together. Measured, see `docs/decisions/0007-cpu-kernels.md`.
const KEY_BLOCK: usize = 192;
const WORD_BLOCK: usize = KEY_BLOCK / 2;

/// One thread's memory, used for one head after another.
struct Bf16ForwardScratch {
    row: Vec<u32>,
    keys: Buffer<u32>,
    values: Buffer<u32>,
    queries: Buffer<u32>,
    scores: Buffer<f32>,
    probabilities: Buffer<u32>,
    rows: SoftmaxRows,
    bits: KeepBits,
}

impl Bf16ForwardScratch {
    fn new(shape: Shape) -> Self {
        let (positions, head, words) = (
            shape.padded_positions(),
            shape.padded_head(),
            words_of_head(shape),
        );
        Self {
            row: vec![0; words],
            keys: Buffer::new(positions * words),
            values: Buffer::new(positions / 2 * head),
            queries: Buffer::new(QUERY_BLOCK * words),
            scores: Buffer::new(QUERY_BLOCK * KEY_BLOCK),
            probabilities: Buffer::new(QUERY_BLOCK * WORD_BLOCK),
            rows: SoftmaxRows::new(shape),
            bits: KeepBits::new(QUERY_BLOCK, shape.positions),
        }
    }
}

/// Attention of the heads `heads` (of B N).
#[target_feature(enable = "avx512bf16,avx512vl,avx512dq")]
pub(super) fn forward_heads(inputs: &Inputs<'_, Bf16>, outputs: &Outputs<'_, Bf16>, heads: Range<usize>) {
    let shape = inputs.shape;
    let mut scratch = Bf16ForwardScratch::new(shape);
    for head in heads {
        let length = inputs.length(head);
        pack_panels(
            Rows::Projected(inputs, Projection::Key),
            head,
            length,
            &mut scratch.row,
            scratch.keys.values_mut(),
        );
        pack_row_pairs(
            Rows::Projected(inputs, Projection::Value),
            head,
            &(0..length),
            shape.padded_head(),
            scratch.values.values_mut(),
        );
        for queries in blocks(length, QUERY_BLOCK) {
            forward_block(inputs, outputs, &mut scratch, head, queries);
        }
    }
}

#[inline]
#[target_feature(enable = "avx512bf16,avx512vl,avx512dq")]
fn forward_block(
    inputs: &Inputs<'_, Bf16>,
    outputs: &Outputs<'_, Bf16>,
    scratch: &mut Bf16ForwardScratch,
    head: usize,
    queries: Range<usize>,
) {
    let shape = inputs.shape;
    let (words, padded_head) = (words_of_head(shape), shape.padded_head());
    pack_rows(
        Rows::Projected(inputs, Projection::Query),
        head,
        &queries,
        words,
        scratch.queries.values_mut(),
    );
    if let Some(dropout) = inputs.dropout {
        scratch
            .bits
            .fill(dropout.stream, &inputs.query_rows(head, &queries));
    }
    scratch.rows.clear();
    for keys in inputs.key_blocks(head, KEY_BLOCK) {
        let (num_queries, num_keys) = (queries.len(), keys.len());
        multiply(
            Size::new(num_queries, num_keys, words),
            Left::by_rows(scratch.queries.values(), words),
            panels(scratch.keys.values(), keys.start, words),
            &mut Target::overwrite(scratch.scores.values_mut(), KEY_BLOCK),
        );
        for row in 0..num_queries {
            softmax_row(inputs, scratch, head, row, &keys);
        }
        multiply(
            Size::new(num_queries, shape.head_size, num_keys.div_ceil(2)),
            Left::by_rows(scratch.probabilities.values(), WORD_BLOCK),
            row_pairs(scratch.values.values(), keys.start, padded_head),
            &mut Target::add(scratch.rows.context.values_mut(), padded_head),
        );
    }
    // A function with target features cannot be passed as one; a closure in such a function can.
    let write_row = |row: &[f32], factor, target: &mut [Bf16]| write_row(row, factor, target);
    let rows = &scratch.rows;
    rows.write_log_sums(inputs, outputs, head, &queries, f32::log2);
    rows.write_context(inputs, outputs, head, queries, write_row);
}

/// What scores are multiplied by, to be the powers of 2 that softmax adds up.
pub(super) fn binary_scale(shape: Shape) -> f32 {
    shape.scale() * std::f32::consts::LOG2_E
}

/// Scores of one row and block become exponentials under the row's largest score so far; what
/// earlier blocks added is brought under the same.
#[inline]
#[target_feature(enable = "avx512bf16,avx512vl,avx512dq")]
fn softmax_row(
    inputs: &Inputs<'_, Bf16>,
    scratch: &mut Bf16ForwardScratch,
    head: usize,
    row: usize,
    keys: &Range<usize>,
) {
    let padded = keys.len().next_multiple_of(LANES);
    let bias = inputs.bias(head)[keys.start..][..padded].as_chunks::<LANES>().0;
    let scores = &mut scratch.scores.values_mut()[row * KEY_BLOCK..][..padded];
    let scores = scores.as_chunks_mut::<LANES>().0;
    let scale = _mm512_set1_ps(binary_scale(inputs.shape));
    let before = scratch.rows.largest[row];
    let mut largest = _mm512_set1_ps(before);
    for (scores, bias) in scores.iter_mut().zip(bias) {
        let biased = _mm512_fmadd_ps(load(scores), scale, load(bias));
        store(biased, scores);
        // The second operand where one is no number: a NaN is found again in the sum.
        largest = _mm512_max_ps(biased, largest);
    }
    let now = _mm512_reduce_max_ps(largest);
    if now > before {
        let shrink = (before - now).exp2();
        scratch.rows.largest[row] = now;
        scratch.rows.sums[row] *= shrink;
        let head_size = inputs.shape.padded_head();
        for value in scratch.rows.context.values_mut()[row * head_size..][..head_size]
            .as_chunks_mut::<LANES>()
            .0
        {
            store(_mm512_mul_ps(load(value), _mm512_set1_ps(shrink)), value);
        }
    }
    let now = _mm512_set1_ps(now);
    let mut sum = _mm512_setzero_ps();
    let probabilities = &mut scratch.probabilities.values_mut()[row * WORD_BLOCK..][..padded / 2];
    let probabilities = probabilities.as_chunks_mut::<{ LANES / 2 }>().0;
    let bits = inputs.dropout.map(|_| scratch.bits.row(row, keys.start));
    for (chunk, (scores, probabilities)) in scores.iter().zip(probabilities).enumerate() {
        let mut exponentials = exp2(_mm512_sub_ps(load(scores), now));
        sum = _mm512_add_ps(sum, exponentials);
        if let Some(bits) = bits {
            exponentials = _mm512_maskz_mov_ps(kept(bits, chunk), exponentials);
        }
        store_rounded(exponentials, probabilities);
    }
    scratch.rows.sums[row] += _mm512_reduce_add_ps(sum);
}
