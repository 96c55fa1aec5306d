//! The kinds that attention has kernels for; this file has f32's.

#![expect(unsafe_code, reason = "calls a copy once the processor was seen to have it")]

use std::ops::Range;

use super::backward::backward_heads;
use super::forward::forward_heads;
use super::head::{Inputs, Outputs, SavedAttention};
use crate::instructions::{Instructions, each_copy};
use crate::memory::Element;
use crate::parallel::SharedSlice;

each_copy!(
    fn forward_on = forward_heads(
        inputs: &Inputs<'_, f32>,
        outputs: &Outputs<'_, f32>,
        heads: Range<usize>,
    )
);
each_copy!(
    fn backward_on = backward_heads(
        inputs: &Inputs<'_, f32>,
        saved: &SavedAttention<'_, f32>,
        gradient: &SharedSlice<'_, f32>,
        heads: Range<usize>,
    )
);

/// A kind that attention has kernels for.
pub(super) trait Attend: Element {
    /// Attention of the heads `heads` (of B N).
    fn forward(
        instructions: Instructions,
        inputs: &Inputs<'_, Self>,
        outputs: &Outputs<'_, Self>,
        heads: Range<usize>,
    );

    /// Gradients of their queries, keys and values into `gradient`, [rows, 3D].
    fn backward(
        instructions: Instructions,
        inputs: &Inputs<'_, Self>,
        saved: &SavedAttention<'_, Self>,
        gradient: &SharedSlice<'_, Self>,
        heads: Range<usize>,
    );
}

impl Attend for f32 {
    fn forward(
        instructions: Instructions,
        inputs: &Inputs<'_, Self>,
        outputs: &Outputs<'_, Self>,
        heads: Range<usize>,
    ) {
        forward_on(instructions, inputs, outputs, heads);
    }

    fn backward(
        instructions: Instructions,
        inputs: &Inputs<'_, Self>,
        saved: &SavedAttention<'_, Self>,
        gradient: &SharedSlice<'_, Self>,
        heads: Range<usize>,
    ) {
        backward_on(instructions, inputs, saved, gradient, heads);
    }
}
