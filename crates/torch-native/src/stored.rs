//! What kernels that compute in f32 read and write: f32, or bf16 that is widened and rounded on the way.

#![expect(
    clippy::inline_always,
    reason = "a function is compiled for AVX2 by being inlined into one that is"
)]

use crate::lanes::{Lanes, WIDTH};
use crate::memory::{Bf16, Element};

/// A kind in memory.
pub(crate) trait Stored: Element {
    fn read<L: Lanes>(values: &[Self; WIDTH]) -> L;
    fn write<L: Lanes>(lanes: L, values: &mut [Self; WIDTH]);
    fn widened(self) -> f32;
    fn narrowed(value: f32) -> Self;
}

impl Stored for f32 {
    #[inline(always)]
    fn read<L: Lanes>(values: &[Self; WIDTH]) -> L {
        L::load(values)
    }
    #[inline(always)]
    fn write<L: Lanes>(lanes: L, values: &mut [Self; WIDTH]) {
        lanes.store(values);
    }
    #[inline(always)]
    fn widened(self) -> f32 {
        self
    }
    #[inline(always)]
    fn narrowed(value: f32) -> Self {
        value
    }
}

impl Stored for Bf16 {
    #[inline(always)]
    fn read<L: Lanes>(values: &[Self; WIDTH]) -> L {
        L::widen(values)
    }
    #[inline(always)]
    fn write<L: Lanes>(lanes: L, values: &mut [Self; WIDTH]) {
        lanes.narrow(values);
    }
    #[inline(always)]
    fn widened(self) -> f32 {
        self.to_f32()
    }
    #[inline(always)]
    fn narrowed(value: f32) -> Self {
        Self::from_f32(value)
    }
}
