//! A linear map whose weight has its gradient added where it lies.
//!
//! libtorch makes a gradient of the whole matrix and adds it to the one that is there; here the product
//! adds to it itself. In the backward pass the weight comes before the input, so that what waits for it
//! ([`crate::on_gradient_ready`]), the sum over ranks, begins one matrix product earlier (on a GPU, if
//! it is quick: the product is given to it meanwhile). For this the map is two nodes, one for each:
//! between nodes libtorch calls the hooks of leaves.
//!
//! A [`LateWeight`] comes last instead, behind everything that is sent before it.
//!
//! I inputs, O outputs, R rows.

#![expect(
    unsafe_code,
    reason = "threads write disjoint parts; calls a copy once the processor was seen to have it"
)]
#![expect(
    clippy::inline_always,
    reason = "a function is compiled for AVX2 by being inlined into one that is"
)]

use std::sync::{Arc, Mutex, PoisonError};

use tch::{Kind, Tensor};

use crate::TorchError;
use crate::autograd::{attach_backward, grad_in_place};
use crate::gpu::has_own_kernels;
use crate::instructions::best_copy;
use crate::memory::{Bf16, slice, slice_mut};
use crate::parallel::{GRAIN, SharedSlice, parallel_for};
use crate::stored::Stored;

const OPERATION: &str = "linear";

/// `input` [.., I] times the transposed leaf `weight` [O, I], plus the leaf `bias` `[O]` -> [.., O] in the
/// kind of the input, differentiable. The leaves may be of a wider kind, that of their gradients.
///
/// A weight whose gradient is there already ([`crate::preset_grad`]) gets its own added to it in the
/// backward pass, before its hook is called and before the gradient of the input is computed. Neither
/// input nor weight may change before that: unlike libtorch's own map, this one does not notice.
///
/// # Errors
/// [`TorchError::Tch`] when the shapes do not fit, or when libtorch fails otherwise.
pub fn linear(input: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor, TorchError> {
    let leaf = weight.shallow_clone();
    let of_weight = move |product: Product| product.add_to(&leaf);
    linear_with(input, weight, bias, of_weight)
}

/// A leaf that a pass needs first and last, as embeddings and as the weight of the decoder: its gradient
/// is complete only when the backward pass ends, so the decoder's part of it waits until nothing else
/// is left to compute. What other gradients are sent for meanwhile hides behind it.
#[derive(Debug)]
pub struct LateWeight {
    weight: Tensor,
    /// From the decoder's turn in the backward pass to the weight's own.
    product: Arc<Mutex<Option<Product>>>,
}

impl LateWeight {
    /// Has to be made before anything else of its pass: libtorch runs the nodes that may run in the
    /// reverse order of their making.
    ///
    /// # Errors
    /// [`TorchError::Tch`] when libtorch fails.
    pub fn new(leaf: &Tensor) -> Result<Self, TorchError> {
        let product = Arc::new(Mutex::new(None::<Product>));
        let (whole, waiting) = (leaf.shallow_clone(), Arc::clone(&product));
        let weight = attach_backward(leaf.f_detach()?, &[leaf], move |_| {
            let _no_grad = tch::no_grad_guard();
            let product = waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
            Ok(vec![
                product
                    .map(|product| product.add_to(&whole))
                    .transpose()?
                    .flatten(),
            ])
        })?;
        Ok(Self { weight, product })
    }

    /// As [`linear`], the one map of its pass. `input`: [.., I] -> [.., O].
    ///
    /// # Errors
    /// Those of [`linear`].
    pub fn linear(self, input: &Tensor, bias: Option<&Tensor>) -> Result<Tensor, TorchError> {
        let options = (self.weight.f_kind()?, self.weight.device());
        let nothing = Tensor::f_zeros([1, 1], options)?.f_expand_as(&self.weight)?;
        linear_with(input, &self.weight, bias, move |product| {
            *self.product.lock().unwrap_or_else(PoisonError::into_inner) = Some(product);
            // Which only brings the node of the weight to its turn.
            Ok(Some(nothing))
        })
    }
}

/// [`linear`], with what becomes of the product that is the gradient of the weight.
fn linear_with(
    input: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    of_weight: impl FnOnce(Product) -> Result<Option<Tensor>, TorchError> + Send + 'static,
) -> Result<Tensor, TorchError> {
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
    let bias_kind = bias.map(Tensor::f_kind).transpose()?;
    let inputs: Vec<&Tensor> = [&of_input, weight].into_iter().chain(bias).collect();
    attach_backward(output, &inputs, move |gradient| {
        let _no_grad = tch::no_grad_guard();
        let rows = rows_of(gradient)?;
        let product = Product {
            output_gradient: rows.shallow_clone(),
            input: rows_of(&saved_input)?,
        };
        let mut gradients = vec![Some(gradient.shallow_clone()), of_weight(product)?];
        if let Some(kind) = bias_kind {
            // Not in the leaf's kind at once: on a CPU libtorch would widen all rows for that.
            let sum = rows.f_sum_dim_intlist(0, false, None)?;
            gradients.push(Some(sum.f_to_kind(kind)?));
        }
        Ok(gradients)
    })
}

/// [.., O] -> [R, O].
fn rows_of(tensor: &Tensor) -> Result<Tensor, TorchError> {
    let width = tensor.size().last().copied().unwrap_or(1);
    Ok(tensor.f_reshape([-1, width])?)
}

/// The gradient of a weight before it is computed: the product of two matrices.
#[derive(Debug)]
struct Product {
    /// [R, O]
    output_gradient: Tensor,
    /// [R, I]
    input: Tensor,
}

impl Product {
    /// Adds it to the gradient of `leaf` [O, I] that is there; returns it where there is none.
    fn add_to(&self, leaf: &Tensor) -> Result<Option<Tensor>, TorchError> {
        let transposed = self.output_gradient.f_transpose(0, 1)?;
        let Some(mut whole) = grad_in_place(leaf)? else {
            return Ok(Some(transposed.f_mm(&self.input)?.f_to_kind(leaf.f_kind()?)?));
        };
        if whole.f_kind()? == self.input.f_kind()? {
            let _ = whole.f_addmm_(&transposed, &self.input)?;
            return Ok(None);
        }
        let addend = transposed.f_mm(&self.input)?;
        let has_kernel = has_own_kernels(whole.device())
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
    use crate::{fill_normal, num_threads, on_gradient_ready, preset_grad, set_num_threads, tied_embedding};
    use tch::Device;

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
        // (Higham and Mary 2019, "A new approach to probabilistic rounding error analysis"). Where the
        // product is rounded before it is added, the order is libtorch's.
        let roundings = 300.0_f64.sqrt();
        for (kinds, tolerance) in [
            ((Kind::Double, Kind::Double), roundings * f64::EPSILON),
            ((Kind::Float, Kind::Float), roundings * f64::from(f32::EPSILON)),
            ((Kind::BFloat16, Kind::Float), 0.0),
            ((Kind::Half, Kind::Float), 0.0),
        ] {
            let expected = results(kinds, false, libtorch);
            for is_preset in [false, true] {
                let ours = results(kinds, is_preset, |input, weight, bias| {
                    linear(input, weight, Some(bias)).unwrap()
                });
                assert_near(&ours, &expected, tolerance);
            }
        }
    }

    #[test]
    fn a_gradient_that_is_there_is_added_to_and_else_one_is_made() {
        let product = Product {
            output_gradient: normal(&[5, 3], 0),
            input: normal(&[5, 7], 1),
        };
        let expected = product.output_gradient.transpose(0, 1).matmul(&product.input);
        let made = |gradient: Option<Tensor>| {
            let leaf = normal(&[3, 7], 2).set_requires_grad(true);
            if let Some(gradient) = &gradient {
                preset_grad(&leaf, gradient).unwrap();
            }
            (product.add_to(&leaf).unwrap(), leaf)
        };
        let zeros = |shape: &[i64]| Tensor::zeros(shape, (Kind::Float, CPU));
        let (none, leaf) = made(Some(zeros(&[3, 7])));
        assert!(none.is_none() && leaf.grad() == expected);
        assert!(made(None).0.unwrap() == expected);
        let (beside_strided, leaf) = made(Some(zeros(&[7, 3]).transpose(0, 1)));
        assert!(beside_strided.unwrap() == expected && leaf.grad() == zeros(&[3, 7]));
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
    fn a_late_weight_has_the_same_gradient_and_gets_it_behind_all_others() {
        let gradients = [false, true].map(|is_preset| {
            let [tied, first, bias] = [(&[9_i64, 7][..], 0), (&[7, 7], 1), (&[9], 2)]
                .map(|(shape, stream)| normal(shape, stream).set_requires_grad(true));
            if is_preset {
                preset_grad(&tied, &tied.detach().zeros_like()).unwrap();
            }
            let seen = Arc::new(Mutex::new(Vec::new()));
            for (name, leaf) in [("tied", &tied), ("bias", &bias)] {
                let seen = Arc::clone(&seen);
                on_gradient_ready(leaf, move || seen.lock().unwrap().push(name)).unwrap();
            }
            let whole = Mutex::new(tied.shallow_clone());
            let (note, of_tied) = (Arc::clone(&seen), Arc::new(Mutex::new(Tensor::new())));
            let then = Arc::clone(&of_tied);
            let last = LateWeight::new(&tied).unwrap();
            let rows = tied_embedding(&tied, &Tensor::from_slice(&[3_i64, 1, 8, 3]), 1).unwrap();
            on_gradient_ready(&first, move || {
                note.lock().unwrap().push("first");
                if is_preset {
                    *then.lock().unwrap() = whole.lock().unwrap().grad().copy();
                }
            })
            .unwrap();
            let hidden = linear(&rows, &first, None).unwrap();
            let output = last.linear(&hidden, Some(&bias)).unwrap();
            output.sin().sum(Kind::Float).backward();
            assert_eq!(*seen.lock().unwrap(), ["bias", "first", "tied"]);
            if is_preset {
                // Not even the decoder's part was there, which libtorch would begin with.
                assert_eq!(*of_tied.lock().unwrap(), tied.detach().zeros_like());
            }
            [tied.grad(), first.grad(), bias.grad()]
        });
        let [tied, first, bias] = [(&[9_i64, 7][..], 0), (&[7, 7], 1), (&[9], 2)]
            .map(|(shape, stream)| normal(shape, stream).set_requires_grad(true));
        let rows = Tensor::embedding(&tied, &Tensor::from_slice(&[3_i64, 1, 8, 3]), 1, false, false);
        let hidden = rows.linear::<Tensor>(&first, None);
        hidden
            .linear(&tied, Some(&bias))
            .sin()
            .sum(Kind::Float)
            .backward();
        for ours in gradients {
            assert_near(&ours, &[tied.grad(), first.grad(), bias.grad()], 1e-6);
        }
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
