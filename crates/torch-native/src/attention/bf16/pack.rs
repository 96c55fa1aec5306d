//! One head's rows as words of two bf16, in the three orders that products read.
//!
//! B sequences, T positions, D hidden, N heads, H per head.

#![expect(
    clippy::inline_always,
    reason = "a function is compiled for AVX-512 by being inlined into one that is"
)]

use std::ops::Range;

use crate::attention::head::{Inputs, POSITION_UNIT, Projection, Shape};
use crate::attention::operands::{PANEL, Right};
use crate::memory::Bf16;

/// Words that a row of H numbers takes.
pub(super) fn words_of_head(shape: Shape) -> usize {
    shape.head_size.div_ceil(2)
}

/// Both numbers in one word, the first in its lower half.
#[inline(always)]
fn word(first: Bf16, second: Bf16) -> u32 {
    u32::from(first.0) | u32::from(second.0) << 16
}

/// The words of a row, in order.
#[inline(always)]
fn row_words(row: &[Bf16], target: &mut [u32]) {
    if let Some(last) = target.last_mut() {
        *last = 0;
    }
    let bytes = size_of_val(row).min(size_of_val(target));
    // SAFETY: both have so many bytes, and the processor keeps the first half of a word first.
    unsafe { std::ptr::copy_nonoverlapping(row.as_ptr().cast::<u8>(), target.as_mut_ptr().cast(), bytes) };
}

/// Rows of one head that are packed.
#[derive(Clone, Copy)]
pub(super) enum Rows<'a> {
    /// Of the fused projection.
    Projected(&'a Inputs<'a, Bf16>, Projection),
    /// Of a tensor [rows, D].
    Context(&'a Inputs<'a, Bf16>, &'a [Bf16]),
}

impl<'a> Rows<'a> {
    #[inline(always)]
    fn row(self, head: usize, position: usize) -> &'a [Bf16] {
        match self {
            Self::Projected(inputs, part) => inputs.part(head, position, part),
            Self::Context(inputs, values) => &values[inputs.context_range(head, position)],
        }
    }
}

/// Row after row, pairs along the row: the left operand of a product whose depth is H. Rows up to
/// the next whole unit become 0.
#[inline(always)]
pub(super) fn pack_rows(
    rows: Rows<'_>,
    head: usize,
    positions: &Range<usize>,
    words: usize,
    target: &mut [u32],
) {
    for (position, target) in positions.clone().zip(target.chunks_exact_mut(words)) {
        row_words(rows.row(head, position), target);
    }
    let end = positions.len().next_multiple_of(POSITION_UNIT);
    target[positions.len() * words..end * words].fill(0);
}

/// Panels of 16 rows, pairs along the row: the right operand of a product whose depth is H. Rows up
/// to the next whole unit become 0. `row_buffer` is as long as a row in words.
#[inline(always)]
pub(super) fn pack_panels(
    rows: Rows<'_>,
    head: usize,
    length: usize,
    row_buffer: &mut [u32],
    target: &mut [u32],
) {
    let words = row_buffer.len();
    for position in 0..length.next_multiple_of(POSITION_UNIT) {
        if position < length {
            row_words(rows.row(head, position), row_buffer);
        } else {
            row_buffer.fill(0);
        }
        let panel = &mut target[position / PANEL * PANEL * words..][..PANEL * words];
        for (word, column) in row_buffer.iter().zip(panel.as_chunks_mut::<PANEL>().0) {
            column[position % PANEL] = *word;
        }
    }
}

/// Pairs of rows side by side: the right operand of a product whose depth are positions. Rows up to
/// the next whole unit become 0.
#[inline(always)]
pub(super) fn pack_row_pairs(
    rows: Rows<'_>,
    head: usize,
    positions: &Range<usize>,
    padded_head: usize,
    target: &mut [u32],
) {
    let pairs = positions
        .clone()
        .step_by(2)
        .zip(target.chunks_exact_mut(padded_head));
    for (position, target) in pairs {
        let first = rows.row(head, position);
        if position + 1 < positions.end {
            let both = first.iter().zip(rows.row(head, position + 1));
            for (target, (first, second)) in target.iter_mut().zip(both) {
                *target = word(*first, *second);
            }
        } else {
            for (target, first) in target.iter_mut().zip(first) {
                *target = word(*first, Bf16(0));
            }
        }
    }
    let end = positions.len().next_multiple_of(POSITION_UNIT) / 2;
    target[positions.len().div_ceil(2) * padded_head..end * padded_head].fill(0);
}

/// The panels of [`pack_panels`] from row `first` on, a multiple of [`PANEL`].
#[inline(always)]
pub(super) fn panels(packed: &[u32], first: usize, words: usize) -> Right<'_, u32> {
    Right {
        values: &packed[first * words..],
        panel_stride: PANEL * words,
        depth_stride: PANEL,
    }
}

/// The pairs of [`pack_row_pairs`] from row `first` on, an even one.
#[inline(always)]
pub(super) fn row_pairs(packed: &[u32], first: usize, padded_head: usize) -> Right<'_, u32> {
    Right {
        values: &packed[first / 2 * padded_head..],
        panel_stride: PANEL,
        depth_stride: padded_head,
    }
}
