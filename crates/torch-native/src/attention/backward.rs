//! Backward pass: probabilities are made anew from the scores and the saved row sums.
//!
//! Dao et al., "`FlashAttention`", arXiv 2205.14135, algorithm 4 and appendix B.2, with queries
//! in the outer loop, so that a block's dropout bits are made once.
//!
//! B sequences, T positions, D hidden, N heads, H per head.

#![expect(
    clippy::inline_always,
    reason = "a function is compiled for AVX2 by being inlined into one that is"
)]

use std::ops::Range;

use super::head::{Buffer, HeadPart, Inputs, Projection, QUERY_BLOCK, SavedAttention, Shape, blocks};
use super::operands::{Left, Size, Target};
use super::pack::{ScaledRows, pack_panels, pack_rows, panels, rows, write_part, write_row};
use super::product::multiply;
use crate::dropout::keep_bits::KeepBits;
use crate::lanes::{Lanes, WIDTH};
use crate::parallel::SharedSlice;

/// Keys handled together. Measured, see `docs/decisions/0007-cpu-kernels.md`.
const KEY_BLOCK: usize = 96;

/// One thread's memory, used for one head after another.
struct BackwardScratch {
    key_panels: Buffer<f32>,
    value_panels: Buffer<f32>,
    keys: Buffer<f32>,
    key_gradient: Buffer<f32>,
    value_gradient: Buffer<f32>,
    queries: Buffer<f32>,
    query_gradient: Buffer<f32>,
    context_gradient: Buffer<f32>,
    probabilities: Buffer<f32>,
    score_gradient: Buffer<f32>,
    /// Sum over a row of probability times its gradient.
    row_sums: Vec<f32>,
    bits: KeepBits,
}

impl BackwardScratch {
    fn new(shape: Shape) -> Self {
        let (positions, head) = (shape.padded_positions(), shape.padded_head());
        Self {
            key_panels: Buffer::new(positions * shape.head_size),
            value_panels: Buffer::new(positions * shape.head_size),
            keys: Buffer::new(positions * head),
            key_gradient: Buffer::new(positions * head),
            value_gradient: Buffer::new(positions * head),
            queries: Buffer::new(QUERY_BLOCK * head),
            query_gradient: Buffer::new(QUERY_BLOCK * head),
            context_gradient: Buffer::new(QUERY_BLOCK * head),
            probabilities: Buffer::new(QUERY_BLOCK * KEY_BLOCK),
            score_gradient: Buffer::new(QUERY_BLOCK * KEY_BLOCK),
            row_sums: vec![0.0; QUERY_BLOCK],
            bits: KeepBits::new(QUERY_BLOCK, shape.positions),
        }
    }
}

/// Gradients of queries, keys and values of the heads `heads` (of B N) into `gradient`,
/// [rows, 3D].
#[inline(always)]
pub(super) fn backward_heads<L: Lanes>(
    inputs: &Inputs<'_, f32>,
    saved: &SavedAttention<'_, f32>,
    gradient: &SharedSlice<'_, f32>,
    heads: Range<usize>,
) {
    let shape = inputs.shape;
    let padded_head = shape.padded_head();
    let mut scratch = BackwardScratch::new(shape);
    for head in heads {
        let length = inputs.length(head);
        let part = |part| (0..length).map(move |position| inputs.part(head, position, part));
        pack_panels(
            part(Projection::Key),
            shape.head_size,
            scratch.key_panels.values_mut(),
        );
        pack_panels(
            part(Projection::Value),
            shape.head_size,
            scratch.value_panels.values_mut(),
        );
        pack_rows(part(Projection::Key), padded_head, 1.0, scratch.keys.values_mut());
        scratch.key_gradient.values_mut().fill(0.0);
        scratch.value_gradient.values_mut().fill(0.0);
        for queries in blocks(length, QUERY_BLOCK) {
            load_queries::<L>(inputs, saved, &mut scratch, head, &queries);
            for keys in inputs.key_blocks(head, KEY_BLOCK) {
                backward_block::<L>(inputs, saved, &mut scratch, head, &queries, &keys);
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
        for (part, rows) in [
            (Projection::Key, &scratch.key_gradient),
            (Projection::Value, &scratch.value_gradient),
        ] {
            let rows = ScaledRows {
                values: rows.values(),
                factor: 1.0,
            };
            let place = HeadPart { head, part };
            write_part(inputs, gradient, place, 0..length, rows, write_row);
        }
    }
}

/// Queries, the gradients of their outputs, and their row sums.
#[inline(always)]
fn load_queries<L: Lanes>(
    inputs: &Inputs<'_, f32>,
    saved: &SavedAttention<'_, f32>,
    scratch: &mut BackwardScratch,
    head: usize,
    queries: &Range<usize>,
) {
    let shape = inputs.shape;
    let padded_head = shape.padded_head();
    let query_rows = queries
        .clone()
        .map(|position| inputs.part(head, position, Projection::Query));
    pack_rows(
        query_rows,
        padded_head,
        shape.scale(),
        scratch.queries.values_mut(),
    );
    let gradient_rows = queries
        .clone()
        .map(|position| &saved.context_gradient[inputs.context_range(head, position)]);
    // The scale of kept probabilities goes into their gradients here.
    pack_rows(
        gradient_rows,
        padded_head,
        inputs.dropout_scale(),
        scratch.context_gradient.values_mut(),
    );
    row_sums::<L>(inputs, saved, head, queries, &mut scratch.row_sums);
    scratch.query_gradient.values_mut().fill(0.0);
    if let Some(dropout) = inputs.dropout {
        scratch
            .bits
            .fill(dropout.stream, &inputs.query_rows(head, queries));
    }
}

/// Sums over each query's output times its gradient, eight queries at a time. Added up in the
/// order of the products' depth: where a query has one key alone, what is subtracted from the
/// gradient of its probability is then that gradient, and the score's gradient exactly 0.
#[inline(always)]
fn row_sums<L: Lanes>(
    inputs: &Inputs<'_, f32>,
    saved: &SavedAttention<'_, f32>,
    head: usize,
    queries: &Range<usize>,
    sums: &mut [f32],
) {
    let sums = sums.as_chunks_mut::<WIDTH>().0.iter_mut();
    for (first, sums) in queries.clone().step_by(WIDTH).zip(sums) {
        let starts: [usize; WIDTH] = std::array::from_fn(|lane| {
            let position = (first + lane).min(queries.end - 1);
            inputs.context_range(head, position).start
        });
        let mut sum = L::splat(0.0);
        for depth in 0..inputs.shape.head_size {
            let context = starts.map(|start| saved.context[start + depth]);
            let gradient = starts.map(|start| saved.context_gradient[start + depth]);
            sum = L::load(&gradient).times_plus(L::load(&context), sum);
        }
        sum.store(sums);
    }
}

/// What one block of queries and one block of keys have to do with each other.
#[inline(always)]
fn backward_block<L: Lanes>(
    inputs: &Inputs<'_, f32>,
    saved: &SavedAttention<'_, f32>,
    scratch: &mut BackwardScratch,
    head: usize,
    queries: &Range<usize>,
    keys: &Range<usize>,
) {
    let (head_size, padded_head) = (inputs.shape.head_size, inputs.shape.padded_head());
    let (num_queries, num_keys) = (queries.len(), keys.len());
    for (left, right, target) in [
        (&scratch.queries, &scratch.key_panels, &mut scratch.probabilities),
        (
            &scratch.context_gradient,
            &scratch.value_panels,
            &mut scratch.score_gradient,
        ),
    ] {
        multiply::<L>(
            Size::new(num_queries, num_keys, head_size),
            Left::by_rows(left.values(), padded_head),
            panels(right.values(), keys.start, head_size),
            &mut Target::overwrite(target.values_mut(), KEY_BLOCK),
        );
    }
    for row in 0..num_queries {
        let log_sum = saved.log_sums[head * inputs.shape.positions + queries.start + row];
        score_gradient_row::<L>(inputs, scratch, head, row, log_sum, keys);
    }
    let first = keys.start * padded_head;
    for (left, right, target) in [
        (
            &scratch.probabilities,
            &scratch.context_gradient,
            &mut scratch.value_gradient,
        ),
        (
            &scratch.score_gradient,
            &scratch.queries,
            &mut scratch.key_gradient,
        ),
    ] {
        multiply::<L>(
            Size::new(num_keys, head_size, num_queries),
            Left::transposed(left.values(), KEY_BLOCK),
            rows(right.values(), 0, padded_head),
            &mut Target::add(&mut target.values_mut()[first..], padded_head),
        );
    }
    multiply::<L>(
        Size::new(num_queries, head_size, num_keys),
        Left::by_rows(scratch.score_gradient.values(), KEY_BLOCK),
        rows(scratch.keys.values(), keys.start, padded_head),
        &mut Target::add(scratch.query_gradient.values_mut(), padded_head),
    );
}

/// Scores of one row become the kept probabilities, gradients of kept probabilities become
/// gradients of scores.
#[inline(always)]
fn score_gradient_row<L: Lanes>(
    inputs: &Inputs<'_, f32>,
    scratch: &mut BackwardScratch,
    head: usize,
    row: usize,
    log_sum: f32,
    keys: &Range<usize>,
) {
    let padded = keys.len().next_multiple_of(WIDTH);
    let (bias, _) = inputs.bias(head)[keys.start..][..padded].as_chunks::<WIDTH>();
    let range = row * KEY_BLOCK..row * KEY_BLOCK + padded;
    let (scores, _) = scratch.probabilities.values_mut()[range.clone()].as_chunks_mut::<WIDTH>();
    let (gradients, _) = scratch.score_gradient.values_mut()[range].as_chunks_mut::<WIDTH>();
    let (log_sum, row_sum) = (L::splat(log_sum), L::splat(scratch.row_sums[row]));
    let chunks = scores.iter_mut().zip(gradients).zip(bias);
    if inputs.dropout.is_some() {
        let bits = scratch.bits.row(row, keys.start);
        let selector = L::selector(bits.shift);
        for (chunk, ((scores, gradients), bias)) in chunks.enumerate() {
            let word = bits.word(chunk);
            let probabilities = L::load(scores).plus(L::load(bias)).minus(log_sum).exp();
            probabilities.keep(word, selector).store(scores);
            let gradient = L::load(gradients).keep(word, selector);
            probabilities.times(gradient.minus(row_sum)).store(gradients);
        }
    } else {
        for ((scores, gradients), bias) in chunks {
            let probabilities = L::load(scores).plus(L::load(bias)).minus(log_sum).exp();
            probabilities.store(scores);
            let gradient = L::load(gradients).minus(row_sum);
            probabilities.times(gradient).store(gradients);
        }
    }
}
