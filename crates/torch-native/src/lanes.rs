//! Eight f32 side by side: AVX2 with fused multiply-add, and a plain form for every processor.
//!
//! The kernels are written once over [`Lanes`]. The two forms differ in rounding
//! alone: the plain one rounds between multiplication and addition. What lies in memory is f32 or
//! bf16 ([`crate::stored::Stored`]); the arithmetic is f32's.

#[cfg(target_arch = "x86_64")]
mod avx2;
mod operations;
mod portable;

#[cfg(target_arch = "x86_64")]
pub(crate) use avx2::Avx2;
pub(crate) use operations::{Lanes, WIDTH};
pub(crate) use portable::Portable;

#[cfg(test)]
#[expect(unsafe_code, reason = "calls a copy once the processor was seen to have it")]
mod tests {
    use super::operations::LEAST_EXPONENT;
    use super::*;
    use crate::memory::Bf16;

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
                .all(|(narrow, wide)| narrow.to_f32().to_bits() == wide.to_bits())
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
