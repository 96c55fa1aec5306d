//! What a block of queries has of its softmax after the blocks of keys so far.
//!
//! B sequences, T positions, D hidden, N heads, H per head.

#![expect(unsafe_code, reason = "heads write disjoint parts of the outputs")]
#![expect(
    clippy::inline_always,
    reason = "a function is compiled for AVX2 by being inlined into one that is"
)]

use std::ops::Range;

use super::head::{Buffer, Inputs, Outputs, QUERY_BLOCK, Shape};

/// One row a query.
pub(super) struct SoftmaxRows {
    /// Values times the exponentials of their scores, added up.
    pub(super) context: Buffer<f32>,
    /// The largest score, which exponentials are under.
    pub(super) largest: Vec<f32>,
    /// Of the exponentials.
    pub(super) sums: Vec<f32>,
}

impl SoftmaxRows {
    pub(super) fn new(shape: Shape) -> Self {
        Self {
            context: Buffer::new(QUERY_BLOCK * shape.padded_head()),
            largest: vec![0.0; QUERY_BLOCK],
            sums: vec![0.0; QUERY_BLOCK],
        }
    }

    /// No key has come.
    #[inline(always)]
    pub(super) fn clear(&mut self) {
        self.largest.fill(f32::NEG_INFINITY);
        self.sums.fill(0.0);
        self.context.values_mut().fill(0.0);
    }

    /// Writes the contexts of the queries `queries` of head `head` (of B N), after the last key.
    #[inline(always)]
    pub(super) fn write_context<T>(
        &self,
        inputs: &Inputs<'_, T>,
        outputs: &Outputs<'_, T>,
        head: usize,
        queries: Range<usize>,
        write_row: impl Fn(&[f32], f32, &mut [T]),
    ) {
        let rows = self.context.values().chunks_exact(inputs.shape.padded_head());
        for ((position, row), sum) in queries.zip(rows).zip(&self.sums) {
            // SAFETY: a head's rows belong to the one thread that has the head, which takes them once.
            let context = unsafe { outputs.context.part(inputs.context_range(head, position)) };
            write_row(row, inputs.dropout_scale() / sum, context);
        }
    }

    /// Writes the logarithms of their sums. `log`: to the base of the exponentials.
    #[inline(always)]
    pub(super) fn write_log_sums<T>(
        &self,
        inputs: &Inputs<'_, T>,
        outputs: &Outputs<'_, T>,
        head: usize,
        queries: &Range<usize>,
        log: impl Fn(f32) -> f32,
    ) {
        // SAFETY: a head's sums belong to the one thread that has the head, which takes them once.
        let log_sums = unsafe { outputs.log_sums.part(inputs.query_rows(head, queries)) };
        for (log_sum, (largest, sum)) in log_sums.iter_mut().zip(self.largest.iter().zip(&self.sums)) {
            *log_sum = largest + log(*sum);
        }
    }
}
