//! The arithmetic of one `AdamW` step on slices, segment by segment.
//!
//! The order of operations is that of `torch.optim.AdamW`. Elementwise and without fused
//! multiply-add, hence the same bits at any number of threads and on any processor.

#![expect(
    unsafe_code,
    reason = "hands disjoint parts of the buffers to threads; calls a copy of the kernel"
)]
#![expect(
    clippy::inline_always,
    reason = "a function is compiled for AVX2 by being inlined into one that is"
)]

use std::ops::{Add, Div, Mul, Range, Sub};

use super::numbers::AdamW;
use crate::TorchError;
use crate::instructions::best_copy;
use crate::memory::Element;
use crate::parallel::{GRAIN, SharedSlice, parallel_for};

/// A float of the kernel.
pub(super) trait Real:
    Element + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self>
{
    fn of(value: f64) -> Self;
    fn root(self) -> Self;
}

impl Real for f32 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "scalars enter f32 kernels rounded, as in libtorch"
    )]
    fn of(value: f64) -> Self {
        value as f32
    }
    #[inline(always)]
    fn root(self) -> Self {
        self.sqrt()
    }
}

impl Real for f64 {
    fn of(value: f64) -> Self {
        value
    }
    #[inline(always)]
    fn root(self) -> Self {
        self.sqrt()
    }
}

/// [`AdamW`] in the buffers' precision.
#[derive(Clone, Copy)]
struct Scalars<T> {
    decay: T,
    keep: T,
    gradient_share: T,
    beta2: T,
    square_share: T,
    root_correction: T,
    epsilon: T,
    step_size: T,
    lerp_from_end: bool,
}

impl<T: Real> Scalars<T> {
    fn new(adamw: &AdamW) -> Self {
        let (correction1, correction2) = adamw.bias_corrections();
        let weight = 1.0 - adamw.beta1;
        Self {
            decay: T::of(1.0 - adamw.learning_rate * adamw.weight_decay),
            keep: T::of(1.0),
            gradient_share: T::of(weight),
            beta2: T::of(adamw.beta2),
            square_share: T::of(1.0 - adamw.beta2),
            root_correction: T::of(correction2.sqrt()),
            epsilon: T::of(adamw.epsilon),
            step_size: T::of(-(adamw.learning_rate / correction1)),
            // torch's lerp changes its formula at a weight of one half.
            lerp_from_end: weight >= 0.5,
        }
    }
}

/// The same elements of the four buffers.
pub(super) struct Slices<'a, T> {
    pub(super) parameters: &'a mut [T],
    pub(super) gradients: &'a [T],
    pub(super) exp_avg: &'a mut [T],
    pub(super) exp_avg_sq: &'a mut [T],
}

#[inline(always)]
fn update<T: Real>(part: Slices<'_, T>, scalars: Scalars<T>, decay: T) {
    let moments = part.exp_avg.iter_mut().zip(part.exp_avg_sq);
    for ((parameter, &gradient), (exp_avg, exp_avg_sq)) in
        part.parameters.iter_mut().zip(part.gradients).zip(moments)
    {
        let difference = gradient - *exp_avg;
        let first = if scalars.lerp_from_end {
            gradient - difference * (scalars.keep - scalars.gradient_share)
        } else {
            *exp_avg + scalars.gradient_share * difference
        };
        let second = *exp_avg_sq * scalars.beta2 + scalars.square_share * gradient * gradient;
        let denominator = second.root() / scalars.root_correction + scalars.epsilon;
        *parameter = *parameter * decay + scalars.step_size * first / denominator;
        *exp_avg = first;
        *exp_avg_sq = second;
    }
}

best_copy!(fn update_best = update<T: Real>(part: Slices<'_, T>, scalars: Scalars<T>, decay: T));

/// A run of elements with or without decay.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Segment {
    pub(super) range: Range<usize>,
    pub(super) decays: bool,
}

/// Cuts `0..len` at the borders of the decay ranges.
pub(super) fn segments(len: usize, decay_ranges: &[Range<usize>]) -> Result<Vec<Segment>, TorchError> {
    let mut result = Vec::with_capacity(2 * decay_ranges.len() + 1);
    let mut position = 0;
    for range in decay_ranges {
        if range.start < position || range.end <= range.start || range.end > len {
            return Err(TorchError::BadRange {
                operation: "adamw_step",
                range: range.clone(),
                len,
            });
        }
        if position < range.start {
            result.push(Segment {
                range: position..range.start,
                decays: false,
            });
        }
        result.push(Segment {
            range: range.clone(),
            decays: true,
        });
        position = range.end;
    }
    if position < len {
        result.push(Segment {
            range: position..len,
            decays: false,
        });
    }
    Ok(result)
}

/// Updates all elements, in parallel.
pub(super) fn step_slices<T: Real>(
    whole: Slices<'_, T>,
    adamw: &AdamW,
    segments: &[Segment],
) -> Result<(), TorchError> {
    let Slices {
        parameters,
        gradients,
        exp_avg,
        exp_avg_sq,
    } = whole;
    let scalars = Scalars::<T>::new(adamw);
    let len = parameters.len();
    let parameters = SharedSlice::new(parameters);
    let exp_avg = SharedSlice::new(exp_avg);
    let exp_avg_sq = SharedSlice::new(exp_avg_sq);
    parallel_for(len, GRAIN, &|chunk| {
        let first = segments.partition_point(|segment| segment.range.end <= chunk.start);
        for segment in segments[first..]
            .iter()
            .take_while(|segment| segment.range.start < chunk.end)
        {
            let range = segment.range.start.max(chunk.start)..segment.range.end.min(chunk.end);
            // SAFETY: chunks are disjoint between threads, segments are disjoint in a chunk.
            let part = unsafe {
                Slices {
                    parameters: parameters.part(range.clone()),
                    gradients: &gradients[range.clone()],
                    exp_avg: exp_avg.part(range.clone()),
                    exp_avg_sq: exp_avg_sq.part(range),
                }
            };
            update_best(
                part,
                scalars,
                if segment.decays {
                    scalars.decay
                } else {
                    scalars.keep
                },
            );
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_portable_copy_gives_the_same_bits_as_the_best() {
        let adamw = AdamW {
            learning_rate: 1e-2,
            beta1: 0.9,
            beta2: 0.98,
            epsilon: 1e-6,
            weight_decay: 0.01,
            step: 3,
        };
        let values = |scale: f32| -> Vec<f32> {
            let value = |index: u8| (f32::from(index) - 60.0) * scale;
            (0..121).map(value).collect()
        };
        let run = |update: fn(Slices<'_, f32>, Scalars<f32>, f32)| {
            let mut buffers = [values(0.01), values(0.003), values(0.0)];
            let [parameters, exp_avg, exp_avg_sq] = &mut buffers;
            let scalars = Scalars::new(&adamw);
            let gradients = &values(-0.7);
            let part = Slices {
                parameters,
                gradients,
                exp_avg,
                exp_avg_sq,
            };
            update(part, scalars, scalars.decay);
            buffers
        };
        assert_eq!(run(update), run(update_best));
    }
}
