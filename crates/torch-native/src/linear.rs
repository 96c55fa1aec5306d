//! A linear map whose weight has its gradient added where it lies, and first.
//!
//! libtorch makes a gradient of the whole matrix and adds it to the one that is there; here the product
//! adds to it itself. In the backward pass the weight comes before the input, so that what waits for it
//! ([`crate::on_gradient_ready`]), the sum over ranks, begins one matrix product earlier. For this the
//! map is two nodes, one for each: between nodes libtorch calls the hooks of leaves.
//!
//! I inputs, O outputs.

#![expect(
    unsafe_code,
    reason = "threads write disjoint parts; calls a copy once the processor was seen to have it"
)]
#![expect(
    clippy::inline_always,
    reason = "a function is compiled for AVX2 by being inlined into one that is"
)]

use tch::{Device, Kind, Tensor};

use crate::TorchError;
use crate::autograd::attach_backward;
use crate::instructions::best_copy;
use crate::memory::{Bf16, slice, slice_mut};
use crate::parallel::{SharedSlice, parallel_for};
use crate::stored::Stored;

const OPERATION: &str = "linear";
/// Least number of elements a thread takes.
const GRAIN: usize = 1 << 15;

/// `input` [.., I] times the transposed leaf `weight` [O, I], plus the leaf `bias` `[O]` -> [.., O] in the
/// kind of the input, differentiable. The leaves may be of a wider kind, that of their gradients.
///
/// A weight whose gradient is there already ([`crate::preset_grad`]) gets its own added to it in the
/// backward pass, before its hook is called and before the gradient of the input is computed.
///
/// # Errors
/// [`TorchError::Tch`] when the shapes do not fit, or when libtorch fails otherwise.
pub fn linear(input: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor, TorchError> {
    let kind = input.f_kind()?;
    let in_kind = |leaf: &Tensor| leaf.f_detach()?.f_to_kind(kind);
    let (saved_input, matrix) = (input.f_detach()?, in_kind(weight)?);
    let product = saved_input.f_linear(&matrix, bias.map(in_kind).transpose()?)?;
    let output = product.f_detach()?;
    let size = input.size();
    let of_input = attach_backward(product, &[input], move |gradient| {
        let _no_grad = tch::no_grad_guard();
        Ok(vec![Some(rows_of(gradient)?.f_mm(&matrix)?.f_view(&*size)?)])
    })?;
    let (leaf, bias_kind) = (weight.shallow_clone(), bias.map(Tensor::f_kind).transpose()?);
    let inputs: Vec<&Tensor> = [&of_input, weight].into_iter().chain(bias).collect();
    attach_backward(output, &inputs, move |gradient| {
        let _no_grad = tch::no_grad_guard();
        let rows = rows_of(gradient)?;
        let of_weight = weight_gradient(&leaf, &rows, &rows_of(&saved_input)?)?;
        let mut gradients = vec![Some(gradient.shallow_clone()), of_weight];
        if let Some(kind) = bias_kind {
            gradients.push(Some(rows.f_sum_dim_intlist(0, false, kind)?));
        }
        Ok(gradients)
    })
}

/// [.., W] -> [R, W].
fn rows_of(tensor: &Tensor) -> Result<Tensor, TorchError> {
    let width = tensor.size().last().copied().unwrap_or(1);
    Ok(tensor.f_reshape([-1, width])?)
}

/// Adds the gradient of `leaf` [O, I] to the one that is there; returns it where there is none.
/// `output_gradient`: [R, O]; `input`: [R, I].
fn weight_gradient(
    leaf: &Tensor,
    output_gradient: &Tensor,
    input: &Tensor,
) -> Result<Option<Tensor>, TorchError> {
    let (mut whole, transposed) = (leaf.f_grad()?, output_gradient.f_transpose(0, 1)?);
    if !whole.defined() || !whole.is_contiguous() {
        return Ok(Some(transposed.f_mm(input)?.f_to_kind(leaf.f_kind()?)?));
    }
    if whole.f_kind()? == input.f_kind()? {
        let _ = whole.f_addmm_(&transposed, input)?;
        return Ok(None);
    }
    let addend = transposed.f_mm(input)?;
    let has_kernel = whole.device() == Device::Cpu
        && whole.f_kind()? == Kind::Float
        && addend.f_kind()? == Kind::BFloat16
        && addend.is_contiguous();
    if has_kernel {
        add_wider(&mut whole, &addend)?;
    } else {
        let _ = whole.f_add_(&addend)?;
    }
    Ok(None)
}

/// Adds bf16 to f32, without a copy in f32 between.
fn add_wider(sums: &mut Tensor, addends: &Tensor) -> Result<(), TorchError> {
    let addends: &[Bf16] = slice(OPERATION, addends)?;
    let sums = SharedSlice::new(slice_mut::<f32>(OPERATION, sums)?);
    parallel_for(addends.len(), GRAIN, &|range| {
        // SAFETY: the ranges of `parallel_for` are disjoint.
        add_on(unsafe { sums.part(range.clone()) }, &addends[range]);
    })
}

#[inline(always)]
fn add<T: Stored>(sums: &mut [f32], addends: &[T]) {
    for (sum, addend) in sums.iter_mut().zip(addends) {
        *sum += addend.widened();
    }
}

best_copy!(fn add_on = add<T: Stored>(sums: &mut [f32], addends: &[T]));

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::{fill_normal, num_threads, on_gradient_ready, preset_grad, set_num_threads};

    const CPU: Device = Device::Cpu;

    fn normal(shape: &[i64], stream: u64) -> Tensor {
        let tensor = Tensor::zeros(shape, (Kind::Double, CPU));
        fill_normal(&tensor, 1.0, [3, 4], stream).unwrap();
        tensor.to_kind(Kind::Float)
    }

    /// Leaves of `leaf_kind`, their gradients there if `is_preset`, and what `map` makes of them:
    /// output, gradient of the input, of the weight, of the bias, after two passes.
    fn results(
        (kind, leaf_kind): (Kind, Kind),
        is_preset: bool,
        map: impl Fn(&Tensor, &Tensor, &Tensor) -> Tensor,
    ) -> Vec<Tensor> {
        let leaf = |shape: &[i64], stream, kind| {
            let leaf = normal(shape, stream).to_kind(kind).set_requires_grad(true);
            if is_preset {
                preset_grad(&leaf, &leaf.detach().zeros_like()).unwrap();
            }
            leaf
        };
        let input = leaf(&[3, 50, 70], 0, kind);
        let (weight, bias) = (leaf(&[90, 70], 1, leaf_kind), leaf(&[90], 2, leaf_kind));
        let address = is_preset.then(|| weight.grad().data_ptr());
        let mut output = Tensor::new();
        for _ in 0..2 {
            output = map(&input, &weight, &bias);
            (&output * normal(&[3, 50, 90], 3).to_kind(kind))
                .sum(kind)
                .backward();
        }
        if let Some(address) = address {
            assert_eq!(weight.grad().data_ptr(), address);
        }
        vec![output.detach(), input.grad(), weight.grad(), bias.grad()]
    }

    fn assert_near(ours: &[Tensor], libtorch: &[Tensor], tolerance: f64) {
        for (ours, libtorch) in ours.iter().zip(libtorch) {
            let [ours, libtorch] = [ours, libtorch].map(|tensor| tensor.to_kind(Kind::Double));
            let error = ((&ours - &libtorch).abs().max() / libtorch.abs().max()).double_value(&[]);
            assert!(error <= tolerance, "{error}");
        }
    }

    #[test]
    fn output_and_gradients_are_those_of_libtorch_with_and_without_a_preset_gradient() {
        let libtorch = |input: &Tensor, weight: &Tensor, bias: &Tensor| {
            let kind = input.kind();
            input.linear(&weight.to_kind(kind), Some(bias.to_kind(kind)))
        };
        // 300 numbers are added in another order, whose rounding grows with the root of that number
        // (Higham and Mary 2019, "A new approach to probabilistic rounding error analysis"). In bf16
        // libtorch rounds the gradient of the bias, too.
        let roundings = 300.0_f64.sqrt();
        for (kinds, tolerance) in [
            ((Kind::Double, Kind::Double), roundings * f64::EPSILON),
            ((Kind::Float, Kind::Float), roundings * f64::from(f32::EPSILON)),
            ((Kind::BFloat16, Kind::Float), 1.0 / 128.0),
        ] {
            let expected = results(kinds, false, libtorch);
            for is_preset in [false, true] {
                let ours = results(kinds, is_preset, |input, weight, bias| {
                    linear(input, weight, Some(bias)).unwrap()
                });
                assert!(
                    ours[..2] == expected[..2],
                    "{kinds:?}: output or gradient of the input"
                );
                assert_near(&ours, &expected, tolerance);
            }
        }
    }

    #[test]
    fn without_a_bias_it_is_the_product_and_without_recording_it_keeps_nothing() {
        let (input, weight) = (normal(&[5, 7], 0), normal(&[3, 7], 1).set_requires_grad(true));
        let product = tch::no_grad(|| linear(&input, &weight, None)).unwrap();
        assert_eq!(product, input.matmul(&weight.detach().t_copy()));
        assert!(!product.requires_grad());
        linear(&input, &weight, None).unwrap().sum(Kind::Float).backward();
        let column_sums = input.sum_dim_intlist(0, false, Kind::Float);
        assert_near(&[weight.grad()], &[column_sums.expand([3, 7], false)], 1e-6);
    }

    #[test]
    fn the_weights_hook_is_called_before_the_gradient_of_the_input_is_computed() {
        let (input, weight) = (
            normal(&[5, 7], 0).set_requires_grad(true),
            normal(&[3, 7], 1).set_requires_grad(true),
        );
        preset_grad(&weight, &weight.detach().zeros_like()).unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (seen_by_hook, again) = (Arc::clone(&seen), Mutex::new(weight.detach()));
        let leaf = Mutex::new(weight.shallow_clone());
        on_gradient_ready(&weight, move || {
            let whole = leaf
                .lock()
                .unwrap()
                .grad()
                .abs()
                .sum(Kind::Float)
                .double_value(&[]);
            seen_by_hook.lock().unwrap().push(whole > 0.0);
            // The gradient of the input is a product with the weight.
            let _ = again.lock().unwrap().zero_();
        })
        .unwrap();
        linear(&input, &weight, None).unwrap().sum(Kind::Float).backward();
        assert_eq!(*seen.lock().unwrap(), [true]);
        assert_eq!(input.grad(), input.detach().zeros_like());
    }

    #[test]
    fn a_gradient_in_f32_of_a_product_in_bf16_does_not_depend_on_threads() {
        let before = num_threads();
        let sums = [1, 2, 3].map(|threads| {
            set_num_threads(threads).unwrap();
            let mut sums = normal(&[500, 300], 0);
            add_wider(&mut sums, &normal(&[500, 300], 1).to_kind(Kind::BFloat16)).unwrap();
            sums
        });
        set_num_threads(before).unwrap();
        let expected = normal(&[500, 300], 0) + normal(&[500, 300], 1).to_kind(Kind::BFloat16);
        assert!(sums.iter().all(|sums| *sums == expected));
    }
}
