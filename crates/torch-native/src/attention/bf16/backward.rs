//! Backward pass, as [`crate::attention::backward`].
//!
//! B sequences, T positions, D hidden, N heads, H per head.

use std::arch::x86_64::{
    __m512, _mm512_castsi512_si256, _mm512_extracti64x4_epi64, _mm512_fmadd_ps, _mm512_fmsub_ps,
    _mm512_maskz_mov_ps, _mm512_mul_ps, _mm512_set1_ps, _mm512_sub_ps,
};
use std::ops::Range;

use super::forward::binary_scale;
use super::pack::{Rows, pack_panels, pack_row_pairs, pack_rows, panels, row_pairs, words_of_head};
use super::product::multiply;
use super::vector::{LANES, dot, exp2, kept, load, rounded_rows, store_half, store_words, write_row};
use crate::attention::head::{
    Buffer, HeadPart, Inputs, Projection, QUERY_BLOCK, SavedAttention, Shape, blocks,
};
use crate::attention::operands::{Left, Size, Target};
use crate::attention::pack::{ScaledRows, write_part};
use crate::dropout::keep_bits::{KeepBits, RowBits};
use crate::memory::Bf16;
use crate::parallel::SharedSlice;

/// Keys handled together. Measured, see `docs/decisions/0007-cpu-kernels.md`.
const KEY_BLOCK: usize = 96;
const WORD_BLOCK: usize = KEY_BLOCK / 2;

/// One thread's memory, used for one head after another.
struct Bf16BackwardScratch {
    row: Vec<u32>,
    key_panels: Buffer<u32>,
    value_panels: Buffer<u32>,
    key_pairs: Buffer<u32>,
    key_gradient: Buffer<f32>,
    value_gradient: Buffer<f32>,
    queries: Buffer<u32>,
    query_pairs: Buffer<u32>,
    query_gradient: Buffer<f32>,
    context_gradient: Buffer<u32>,
    context_gradient_pairs: Buffer<u32>,
    block: Block,
    /// Words of two queries: the left operand of a product whose depth are queries.
    probabilities: Buffer<u32>,
    score_gradient: Buffer<u32>,
    /// The same in words of two keys.
    score_gradient_rows: Buffer<u32>,
}

/// A block of queries beside a block of keys.
struct Block {
    scores: Buffer<f32>,
    probability_gradient: Buffer<f32>,
    /// Sum over a query's row of probability times its gradient.
    row_sums: Vec<f32>,
    log_sums: Vec<f32>,
    bits: KeepBits,
}

impl Bf16BackwardScratch {
    fn new(shape: Shape) -> Self {
        let (positions, head, words) = (
            shape.padded_positions(),
            shape.padded_head(),
            words_of_head(shape),
        );
        Self {
            row: vec![0; words],
            key_panels: Buffer::new(positions * words),
            value_panels: Buffer::new(positions * words),
            key_pairs: Buffer::new(positions / 2 * head),
            key_gradient: Buffer::new(positions * head),
            value_gradient: Buffer::new(positions * head),
            queries: Buffer::new(QUERY_BLOCK * words),
            query_pairs: Buffer::new(QUERY_BLOCK / 2 * head),
            query_gradient: Buffer::new(QUERY_BLOCK * head),
            context_gradient: Buffer::new(QUERY_BLOCK * words),
            context_gradient_pairs: Buffer::new(QUERY_BLOCK / 2 * head),
            block: Block {
                scores: Buffer::new(QUERY_BLOCK * KEY_BLOCK),
                probability_gradient: Buffer::new(QUERY_BLOCK * KEY_BLOCK),
                row_sums: vec![0.0; QUERY_BLOCK],
                log_sums: vec![0.0; QUERY_BLOCK],
                bits: KeepBits::new(QUERY_BLOCK, shape.positions),
            },
            probabilities: Buffer::new(QUERY_BLOCK / 2 * KEY_BLOCK),
            score_gradient: Buffer::new(QUERY_BLOCK / 2 * KEY_BLOCK),
            score_gradient_rows: Buffer::new(QUERY_BLOCK * WORD_BLOCK),
        }
    }
}

/// Gradients of queries, keys and values of the heads `heads` (of B N) into `gradient`,
/// [rows, 3D].
#[target_feature(enable = "avx512bf16,avx512vl,avx512dq")]
pub(super) fn backward_heads(
    inputs: &Inputs<'_, Bf16>,
    saved: &SavedAttention<'_, Bf16>,
    gradient: &SharedSlice<'_, Bf16>,
    heads: Range<usize>,
) {
    let shape = inputs.shape;
    let mut scratch = Bf16BackwardScratch::new(shape);
    // A function with target features cannot be passed as one; a closure in such a function can.
    let write_row = |row: &[f32], factor, target: &mut [Bf16]| write_row(row, factor, target);
    for head in heads {
        let all = 0..inputs.length(head);
        load_keys(inputs, &mut scratch, head, &all);
        for queries in blocks(all.end, QUERY_BLOCK) {
            load_queries(inputs, saved, &mut scratch, head, &queries);
            for keys in inputs.key_blocks(head, KEY_BLOCK) {
                backward_block(inputs, &mut scratch, head, &queries, &keys);
            }
            let rows = ScaledRows {
                values: scratch.query_gradient.values(),
                factor: shape.scale(),
            };
            let place = HeadPart {
                head,
                part: Projection::Query,
            };
            write_part(inputs, gradient, place, queries, rows, write_row);
        }
        for (part, rows, factor) in [
            (Projection::Key, &scratch.key_gradient, shape.scale()),
            // The scale of kept probabilities.
            (Projection::Value, &scratch.value_gradient, inputs.dropout_scale()),
        ] {
            let rows = ScaledRows {
                values: rows.values(),
                factor,
            };
            let place = HeadPart { head, part };
            write_part(inputs, gradient, place, all.clone(), rows, write_row);
        }
    }
}

#[inline]
#[target_feature(enable = "avx512bf16,avx512vl,avx512dq")]
fn load_keys(inputs: &Inputs<'_, Bf16>, scratch: &mut Bf16BackwardScratch, head: usize, all: &Range<usize>) {
    let keys = Rows::Projected(inputs, Projection::Key);
    for (rows, target) in [
        (keys, &mut scratch.key_panels),
        (
            Rows::Projected(inputs, Projection::Value),
            &mut scratch.value_panels,
        ),
    ] {
        pack_panels(rows, head, all.end, &mut scratch.row, target.values_mut());
    }
    pack_row_pairs(
        keys,
        head,
        all,
        inputs.shape.padded_head(),
        scratch.key_pairs.values_mut(),
    );
    scratch.key_gradient.values_mut().fill(0.0);
    scratch.value_gradient.values_mut().fill(0.0);
}

/// Queries, the gradients of their outputs, and their row sums.
#[inline]
#[target_feature(enable = "avx512bf16,avx512vl,avx512dq")]
fn load_queries(
    inputs: &Inputs<'_, Bf16>,
    saved: &SavedAttention<'_, Bf16>,
    scratch: &mut Bf16BackwardScratch,
    head: usize,
    queries: &Range<usize>,
) {
    let shape = inputs.shape;
    let (words, padded_head) = (words_of_head(shape), shape.padded_head());
    for (rows, target, pairs) in [
        (
            Rows::Projected(inputs, Projection::Query),
            &mut scratch.queries,
            &mut scratch.query_pairs,
        ),
        (
            Rows::Context(inputs, saved.context_gradient),
            &mut scratch.context_gradient,
            &mut scratch.context_gradient_pairs,
        ),
    ] {
        pack_rows(rows, head, queries, words, target.values_mut());
        pack_row_pairs(rows, head, queries, padded_head, pairs.values_mut());
    }
    // A row that only fills a word up has scores and gradients of 0.
    scratch.block.row_sums.fill(0.0);
    scratch.block.log_sums.fill(0.0);
    let log_sums = &saved.log_sums[inputs.query_rows(head, queries)];
    scratch.block.log_sums[..log_sums.len()].copy_from_slice(log_sums);
    for (position, sum) in queries.clone().zip(&mut scratch.block.row_sums) {
        let range = inputs.context_range(head, position);
        *sum = dot(&saved.context[range.clone()], &saved.context_gradient[range]);
    }
    scratch.query_gradient.values_mut().fill(0.0);
    if let Some(dropout) = inputs.dropout {
        scratch
            .block
            .bits
            .fill(dropout.stream, &inputs.query_rows(head, queries));
    }
}

/// What one block of queries and one block of keys have to do with each other.
#[inline]
#[target_feature(enable = "avx512bf16,avx512vl,avx512dq")]
fn backward_block(
    inputs: &Inputs<'_, Bf16>,
    scratch: &mut Bf16BackwardScratch,
    head: usize,
    queries: &Range<usize>,
    keys: &Range<usize>,
) {
    let (words, padded_head) = (words_of_head(inputs.shape), inputs.shape.padded_head());
    let (num_queries, num_keys, head_size) = (queries.len(), keys.len(), inputs.shape.head_size);
    for (left, right, target) in [
        (&scratch.queries, &scratch.key_panels, &mut scratch.block.scores),
        (
            &scratch.context_gradient,
            &scratch.value_panels,
            &mut scratch.block.probability_gradient,
        ),
    ] {
        multiply(
            Size::new(num_queries, num_keys, words),
            Left::by_rows(left.values(), words),
            panels(right.values(), keys.start, words),
            &mut Target::overwrite(target.values_mut(), KEY_BLOCK),
        );
    }
    for first in (0..num_queries).step_by(2) {
        score_gradient_rows(inputs, scratch, head, first, keys);
    }
    let first = keys.start * padded_head;
    for (left, right, target) in [
        (
            &scratch.probabilities,
            &scratch.context_gradient_pairs,
            &mut scratch.value_gradient,
        ),
        (
            &scratch.score_gradient,
            &scratch.query_pairs,
            &mut scratch.key_gradient,
        ),
    ] {
        multiply(
            Size::new(num_keys, head_size, num_queries.div_ceil(2)),
            Left::transposed(left.values(), KEY_BLOCK),
            row_pairs(right.values(), 0, padded_head),
            &mut Target::add(&mut target.values_mut()[first..], padded_head),
        );
    }
    multiply(
        Size::new(num_queries, head_size, num_keys.div_ceil(2)),
        Left::by_rows(scratch.score_gradient_rows.values(), WORD_BLOCK),
        row_pairs(scratch.key_pairs.values(), keys.start, padded_head),
        &mut Target::add(scratch.query_gradient.values_mut(), padded_head),
    );
}

/// What scores and the gradients of kept probabilities are multiplied by.
#[derive(Clone, Copy)]
struct Scales {
    score: __m512,
    /// That of dropout.
    kept: __m512,
}

/// One query's scores and what belongs to them.
struct Query<'a> {
    scores: &'a [[f32; LANES]],
    probability_gradient: &'a [[f32; LANES]],
    bits: Option<RowBits<'a>>,
    log_sum: __m512,
    row_sum: __m512,
}

impl<'a> Query<'a> {
    /// The query `row` of the block; `keys`: those beside it.
    #[inline]
    #[target_feature(enable = "avx512bf16,avx512vl,avx512dq")]
    fn of(block: &'a Block, row: usize, keys: &Range<usize>, has_dropout: bool) -> Self {
        let range = row * KEY_BLOCK..(row + 1) * KEY_BLOCK;
        let num_chunks = keys.len().div_ceil(LANES);
        Self {
            scores: &block.scores.values()[range.clone()].as_chunks().0[..num_chunks],
            probability_gradient: &block.probability_gradient.values()[range].as_chunks().0[..num_chunks],
            bits: has_dropout.then(|| block.bits.row(row, keys.start)),
            log_sum: _mm512_set1_ps(block.log_sums[row]),
            row_sum: _mm512_set1_ps(block.row_sums[row]),
        }
    }

    /// The kept probabilities of chunk `chunk` and the gradients of its scores.
    #[inline]
    #[target_feature(enable = "avx512bf16,avx512vl,avx512dq")]
    fn chunk(&self, chunk: usize, bias: __m512, scales: Scales) -> [__m512; 2] {
        let score = _mm512_fmadd_ps(load(&self.scores[chunk]), scales.score, bias);
        let probability = exp2(_mm512_sub_ps(score, self.log_sum));
        let gradient = load(&self.probability_gradient[chunk]);
        let (kept_probability, gradient) = match self.bits {
            Some(bits) => {
                let lanes = kept(bits, chunk);
                (
                    _mm512_maskz_mov_ps(lanes, probability),
                    _mm512_maskz_mov_ps(lanes, gradient),
                )
            }
            None => (probability, gradient),
        };
        let gradient = _mm512_fmsub_ps(gradient, scales.kept, self.row_sum);
        [kept_probability, _mm512_mul_ps(probability, gradient)]
    }
}

/// Scores of two rows become the kept probabilities, gradients of kept probabilities become
/// gradients of scores. The second row may lie beyond the last query.
#[inline]
#[target_feature(enable = "avx512bf16,avx512vl,avx512dq")]
fn score_gradient_rows(
    inputs: &Inputs<'_, Bf16>,
    scratch: &mut Bf16BackwardScratch,
    head: usize,
    first: usize,
    keys: &Range<usize>,
) {
    let num_chunks = keys.len().div_ceil(LANES);
    let bias = &inputs.bias(head)[keys.start..].as_chunks::<LANES>().0[..num_chunks];
    let has_dropout = inputs.dropout.is_some();
    let upper = Query::of(&scratch.block, first, keys, has_dropout);
    let lower = Query::of(&scratch.block, first + 1, keys, has_dropout);
    let words = first / 2 * KEY_BLOCK..(first / 2 + 1) * KEY_BLOCK;
    let probabilities = &mut scratch.probabilities.values_mut()[words.clone()];
    let gradients = &mut scratch.score_gradient.values_mut()[words];
    let by_keys = &mut scratch.score_gradient_rows.values_mut()[first * WORD_BLOCK..(first + 2) * WORD_BLOCK];
    let (upper_by_keys, lower_by_keys) = by_keys.split_at_mut(WORD_BLOCK);
    let by_keys = upper_by_keys
        .as_chunks_mut()
        .0
        .iter_mut()
        .zip(lower_by_keys.as_chunks_mut().0);
    let targets = probabilities
        .as_chunks_mut()
        .0
        .iter_mut()
        .zip(gradients.as_chunks_mut().0)
        .zip(by_keys);
    let scales = Scales {
        score: _mm512_set1_ps(binary_scale(inputs.shape)),
        kept: _mm512_set1_ps(inputs.dropout_scale()),
    };
    for ((chunk, bias), ((probabilities, gradients), by_keys)) in bias.iter().enumerate().zip(targets) {
        let bias = load(bias);
        let [upper_kept, upper_gradient] = upper.chunk(chunk, bias, scales);
        let [lower_kept, lower_gradient] = lower.chunk(chunk, bias, scales);
        store_words(rounded_rows(upper_kept, lower_kept), probabilities);
        let rounded = rounded_rows(upper_gradient, lower_gradient);
        store_words(rounded, gradients);
        store_half(_mm512_castsi512_si256(rounded), by_keys.0);
        store_half(_mm512_extracti64x4_epi64::<1>(rounded), by_keys.1);
    }
}
