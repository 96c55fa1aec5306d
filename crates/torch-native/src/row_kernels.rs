//! What the fused row kernels share: blocks of rows on threads, column sums.
//!
//! Rows are cut into blocks of a fixed number, never by thread, and the column sums of blocks
//! are added in their order, so results do not depend on the number of threads.

#![expect(
    unsafe_code,
    reason = "blocks of rows write disjoint parts of the partial sums"
)]

use std::ops::Range;

use tch::{Kind, Tensor};

use crate::TorchError;
use crate::gpu::has_own_kernels;
use crate::lanes::WIDTH;
use crate::parallel::{SharedSlice, parallel_for};

/// Rows whose column sums are added up before they meet other rows'.
const BLOCK_ROWS: usize = 64;

/// Whether the row kernels have a form for `input` [.., D] and `vector` `[D]`: f32 or bf16 and an f32
/// vector, on the CPU, D in whole vectors.
pub(crate) fn has_row_kernel(input: &Tensor, vector: &Tensor) -> Result<bool, TorchError> {
    let is_on_cpu = has_own_kernels(input.device()) && has_own_kernels(vector.device());
    let has_form = matches!(input.f_kind()?, Kind::Float | Kind::BFloat16) && vector.f_kind()? == Kind::Float;
    let width = vector.numel();
    let fits = vector.dim() == 1 && input.size().last().copied() == i64::try_from(width).ok();
    Ok(is_on_cpu && has_form && fits && width > 0 && width.is_multiple_of(WIDTH))
}

/// `vector` in the kind of `input`, for libtorch's operations. Differentiable.
pub(crate) fn in_kind_of(input: &Tensor, vector: &Tensor) -> Result<Tensor, TorchError> {
    Ok(vector.f_to_kind(input.f_kind()?)?)
}

/// Calls `body` with blocks of `0..num_rows`.
pub(crate) fn for_row_blocks(
    num_rows: usize,
    body: &(dyn Fn(Range<usize>) + Sync),
) -> Result<(), TorchError> {
    parallel_for(num_rows.div_ceil(BLOCK_ROWS), 1, &|blocks| {
        for block in blocks {
            body(block * BLOCK_ROWS..((block + 1) * BLOCK_ROWS).min(num_rows));
        }
    })
}

/// Calls `body` with blocks of `0..num_rows` and `num_columns` zeros each, to which it adds;
/// returns the sums over all blocks.
pub(crate) fn column_sums(
    num_rows: usize,
    num_columns: usize,
    body: &(dyn Fn(Range<usize>, &mut [f32]) + Sync),
) -> Result<Vec<f32>, TorchError> {
    let mut partial = vec![0.0; num_rows.div_ceil(BLOCK_ROWS) * num_columns];
    let shared = SharedSlice::new(&mut partial);
    for_row_blocks(num_rows, &|rows| {
        let first = rows.start / BLOCK_ROWS * num_columns;
        // SAFETY: blocks are disjoint, and so are their sums.
        body(rows, unsafe { shared.part(first..first + num_columns) });
    })?;
    let mut sums = vec![0.0; num_columns];
    for block in partial.chunks_exact(num_columns.max(1)) {
        for (sum, value) in sums.iter_mut().zip(block) {
            *sum += value;
        }
    }
    Ok(sums)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_in_one_block_and_in_the_sums_once() {
        for num_rows in [0, 1, 63, 64, 65, 1000] {
            let sums = column_sums(num_rows, 2, &|rows, sums| {
                for row in rows {
                    sums[0] += row as f32;
                    sums[1] += 1.0;
                }
            });
            let expected = (0..num_rows).map(|row| row as f32).sum::<f32>();
            assert_eq!(sums.unwrap(), [expected, num_rows as f32]);
        }
    }
}
