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
use crate::attention::operands::{Left, Operand, PANEL, Right, Size, Target, TileTarget, Update, num_tiles};

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
    left_operand: Operand<u32>,
    right_operand: Operand<u32>,
    target: TileTarget,
) {
    let mut sums = [[_mm512_setzero_ps(); PANELS]; STRIP];
    let (mut left, mut right) = (left_operand.ptr, right_operand.ptr);
    for _ in 0..depth {
        let mut columns = [pairs(_mm512_set1_epi32(0)); PANELS];
        for (panel, columns) in columns.iter_mut().enumerate() {
            // SAFETY: by the caller's promise.
            *columns = pairs(unsafe { _mm512_loadu_si512(right.add(panel * right_operand.stride).cast()) });
        }
        for (row, sums) in sums.iter_mut().enumerate() {
            // SAFETY: by the caller's promise.
            let factor = unsafe { *left.add(row * left_operand.stride) };
            let factor = pairs(_mm512_set1_epi32(factor.cast_signed()));
            for (sum, columns) in sums.iter_mut().zip(columns) {
                *sum = _mm512_dpbf16_ps(*sum, factor, columns);
            }
        }
        left = left.wrapping_add(left_operand.step);
        right = right.wrapping_add(right_operand.step);
    }
    for (row, sums) in sums.iter().enumerate() {
        for (panel, sum) in sums.iter().enumerate() {
            // SAFETY: by the caller's promise.
            unsafe {
                let place = target.ptr.add(row * target.row_stride + panel * PANEL);
                let sum = match target.update {
                    Update::Add => _mm512_add_ps(*sum, _mm512_loadu_ps(place)),
                    Update::Overwrite => *sum,
                };
                _mm512_storeu_ps(place, sum);
            }
        }
    }
}

/// `target` = or += `left` x `right`; the depth of `size` counts pairs.
#[inline]
#[target_feature(enable = "avx512bf16,avx512vl,avx512dq")]
pub(super) fn multiply(size: Size, left: Left<'_, u32>, right: Right<'_, u32>, target: &mut Target<'_>) {
    let (strips, panels) = num_tiles(size, STRIP, &left, &right, target);
    for panel in (0..panels).step_by(2) {
        for strip in 0..strips {
            let row = strip * STRIP;
            // SAFETY: `num_tiles` covers the last row, column and depth of all three, and offsets
            // grow with each of them.
            unsafe {
                let (left, right) = (left.at_row(row), right.at_panel(panel));
                let target = target.tile(row, panel);
                if panel + 1 < panels {
                    tile::<2>(size.depth, left, right, target);
                } else {
                    tile::<1>(size.depth, left, right, target);
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
            for (update, start) in [(Update::Overwrite, 0.0), (Update::Add, 100.0)] {
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
                    update,
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
