//! Dropout whose mask is a function of (seed, step, global micro-batch, site, element).
//!
//! Nothing but the key is saved for the backward pass: both passes make the bits anew while
//! they read the data. An element is kept when its 16 random bits are below a threshold, so
//! the probability is quantised to multiples of 1/65,536 (0.1 becomes 0.100006); kept
//! elements are scaled by the exact inverse of the quantised keep probability, so the
//! expectation is exact.
//!
//! Bits: elements are cut into groups of 128 = 16 Philox blocks. In group g the element
//! 32 w + 16 h + l takes half h (0 low, 1 high) of word w of block 16 g + l. The counter is
//! (block, site, micro-batch, step), the key a purpose key of the seed; high words of step
//! and micro-batch go into the key.

#![expect(
    unsafe_code,
    reason = "calls the AVX2 copy of the kernel once the processor was seen to have it"
)]
#![expect(
    clippy::inline_always,
    reason = "a function is compiled for AVX2 by being inlined into one that is"
)]

use tch::{Device, Kind, Tensor};

use crate::TorchError;
use crate::autograd::attach_backward;
use crate::memory::{Bf16, Element, with_slice, with_slice_mut};
use crate::parallel::{SharedSlice, parallel_for};
use crate::philox::{LANES, halves, philox_lanes, purpose_key};

/// Purpose of the streams of this module, see [`purpose_key`]: "drop" in ASCII.
const PURPOSE: u32 = 0x6472_6f70;
/// Elements whose bits come from one call of the sixteen-lane generator.
const GROUP: usize = LANES * 8;
/// Least number of groups a thread takes: 32,768 elements, some 10 microseconds.
const GRAIN_GROUPS: usize = 256;
/// Values that 16 random bits take.
const STEPS: u32 = 1 << 16;

/// What the masks of one forward and backward pass depend on, beside the site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DropoutKey {
    /// The run's seed.
    pub seed: u64,
    /// Optimizer steps finished before this pass.
    pub step: u64,
    /// Global micro-batch index within the step: the same at any world size.
    pub micro_batch: u64,
}

/// A dropout probability on the grid that the kernel has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DropoutRate {
    /// An element is kept when its bits are below this, 1..=65,535.
    threshold: u32,
}

impl DropoutRate {
    /// The nearest rate on the grid; a positive probability never becomes 0. `None` for 0.
    ///
    /// # Errors
    /// [`TorchError::OutOfRange`] unless 0 <= `probability` < 1.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 1 and 65,535 by clamp"
    )]
    pub fn quantise(probability: f64) -> Result<Option<Self>, TorchError> {
        if !(0.0..1.0).contains(&probability) {
            return Err(TorchError::OutOfRange {
                name: "dropout probability",
                value: probability,
                expected: "at least 0 and below 1",
            });
        }
        let kept = ((1.0 - probability) * f64::from(STEPS)).round();
        let threshold = kept.clamp(1.0, f64::from(STEPS - 1)) as u32;
        Ok((probability > 0.0).then_some(Self { threshold }))
    }

    /// The probability with which an element is kept.
    pub fn keep_probability(self) -> f64 {
        f64::from(self.threshold) / f64::from(STEPS)
    }

    /// What kept elements are multiplied by.
    pub fn scale(self) -> f64 {
        f64::from(STEPS) / f64::from(self.threshold)
    }
}

/// One site's stream of bits.
#[derive(Clone, Copy)]
struct Stream {
    rest: [u32; 3],
    key: [u32; 2],
    threshold: u32,
}

impl Stream {
    fn new(key: &DropoutKey, site: u32, rate: DropoutRate) -> Self {
        let [step, step_high] = halves(key.step);
        let [micro_batch, micro_batch_high] = halves(key.micro_batch);
        Self {
            rest: [site, micro_batch, step],
            key: purpose_key(key.seed, PURPOSE, micro_batch_high, step_high),
            threshold: rate.threshold,
        }
    }
}

/// An element that can be scaled.
trait Scale: Element {
    const ZERO: Self;
    fn scaled(self, scale: f64) -> Self;
}

impl Scale for f32 {
    const ZERO: Self = 0.0;
    #[inline(always)]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the scale in the tensor's precision, hoisted out of the loop"
    )]
    fn scaled(self, scale: f64) -> Self {
        self * scale as f32
    }
}

impl Scale for f64 {
    const ZERO: Self = 0.0;
    #[inline(always)]
    fn scaled(self, scale: f64) -> Self {
        self * scale
    }
}

impl Scale for Bf16 {
    const ZERO: Self = Self(0);
    /// Multiplied in f32 and rounded to nearest even; a NaN stays a NaN because dropout's
    /// inputs carry NaNs with the quiet bit, which rounding cannot carry out of the mantissa.
    #[inline(always)]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the upper half of the f32 is the bf16"
    )]
    fn scaled(self, scale: f64) -> Self {
        let bits = (f32::from_bits(u32::from(self.0) << 16) * scale as f32).to_bits();
        let rounding = 0x7fff + ((bits >> 16) & 1);
        Self((bits.wrapping_add(rounding) >> 16) as u16)
    }
}

/// Masks one full group.
#[inline(always)]
fn mask_group<T: Scale>(
    words: &[[u32; LANES]; 4],
    threshold: u32,
    scale: f64,
    input: &[T; GROUP],
    output: &mut [T; GROUP],
) {
    for (word, lanes) in words.iter().enumerate() {
        for half in 0..2 {
            let start = (2 * word + half) * LANES;
            for lane in 0..LANES {
                let bits = (lanes[lane] >> (16 * half)) & 0xffff;
                let value = input[start + lane].scaled(scale);
                output[start + lane] = if bits < threshold { value } else { T::ZERO };
            }
        }
    }
}

/// Masks the groups from `first_group` on; the last may be short.
#[inline(always)]
#[expect(
    clippy::cast_possible_truncation,
    reason = "checked in `masked`: blocks are numbered in 32 bits"
)]
fn mask_groups<T: Scale>(stream: Stream, scale: f64, first_group: usize, input: &[T], output: &mut [T]) {
    for (index, (input, output)) in input.chunks(GROUP).zip(output.chunks_mut(GROUP)).enumerate() {
        let first_block = ((first_group + index) * LANES) as u32;
        let words = philox_lanes(first_block, stream.rest, stream.key);
        if let (Ok(input), Ok(output)) = (input.try_into(), <&mut [T; GROUP]>::try_from(&mut *output)) {
            mask_group(&words, stream.threshold, scale, input, output);
        } else {
            let mut padded = [T::ZERO; GROUP];
            padded[..input.len()].copy_from_slice(input);
            let mut masked = [T::ZERO; GROUP];
            mask_group(&words, stream.threshold, scale, &padded, &mut masked);
            output.copy_from_slice(&masked[..input.len()]);
        }
    }
}

/// The same function compiled for AVX2: integer arithmetic and one multiplication an element
/// give the same bits.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn mask_groups_avx2<T: Scale>(stream: Stream, scale: f64, first_group: usize, input: &[T], output: &mut [T]) {
    mask_groups(stream, scale, first_group, input, output);
}

fn mask_groups_best<T: Scale>(stream: Stream, scale: f64, first_group: usize, input: &[T], output: &mut [T]) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2.
        unsafe { mask_groups_avx2(stream, scale, first_group, input, output) };
        return;
    }
    mask_groups(stream, scale, first_group, input, output);
}

fn mask_slices<T: Scale>(
    stream: Stream,
    scale: f64,
    input: &[T],
    output: &mut [T],
) -> Result<(), TorchError> {
    let len = input.len();
    let shared = SharedSlice::new(output);
    parallel_for(len.div_ceil(GROUP), GRAIN_GROUPS, &|groups| {
        let elements = groups.start * GROUP..(groups.end * GROUP).min(len);
        // SAFETY: disjoint ranges of groups are disjoint ranges of elements.
        let output = unsafe { shared.part(elements.clone()) };
        mask_groups_best(stream, scale, groups.start, &input[elements], output);
    })
}

fn mask_tensor<T: Scale>(
    stream: Stream,
    scale: f64,
    input: &Tensor,
    output: &Tensor,
) -> Result<(), TorchError> {
    with_slice("dropout", input, |input: &[T]| {
        with_slice_mut("dropout", output, |output: &mut [T]| {
            mask_slices(stream, scale, input, output)
        })
    })??
}

/// `input` times its mask times the scale; no gradient.
fn masked(stream: Stream, rate: DropoutRate, input: &Tensor) -> Result<Tensor, TorchError> {
    let _no_grad = tch::no_grad_guard();
    if input.device() != Device::Cpu {
        // Right but slow: the bits are made on the CPU.
        let mask = masked(
            stream,
            rate,
            &Tensor::f_ones(input.size(), (Kind::Float, Device::Cpu))?,
        )?;
        return Ok(input.f_mul(&mask.f_to_kind(input.f_kind()?)?.f_to_device(input.device())?)?);
    }
    if u32::try_from(input.numel().div_ceil(GROUP) * LANES).is_err() {
        return Err(TorchError::OutOfRange {
            name: "dropout elements",
            value: input.numel() as f64,
            expected: "below 34,359,738,368",
        });
    }
    let input = input.f_contiguous()?;
    let output = input.f_empty_like()?;
    match input.f_kind()? {
        Kind::Float => mask_tensor::<f32>(stream, rate.scale(), &input, &output)?,
        Kind::Double => mask_tensor::<f64>(stream, rate.scale(), &input, &output)?,
        Kind::BFloat16 => mask_tensor::<Bf16>(stream, rate.scale(), &input, &output)?,
        kind => {
            return Err(TorchError::UnsupportedKind {
                operation: "dropout",
                kind,
            });
        }
    }
    Ok(output)
}

/// Dropout: zeroes each element with `probability` and scales the others by the inverse of the
/// keep probability. The mask is a function of (key, site, element index), whatever the
/// kind, the number of threads and the processor. Differentiable; `input` of any shape, f32,
/// f64 or bf16.
///
/// # Errors
/// [`TorchError::OutOfRange`] for a probability outside [0, 1) or a tensor beyond the
/// counter; [`TorchError::UnsupportedKind`] for another kind.
pub fn dropout(input: &Tensor, probability: f64, key: &DropoutKey, site: u32) -> Result<Tensor, TorchError> {
    let Some(rate) = DropoutRate::quantise(probability)? else {
        return Ok(input.shallow_clone());
    };
    let stream = Stream::new(key, site, rate);
    let output = masked(stream, rate, input)?;
    attach_backward(output, &[input], move |gradient| {
        Ok(vec![Some(masked(stream, rate, gradient)?)])
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::philox::philox4x32_10;
    use crate::{num_threads, set_num_threads};

    const KEY: DropoutKey = DropoutKey {
        seed: 7,
        step: 11,
        micro_batch: 3,
    };

    fn mask_of(len: i64, probability: f64, key: &DropoutKey, site: u32) -> Vec<bool> {
        let ones = Tensor::ones([len], (Kind::Float, Device::Cpu));
        let output = dropout(&ones, probability, key, site).unwrap();
        Vec::<f32>::try_from(output)
            .unwrap()
            .iter()
            .map(|&value| value != 0.0)
            .collect()
    }

    #[test]
    fn the_rate_is_the_quantised_probability_within_four_deviations() {
        for probability in [0.1, 0.5, 0.01] {
            let len = 4_000_000;
            let dropped = mask_of(len, probability, &KEY, 0)
                .iter()
                .filter(|&&kept| !kept)
                .count();
            let keep = DropoutRate::quantise(probability)
                .unwrap()
                .unwrap()
                .keep_probability();
            assert!((1.0 - keep - probability).abs() <= 0.5 / f64::from(STEPS));
            let deviation = (probability * (1.0 - probability) / len as f64).sqrt();
            assert!((dropped as f64 / len as f64 - probability).abs() < 4.0 * deviation + 1e-5);
        }
    }

    #[test]
    fn the_scale_makes_the_expectation_exact() {
        for probability in [0.1, 0.3, 1e-9, 0.999_999] {
            let rate = DropoutRate::quantise(probability).unwrap().unwrap();
            assert!((rate.scale() * rate.keep_probability() - 1.0).abs() < 1e-15);
            assert!(rate.keep_probability() < 1.0 && rate.keep_probability() > 0.0);
        }
        assert!(DropoutRate::quantise(0.0).unwrap().is_none());
        assert!(matches!(
            DropoutRate::quantise(1.0),
            Err(TorchError::OutOfRange { .. })
        ));
        assert!(matches!(
            DropoutRate::quantise(f64::NAN),
            Err(TorchError::OutOfRange { .. })
        ));
    }

    #[test]
    fn the_mask_is_the_documented_function_of_its_key() {
        let mask = mask_of(1000, 0.1, &KEY, 5);
        let key = purpose_key(7, PURPOSE, 0, 0);
        for (element, &kept) in mask.iter().enumerate() {
            let (group, inside) = (element / 128, element % 128);
            let block = u32::try_from(group * 16 + inside % 16).unwrap();
            let word = philox4x32_10([block, 5, 3, 11], key)[inside / 32];
            let bits = if inside % 32 < 16 {
                word & 0xffff
            } else {
                word >> 16
            };
            assert_eq!(kept, bits < 58_982, "element {element}");
        }
    }

    #[test]
    fn every_part_of_the_key_changes_the_mask_and_the_same_key_repeats_it() {
        let base = mask_of(4096, 0.5, &KEY, 0);
        assert_eq!(base, mask_of(4096, 0.5, &KEY, 0));
        let others = [
            mask_of(4096, 0.5, &DropoutKey { seed: 8, ..KEY }, 0),
            mask_of(4096, 0.5, &DropoutKey { step: 12, ..KEY }, 0),
            mask_of(
                4096,
                0.5,
                &DropoutKey {
                    step: 11 + (1 << 32),
                    ..KEY
                },
                0,
            ),
            mask_of(
                4096,
                0.5,
                &DropoutKey {
                    micro_batch: 4,
                    ..KEY
                },
                0,
            ),
            mask_of(
                4096,
                0.5,
                &DropoutKey {
                    micro_batch: 3 + (1 << 32),
                    ..KEY
                },
                0,
            ),
            mask_of(4096, 0.5, &KEY, 1),
        ];
        for other in others {
            let equal = base.iter().zip(&other).filter(|(a, b)| a == b).count();
            // Independent masks agree on half of the elements; 5 deviations are 160.
            assert!(equal.abs_diff(2048) < 160, "{equal} of 4096 agree");
        }
    }

    #[test]
    fn the_mask_does_not_depend_on_threads_kind_or_length() {
        let before = num_threads();
        let len = 200_003;
        set_num_threads(1).unwrap();
        let single = mask_of(len, 0.1, &KEY, 2);
        set_num_threads(3).unwrap();
        let several = mask_of(len, 0.1, &KEY, 2);
        set_num_threads(before).unwrap();
        assert_eq!(single, several);
        assert_eq!(single[..1001], mask_of(1001, 0.1, &KEY, 2));
        for kind in [Kind::Double, Kind::BFloat16] {
            let ones = Tensor::ones([len], (kind, Device::Cpu));
            let output = dropout(&ones, 0.1, &KEY, 2).unwrap().to_kind(Kind::Float);
            let mask: Vec<bool> = Vec::<f32>::try_from(output)
                .unwrap()
                .iter()
                .map(|&value| value != 0.0)
                .collect();
            assert_eq!(single, mask, "{kind:?}");
        }
    }

    #[test]
    fn the_portable_kernel_gives_the_same_bits_as_the_best() {
        let input: Vec<f32> = (0..1000u16)
            .map(|index| f32::from(index) * 0.37 - 100.0)
            .collect();
        let rate = DropoutRate::quantise(0.1).unwrap().unwrap();
        let stream = Stream::new(&KEY, 4, rate);
        let (mut portable, mut best) = (vec![0.0; 1000], vec![0.0; 1000]);
        mask_groups(stream, rate.scale(), 0, &input, &mut portable);
        mask_groups_best(stream, rate.scale(), 0, &input, &mut best);
        assert_eq!(portable, best);
    }

    #[test]
    fn the_backward_pass_has_the_forward_mask() {
        let input = Tensor::ones([3, 700], (Kind::Float, Device::Cpu)).set_requires_grad(true);
        let output = dropout(&input, 0.25, &KEY, 9).unwrap();
        (&output * 2.0).sum(Kind::Float).backward();
        assert_eq!(input.grad(), output.detach() * 2.0);
    }

    #[test]
    fn bf16_is_scaled_as_libtorch_rounds_it() {
        let input =
            Tensor::arange_start(-500, 500, (Kind::Float, Device::Cpu)).to_kind(Kind::BFloat16) * 0.137;
        let output = dropout(&input, 0.1, &KEY, 1).unwrap();
        let rate = DropoutRate::quantise(0.1).unwrap().unwrap();
        let scaled = (input.to_kind(Kind::Float) * rate.scale()).to_kind(Kind::BFloat16);
        let kept = output.ne(0.0);
        assert_eq!(output.masked_select(&kept), scaled.masked_select(&kept));
    }

    #[test]
    fn a_strided_input_is_masked_by_its_logical_element_order() {
        let base = Tensor::ones([40, 30], (Kind::Float, Device::Cpu));
        let strided = dropout(&base.transpose(0, 1), 0.5, &KEY, 0).unwrap();
        assert_eq!(
            strided,
            dropout(&Tensor::ones([30, 40], (Kind::Float, Device::Cpu)), 0.5, &KEY, 0).unwrap()
        );
        let empty = Tensor::ones([0, 4], (Kind::Float, Device::Cpu));
        assert_eq!(dropout(&empty, 0.5, &KEY, 0).unwrap().numel(), 0);
    }
}
