//! Backward pass: probabilities are made anew from the scores and the saved row sums.
//!
//! Dao et al., "`FlashAttention`", arXiv 2205.14135, algorithm 4 and appendix B.2, with queries
//! in the outer loop, so that a block's dropout bits are made once.
//!
//! B sequences, T positions, D hidden, N heads, H per head.

#![expect(unsafe_code, reason = "heads write disjoint parts of the gradient")]
#![expect(
    clippy::inline_always,
    reason = "a function is compiled for AVX2 by being inlined into one that is"
)]

use std::ops::Range;

use super::head::{Buffer, Inputs, Part, QUERY_BLOCK, Shape, blocks, pack_panels, pack_rows, panels, rows};
use super::product::{Into, Left, Right, Size, Target, multiply};
use crate::keep_bits::{KeepBits, word};
use crate::lanes::{Lanes, WIDTH};
use crate::parallel::SharedSlice;

/// Keys handled together. Measured, see `docs/decisions/0007-cpu-kernels.md`.
const KEY_BLOCK: usize = 96;

/// What the forward pass left and what comes back through it.
#[derive(Clone, Copy)]
pub(crate) struct Saved<'a, T> {
    /// [rows, D].
    pub(super) context: &'a [T],
    /// [rows, D].
    pub(super) context_gradient: &'a [T],
    /// [B, N, T].
    pub(super) log_sums: &'a [f32],
}

/// One thread's memory, used for one head after another.
struct Scratch {
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

impl Scratch {
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
    saved: &Saved<'_, f32>,
    gradient: &SharedSlice<'_, f32>,
    heads: Range<usize>,
) {
    let shape = inputs.shape;
    let padded_head = shape.padded_head();
    let mut scratch = Scratch::new(shape);
    for head in heads {
        let length = inputs.length(head);
        let part = |part| (0..length).map(move |position| inputs.part(head, position, part));
        pack_panels(part(Part::Key), shape.head_size, scratch.key_panels.values_mut());
        pack_panels(
            part(Part::Value),
            shape.head_size,
            scratch.value_panels.values_mut(),
        );
        pack_rows(part(Part::Key), padded_head, 1.0, scratch.keys.values_mut());
        scratch.key_gradient.values_mut().fill(0.0);
        scratch.value_gradient.values_mut().fill(0.0);
        for queries in blocks(length, QUERY_BLOCK) {
            load_queries::<L>(inputs, saved, &mut scratch, head, &queries);
            for keys in inputs.key_blocks(head, KEY_BLOCK) {
                backward_block::<L>(inputs, saved, &mut scratch, head, (&queries, &keys));
            }
            let rows = scratch.query_gradient.values();
            write_rows(
                inputs,
                (rows, shape.scale()),
                gradient,
                (head, Part::Query),
                queries,
            );
        }
        let all = 0..length;
        let (keys, values) = (scratch.key_gradient.values(), scratch.value_gradient.values());
        write_rows(inputs, (keys, 1.0), gradient, (head, Part::Key), all.clone());
        write_rows(inputs, (values, 1.0), gradient, (head, Part::Value), all);
    }
}

/// Queries, the gradients of their outputs, and their row sums.
#[inline(always)]
fn load_queries<L: Lanes>(
    inputs: &Inputs<'_, f32>,
    saved: &Saved<'_, f32>,
    scratch: &mut Scratch,
    head: usize,
    queries: &Range<usize>,
) {
    let shape = inputs.shape;
    let padded_head = shape.padded_head();
    let query_rows = queries
        .clone()
        .map(|position| inputs.part(head, position, Part::Query));
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
    if let Some((stream, _)) = inputs.dropout {
        scratch.bits.fill(stream, &inputs.query_rows(head, queries));
    }
}

/// Sums over each query's output times its gradient, eight queries at a time. Added up in the
/// order of the products' depth: where a query has one key alone, what is subtracted from the
/// gradient of its probability is then that gradient, and the score's gradient exactly 0.
#[inline(always)]
fn row_sums<L: Lanes>(
    inputs: &Inputs<'_, f32>,
    saved: &Saved<'_, f32>,
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
    saved: &Saved<'_, f32>,
    scratch: &mut Scratch,
    head: usize,
    (queries, keys): (&Range<usize>, &Range<usize>),
) {
    let (head_size, padded_head) = (inputs.shape.head_size, inputs.shape.padded_head());
    for (left, right, target) in [
        (&scratch.queries, &scratch.key_panels, &mut scratch.probabilities),
        (
            &scratch.context_gradient,
            &scratch.value_panels,
            &mut scratch.score_gradient,
        ),
    ] {
        multiply::<L>(
            Size {
                rows: queries.len(),
                columns: keys.len(),
                depth: head_size,
            },
            Left {
                values: left.values(),
                row_stride: padded_head,
                depth_stride: 1,
            },
            panels(right.values(), keys.start, head_size),
            &mut Target {
                values: target.values_mut(),
                row_stride: KEY_BLOCK,
                into: Into::Overwrite,
            },
        );
    }
    for row in 0..queries.len() {
        let log_sum = saved.log_sums[head * inputs.shape.positions + queries.start + row];
        score_gradient_row::<L>(inputs, scratch, head, (row, log_sum), keys);
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
            Size {
                rows: keys.len(),
                columns: head_size,
                depth: queries.len(),
            },
            Left {
                values: left.values(),
                row_stride: 1,
                depth_stride: KEY_BLOCK,
            },
            rows(right.values(), 0, padded_head),
            &mut Target {
                values: &mut target.values_mut()[first..],
                row_stride: padded_head,
                into: Into::Add,
            },
        );
    }
    let keys_as_right: Right<'_, f32> = rows(scratch.keys.values(), keys.start, padded_head);
    multiply::<L>(
        Size {
            rows: queries.len(),
            columns: head_size,
            depth: keys.len(),
        },
        Left {
            values: scratch.score_gradient.values(),
            row_stride: KEY_BLOCK,
            depth_stride: 1,
        },
        keys_as_right,
        &mut Target {
            values: scratch.query_gradient.values_mut(),
            row_stride: padded_head,
            into: Into::Add,
        },
    );
}

/// Scores of one row become the kept probabilities, gradients of kept probabilities become
/// gradients of scores.
#[inline(always)]
fn score_gradient_row<L: Lanes>(
    inputs: &Inputs<'_, f32>,
    scratch: &mut Scratch,
    head: usize,
    (row, log_sum): (usize, f32),
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
        let (bytes, shift) = scratch.bits.row(row, keys.start);
        let selector = L::selector(shift);
        for (chunk, ((scores, gradients), bias)) in chunks.enumerate() {
            let word = word(bytes, chunk);
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

/// Writes rows of H numbers, times a factor, into their part of the gradient.
#[inline(always)]
fn write_rows(
    inputs: &Inputs<'_, f32>,
    (rows, factor): (&[f32], f32),
    gradient: &SharedSlice<'_, f32>,
    (head, part): (usize, Part),
    positions: Range<usize>,
) {
    for (position, row) in positions.zip(rows.chunks_exact(inputs.shape.padded_head())) {
        // SAFETY: a head's rows belong to the one thread that has the head, which takes them one
        // after another.
        let target = unsafe { gradient.part(inputs.part_range(head, position, part)) };
        for (target, value) in target.iter_mut().zip(row) {
            *target = value * factor;
        }
    }
}
