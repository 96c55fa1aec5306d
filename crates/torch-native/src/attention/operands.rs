//! The operands of products of small matrices, and the tiles that they are taken in.
//!
//! A tile is so many rows of the left operand and one or more panels of columns of the right one,
//! over the whole depth. Products differ in the instructions of a tile; where it begins in each
//! operand is written once, here.

#![expect(unsafe_code, reason = "pointers to the tiles inside checked bounds")]
#![expect(
    clippy::inline_always,
    reason = "a function is compiled for AVX2 by being inlined into one that is"
)]

use crate::lanes::WIDTH;

/// Columns of a panel; right operands and results hold whole panels.
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

impl Size {
    #[inline(always)]
    pub(super) fn new(rows: usize, columns: usize, depth: usize) -> Self {
        Self { rows, columns, depth }
    }
}

/// Element (row, depth) stands at `row * row_stride + depth * depth_stride`.
#[derive(Clone, Copy)]
pub(super) struct Left<'a, T> {
    pub(super) values: &'a [T],
    pub(super) row_stride: usize,
    pub(super) depth_stride: usize,
}

impl<'a, T> Left<'a, T> {
    /// A matrix that stands row after row.
    #[inline(always)]
    pub(super) fn by_rows(values: &'a [T], row_stride: usize) -> Self {
        Self {
            values,
            row_stride,
            depth_stride: 1,
        }
    }

    /// The transposed of a matrix that stands row after row.
    #[inline(always)]
    pub(super) fn transposed(values: &'a [T], depth_stride: usize) -> Self {
        Self {
            values,
            row_stride: 1,
            depth_stride,
        }
    }

    /// The operand of the tiles from row `row` on.
    ///
    /// # Safety
    /// The row's first element lies inside of the values.
    #[inline(always)]
    pub(super) unsafe fn at_row(self, row: usize) -> Operand<T> {
        Operand {
            // SAFETY: by the caller's promise.
            ptr: unsafe { self.values.as_ptr().add(row * self.row_stride) },
            stride: self.row_stride,
            step: self.depth_stride,
        }
    }
}

/// Element (depth, 16 p + l) stands at `p * panel_stride + depth * depth_stride + l`.
#[derive(Clone, Copy)]
pub(super) struct Right<'a, T> {
    pub(super) values: &'a [T],
    pub(super) panel_stride: usize,
    pub(super) depth_stride: usize,
}

impl<T> Right<'_, T> {
    /// The operand of the tiles from panel `panel` on.
    ///
    /// # Safety
    /// The panel's first element lies inside of the values.
    #[inline(always)]
    pub(super) unsafe fn at_panel(self, panel: usize) -> Operand<T> {
        Operand {
            // SAFETY: by the caller's promise.
            ptr: unsafe { self.values.as_ptr().add(panel * self.panel_stride) },
            stride: self.panel_stride,
            step: self.depth_stride,
        }
    }
}

/// An operand of a tile, from the tile on.
#[derive(Clone, Copy)]
pub(super) struct Operand<T> {
    pub(super) ptr: *const T,
    /// To the next row of the left operand, or the next panel of the right one.
    pub(super) stride: usize,
    /// To the next element of the depth.
    pub(super) step: usize,
}

/// What happens to what stands in the result.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Update {
    Overwrite,
    Add,
}

/// Where the result goes: row-major with `row_stride`.
pub(super) struct Target<'a> {
    pub(super) values: &'a mut [f32],
    pub(super) row_stride: usize,
    pub(super) update: Update,
}

impl<'a> Target<'a> {
    /// The result replaces what stands there.
    #[inline(always)]
    pub(super) fn overwrite(values: &'a mut [f32], row_stride: usize) -> Self {
        Self {
            values,
            row_stride,
            update: Update::Overwrite,
        }
    }

    /// The result is added to what stands there.
    #[inline(always)]
    pub(super) fn add(values: &'a mut [f32], row_stride: usize) -> Self {
        Self {
            values,
            row_stride,
            update: Update::Add,
        }
    }

    /// Where the tile from this row and panel on goes.
    ///
    /// # Safety
    /// The tile's first element lies inside of the values.
    #[inline(always)]
    pub(super) unsafe fn tile(&mut self, row: usize, panel: usize) -> TileTarget {
        TileTarget {
            // SAFETY: by the caller's promise.
            ptr: unsafe {
                self.values
                    .as_mut_ptr()
                    .add(row * self.row_stride + panel * PANEL)
            },
            row_stride: self.row_stride,
            update: self.update,
        }
    }
}

/// Where a tile of the result goes.
#[derive(Clone, Copy)]
pub(super) struct TileTarget {
    pub(super) ptr: *mut f32,
    pub(super) row_stride: usize,
    pub(super) update: Update,
}

/// Strips of `strip` rows and panels of columns of a product: none of an empty one.
///
/// # Panics
/// Where a strip or a panel reaches beyond an operand or the result.
#[inline(always)]
pub(super) fn num_tiles<T>(
    size: Size,
    strip: usize,
    left: &Left<'_, T>,
    right: &Right<'_, T>,
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
