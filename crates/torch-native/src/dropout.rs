//! Dropout whose mask is a function of (seed, step, global micro-batch, site, element).
//!
//! Nothing but the key is saved for the backward pass: both passes make the bits anew while
//! they read the data. An element is kept when its 16 random bits are below a threshold, so
//! the probability is quantized to multiples of 1/65,536 (0.1 becomes 0.100006); kept
//! elements are scaled by the exact inverse of the quantized keep probability, so the
//! expectation is exact. Which bits an element has stands in `dropout/stream.rs`.

pub(crate) mod keep_bits;
#[cfg(target_arch = "x86_64")]
mod keep_bits_avx512;
mod mask;
mod rate;
mod stream;

use std::sync::{Mutex, PoisonError};

use tch::{Kind, Tensor};

use crate::TorchError;
use crate::autograd::attach_backward;
use crate::gpu::has_own_kernels;
use crate::memory::{Bf16, slice, slice_mut};
use crate::philox::{halves, philox4x32_10, purpose_key};

use mask::{Scale, mask_slices};
pub use rate::{Dropout, DropoutKey, DropoutRate};
use stream::MAX_ELEMENTS;
pub(crate) use stream::Stream;

/// Purpose of the seeds of [`with_seeded_generator`]: "gene" in ASCII.
const GENERATOR_PURPOSE: u32 = 0x6765_6e65;

fn mask_tensor<T: Scale>(
    stream: Stream,
    scale: f64,
    input: &Tensor,
    output: &mut Tensor,
) -> Result<(), TorchError> {
    mask_slices::<T>(
        stream,
        scale,
        slice("dropout", input)?,
        slice_mut("dropout", output)?,
    )
}

/// `input` times its mask times the scale; no gradient.
fn masked(stream: Stream, rate: DropoutRate, input: &Tensor) -> Result<Tensor, TorchError> {
    let _no_grad = tch::no_grad_guard();
    if input.numel() > MAX_ELEMENTS {
        return Err(TorchError::OutOfRange {
            name: "dropout elements",
            value: input.numel() as f64,
            expected: "at most 34,359,738,240",
        });
    }
    let input = input.f_contiguous()?;
    let mut output = input.f_empty_like()?;
    match input.f_kind()? {
        Kind::Float => mask_tensor::<f32>(stream, rate.scale(), &input, &mut output)?,
        Kind::Double => mask_tensor::<f64>(stream, rate.scale(), &input, &mut output)?,
        Kind::BFloat16 => mask_tensor::<Bf16>(stream, rate.scale(), &input, &mut output)?,
        // No kernel of its own: fp16 is for GPUs, and comes here in tests alone.
        Kind::Half => return Ok(masked(stream, rate, &input.f_to_kind(Kind::Float)?)?.f_to_kind(Kind::Half)?),
        kind => {
            return Err(TorchError::UnsupportedKind {
                operation: "dropout",
                kind,
            });
        }
    }
    Ok(output)
}

/// libtorch's generators are the process's: who seeds them draws before anybody else does.
static GENERATORS: Mutex<()> = Mutex::new(());

/// Runs `draw`, one use of dropout, with libtorch's generators seeded for it, so that on a GPU too the
/// mask is a function of (key, site), in a second forward pass through the same place as well. Setting
/// a GPU's generator starts nothing on the device.
#[expect(
    clippy::disallowed_methods,
    reason = "libtorch's GPU dropout reads its generator; seeded before each use, it is a function again"
)]
pub fn with_seeded_generator<T>(key: &DropoutKey, site: u32, draw: impl FnOnce() -> T) -> T {
    let [step, step_high] = halves(key.step);
    let [micro_batch, micro_batch_high] = halves(key.micro_batch);
    let purpose = purpose_key(key.seed, GENERATOR_PURPOSE, micro_batch_high, step_high);
    let [low, high, ..] = philox4x32_10([0, site, micro_batch, step], purpose);
    let _alone = GENERATORS.lock().unwrap_or_else(PoisonError::into_inner);
    tch::manual_seed(((u64::from(high) << 32) | u64::from(low)).cast_signed());
    draw()
}

/// Dropout: zeroes each element with `probability` and scales the others by the inverse of the
/// keep probability. The mask is a function of (key, site, element index), whatever the
/// kind, the number of threads and the processor; on a GPU libtorch makes it, from a generator
/// that is seeded with (key, site). Differentiable; `input` of any shape, f32, f64, bf16 or fp16.
///
/// # Errors
/// [`TorchError::OutOfRange`] for a probability outside [0, 1) or a tensor beyond the
/// counter; [`TorchError::UnsupportedKind`] for another kind.
pub fn dropout(input: &Tensor, probability: f64, key: &DropoutKey, site: u32) -> Result<Tensor, TorchError> {
    let Some(rate) = DropoutRate::quantize(probability)? else {
        return Ok(input.shallow_clone());
    };
    if !has_own_kernels(input.device()) {
        return Ok(with_seeded_generator(key, site, || {
            input.f_dropout(probability, true)
        })?);
    }
    let stream = Stream::new(key, site, rate);
    let output = masked(stream, rate, input)?;
    attach_backward(output, &[input], move |gradient| {
        Ok(vec![Some(masked(stream, rate, gradient)?)])
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    use super::rate::STEPS;
    use super::stream::PURPOSE;
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
    fn the_rate_is_the_quantized_probability_within_four_deviations() {
        for probability in [0.1, 0.5, 0.01] {
            let len = 4_000_000;
            let dropped = mask_of(len, probability, &KEY, 0)
                .iter()
                .filter(|&&kept| !kept)
                .count();
            let keep = DropoutRate::quantize(probability)
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
            let rate = DropoutRate::quantize(probability).unwrap().unwrap();
            assert!((rate.scale() * rate.keep_probability() - 1.0).abs() < 1e-15);
            assert!(rate.keep_probability() < 1.0 && rate.keep_probability() > 0.0);
        }
        assert!(DropoutRate::quantize(0.0).unwrap().is_none());
        assert!(matches!(
            DropoutRate::quantize(1.0),
            Err(TorchError::OutOfRange { .. })
        ));
        assert!(matches!(
            DropoutRate::quantize(f64::NAN),
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
        let rate = DropoutRate::quantize(0.1).unwrap().unwrap();
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
