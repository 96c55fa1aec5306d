//! Masks slices with the random bits of a stream.

#![expect(
    unsafe_code,
    reason = "hands disjoint parts to threads; calls a copy once the processor was seen to have it"
)]
#![expect(
    clippy::inline_always,
    reason = "a function is compiled for AVX2 by being inlined into one that is"
)]

use super::stream::{GROUP, Stream};
use crate::TorchError;
use crate::instructions::best_copy;
use crate::memory::{Bf16, Element};
use crate::parallel::{SharedSlice, parallel_for};
use crate::philox::{LANES, philox_lanes};

/// Least number of groups a thread takes: 32,768 elements.
const GRAIN_GROUPS: usize = 256;

/// An element that can be scaled.
pub(super) trait Scale: Element {
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
    /// Multiplied in f32 and rounded to nearest even.
    #[inline(always)]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the scale in the kernels' precision"
    )]
    fn scaled(self, scale: f64) -> Self {
        Self::from_f32(self.to_f32() * scale as f32)
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

// Integer arithmetic and one multiplication an element give the same bits in every copy.
best_copy!(fn mask_groups_best = mask_groups<T: Scale>(
    stream: Stream,
    scale: f64,
    first_group: usize,
    input: &[T],
    output: &mut [T],
));

/// Masks a whole tensor, in parallel.
pub(super) fn mask_slices<T: Scale>(
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instructions::Instructions;
    use crate::{DropoutKey, DropoutRate};

    #[test]
    fn the_portable_kernel_gives_the_same_bits_as_the_best() {
        let key = DropoutKey {
            seed: 7,
            step: 11,
            micro_batch: 3,
        };
        let input: Vec<f32> = (0..1000u16)
            .map(|index| f32::from(index) * 0.37 - 100.0)
            .collect();
        let rate = DropoutRate::quantize(0.1).unwrap().unwrap();
        let stream = Stream::new(&key, 4, rate);
        let (mut portable, mut best) = (vec![0.0; 1000], vec![0.0; 1000]);
        mask_groups(stream, rate.scale(), 0, &input, &mut portable);
        mask_groups_best(stream, rate.scale(), 0, &input, &mut best);
        assert_eq!(portable, best);
    }

    #[test]
    fn keep_bits_are_those_of_the_mask() {
        let key = DropoutKey {
            seed: 5,
            step: 2,
            micro_batch: 1,
        };
        let rate = DropoutRate::quantize(0.4).unwrap().unwrap();
        let stream = Stream::new(&key, 9, rate);
        let mut masked = vec![0.0f32; 5 * GROUP];
        mask_groups(stream, 1.0, 0, &vec![1.0; 5 * GROUP], &mut masked);
        for instructions in Instructions::all() {
            let mut bytes = vec![0; 3 * GROUP / 8];
            stream.keep_bits(instructions, 2..5, &mut bytes);
            for (index, &value) in masked[2 * GROUP..].iter().enumerate() {
                let is_kept = bytes[index / 8] >> (index % 8) & 1 == 1;
                assert_eq!(is_kept, value != 0.0, "{instructions:?} {index}");
            }
        }
    }
}
