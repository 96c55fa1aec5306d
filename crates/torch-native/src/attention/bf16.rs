//! Attention for bf16 where the processor multiplies it (AVX512-BF16): products of bf16 pairs are
//! added up in f32, probabilities and the gradients of scores are rounded to bf16 before they are
//! multiplied; everything else is the f32 kernel's, in vectors of sixteen.
//!
//! The rounding is that of Dao, "`FlashAttention`-2", arXiv 2307.08691, as it runs in half precision.

#![expect(unsafe_code, reason = "instructions that the processor was seen to have")]

mod backward;
mod forward;
mod pack;
mod product;
mod vector;

use std::ops::Range;

use super::attend::Attend;
use super::head::{Inputs, Outputs, SavedAttention};
use crate::instructions::Instructions;
use crate::memory::Bf16;
use crate::parallel::SharedSlice;

/// Whether the kernels of this module run here.
pub(super) fn has_kernel(instructions: Instructions) -> bool {
    instructions == Instructions::Avx512 && std::arch::is_x86_feature_detected!("avx512bf16")
}

/// Only called where [`has_kernel`] is true.
impl Attend for Bf16 {
    fn forward(
        instructions: Instructions,
        inputs: &Inputs<'_, Self>,
        outputs: &Outputs<'_, Self>,
        heads: Range<usize>,
    ) {
        assert!(has_kernel(instructions), "the processor multiplies bf16");
        // SAFETY: it has just been seen to.
        unsafe { forward::forward_heads(inputs, outputs, heads) };
    }

    fn backward(
        instructions: Instructions,
        inputs: &Inputs<'_, Self>,
        saved: &SavedAttention<'_, Self>,
        gradient: &SharedSlice<'_, Self>,
        heads: Range<usize>,
    ) {
        assert!(has_kernel(instructions), "the processor multiplies bf16");
        // SAFETY: it has just been seen to.
        unsafe { backward::backward_heads(inputs, saved, gradient, heads) };
    }
}
