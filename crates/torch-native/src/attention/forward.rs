//! Forward pass: attention of whole heads, one block of keys at a time.
//!
//! Milakov and Gimelshein, "Online normalizer calculation for softmax", arXiv 1805.02867,
//! algorithm 3; Dao et al., "`FlashAttention`", arXiv 2205.14135, algorithm 2.
//!
//! B sequences, T positions, D hidden, N heads, H per head.

#![expect(
    clippy::inline_always,
    reason = "a function is compiled for AVX2 by being inlined into one that is"
)]

use std::ops::Range;

use super::head::{Buffer, Inputs, Outputs, Projection, QUERY_BLOCK, Shape, blocks};
use super::operands::{Left, Size, Target};
use super::pack::{pack_panels, pack_rows, panels, rows, write_row};
use super::product::multiply;
use super::softmax_rows::SoftmaxRows;
use crate::dropout::keep_bits::KeepBits;
use crate::lanes::{Lanes, WIDTH};

/// Keys handled together. Measured, see `docs/decisions/0007-cpu-kernels.md`.
const KEY_BLOCK: usize = 192;

/// One thread's memory, used for one head after another.
struct ForwardScratch {
    keys: Buffer<f32>,
    values: Buffer<f32>,
    queries: Buffer<f32>,
    scores: Buffer<f32>,
    rows: SoftmaxRows,
    bits: KeepBits,
}

impl ForwardScratch {
    fn new(shape: Shape) -> Self {
        let (positions, head) = (shape.padded_positions(), shape.padded_head());
        Self {
            keys: Buffer::new(positions * shape.head_size),
            values: Buffer::new(positions * head),
            queries: Buffer::new(QUERY_BLOCK * head),
            scores: Buffer::new(QUERY_BLOCK * KEY_BLOCK),
            rows: SoftmaxRows::new(shape),
            bits: KeepBits::new(QUERY_BLOCK, shape.positions),
        }
    }
}

/// Attention of the heads `heads` (of B N).
#[inline(always)]
pub(super) fn forward_heads<L: Lanes>(
    inputs: &Inputs<'_, f32>,
    outputs: &Outputs<'_, f32>,
    heads: Range<usize>,
) {
    let shape = inputs.shape;
    let mut scratch = ForwardScratch::new(shape);
    for head in heads {
        let length = inputs.length(head);
        let part = |part| (0..length).map(move |position| inputs.part(head, position, part));
        pack_panels(part(Projection::Key), shape.head_size, scratch.keys.values_mut());
        pack_rows(
            part(Projection::Value),
            shape.padded_head(),
            1.0,
            scratch.values.values_mut(),
        );
        for queries in blocks(length, QUERY_BLOCK) {
            forward_block::<L>(inputs, outputs, &mut scratch, head, queries);
        }
    }
}

#[inline(always)]
fn forward_block<L: Lanes>(
    inputs: &Inputs<'_, f32>,
    outputs: &Outputs<'_, f32>,
    scratch: &mut ForwardScratch,
    head: usize,
    queries: Range<usize>,
) {
    let shape = inputs.shape;
    let (head_size, padded_head) = (shape.head_size, shape.padded_head());
    let query_rows = queries
        .clone()
        .map(|position| inputs.part(head, position, Projection::Query));
    pack_rows(
        query_rows,
        padded_head,
        shape.scale(),
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
        multiply::<L>(
            Size::new(num_queries, num_keys, head_size),
            Left::by_rows(scratch.queries.values(), padded_head),
            panels(scratch.keys.values(), keys.start, head_size),
            &mut Target::overwrite(scratch.scores.values_mut(), KEY_BLOCK),
        );
        for row in 0..num_queries {
            softmax_row::<L>(inputs, scratch, head, row, &keys);
        }
        multiply::<L>(
            Size::new(num_queries, head_size, num_keys),
            Left::by_rows(scratch.scores.values(), KEY_BLOCK),
            rows(scratch.values.values(), keys.start, padded_head),
            &mut Target::add(scratch.rows.context.values_mut(), padded_head),
        );
    }
    let rows = &scratch.rows;
    rows.write_log_sums(inputs, outputs, head, &queries, f32::ln);
    rows.write_context(inputs, outputs, head, queries, write_row);
}

/// Scores of one row and block become exponentials under the row's largest score so far; what
/// earlier blocks added is brought under the same.
#[inline(always)]
fn softmax_row<L: Lanes>(
    inputs: &Inputs<'_, f32>,
    scratch: &mut ForwardScratch,
    head: usize,
    row: usize,
    keys: &Range<usize>,
) {
    let padded = keys.len().next_multiple_of(WIDTH);
    let bias = &inputs.bias(head)[keys.start..][..padded];
    let (bias, _) = bias.as_chunks::<WIDTH>();
    let scores = &mut scratch.scores.values_mut()[row * KEY_BLOCK..][..padded];
    let (scores, _) = scores.as_chunks_mut::<WIDTH>();
    let before = scratch.rows.largest[row];
    let mut largest = L::splat(before);
    for (scores, bias) in scores.iter_mut().zip(bias) {
        let biased = L::load(scores).plus(L::load(bias));
        biased.store(scores);
        largest = largest.maximum(biased);
    }
    let now = largest.largest();
    if now > before {
        let head_size = inputs.shape.padded_head();
        let shrink = (before - now).exp();
        scratch.rows.largest[row] = now;
        scratch.rows.sums[row] *= shrink;
        for value in &mut scratch.rows.context.values_mut()[row * head_size..][..head_size] {
            *value *= shrink;
        }
    }
    let now = L::splat(now);
    let mut sum = L::splat(0.0);
    if inputs.dropout.is_some() {
        let bits = scratch.bits.row(row, keys.start);
        let selector = L::selector(bits.shift);
        for (chunk, scores) in scores.iter_mut().enumerate() {
            let exponentials = L::load(scores).minus(now).exp();
            sum = sum.plus(exponentials);
            exponentials.keep(bits.word(chunk), selector).store(scores);
        }
    } else {
        for scores in scores.iter_mut() {
            let exponentials = L::load(scores).minus(now).exp();
            sum = sum.plus(exponentials);
            exponentials.store(scores);
        }
    }
    scratch.rows.sums[row] += sum.sum();
}
