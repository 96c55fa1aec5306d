//! The form of [`Lanes`] for every processor.

#![expect(
    clippy::inline_always,
    reason = "a function is compiled for AVX2 by being inlined into one that is"
)]

use super::operations::{Lanes, WIDTH};
use crate::memory::Bf16;

/// The plain form.
#[derive(Clone, Copy)]
pub(crate) struct Portable([f32; WIDTH]);

impl Portable {
    #[inline(always)]
    fn zip(self, other: Self, operation: impl Fn(f32, f32) -> f32) -> Self {
        Self(std::array::from_fn(|lane| operation(self.0[lane], other.0[lane])))
    }
}

impl Lanes for Portable {
    type Selector = u32;

    #[inline(always)]
    fn splat(value: f32) -> Self {
        Self([value; WIDTH])
    }
    #[inline(always)]
    fn load(values: &[f32; WIDTH]) -> Self {
        Self(*values)
    }
    #[inline(always)]
    fn store(self, values: &mut [f32; WIDTH]) {
        *values = self.0;
    }
    #[inline(always)]
    fn widen(values: &[Bf16; WIDTH]) -> Self {
        Self(values.map(Bf16::to_f32))
    }
    #[inline(always)]
    fn narrow(self, values: &mut [Bf16; WIDTH]) {
        *values = self.0.map(Bf16::from_f32);
    }
    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }
    #[inline(always)]
    fn minus(self, other: Self) -> Self {
        self.zip(other, |a, b| a - b)
    }
    #[inline(always)]
    fn times(self, other: Self) -> Self {
        self.zip(other, |a, b| a * b)
    }
    #[inline(always)]
    fn times_plus(self, factor: Self, addend: Self) -> Self {
        self.times(factor).plus(addend)
    }
    #[inline(always)]
    fn maximum(self, other: Self) -> Self {
        self.zip(other, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    fn over(self, other: Self) -> Self {
        self.zip(other, |a, b| a / b)
    }
    #[inline(always)]
    fn magnitude(self) -> Self {
        Self(self.0.map(f32::abs))
    }
    #[inline(always)]
    fn or_where_positive(self, other: Self, sign: Self) -> Self {
        Self(std::array::from_fn(|lane| {
            let positive = sign.0[lane].is_sign_positive();
            if positive { other.0[lane] } else { self.0[lane] }
        }))
    }
    #[inline(always)]
    fn power_of_two(self) -> Self {
        Self(self.0.map(|value| f32::from_bits(value.to_bits() << 23)))
    }
    #[inline(always)]
    fn zero_where_below(self, power: Self, limit: f32) -> Self {
        self.zip(power, |value, power| if power < limit { 0.0 } else { value })
    }
    #[inline(always)]
    fn selector(shift: u32) -> u32 {
        shift
    }
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "a lane index is below 8")]
    fn keep(self, word: u32, shift: u32) -> Self {
        Self(std::array::from_fn(|lane| {
            let kept = (word >> (shift + lane as u32)) & 1 == 1;
            if kept { self.0[lane] } else { 0.0 }
        }))
    }
    #[inline(always)]
    fn halves_below(words: &[u32; 2 * WIDTH], threshold: u32) -> u32 {
        let mut below = 0;
        for (lane, &word) in words.iter().enumerate() {
            below |= u32::from(word & 0xffff < threshold) << lane;
            below |= u32::from(word >> 16 < threshold) << (2 * WIDTH + lane);
        }
        below
    }
}
