//! `AdamW` over flat buffers in one pass.
//!
//! Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR 2019, algorithm 2;
//! the order of operations is that of `torch.optim.AdamW`, so that f32 results agree with it
//! to rounding. Elementwise and without fused multiply-add, hence the same bits at any number
//! of threads and on any processor.

#![expect(
    unsafe_code,
    reason = "hands disjoint parts of the buffers to threads; calls the AVX2 copy of the kernel"
)]
#![expect(
    clippy::inline_always,
    reason = "a function is compiled for AVX2 by being inlined into one that is"
)]

use std::ops::{Add, Div, Mul, Range, Sub};

use tch::{Device, Kind, Tensor};

use crate::TorchError;
use crate::memory::{Element, with_slice, with_slice_mut};
use crate::parallel::{SharedSlice, parallel_for};

const OPERATION: &str = "adamw_step";
/// Least number of elements a thread takes.
const GRAIN: usize = 1 << 15;

/// The numbers of one `AdamW` step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamW {
    /// Learning rate of this step.
    pub learning_rate: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment, outside the root.
    pub epsilon: f64,
    /// Decoupled weight decay, on the decay ranges only.
    pub weight_decay: f64,
    /// Number of this step, counted from 1: the optimizer steps finished after it.
    pub step: u64,
}

impl AdamW {
    fn bias_corrections(&self) -> (f64, f64) {
        let step = self.step as f64;
        (1.0 - self.beta1.powf(step), 1.0 - self.beta2.powf(step))
    }
}

/// A float of the kernel.
trait Real: Element + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self> {
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

struct Part<'a, T> {
    parameters: &'a mut [T],
    gradients: &'a [T],
    exp_avg: &'a mut [T],
    exp_avg_sq: &'a mut [T],
}

#[inline(always)]
fn update<T: Real>(part: Part<'_, T>, scalars: Scalars<T>, decay: T) {
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

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn update_avx2<T: Real>(part: Part<'_, T>, scalars: Scalars<T>, decay: T) {
    update(part, scalars, decay);
}

fn update_best<T: Real>(part: Part<'_, T>, scalars: Scalars<T>, decay: T) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2.
        unsafe { update_avx2(part, scalars, decay) };
        return;
    }
    update(part, scalars, decay);
}

/// A run of elements with or without decay.
#[derive(Debug, Clone, PartialEq)]
struct Segment {
    range: Range<usize>,
    decays: bool,
}

/// Cuts `0..len` at the borders of the decay ranges.
fn segments(len: usize, decay_ranges: &[Range<usize>]) -> Result<Vec<Segment>, TorchError> {
    let mut result = Vec::with_capacity(2 * decay_ranges.len() + 1);
    let mut position = 0;
    for range in decay_ranges {
        if range.start < position || range.end <= range.start || range.end > len {
            return Err(TorchError::BadRange {
                operation: OPERATION,
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

fn step_slices<T: Real>(whole: Part<'_, T>, adamw: &AdamW, segments: &[Segment]) -> Result<(), TorchError> {
    let Part {
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
                Part {
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

/// The four flat buffers of an optimizer step, all of one length and kind.
#[derive(Clone, Copy)]
struct Buffers<'a> {
    parameters: &'a Tensor,
    gradients: &'a Tensor,
    exp_avg: &'a Tensor,
    exp_avg_sq: &'a Tensor,
}

impl Buffers<'_> {
    fn check(&self) -> Result<(), TorchError> {
        let expected = self.parameters.numel();
        let all = [
            ("parameters", self.parameters),
            ("gradients", self.gradients),
            ("exp_avg", self.exp_avg),
            ("exp_avg_sq", self.exp_avg_sq),
        ];
        for (index, (what, tensor)) in all.iter().enumerate() {
            if tensor.numel() != expected {
                return Err(TorchError::SizeMismatch {
                    operation: OPERATION,
                    what,
                    expected,
                    found: tensor.numel(),
                });
            }
            if expected > 0 && all[..index].iter().any(|(_, other)| overlap(tensor, other)) {
                return Err(TorchError::Aliased { operation: OPERATION });
            }
        }
        Ok(())
    }

    fn step<T: Real>(&self, adamw: &AdamW, segments: &[Segment]) -> Result<(), TorchError> {
        with_slice_mut(OPERATION, self.parameters, |parameters: &mut [T]| {
            with_slice(OPERATION, self.gradients, |gradients: &[T]| {
                with_slice_mut(OPERATION, self.exp_avg, |exp_avg: &mut [T]| {
                    with_slice_mut(OPERATION, self.exp_avg_sq, |exp_avg_sq: &mut [T]| {
                        step_slices(
                            Part {
                                parameters,
                                gradients,
                                exp_avg,
                                exp_avg_sq,
                            },
                            adamw,
                            segments,
                        )
                    })
                })
            })
        })????
    }

    /// The same step in libtorch's own operations: for other devices, and to test the kernel.
    fn step_by_operations(&self, adamw: &AdamW, segments: &[Segment]) -> Result<(), TorchError> {
        let _no_grad = tch::no_grad_guard();
        let (correction1, correction2) = adamw.bias_corrections();
        for segment in segments {
            let part = |tensor: &Tensor| {
                let start = i64::try_from(segment.range.start).unwrap_or(i64::MAX);
                tensor.f_narrow(0, start, i64::try_from(segment.range.len()).unwrap_or(i64::MAX))
            };
            let (mut parameters, gradients) = (part(self.parameters)?, part(self.gradients)?);
            let (mut exp_avg, mut exp_avg_sq) = (part(self.exp_avg)?, part(self.exp_avg_sq)?);
            if segment.decays {
                let _ = parameters.f_mul_scalar_(1.0 - adamw.learning_rate * adamw.weight_decay)?;
            }
            let _ = exp_avg.f_lerp_(&gradients, 1.0 - adamw.beta1)?;
            let _ = exp_avg_sq.f_mul_scalar_(adamw.beta2)?;
            let _ = exp_avg_sq.f_add_(&gradients.f_mul(&gradients)?.f_mul_scalar(1.0 - adamw.beta2)?)?;
            let denominator = exp_avg_sq
                .f_sqrt()?
                .f_div_scalar(correction2.sqrt())?
                .f_add_scalar(adamw.epsilon)?;
            let _ = parameters.f_add_(
                &exp_avg
                    .f_div(&denominator)?
                    .f_mul_scalar(-(adamw.learning_rate / correction1))?,
            )?;
        }
        Ok(())
    }
}

fn overlap(a: &Tensor, b: &Tensor) -> bool {
    let span = |tensor: &Tensor| {
        let start = tensor.data_ptr() as usize;
        start..start + tensor.numel() * tensor.kind().elt_size_in_bytes()
    };
    let (a_span, b_span) = (span(a), span(b));
    a.device() == b.device() && a_span.start < b_span.end && b_span.start < a_span.end
}

/// One `AdamW` step on flat buffers: parameters and both moments change in place.
///
/// `parameters`, `gradients`, `exp_avg`, `exp_avg_sq`: flat, f32 or f64, of one kind and
/// length. `decay_ranges`: elements with weight decay, ascending and disjoint.
///
/// # Errors
/// [`TorchError::OutOfRange`] for step 0, [`TorchError::BadRange`] for decay ranges out of
/// order or bounds, [`TorchError::SizeMismatch`], [`TorchError::Aliased`],
/// [`TorchError::NotASlice`] and [`TorchError::UnsupportedKind`] for buffers that do not fit.
pub fn adamw_step(
    parameters: &Tensor,
    gradients: &Tensor,
    exp_avg: &Tensor,
    exp_avg_sq: &Tensor,
    adamw: &AdamW,
    decay_ranges: &[Range<usize>],
) -> Result<(), TorchError> {
    if adamw.step == 0 {
        return Err(TorchError::OutOfRange {
            name: "AdamW step",
            value: 0.0,
            expected: "at least 1",
        });
    }
    let buffers = Buffers {
        parameters,
        gradients,
        exp_avg,
        exp_avg_sq,
    };
    buffers.check()?;
    let segments = segments(parameters.numel(), decay_ranges)?;
    if parameters.device() != Device::Cpu {
        return buffers.step_by_operations(adamw, &segments);
    }
    match parameters.f_kind()? {
        Kind::Float => buffers.step::<f32>(adamw, &segments),
        Kind::Double => buffers.step::<f64>(adamw, &segments),
        kind => Err(TorchError::UnsupportedKind {
            operation: OPERATION,
            kind,
        }),
    }
}

#[cfg(test)]
#[expect(
    clippy::single_range_in_vec_init,
    reason = "one decay range is a slice of one range"
)]
mod tests {
    use super::*;
    use crate::{num_threads, set_num_threads};

    const ADAMW: AdamW = AdamW {
        learning_rate: 1e-3,
        beta1: 0.9,
        beta2: 0.98,
        epsilon: 1e-6,
        weight_decay: 0.01,
        step: 3,
    };

    fn buffers(len: i64, kind: Kind) -> [Tensor; 4] {
        let ramp = Tensor::arange(len, (kind, Device::Cpu));
        [
            (&ramp * 0.7).sin(),
            (&ramp * 1.3).cos() * 0.1,
            (&ramp * 0.9).sin() * 0.05,
            (&ramp * 0.3).sin().square() * 0.01,
        ]
    }

    fn run(buffers: &[Tensor; 4], adamw: &AdamW, decay: &[Range<usize>]) -> Result<(), TorchError> {
        let [parameters, gradients, exp_avg, exp_avg_sq] = buffers;
        adamw_step(parameters, gradients, exp_avg, exp_avg_sq, adamw, decay)
    }

    #[test]
    fn the_kernel_equals_libtorch_operations() {
        for (kind, tolerance) in [(Kind::Float, 1e-6), (Kind::Double, 1e-15)] {
            for beta1 in [0.9, 0.3] {
                let adamw = AdamW { beta1, ..ADAMW };
                let (ours, reference) = (buffers(100_003, kind), buffers(100_003, kind));
                let decay = [5..7, 7..40_000, 99_000..100_003];
                run(&ours, &adamw, &decay).unwrap();
                let [parameters, gradients, exp_avg, exp_avg_sq] = &reference;
                let operations = Buffers {
                    parameters,
                    gradients,
                    exp_avg,
                    exp_avg_sq,
                };
                operations
                    .step_by_operations(&adamw, &segments(100_003, &decay).unwrap())
                    .unwrap();
                for (a, b) in ours.iter().zip(&reference) {
                    let error = (a - b).abs().max().double_value(&[]) / b.abs().max().double_value(&[]);
                    assert!(error <= tolerance, "{kind:?}: {error}");
                }
            }
        }
    }

    #[test]
    fn the_result_does_not_depend_on_the_number_of_threads() {
        let before = num_threads();
        let (single, several) = (buffers(200_001, Kind::Float), buffers(200_001, Kind::Float));
        set_num_threads(1).unwrap();
        run(&single, &ADAMW, &[17..150_000]).unwrap();
        set_num_threads(3).unwrap();
        run(&several, &ADAMW, &[17..150_000]).unwrap();
        set_num_threads(before).unwrap();
        assert_eq!(single, several);
    }

    #[test]
    fn decay_touches_its_ranges_alone() {
        let mut tensors = buffers(64, Kind::Double);
        for tensor in &mut tensors[1..] {
            let _ = tensor.zero_();
        }
        let before = tensors[0].copy();
        run(&tensors, &ADAMW, &[16..32]).unwrap();
        let expected = before.copy();
        let _ = expected.narrow(0, 16, 16).g_mul_scalar_(1.0 - 1e-5);
        assert_eq!(tensors[0], expected);
    }

    #[test]
    fn bad_arguments_are_refused_by_name() {
        let good = buffers(64, Kind::Float);
        assert!(matches!(
            run(&good, &AdamW { step: 0, ..ADAMW }, &[]),
            Err(TorchError::OutOfRange { .. })
        ));
        for (start, end) in [(10, 10), (60, 65)] {
            assert!(matches!(
                run(&good, &ADAMW, &[start..end]),
                Err(TorchError::BadRange { .. })
            ));
        }
        assert!(matches!(
            run(&good, &ADAMW, &[10..20, 15..30]),
            Err(TorchError::BadRange { .. })
        ));
        let [parameters, gradients, exp_avg, _] = &good;
        let aliased = adamw_step(parameters, gradients, exp_avg, exp_avg, &ADAMW, &[]);
        assert!(matches!(aliased, Err(TorchError::Aliased { .. })));
        let short = Tensor::zeros([63], (Kind::Float, Device::Cpu));
        let mismatch = adamw_step(parameters, gradients, exp_avg, &short, &ADAMW, &[]);
        assert!(matches!(
            mismatch,
            Err(TorchError::SizeMismatch {
                what: "exp_avg_sq",
                expected: 64,
                found: 63,
                ..
            })
        ));
        assert!(matches!(
            run(&buffers(64, Kind::Half), &ADAMW, &[]),
            Err(TorchError::UnsupportedKind { .. })
        ));
    }
}
