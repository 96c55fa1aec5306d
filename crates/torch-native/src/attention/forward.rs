//! Forward pass: attention of whole heads, one block of keys at a time.
//!
//! Milakov and Gimelshein, "Online normalizer calculation for softmax", arXiv 1805.02867,
//! algorithm 3; Dao et al., "`FlashAttention`", arXiv 2205.14135, algorithm 2.
//!
//! B sequences, T positions, D hidden, N heads, H per head.

#![expect(unsafe_code, reason = "heads write disjoint parts of the outputs")]
#![expect(
    clippy::inline_always,
    reason = "a function is compiled for AVX2 by being inlined into one that is"
)]

use std::ops::Range;

use super::head::{Buffer, Inputs, Part, QUERY_BLOCK, Shape, blocks, pack_panels, pack_rows, panels, rows};
use super::product::{Into, Left, Size, Target, multiply};
use crate::keep_bits::{KeepBits, word};
use crate::lanes::{Lanes, WIDTH};
use crate::parallel::SharedSlice;

/// Keys handled together. Measured, see `docs/decisions/0007-cpu-kernels.md`.
const KEY_BLOCK: usize = 192;

/// What the pass writes.
pub(crate) struct Outputs<'a, T> {
    /// [rows, D].
    pub(super) context: SharedSlice<'a, T>,
    /// [B, N, T]: logarithm of the sum of the exponentials of a row's scores, to the base that the
    /// kernel's backward pass reads.
    pub(super) log_sums: SharedSlice<'a, f32>,
}

/// One thread's memory, used for one head after another.
struct Scratch {
    keys: Buffer<f32>,
    values: Buffer<f32>,
    queries: Buffer<f32>,
    scores: Buffer<f32>,
    context: Buffer<f32>,
    largest: Vec<f32>,
    sums: Vec<f32>,
    bits: KeepBits,
}

impl Scratch {
    fn new(shape: Shape) -> Self {
        let (positions, head) = (shape.padded_positions(), shape.padded_head());
        Self {
            keys: Buffer::new(positions * shape.head_size),
            values: Buffer::new(positions * head),
            queries: Buffer::new(QUERY_BLOCK * head),
            scores: Buffer::new(QUERY_BLOCK * KEY_BLOCK),
            context: Buffer::new(QUERY_BLOCK * head),
            largest: vec![0.0; QUERY_BLOCK],
            sums: vec![0.0; QUERY_BLOCK],
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
    let mut scratch = Scratch::new(shape);
    for head in heads {
        let length = inputs.length(head);
        let part = |part| (0..length).map(move |position| inputs.part(head, position, part));
        pack_panels(part(Part::Key), shape.head_size, scratch.keys.values_mut());
        pack_rows(
            part(Part::Value),
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
    scratch: &mut Scratch,
    head: usize,
    queries: Range<usize>,
) {
    let shape = inputs.shape;
    let (head_size, padded_head) = (shape.head_size, shape.padded_head());
    let query_rows = queries
        .clone()
        .map(|position| inputs.part(head, position, Part::Query));
    pack_rows(
        query_rows,
        padded_head,
        shape.scale(),
        scratch.queries.values_mut(),
    );
    if let Some((stream, _)) = inputs.dropout {
        scratch.bits.fill(stream, &inputs.query_rows(head, &queries));
    }
    scratch.largest.fill(f32::NEG_INFINITY);
    scratch.sums.fill(0.0);
    scratch.context.values_mut().fill(0.0);
    for keys in inputs.key_blocks(head, KEY_BLOCK) {
        multiply::<L>(
            Size {
                rows: queries.len(),
                columns: keys.len(),
                depth: head_size,
            },
            Left {
                values: scratch.queries.values(),
                row_stride: padded_head,
                depth_stride: 1,
            },
            panels(scratch.keys.values(), keys.start, head_size),
            &mut Target {
                values: scratch.scores.values_mut(),
                row_stride: KEY_BLOCK,
                into: Into::Overwrite,
            },
        );
        for row in 0..queries.len() {
            softmax_row::<L>(inputs, scratch, head, row, &keys);
        }
        multiply::<L>(
            Size {
                rows: queries.len(),
                columns: head_size,
                depth: keys.len(),
            },
            Left {
                values: scratch.scores.values(),
                row_stride: KEY_BLOCK,
                depth_stride: 1,
            },
            rows(scratch.values.values(), keys.start, padded_head),
            &mut Target {
                values: scratch.context.values_mut(),
                row_stride: padded_head,
                into: Into::Add,
            },
        );
    }
    write_block(inputs, outputs, scratch, head, queries);
}

/// Scores of one row and block become exponentials under the row's largest score so far; what
/// earlier blocks added is brought under the same.
#[inline(always)]
fn softmax_row<L: Lanes>(
    inputs: &Inputs<'_, f32>,
    scratch: &mut Scratch,
    head: usize,
    row: usize,
    keys: &Range<usize>,
) {
    let padded = keys.len().next_multiple_of(WIDTH);
    let bias = &inputs.bias(head)[keys.start..][..padded];
    let (bias, _) = bias.as_chunks::<WIDTH>();
    let scores = &mut scratch.scores.values_mut()[row * KEY_BLOCK..][..padded];
    let (scores, _) = scores.as_chunks_mut::<WIDTH>();
    let before = scratch.largest[row];
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
        scratch.largest[row] = now;
        scratch.sums[row] *= shrink;
        for value in &mut scratch.context.values_mut()[row * head_size..][..head_size] {
            *value *= shrink;
        }
    }
    let now = L::splat(now);
    let mut sum = L::splat(0.0);
    if inputs.dropout.is_some() {
        let (bytes, shift) = scratch.bits.row(row, keys.start);
        let selector = L::selector(shift);
        for (chunk, scores) in scores.iter_mut().enumerate() {
            let exponentials = L::load(scores).minus(now).exp();
            sum = sum.plus(exponentials);
            exponentials.keep(word(bytes, chunk), selector).store(scores);
        }
    } else {
        for scores in scores.iter_mut() {
            let exponentials = L::load(scores).minus(now).exp();
            sum = sum.plus(exponentials);
            exponentials.store(scores);
        }
    }
    scratch.sums[row] += sum.sum();
}

#[inline(always)]
fn write_block(
    inputs: &Inputs<'_, f32>,
    outputs: &Outputs<'_, f32>,
    scratch: &Scratch,
    head: usize,
    queries: Range<usize>,
) {
    let shape = inputs.shape;
    // SAFETY: a head's rows belong to the one thread that has the head, which takes them once.
    let log_sums = unsafe { outputs.log_sums.part(inputs.query_rows(head, &queries)) };
    let rows = scratch.context.values().chunks_exact(shape.padded_head());
    let statistics = scratch.largest.iter().zip(&scratch.sums);
    for (((position, log_sum), row), (largest, sum)) in queries.zip(log_sums).zip(rows).zip(statistics) {
        let factor = inputs.dropout_scale() / sum;
        // SAFETY: as above.
        let context = unsafe { outputs.context.part(inputs.context_range(head, position)) };
        for (target, value) in context.iter_mut().zip(row) {
            *target = value * factor;
        }
        *log_sum = largest + sum.ln();
    }
}
