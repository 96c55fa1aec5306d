//! One head's rows of f32 in the orders that products read, and rows of results back in their tensors.
//!
//! B sequences, T positions, D hidden, N heads, H per head.

#![expect(unsafe_code, reason = "heads write disjoint parts of a tensor")]
#![expect(
    clippy::inline_always,
    reason = "a function is compiled for AVX2 by being inlined into one that is"
)]

use std::ops::Range;

use super::head::{HeadPart, Inputs};
use super::operands::{PANEL, Right};
use super::product::STRIP;
use crate::parallel::SharedSlice;

/// Rows of H numbers, padded to whole panels, times `factor`. Rows up to the next whole strip
/// become 0.
#[inline(always)]
pub(super) fn pack_rows<'a>(
    rows: impl ExactSizeIterator<Item = &'a [f32]>,
    padded_head: usize,
    factor: f32,
    target: &mut [f32],
) {
    let count = rows.len();
    for (row, target) in rows.zip(target.chunks_exact_mut(padded_head)) {
        for (value, target) in row.iter().zip(target) {
            *target = value * factor;
        }
    }
    let end = count.next_multiple_of(STRIP) * padded_head;
    target[count * padded_head..end].fill(0.0);
}

/// Rows of H numbers, transposed, in panels of 16 rows: element (h, row) of panel
/// `row / 16` stands at `h * 16 + row % 16`.
#[inline(always)]
pub(super) fn pack_panels<'a>(rows: impl Iterator<Item = &'a [f32]>, head_size: usize, target: &mut [f32]) {
    for (index, row) in rows.enumerate() {
        let panel = &mut target[index / PANEL * PANEL * head_size..][..PANEL * head_size];
        for (value, column) in row.iter().zip(panel.as_chunks_mut::<PANEL>().0) {
            column[index % PANEL] = *value;
        }
    }
}

/// The panels of [`pack_panels`] from row `first` on, a multiple of [`PANEL`].
#[inline(always)]
pub(super) fn panels(packed: &[f32], first: usize, head_size: usize) -> Right<'_, f32> {
    Right {
        values: &packed[first * head_size..],
        panel_stride: PANEL * head_size,
        depth_stride: PANEL,
    }
}

/// The rows of [`pack_rows`] from row `first` on, as the right operand of a product.
#[inline(always)]
pub(super) fn rows(packed: &[f32], first: usize, padded_head: usize) -> Right<'_, f32> {
    Right {
        values: &packed[first * padded_head..],
        panel_stride: PANEL,
        depth_stride: padded_head,
    }
}

/// Writes a row times `factor`.
#[inline(always)]
pub(super) fn write_row(row: &[f32], factor: f32, target: &mut [f32]) {
    for (target, value) in target.iter_mut().zip(row) {
        *target = value * factor;
    }
}

/// Rows of H numbers, padded to whole panels, that count times a factor.
#[derive(Clone, Copy)]
pub(super) struct ScaledRows<'a> {
    pub(super) values: &'a [f32],
    pub(super) factor: f32,
}

/// Writes the rows of `positions` into their part of the gradient, each by `write_row`.
#[inline(always)]
pub(super) fn write_part<T>(
    inputs: &Inputs<'_, T>,
    gradient: &SharedSlice<'_, T>,
    place: HeadPart,
    positions: Range<usize>,
    rows: ScaledRows<'_>,
    write_row: impl Fn(&[f32], f32, &mut [T]),
) {
    let HeadPart { head, part } = place;
    let padded_head = inputs.shape.padded_head();
    for (position, row) in positions.zip(rows.values.chunks_exact(padded_head)) {
        // SAFETY: a head's rows belong to the one thread that has the head, which takes them one
        // after another.
        let target = unsafe { gradient.part(inputs.part_range(head, position, part)) };
        write_row(row, rows.factor, target);
    }
}
