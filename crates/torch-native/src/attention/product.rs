//! Products of small matrices that lie in the processor's caches.
//!
//! The result is made in tiles of 6 rows by 16 columns, twelve AVX2 registers, which the loop
//! over the depth adds to: two loads and six broadcasts feed twelve multiply-adds (the shape
//! of the inner kernel in Goto and van de Geijn, "Anatomy of high-performance matrix
//! multiplication", ACM TOMS 34(3), 2008, for sixteen registers). Columns are the outer loop,
//! so that a panel of 16 columns of the right operand stays in the first cache.

#![expect(
    unsafe_code,
    reason = "reads and writes without bounds checks inside checked bounds"
)]
#![expect(
    clippy::inline_always,
    reason = "a function is compiled for AVX2 by being inlined into one that is"
)]

use super::operands::{Left, Operand, Right, Size, Target, TileTarget, Update, num_tiles};
use crate::lanes::{Lanes, WIDTH};

/// Rows of a tile; left operands and results hold whole strips of rows.
pub(super) const STRIP: usize = 6;
/// One tile. The pointers' elements are those of the operands from the tile on.
///
/// # Safety
/// All elements of the tile and its operands lie inside their allocations.
#[inline(always)]
unsafe fn tile<L: Lanes>(
    depth: usize,
    left_operand: Operand<f32>,
    right_operand: Operand<f32>,
    target: TileTarget,
) {
    let mut sums = [[L::splat(0.0); 2]; STRIP];
    let (mut left, mut right) = (left_operand.ptr, right_operand.ptr);
    for _ in 0..depth {
        // SAFETY: by the caller's promise.
        unsafe {
            let first = L::load(&*right.cast());
            let second = L::load(&*right.add(WIDTH).cast());
            for (row, sum) in sums.iter_mut().enumerate() {
                let factor = L::splat(*left.add(row * left_operand.stride));
                sum[0] = factor.times_plus(first, sum[0]);
                sum[1] = factor.times_plus(second, sum[1]);
            }
        }
        left = left.wrapping_add(left_operand.step);
        right = right.wrapping_add(right_operand.step);
    }
    for (row, sum) in sums.iter().enumerate() {
        // SAFETY: by the caller's promise; the two halves of the row do not overlap.
        let (first, second) = unsafe {
            let start = target.ptr.add(row * target.row_stride);
            (
                &mut *start.cast::<[f32; WIDTH]>(),
                &mut *start.add(WIDTH).cast::<[f32; WIDTH]>(),
            )
        };
        if target.update == Update::Add {
            sum[0].plus(L::load(first)).store(first);
            sum[1].plus(L::load(second)).store(second);
        } else {
            sum[0].store(first);
            sum[1].store(second);
        }
    }
}

/// `target` = or += `left` x `right`.
#[inline(always)]
pub(super) fn multiply<L: Lanes>(
    size: Size,
    left: Left<'_, f32>,
    right: Right<'_, f32>,
    target: &mut Target<'_>,
) {
    let (strips, panels) = num_tiles(size, STRIP, &left, &right, target);
    for panel in 0..panels {
        for strip in 0..strips {
            let row = strip * STRIP;
            // SAFETY: `num_tiles` covers the last row, column and depth of all three, and
            // offsets grow with each of them.
            unsafe {
                let (left, right) = (left.at_row(row), right.at_panel(panel));
                tile::<L>(size.depth, left, right, target.tile(row, panel));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attention::operands::PANEL;
    use crate::lanes::Portable;

    #[test]
    fn products_are_right_for_both_orders_of_the_left_operand() {
        let (rows, columns, depth) = (7, 20, 5);
        let left: Vec<f32> = (0..12 * 12u8).map(|index| f32::from(index % 11) - 4.0).collect();
        let right: Vec<f32> = (0..5 * 32u8).map(|index| f32::from(index % 13) - 6.0).collect();
        for (row_stride, depth_stride) in [(12, 1), (1, 12)] {
            for (update, start) in [(Update::Overwrite, 0.0), (Update::Add, 100.0)] {
                let mut result = vec![100.0; 12 * 32];
                multiply::<Portable>(
                    Size { rows, columns, depth },
                    Left {
                        values: &left,
                        row_stride,
                        depth_stride,
                    },
                    Right {
                        values: &right,
                        panel_stride: PANEL,
                        depth_stride: 32,
                    },
                    &mut Target {
                        values: &mut result,
                        row_stride: 32,
                        update,
                    },
                );
                for row in 0..rows {
                    for column in 0..columns {
                        let products = (0..depth)
                            .map(|k| left[row * row_stride + k * depth_stride] * right[k * 32 + column]);
                        let expected = start + products.sum::<f32>();
                        assert!((result[row * 32 + column] - expected).abs() < 1e-6);
                    }
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "smaller than the product")]
    fn an_operand_that_is_too_short_is_refused() {
        let left = Left {
            values: &[0.0; 11],
            row_stride: 2,
            depth_stride: 1,
        };
        let right = Right {
            values: &[0.0; 32],
            panel_stride: 0,
            depth_stride: 16,
        };
        let mut result = [0.0; 96];
        let mut target = Target::overwrite(&mut result, 16);
        multiply::<Portable>(Size::new(6, 16, 2), left, right, &mut target);
    }
}
