//! Bias and GELU (by the error function) in one pass, forward and backward.
//!
//! GELU(x) = x Phi(x), Hendrycks and Gimpel, arXiv 1606.08415. Phi comes from the complement
//! of the error function by Abramowitz and Stegun, "Handbook of Mathematical Functions",
//! 7.1.26, whose exponential is that of the density, which the backward pass needs as well.
//! The kernel is for f32 and bf16 on the CPU; everything else goes by libtorch's operations.

#![expect(
    unsafe_code,
    reason = "calls a copy once the processor was seen to have it; threads write disjoint rows"
)]
#![expect(
    clippy::inline_always,
    reason = "a function is compiled for AVX2 by being inlined into one that is"
)]

use tch::{Kind, Tensor};

use crate::TorchError;
use crate::autograd::attach_backward;
use crate::instructions::{Instructions, each_copy};
use crate::lanes::{Lanes, WIDTH};
use crate::memory::{Bf16, slice, slice_mut};
use crate::parallel::SharedSlice;
use crate::row_kernels::{column_sums, for_row_blocks, has_row_kernel, in_kind_of};
use crate::stored::Stored;

const OPERATION: &str = "bias_gelu";

/// Abramowitz and Stegun 7.1.26: p / sqrt 2, since the argument is x / sqrt 2, and the halves
/// of a5 .. a1, since Phi is half of the complement.
const P: f32 = 0.231_641_9;
const A: [f32; 5] = [0.530_702_7, -0.726_576, 0.710_706_9, -0.142_248_37, 0.127_414_8];
/// 1 / sqrt(2 pi).
const DENSITY: f32 = 0.398_942_3;

/// Phi(x) and the standard normal density at x.
#[inline(always)]
fn normal<L: Lanes>(x: L) -> (L, L) {
    let exponential = x.times(x).times(L::splat(-0.5)).exp();
    let t = L::splat(1.0).over(x.magnitude().times_plus(L::splat(P), L::splat(1.0)));
    let mut sum = L::splat(A[0]);
    for &factor in &A[1..] {
        sum = sum.times_plus(t, L::splat(factor));
    }
    let tail = sum.times(t).times(exponential);
    let probability = tail.or_where_positive(L::splat(1.0).minus(tail), x);
    (probability, exponential.times(L::splat(DENSITY)))
}

#[inline(always)]
fn gelu_row<L: Lanes, T: Stored>(input: &[T], bias: &[f32], output: &mut [T]) {
    let inputs = input.as_chunks().0.iter().zip(bias.as_chunks().0);
    for ((input, bias), output) in inputs.zip(output.as_chunks_mut::<WIDTH>().0) {
        let x = T::read::<L>(input).plus(L::load(bias));
        T::write(x.times(normal(x).0), output);
    }
}

/// Writes the gradient of the row's input, and adds it to `sums`.
#[inline(always)]
fn gradient_row<L: Lanes, T: Stored>(
    input: &[T],
    bias: &[f32],
    output_gradient: &[T],
    gradient: &mut [T],
    sums: &mut [f32],
) {
    let inputs = input.as_chunks().0.iter().zip(bias.as_chunks().0);
    let outputs = gradient
        .as_chunks_mut()
        .0
        .iter_mut()
        .zip(sums.as_chunks_mut::<WIDTH>().0);
    let gradients = output_gradient.as_chunks().0;
    for (((input, bias), output_gradient), (gradient, sum)) in inputs.zip(gradients).zip(outputs) {
        let x = T::read::<L>(input).plus(L::load(bias));
        let (probability, density) = normal(x);
        let slope = x.times_plus(density, probability);
        let product = T::read::<L>(output_gradient).times(slope);
        T::write(product, gradient);
        L::load(sum).plus(product).store(sum);
    }
}

each_copy!(fn gelu_on<T: Stored> = gelu_row(input: &[T], bias: &[f32], output: &mut [T]));
each_copy!(fn gradient_on<T: Stored> = gradient_row(
    input: &[T],
    bias: &[f32],
    output_gradient: &[T],
    gradient: &mut [T],
    sums: &mut [f32],
));

fn forward<T: Stored>(
    instructions: Instructions,
    input: &Tensor,
    bias: &Tensor,
) -> Result<Tensor, TorchError> {
    let mut result = input.f_empty_like()?;
    let (input, bias): (&[T], &[f32]) = (slice(OPERATION, input)?, slice(OPERATION, bias)?);
    let output = SharedSlice::new(slice_mut(OPERATION, &mut result)?);
    let width = bias.len();
    for_row_blocks(input.len() / width, &|rows| {
        for row in rows {
            let range = row * width..(row + 1) * width;
            // SAFETY: a row is in one block.
            gelu_on(instructions, &input[range.clone()], bias, unsafe {
                output.part(range)
            });
        }
    })?;
    Ok(result)
}

/// Gradients of input and bias.
fn backward<T: Stored>(
    instructions: Instructions,
    input: &Tensor,
    bias: &Tensor,
    output_gradient: &Tensor,
) -> Result<[Tensor; 2], TorchError> {
    let output_gradient = output_gradient.f_contiguous()?;
    let mut result = input.f_empty_like()?;
    let (input, bias): (&[T], &[f32]) = (slice(OPERATION, input)?, slice(OPERATION, bias)?);
    let output_gradient: &[T] = slice(OPERATION, &output_gradient)?;
    let gradient = SharedSlice::new(slice_mut(OPERATION, &mut result)?);
    let width = bias.len();
    let sums = column_sums(input.len() / width, width, &|rows, sums| {
        for row in rows {
            let range = row * width..(row + 1) * width;
            // SAFETY: a row is in one block.
            let gradient = unsafe { gradient.part(range.clone()) };
            gradient_on(
                instructions,
                &input[range.clone()],
                bias,
                &output_gradient[range],
                gradient,
                sums,
            );
        }
    })?;
    Ok([result, Tensor::f_from_slice(&sums)?])
}

/// GELU(`input` + `bias`), differentiable. `input`: [.., D] of a float kind; `bias`: `[D]` of the same,
/// or f32 -> [.., D] in the kind of the input.
///
/// # Errors
/// [`TorchError::Tch`] when the shapes do not fit or libtorch fails.
pub fn bias_gelu(input: &Tensor, bias: &Tensor) -> Result<Tensor, TorchError> {
    bias_gelu_on(Instructions::detect(), input, bias)
}

fn bias_gelu_on(instructions: Instructions, input: &Tensor, bias: &Tensor) -> Result<Tensor, TorchError> {
    if !has_row_kernel(input, bias)? {
        return Ok(input.f_add(&in_kind_of(input, bias)?)?.f_gelu("none")?);
    }
    match input.f_kind()? {
        Kind::BFloat16 => by_kernel::<Bf16>(instructions, input, bias),
        _ => by_kernel::<f32>(instructions, input, bias),
    }
}

fn by_kernel<T: Stored>(
    instructions: Instructions,
    input: &Tensor,
    bias: &Tensor,
) -> Result<Tensor, TorchError> {
    let (saved_input, saved_bias) = (input.f_detach()?.f_contiguous()?, bias.f_detach()?);
    let output = forward::<T>(instructions, &saved_input, &saved_bias)?;
    attach_backward(output, &[input, bias], move |gradient| {
        let _no_grad = tch::no_grad_guard();
        let gradients = backward::<T>(instructions, &saved_input, &saved_bias, gradient)?;
        Ok(gradients.map(Some).into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::autograd::backward_from;
    use crate::fill_normal;
    use tch::{Device, Kind};

    fn normal_tensor(shape: [i64; 2], stream: u64) -> Tensor {
        let tensor = Tensor::zeros(shape, (Kind::Double, Device::Cpu));
        fill_normal(&tensor, 2.0, [1, 2], stream).unwrap();
        tensor
    }

    /// Output and both gradients, in `kind`.
    fn results(instructions: Instructions, width: i64, kind: Kind) -> [Tensor; 3] {
        // Rounded to f32 first, so that both kinds begin with the same numbers.
        let rounded = |shape, stream| normal_tensor(shape, stream).to_kind(Kind::Float).to_kind(kind);
        let leaf = |shape, stream| rounded(shape, stream).set_requires_grad(true);
        let (input, bias) = (leaf([130, width], 0), leaf([1, width], 1));
        let output = bias_gelu_on(instructions, &input, &bias.view([width])).unwrap();
        (&output * rounded([130, width], 2)).sum(kind).backward();
        [output.detach(), input.grad(), bias.grad()]
    }

    #[test]
    fn the_kernel_equals_libtorch_operations_in_f64() {
        let all = Instructions::all().into_iter();
        for (instructions, width) in all.flat_map(|one| [8, 40, 3].map(|width| (one, width))) {
            let ours = results(instructions, width, Kind::Float);
            for (ours, expected) in ours.iter().zip(&results(instructions, width, Kind::Double)) {
                let error = (ours.to_kind(Kind::Double) - expected)
                    .abs()
                    .max()
                    .double_value(&[]);
                assert!(
                    error <= 5e-7 * expected.abs().max().double_value(&[]),
                    "{instructions:?} {width}: {error}"
                );
            }
        }
    }

    #[test]
    fn a_bf16_input_is_rounded_where_it_is_written_and_nowhere_else() {
        let wide = |shape, stream| {
            normal_tensor(shape, stream)
                .to_kind(Kind::BFloat16)
                .to_kind(Kind::Float)
        };
        let run = |instructions, kind| {
            let input = wide([130, 40], 0).to_kind(kind).set_requires_grad(true);
            let bias = wide([1, 40], 1).view([40]).set_requires_grad(true);
            let output = bias_gelu_on(instructions, &input, &bias).unwrap();
            backward_from(&output, &wide([130, 40], 2).to_kind(kind)).unwrap();
            (output.detach(), input.grad(), bias.grad())
        };
        for instructions in Instructions::all() {
            let (output, gradient, bias_gradient) = run(instructions, Kind::BFloat16);
            let expected = run(instructions, Kind::Float);
            assert_eq!(output, expected.0.to_kind(Kind::BFloat16));
            assert_eq!(gradient, expected.1.to_kind(Kind::BFloat16));
            assert_eq!(bias_gradient, expected.2);
        }
    }

    fn check_values(row: impl Fn(&[f32], &mut [f32])) {
        let inputs: Vec<f32> = (-8000..8000i16).map(|index| f32::from(index) * 1e-3).collect();
        let mut outputs = vec![0.0; inputs.len()];
        row(&inputs, &mut outputs);
        let expected = Tensor::from_slice(&inputs).to_kind(Kind::Double).gelu("none");
        let error = (Tensor::from_slice(&outputs) - expected)
            .abs()
            .max()
            .double_value(&[]);
        // 7.1.26 states 1.5e-7 for the error function; half of it is Phi, times x below 8.
        assert!(error < 6e-7, "{error}");
        let mut special = [0.0; 8];
        row(
            &[f32::NAN, f32::INFINITY, 0.0, -0.0, -30.0, 30.0, 1e30, -1e30],
            &mut special,
        );
        assert!(special[0].is_nan());
        assert_eq!(special[1..], [f32::INFINITY, 0.0, 0.0, 0.0, 30.0, 1e30, 0.0]);
    }

    #[test]
    fn both_copies_are_near_the_exact_function_and_keep_nan() {
        for instructions in Instructions::all() {
            check_values(|input, output| gelu_on(instructions, input, &vec![0.0; input.len()], output));
        }
    }
}
