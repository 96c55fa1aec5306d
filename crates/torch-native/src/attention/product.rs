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

use crate::lanes::{Lanes, WIDTH};

/// Rows of a tile; operands and results hold whole strips of rows.
pub(super) const STRIP: usize = 6;
/// Columns of a tile; operands and results hold whole panels of columns.
pub(super) const PANEL: usize = 2 * WIDTH;

/// Rows x depth times depth x columns.
#[derive(Clone, Copy)]
pub(super) struct Size {
    /// Rounded up to whole strips.
    pub(super) rows: usize,
    /// Rounded up to [`PANEL`].
    pub(super) columns: usize,
    pub(super) depth: usize,
}

/// Element (row, depth) stands at `row * row_stride + depth * depth_stride`.
#[derive(Clone, Copy)]
pub(super) struct Left<'a, T> {
    pub(super) values: &'a [T],
    pub(super) row_stride: usize,
    pub(super) depth_stride: usize,
}

/// Element (depth, 16 p + l) stands at `p * panel_stride + depth * depth_stride + l`.
#[derive(Clone, Copy)]
pub(super) struct Right<'a, T> {
    pub(super) values: &'a [T],
    pub(super) panel_stride: usize,
    pub(super) depth_stride: usize,
}

/// What happens to what stands in the result.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Into {
    Overwrite,
    Add,
}

/// Where the result goes: row-major with `row_stride`.
pub(super) struct Target<'a> {
    pub(super) values: &'a mut [f32],
    pub(super) row_stride: usize,
    pub(super) into: Into,
}

/// Strips of `strip` rows and panels of columns of a product: none of an empty one.
///
/// # Panics
/// Where a strip or a panel reaches beyond an operand or the result.
#[inline(always)]
pub(super) fn num_tiles<T>(
    size: Size,
    strip: usize,
    (left, right): (&Left<'_, T>, &Right<'_, T>),
    target: &Target<'_>,
) -> (usize, usize) {
    let Size { rows, columns, depth } = size;
    if rows == 0 || columns == 0 || depth == 0 {
        return (0, 0);
    }
    let (strips, panels) = (rows.div_ceil(strip), columns.div_ceil(PANEL));
    let last_row = strips * strip - 1;
    assert!(
        last_row * left.row_stride + (depth - 1) * left.depth_stride < left.values.len()
            && (panels - 1) * right.panel_stride + (depth - 1) * right.depth_stride + PANEL
                <= right.values.len()
            && last_row * target.row_stride + panels * PANEL <= target.values.len(),
        "an operand of a product is smaller than the product"
    );
    (strips, panels)
}

/// One tile. The pointers' elements are those of the operands from the tile on.
///
/// # Safety
/// All elements of the tile and its operands lie inside their allocations.
#[inline(always)]
unsafe fn tile<L: Lanes>(
    depth: usize,
    (left, row_stride, left_step): (*const f32, usize, usize),
    (right, right_step): (*const f32, usize),
    (result, result_stride): (*mut f32, usize),
    into: Into,
) {
    let mut sums = [[L::splat(0.0); 2]; STRIP];
    let (mut left, mut right) = (left, right);
    for _ in 0..depth {
        // SAFETY: by the caller's promise.
        unsafe {
            let first = L::load(&*right.cast());
            let second = L::load(&*right.add(WIDTH).cast());
            for (row, sum) in sums.iter_mut().enumerate() {
                let factor = L::splat(*left.add(row * row_stride));
                sum[0] = factor.times_plus(first, sum[0]);
                sum[1] = factor.times_plus(second, sum[1]);
            }
        }
        left = left.wrapping_add(left_step);
        right = right.wrapping_add(right_step);
    }
    for (row, sum) in sums.iter().enumerate() {
        // SAFETY: by the caller's promise; the two halves of the row do not overlap.
        let (first, second) = unsafe {
            let start = result.add(row * result_stride);
            (
                &mut *start.cast::<[f32; WIDTH]>(),
                &mut *start.add(WIDTH).cast::<[f32; WIDTH]>(),
            )
        };
        if into == Into::Add {
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
    let depth = size.depth;
    let (strips, panels) = num_tiles(size, STRIP, (&left, &right), target);
    let result = target.values.as_mut_ptr();
    for panel in 0..panels {
        for strip in 0..strips {
            let row = strip * STRIP;
            // SAFETY: `num_tiles` covers the last row, column and depth of all three, and
            // offsets grow with each of them.
            unsafe {
                tile::<L>(
                    depth,
                    (
                        left.values.as_ptr().add(row * left.row_stride),
                        left.row_stride,
                        left.depth_stride,
                    ),
                    (
                        right.values.as_ptr().add(panel * right.panel_stride),
                        right.depth_stride,
                    ),
                    (
                        result.add(row * target.row_stride + panel * PANEL),
                        target.row_stride,
                    ),
                    target.into,
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lanes::Portable;

    #[test]
    fn products_are_right_for_both_orders_of_the_left_operand() {
        let (rows, columns, depth) = (7, 20, 5);
        let left: Vec<f32> = (0..12 * 12u8).map(|index| f32::from(index % 11) - 4.0).collect();
        let right: Vec<f32> = (0..5 * 32u8).map(|index| f32::from(index % 13) - 6.0).collect();
        for (row_stride, depth_stride) in [(12, 1), (1, 12)] {
            for (into, start) in [(Into::Overwrite, 0.0), (Into::Add, 100.0)] {
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
                        into,
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
        let mut target = Target {
            values: &mut [0.0; 96],
            row_stride: 16,
            into: Into::Overwrite,
        };
        let size = Size {
            rows: 6,
            columns: 16,
            depth: 2,
        };
        multiply::<Portable>(size, left, right, &mut target);
    }
}
