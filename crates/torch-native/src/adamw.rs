//! `AdamW` over flat buffers in one pass.
//!
//! Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR 2019, algorithm 2.

mod kernel;
mod numbers;

use std::ops::Range;

use tch::{Kind, Tensor};

use crate::TorchError;
use crate::gpu::has_own_kernels;
use crate::memory::{slice, slice_mut};

use kernel::{Real, Segment, Slices, segments, step_slices};
pub use numbers::AdamW;

const OPERATION: &str = "adamw_step";

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
        // Handles of their own; that no two share memory was checked.
        let [mut parameters, mut exp_avg, mut exp_avg_sq] =
            [self.parameters, self.exp_avg, self.exp_avg_sq].map(Tensor::shallow_clone);
        let whole = Slices {
            parameters: slice_mut::<T>(OPERATION, &mut parameters)?,
            gradients: slice(OPERATION, self.gradients)?,
            exp_avg: slice_mut(OPERATION, &mut exp_avg)?,
            exp_avg_sq: slice_mut(OPERATION, &mut exp_avg_sq)?,
        };
        step_slices(whole, adamw, segments)
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
    if !has_own_kernels(parameters.device()) {
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
    use tch::Device;

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

    /// Powers by repeated multiplication in twice the digits, whose own error is far below a bit.
    #[test]
    fn powers_of_beta_are_exact_to_one_unit_in_the_last_place() {
        for beta in [0.9, 0.95, 0.98, 0.999, 0.99999] {
            let (mut high, mut low) = (1.0_f64, 0.0_f64);
            for step in 1..=6000 {
                let product = high * beta;
                let rest = f64::mul_add(high, beta, -product) + low * beta;
                high = product + rest;
                low = rest - (high - product);
                let power = libm::pow(beta, f64::from(step));
                let unit = f64::from_bits(power.to_bits() + 1) - power;
                assert!(
                    (power - high).abs() <= unit,
                    "{beta} to {step}: {power:e} {high:e}"
                );
                let of_step = AdamW {
                    beta1: beta,
                    step: u64::try_from(step).unwrap(),
                    ..ADAMW
                };
                assert_eq!(of_step.bias_corrections().0.to_bits(), (1.0 - power).to_bits());
            }
        }
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
