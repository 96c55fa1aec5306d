//! Products of small bf16 matrices that lie in the processor's caches, added up in f32.
//!
//! Both operands hold pairs of numbers that follow each other along the depth, as one word with the
//! first in its lower half: what the instruction multiplies. The result is made in tiles of 12 rows
//! by 32 columns, 24 of the 32 registers.

use std::arch::x86_64::{
    _mm512_add_ps, _mm512_dpbf16_ps, _mm512_loadu_ps, _mm512_loadu_si512, _mm512_set1_epi32,
    _mm512_setzero_ps, _mm512_storeu_ps,
};

use super::vector::pairs;
use crate::attention::head::POSITION_UNIT;
use crate::attention::product::{Into, Left, PANEL, Right, Size, Target, num_tiles};

/// Rows of a tile. Blocks that end by the mask are whole units: no tile may reach from them into rows
/// that count.
const STRIP: usize = 12;
const _: () = assert!(POSITION_UNIT.is_multiple_of(STRIP) && POSITION_UNIT.is_multiple_of(PANEL));

/// One tile. The pointers' elements are those of the operands from the tile on.
///
/// # Safety
/// All elements of the tile and its operands lie inside their allocations.
#[inline]
#[target_feature(enable = "avx512bf16,avx512vl,avx512dq")]
unsafe fn tile<const PANELS: usize>(
    depth: usize,
    (left, row_stride, left_step): (*const u32, usize, usize),
    (right, panel_stride, right_step): (*const u32, usize, usize),
    (result, result_stride): (*mut f32, usize),
    into: Into,
) {
    let mut sums = [[_mm512_setzero_ps(); PANELS]; STRIP];
    let (mut left, mut right) = (left, right);
    for _ in 0..depth {
        let mut columns = [pairs(_mm512_set1_epi32(0)); PANELS];
        for (panel, columns) in columns.iter_mut().enumerate() {
            // SAFETY: by the caller's promise.
            *columns = pairs(unsafe { _mm512_loadu_si512(right.add(panel * panel_stride).cast()) });
        }
        for (row, sums) in sums.iter_mut().enumerate() {
            // SAFETY: by the caller's promise.
            let factor = unsafe { *left.add(row * row_stride) };
            let factor = pairs(_mm512_set1_epi32(factor.cast_signed()));
            for (sum, columns) in sums.iter_mut().zip(columns) {
                *sum = _mm512_dpbf16_ps(*sum, factor, columns);
            }
        }
        left = left.wrapping_add(left_step);
        right = right.wrapping_add(right_step);
    }
    for (row, sums) in sums.iter().enumerate() {
        for (panel, sum) in sums.iter().enumerate() {
            // SAFETY: by the caller's promise.
            unsafe {
                let target = result.add(row * result_stride + panel * PANEL);
                let sum = match into {
                    Into::Add => _mm512_add_ps(*sum, _mm512_loadu_ps(target)),
                    Into::Overwrite => *sum,
                };
                _mm512_storeu_ps(target, sum);
            }
        }
    }
}

/// `target` = or += `left` x `right`; the depth of `size` counts pairs.
#[inline]
#[target_feature(enable = "avx512bf16,avx512vl,avx512dq")]
pub(super) fn multiply(size: Size, left: Left<'_, u32>, right: Right<'_, u32>, target: &mut Target<'_>) {
    let depth = size.depth;
    let (strips, panels) = num_tiles(size, STRIP, (&left, &right), target);
    let result = target.values.as_mut_ptr();
    for panel in (0..panels).step_by(2) {
        for strip in 0..strips {
            let row = strip * STRIP;
            // SAFETY: `num_tiles` covers the last row, column and depth of all three, and offsets
            // grow with each of them.
            unsafe {
                let left = (
                    left.values.as_ptr().add(row * left.row_stride),
                    left.row_stride,
                    left.depth_stride,
                );
                let right = (
                    right.values.as_ptr().add(panel * right.panel_stride),
                    right.panel_stride,
                    right.depth_stride,
                );
                let result = (
                    result.add(row * target.row_stride + panel * PANEL),
                    target.row_stride,
                );
                if panel + 1 < panels {
                    tile::<2>(depth, left, right, result, target.into);
                } else {
                    tile::<1>(depth, left, right, result, target.into);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attention::bf16::has_kernel;
    use crate::instructions::Instructions;

    fn words(numbers: &[[f32; 2]]) -> Vec<u32> {
        let upper = |number: f32| number.to_bits() >> 16;
        numbers
            .iter()
            .map(|pair| upper(pair[0]) | upper(pair[1]) << 16)
            .collect()
    }

    #[test]
    fn products_of_pairs_are_right_for_both_orders_of_the_left_operand() {
        if !has_kernel(Instructions::detect()) {
            return;
        }
        let (rows, columns, depth) = (13, 40, 5);
        let number = |index: usize, modulus: usize| (index % modulus) as f32 - 4.0;
        let left: Vec<[f32; 2]> = (0..24 * 24)
            .map(|index| [number(index, 11), number(index, 7)])
            .collect();
        let right: Vec<[f32; 2]> = (0..5 * 48)
            .map(|index| [number(index, 13), number(index, 5)])
            .collect();
        for (row_stride, depth_stride) in [(24, 1), (1, 24)] {
            for (into, start) in [(Into::Overwrite, 0.0), (Into::Add, 100.0)] {
                let mut result = vec![100.0; 24 * 48];
                let left_words = words(&left);
                let right_words = words(&right);
                let left_operand = Left {
                    values: &left_words,
                    row_stride,
                    depth_stride,
                };
                let right_operand = Right {
                    values: &right_words,
                    panel_stride: PANEL,
                    depth_stride: 48,
                };
                let mut target = Target {
                    values: &mut result,
                    row_stride: 48,
                    into,
                };
                // SAFETY: the processor has the instructions.
                unsafe {
                    multiply(
                        Size { rows, columns, depth },
                        left_operand,
                        right_operand,
                        &mut target,
                    );
                };
                for row in 0..rows {
                    for column in 0..columns {
                        let products = (0..depth).map(|k| {
                            let (left, right) =
                                (left[row * row_stride + k * depth_stride], right[k * 48 + column]);
                            left[0] * right[0] + left[1] * right[1]
                        });
                        let expected = start + products.sum::<f32>();
                        assert!((result[row * 48 + column] - expected).abs() < 1e-6);
                    }
                }
            }
        }
    }
}
