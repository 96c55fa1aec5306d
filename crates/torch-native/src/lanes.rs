//! Eight f32 side by side: AVX2 with fused multiply-add, and a plain form for every processor.
//!
//! The kernels are written once over [`Lanes`]. The two forms differ in rounding
//! alone: the plain one rounds between multiplication and addition. What lies in memory is f32 or
//! bf16 ([`crate::stored::Stored`]); the arithmetic is f32's.

#![expect(
    unsafe_code,
    reason = "AVX2 instructions, reached only through functions compiled for AVX2"
)]
#![expect(
    clippy::inline_always,
    reason = "a function is compiled for AVX2 by being inlined into one that is"
)]

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{
    __m256, __m256i, _CMP_LT_OQ, _CMP_UNORD_Q, _mm_loadu_si128, _mm_storeu_si128, _mm256_add_epi32,
    _mm256_add_ps, _mm256_and_ps, _mm256_and_si256, _mm256_andnot_ps, _mm256_blendv_ps, _mm256_castps_si256,
    _mm256_castsi256_ps, _mm256_castsi256_si128, _mm256_cmp_ps, _mm256_cmpeq_epi32, _mm256_cmpgt_epi32,
    _mm256_cvtepu16_epi32, _mm256_div_ps, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_loadu_si256,
    _mm256_max_ps, _mm256_movemask_ps, _mm256_mul_ps, _mm256_packus_epi32, _mm256_permute4x64_epi64,
    _mm256_set1_epi32, _mm256_set1_ps, _mm256_setr_epi32, _mm256_slli_epi32, _mm256_sllv_epi32,
    _mm256_srli_epi32, _mm256_storeu_ps, _mm256_sub_ps,
};

use crate::memory::Bf16;
use crate::stored::Stored;

/// Numbers side by side.
pub(crate) const WIDTH: usize = 8;

/// 1.5 x 2^23 + 127: a number of small magnitude added to it is rounded to an integer, which
/// stands, with the bias of an f32's exponent, in the low bits of the sum.
const ROUNDING: f32 = 12_583_039.0;
/// Below it `exp` is 0; the result would leave the normal numbers at -87.34.
const LEAST_EXPONENT: f32 = -87.3;
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
        Self(values.map(Bf16::widened))
    }
    #[inline(always)]
    fn narrow(self, values: &mut [Bf16; WIDTH]) {
        *values = self.0.map(Bf16::narrowed);
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

/// The AVX2 form. Only functions that a `target_feature(enable = "avx2,fma")` function inlines
/// may name it as their type.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(crate) struct Avx2(__m256);

/// Calls an instruction of AVX2 or FMA.
#[cfg(target_arch = "x86_64")]
macro_rules! avx2 {
    ($call:expr) => {
        // SAFETY: the processor has AVX2 and FMA, by the rule of `Avx2`; memory is touched only
        // through references to eight numbers.
        unsafe { $call }
    };
}

#[cfg(target_arch = "x86_64")]
impl Lanes for Avx2 {
    type Selector = __m256i;

    #[inline(always)]
    fn splat(value: f32) -> Self {
        Self(avx2!(_mm256_set1_ps(value)))
    }
    #[inline(always)]
    fn load(values: &[f32; WIDTH]) -> Self {
        Self(avx2!(_mm256_loadu_ps(values.as_ptr())))
    }
    #[inline(always)]
    fn store(self, values: &mut [f32; WIDTH]) {
        avx2!(_mm256_storeu_ps(values.as_mut_ptr(), self.0));
    }
    #[inline(always)]
    fn widen(values: &[Bf16; WIDTH]) -> Self {
        Self(avx2!({
            let halves = _mm_loadu_si128(values.as_ptr().cast());
            _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(halves)))
        }))
    }
    #[inline(always)]
    fn narrow(self, values: &mut [Bf16; WIDTH]) {
        avx2!({
            let bits = _mm256_castps_si256(self.0);
            let odd = _mm256_and_si256(_mm256_srli_epi32::<16>(bits), _mm256_set1_epi32(1));
            let rounding = _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff));
            let rounded = _mm256_srli_epi32::<16>(_mm256_add_epi32(bits, rounding));
            let is_nan = _mm256_cmp_ps::<_CMP_UNORD_Q>(self.0, self.0);
            let nan = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fc0));
            let halves = _mm256_castps_si256(_mm256_blendv_ps(_mm256_castsi256_ps(rounded), nan, is_nan));
            let packed = _mm256_permute4x64_epi64::<0b1000>(_mm256_packus_epi32(halves, halves));
            _mm_storeu_si128(values.as_mut_ptr().cast(), _mm256_castsi256_si128(packed));
        });
    }
    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        Self(avx2!(_mm256_add_ps(self.0, other.0)))
    }
    #[inline(always)]
    fn minus(self, other: Self) -> Self {
        Self(avx2!(_mm256_sub_ps(self.0, other.0)))
    }
    #[inline(always)]
    fn times(self, other: Self) -> Self {
        Self(avx2!(_mm256_mul_ps(self.0, other.0)))
    }
    #[inline(always)]
    fn times_plus(self, factor: Self, addend: Self) -> Self {
        Self(avx2!(_mm256_fmadd_ps(self.0, factor.0, addend.0)))
    }
    #[inline(always)]
    fn maximum(self, other: Self) -> Self {
        Self(avx2!(_mm256_max_ps(self.0, other.0)))
    }
    #[inline(always)]
    fn over(self, other: Self) -> Self {
        Self(avx2!(_mm256_div_ps(self.0, other.0)))
    }
    #[inline(always)]
    fn magnitude(self) -> Self {
        Self(avx2!(_mm256_andnot_ps(_mm256_set1_ps(-0.0), self.0)))
    }
    #[inline(always)]
    fn or_where_positive(self, other: Self, sign: Self) -> Self {
        Self(avx2!(_mm256_blendv_ps(other.0, self.0, sign.0)))
    }
    #[inline(always)]
    fn power_of_two(self) -> Self {
        Self(avx2!(_mm256_castsi256_ps(_mm256_slli_epi32::<23>(
            _mm256_castps_si256(self.0)
        ))))
    }
    #[inline(always)]
    fn zero_where_below(self, power: Self, limit: f32) -> Self {
        Self(avx2!(_mm256_andnot_ps(
            _mm256_cmp_ps::<_CMP_LT_OQ>(power.0, _mm256_set1_ps(limit)),
            self.0
        )))
    }
    #[inline(always)]
    fn selector(shift: u32) -> __m256i {
        avx2!(_mm256_sllv_epi32(
            _mm256_set1_epi32(1),
            _mm256_add_epi32(
                _mm256_set1_epi32(shift.cast_signed()),
                _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)
            )
        ))
    }
    #[inline(always)]
    fn keep(self, word: u32, selector: __m256i) -> Self {
        Self(avx2!(_mm256_and_ps(
            self.0,
            _mm256_castsi256_ps(_mm256_cmpeq_epi32(
                _mm256_and_si256(_mm256_set1_epi32(word.cast_signed()), selector),
                selector
            ))
        )))
    }
    #[inline(always)]
    fn halves_below(words: &[u32; 2 * WIDTH], threshold: u32) -> u32 {
        let mut below = 0;
        for (half, words) in words.as_chunks::<WIDTH>().0.iter().enumerate() {
            avx2!({
                let words = _mm256_loadu_si256(words.as_ptr().cast());
                let threshold = _mm256_set1_epi32(threshold.cast_signed());
                let lower = _mm256_and_si256(words, _mm256_set1_epi32(0xffff));
                let lower = _mm256_castsi256_ps(_mm256_cmpgt_epi32(threshold, lower));
                let upper = _mm256_srli_epi32::<16>(words);
                let upper = _mm256_castsi256_ps(_mm256_cmpgt_epi32(threshold, upper));
                below |= _mm256_movemask_ps(lower).cast_unsigned() << (half * WIDTH);
                below |= _mm256_movemask_ps(upper).cast_unsigned() << ((2 + half) * WIDTH);
            });
        }
        below
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exp_of<L: Lanes>(values: [f32; WIDTH]) -> [f32; WIDTH] {
        L::load(&values).exp().values()
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn exp_of_avx2(values: [f32; WIDTH]) -> [f32; WIDTH] {
        exp_of::<Avx2>(values)
    }

    fn check_exp(exp: impl Fn([f32; WIDTH]) -> [f32; WIDTH]) {
        for index in 0..20_000u16 {
            let start = f32::from(index) * -0.0044;
            let values: [f32; WIDTH] = std::array::from_fn(|lane| start - lane as f32 * 1e-4);
            for (value, result) in values.into_iter().zip(exp(values)) {
                let expected = f64::from(value).exp();
                if value > LEAST_EXPONENT {
                    assert!(
                        (f64::from(result) - expected).abs() <= 2.4e-7 * expected,
                        "{value}"
                    );
                } else {
                    assert!(result <= 1.3e-38, "{value}");
                }
            }
        }
        let special = exp([0.0, -1e30, f32::NEG_INFINITY, f32::NAN, -88.0, 1.0, -1.0, 0.5]);
        assert_eq!(special[..3], [1.0, 0.0, 0.0]);
        assert!(special[3].is_nan());
        assert_eq!(special[4].to_bits(), 0);
    }

    #[test]
    fn exp_is_within_two_units_of_the_last_place_and_keeps_nan() {
        check_exp(exp_of::<Portable>);
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
            // SAFETY: the processor has AVX2 and FMA.
            check_exp(|values| unsafe { exp_of_avx2(values) });
        }
    }

    fn rounded<L: Lanes>(values: [f32; WIDTH]) -> [u16; WIDTH] {
        let mut narrow = [Bf16(0); WIDTH];
        L::load(&values).narrow(&mut narrow);
        assert!(
            narrow
                .iter()
                .zip(L::widen(&narrow).values())
                .all(|(narrow, wide)| narrow.widened().to_bits() == wide.to_bits())
        );
        narrow.map(|value| value.0)
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn rounded_avx2(values: [f32; WIDTH]) -> [u16; WIDTH] {
        rounded::<Avx2>(values)
    }

    fn check_rounding(rounded: impl Fn([f32; WIDTH]) -> [u16; WIDTH]) {
        // Halfway to the even one below and above, past halfway, infinity, NaN of any bits.
        let bits = [
            0x3f80_8000,
            0x3f81_8000,
            0x3f80_8001,
            0x7f7f_ffff,
            0xff80_0000,
            0x7f80_0001,
            0xffff_ffff,
            0x0000_8001,
        ];
        let expected = [0x3f80, 0x3f82, 0x3f81, 0x7f80, 0xff80, 0x7fc0, 0x7fc0, 0x0001];
        assert_eq!(rounded(bits.map(f32::from_bits)), expected);
    }

    #[test]
    fn bf16_is_rounded_to_nearest_even_and_keeps_nan_and_infinity() {
        check_rounding(rounded::<Portable>);
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
            // SAFETY: the processor has AVX2 and FMA.
            check_rounding(|values| unsafe { rounded_avx2(values) });
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn halves_below_avx2(words: &[u32; 2 * WIDTH], threshold: u32) -> u32 {
        Avx2::halves_below(words, threshold)
    }

    #[test]
    fn every_half_of_every_word_has_its_bit() {
        let mut words = [0x7ffe_8000u32; 16];
        for lane in 1..16 {
            words[lane] = words[lane - 1] + 0x1_0001;
        }
        for (threshold, expected) in [(0, 0), (1 << 16, u32::MAX), (0x8003, 0x1f_0007)] {
            assert_eq!(Portable::halves_below(&words, threshold), expected);
            #[cfg(target_arch = "x86_64")]
            if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
                // SAFETY: the processor has AVX2 and FMA.
                assert_eq!(unsafe { halves_below_avx2(&words, threshold) }, expected);
            }
        }
    }

    #[test]
    fn a_lane_is_kept_by_its_own_bit() {
        let kept = Portable::splat(2.0)
            .keep(0b1010_0000_1000, Portable::selector(3))
            .values();
        assert_eq!(
            kept.map(|value| value > 1.0),
            [true, false, false, false, false, false, true, false]
        );
    }
}
