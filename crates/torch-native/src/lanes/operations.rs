//! What can be done with eight numbers side by side, whichever instructions do it.

#![expect(
    clippy::inline_always,
    reason = "a function is compiled for AVX2 by being inlined into one that is"
)]

use crate::memory::Bf16;

/// Numbers side by side.
pub(crate) const WIDTH: usize = 8;

/// 1.5 x 2^23 + 127: a number of small magnitude added to it is rounded to an integer, which
/// stands, with the bias of an f32's exponent, in the low bits of the sum.
pub(super) const ROUNDING: f32 = 12_583_039.0;
/// Below it `exp` is 0; the result would leave the normal numbers at -87.34.
pub(super) const LEAST_EXPONENT: f32 = -87.3;
/// The natural logarithm of 2 in two parts, the first exact in products with small integers.
/// Moshier, Cephes 2.2, single/expf.c.
const LN_2_HIGH: f32 = 0.693_359_4;
const LN_2_LOW: f32 = -2.121_944_4e-4;
/// Polynomial of `exp` between -ln 2 / 2 and ln 2 / 2, highest power first, without the terms
/// 1 and x. Moshier, Cephes 2.2, single/expf.c.
const EXP: [f32; 6] = [
    1.987_569_1e-4,
    1.398_2e-3,
    8.333_452e-3,
    4.166_579_6e-2,
    1.666_666_5e-1,
    5.0e-1,
];

/// Eight numbers.
pub(crate) trait Lanes: Copy {
    /// Which of a word's bits belong to the eight lanes.
    type Selector: Copy;

    fn splat(value: f32) -> Self;
    fn load(values: &[f32; WIDTH]) -> Self;
    fn store(self, values: &mut [f32; WIDTH]);
    fn widen(values: &[Bf16; WIDTH]) -> Self;
    /// Rounded to nearest even; a NaN stays one.
    fn narrow(self, values: &mut [Bf16; WIDTH]);
    fn plus(self, other: Self) -> Self;
    fn minus(self, other: Self) -> Self;
    fn times(self, other: Self) -> Self;
    /// `self * factor + addend`.
    fn times_plus(self, factor: Self, addend: Self) -> Self;
    fn maximum(self, other: Self) -> Self;
    fn over(self, other: Self) -> Self;
    /// The absolute values.
    fn magnitude(self) -> Self;
    /// `other` where `sign` has no sign bit.
    fn or_where_positive(self, other: Self, sign: Self) -> Self;
    /// The bits of a sum with [`ROUNDING`] moved into the exponent: 2 to the rounded power.
    fn power_of_two(self) -> Self;
    /// 0 where `power` is below the limit; a NaN is not below.
    fn zero_where_below(self, power: Self, limit: f32) -> Self;
    /// Bit `shift + lane` for every lane; `shift` below 8.
    fn selector(shift: u32) -> Self::Selector;
    /// 0 where the lane's bit of `word` is not set.
    fn keep(self, word: u32, selector: Self::Selector) -> Self;
    /// Which of the words' lower halves (bits 0 to 15) and upper halves (16 to 31) are below
    /// `threshold`, at most 2^16.
    fn halves_below(words: &[u32; 2 * WIDTH], threshold: u32) -> u32;

    /// e to the power of every lane, up to 88, within 2 units in the last place.
    #[inline(always)]
    fn exp(self) -> Self {
        let rounded = self.times_plus(Self::splat(std::f32::consts::LOG2_E), Self::splat(ROUNDING));
        let whole = rounded.minus(Self::splat(ROUNDING));
        let rest = whole.times_plus(Self::splat(-LN_2_HIGH), self);
        let rest = whole.times_plus(Self::splat(-LN_2_LOW), rest);
        let mut sum = Self::splat(EXP[0]);
        for &factor in &EXP[1..] {
            sum = sum.times_plus(rest, Self::splat(factor));
        }
        let sum = sum.times_plus(rest.times(rest), rest.plus(Self::splat(1.0)));
        sum.times(rounded.power_of_two())
            .zero_where_below(self, LEAST_EXPONENT)
    }

    /// The lanes' values.
    #[inline(always)]
    fn values(self) -> [f32; WIDTH] {
        let mut values = [0.0; WIDTH];
        self.store(&mut values);
        values
    }

    /// Sum over the lanes, in a fixed order.
    #[inline(always)]
    fn sum(self) -> f32 {
        let [a, b, c, d, e, f, g, h] = self.values();
        ((a + e) + (c + g)) + ((b + f) + (d + h))
    }

    /// The largest lane.
    #[inline(always)]
    fn largest(self) -> f32 {
        let [a, b, c, d, e, f, g, h] = self.values();
        (a.max(e).max(c.max(g))).max(b.max(f).max(d.max(h)))
    }
}
