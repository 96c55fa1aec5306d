//! Leaves over a flat buffer, preset gradients, and autograd nodes with a backward in Rust.

#![expect(
    unsafe_code,
    reason = "passes tensor handles and closures through the C++ shim"
)]

use std::ffi::{c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};

use tch::Tensor;

use crate::TorchError;
use crate::ffi::{RawTensor, check, error_string, tenk_attach_node, tenk_backward, tenk_preset_grad};

/// Alignment of every leaf view in the flat buffer: a cache line, and an AVX-512 register.
const ALIGNMENT_BYTES: usize = 64;

/// A leaf that requires a gradient and shares the memory of `flat` from element
/// `offset_elements` on: it sees every later update of `flat`.
///
/// # Errors
/// [`TorchError::Unaligned`] unless the view starts at a multiple of 64 bytes;
/// [`TorchError::Tch`] when it lies outside `flat`.
pub fn leaf_view(flat: &Tensor, offset_elements: usize, shape: &[i64]) -> Result<Tensor, TorchError> {
    let offset_bytes = offset_elements * flat.f_kind()?.elt_size_in_bytes();
    if !offset_bytes.is_multiple_of(ALIGNMENT_BYTES) {
        return Err(TorchError::Unaligned { offset_bytes });
    }
    let offset = i64::try_from(offset_elements).unwrap_or(i64::MAX);
    let _no_grad = tch::no_grad_guard();
    let view = flat.f_narrow(0, offset, shape.iter().product())?.f_view(shape)?;
    Ok(view.f_detach()?.f_set_requires_grad(true)?)
}

/// Sets `leaf.grad` to `gradient`, a view that backward passes then accumulate into, in
/// place: its memory is never replaced as long as the gradient is filled with zeros instead
/// of being dropped.
///
/// # Errors
/// [`TorchError::Shim`] when `leaf` is no leaf or the gradient's shape, kind or device differ.
pub fn preset_grad(leaf: &Tensor, gradient: &Tensor) -> Result<(), TorchError> {
    // SAFETY: both handles are live `at::Tensor`s for the whole call.
    let message = unsafe { tenk_preset_grad(leaf.as_ptr(), gradient.as_ptr()) };
    check("preset_grad", message)
}

/// The gradient of `leaf` that a backward function may add to by itself: it is there already
/// ([`preset_grad`]), and in one piece.
pub(crate) fn grad_in_place(leaf: &Tensor) -> Result<Option<Tensor>, TorchError> {
    let gradient = leaf.f_grad()?;
    Ok((gradient.defined() && gradient.is_contiguous()).then_some(gradient))
}

/// The backward pass of `output`, of any shape, whose gradient is `gradient`. It may run within
/// the backward function of another node.
///
/// # Errors
/// [`TorchError::Shim`] when libtorch refuses, or a backward function on the way fails.
pub(crate) fn backward_from(output: &Tensor, gradient: &Tensor) -> Result<(), TorchError> {
    // SAFETY: both handles are live `at::Tensor`s for the whole call.
    let message = unsafe { tenk_backward(output.as_ptr(), gradient.as_ptr()) };
    check("backward_from", message)
}

type Backward = dyn FnOnce(&Tensor) -> Result<Vec<Option<Tensor>>, TorchError> + Send;

/// Makes `output` (computed without recording) the differentiable result of `inputs`.
///
/// `backward` gets the gradient of the output and returns one optional gradient per input, of
/// the input's shape. It runs at most once, and what it captured is freed right after. To
/// capture the output, detach a handle of it before this call: a handle with history would
/// hold the node that holds it. When no input requires a gradient, or under `no_grad`,
/// `backward` is dropped and the output comes back as it is.
///
/// # Errors
/// [`TorchError::Shim`] when libtorch refuses (an output of integer kind, for one). An error
/// or panic of `backward` itself comes out of the backward pass as a libtorch error.
pub fn attach_backward(
    output: Tensor,
    inputs: &[&Tensor],
    backward: impl FnOnce(&Tensor) -> Result<Vec<Option<Tensor>>, TorchError> + Send + 'static,
) -> Result<Tensor, TorchError> {
    let boxed: Box<Backward> = Box::new(backward);
    let state = Box::into_raw(Box::new(boxed)).cast::<c_void>();
    let handles: Vec<*const RawTensor> = inputs.iter().map(|input| input.as_ptr()).collect();
    let mut attached: c_int = 0;
    // SAFETY: all handles live through the call; `state` belongs to the node once attached.
    let message = unsafe {
        tenk_attach_node(
            output.as_ptr(),
            handles.as_ptr(),
            handles.len(),
            run_backward,
            drop_backward,
            state,
            &raw mut attached,
        )
    };
    if attached == 0 {
        // SAFETY: no node has it.
        unsafe { drop_backward(state) };
    }
    check("attach_backward", message)?;
    Ok(output)
}

/// # Safety
/// `state` is that of [`attach_backward`], and nobody uses it any more.
unsafe extern "C" fn drop_backward(state: *mut c_void) {
    // SAFETY: `state` came from `Box::into_raw` in `attach_backward`, and the node hands it
    // over exactly once, here or to `run_backward`.
    let boxed = unsafe { Box::from_raw(state.cast::<Box<Backward>>()) };
    // A panicking destructor must not unwind into C++; what it guarded is gone either way.
    drop(catch_unwind(AssertUnwindSafe(|| drop(boxed))));
}

/// # Safety
/// `state` as for [`drop_backward`]; `gradient` is a live tensor, and `gradients` has `num_inputs` slots.
unsafe extern "C" fn run_backward(
    state: *mut c_void,
    gradient: *const RawTensor,
    gradients: *mut *mut RawTensor,
    num_inputs: usize,
) -> *mut c_char {
    // SAFETY: as in `drop_backward`.
    let backward = unsafe { Box::from_raw(state.cast::<Box<Backward>>()) };
    let result = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: `gradient` is a live tensor during the call; the clone counts its own reference.
        let gradient = unsafe { Tensor::clone_from_ptr(gradient.cast_mut()) };
        backward(&gradient)
    }));
    match result {
        Ok(Ok(values)) if values.len() == num_inputs => {
            // SAFETY: `gradients` has `num_inputs` slots.
            let slots = unsafe { std::slice::from_raw_parts_mut(gradients, num_inputs) };
            for (slot, value) in slots.iter_mut().zip(values) {
                if let Some(value) = value {
                    // The handle's heap cell goes over to C++, which deletes it.
                    *slot = std::mem::ManuallyDrop::new(value).as_mut_ptr();
                }
            }
            std::ptr::null_mut()
        }
        Ok(Ok(values)) => error_string(&format!(
            "a backward function returned {} gradients for {num_inputs} inputs",
            values.len()
        )),
        Ok(Err(error)) => error_string(&error.to_string()),
        Err(_) => error_string("a backward function written in Rust panicked"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    fn flat_pair() -> (Tensor, Tensor) {
        let options = (Kind::Float, Device::Cpu);
        (Tensor::ones([64], options), Tensor::zeros([64], options))
    }

    #[test]
    fn a_leaf_view_sees_updates_of_the_flat_tensor() {
        let (mut flat, _) = flat_pair();
        let leaf = leaf_view(&flat, 16, &[2, 3]).unwrap();
        assert!(leaf.requires_grad());
        let _ = flat.fill_(5.0);
        assert_eq!(Vec::<f32>::try_from(leaf.detach().view([-1])).unwrap(), [5.0; 6]);
    }

    #[test]
    fn views_that_are_unaligned_or_outside_are_refused() {
        let (flat, _) = flat_pair();
        assert!(matches!(
            leaf_view(&flat, 1, &[4]),
            Err(TorchError::Unaligned { offset_bytes: 4 })
        ));
        assert!(matches!(leaf_view(&flat, 48, &[17]), Err(TorchError::Tch(_))));
    }

    #[test]
    fn a_preset_gradient_is_accumulated_in_place_over_backward_passes() {
        let (flat, grad) = flat_pair();
        let leaf = leaf_view(&flat, 16, &[2, 3]).unwrap();
        let view = grad.narrow(0, 16, 6).view([2, 3]);
        preset_grad(&leaf, &view).unwrap();
        let address = leaf.grad().data_ptr();
        for _ in 0..3 {
            (&leaf * 2.0).sum(Kind::Float).backward();
            assert_eq!(leaf.grad().data_ptr(), address);
        }
        let expected: Vec<f32> = (0..64)
            .map(|index| if (16..22).contains(&index) { 6.0 } else { 0.0 })
            .collect();
        assert_eq!(Vec::<f32>::try_from(&grad).unwrap(), expected);
    }

    #[test]
    fn a_gradient_of_another_shape_or_for_no_leaf_is_refused() {
        let (flat, grad) = flat_pair();
        let leaf = leaf_view(&flat, 0, &[4]).unwrap();
        assert!(matches!(preset_grad(&leaf, &grad), Err(TorchError::Shim { .. })));
        assert!(matches!(preset_grad(&flat, &grad), Err(TorchError::Shim { .. })));
    }

    #[test]
    fn a_backward_in_rust_is_called_once_and_freed() {
        let input = Tensor::from_slice(&[1.0f32, 2.0]).set_requires_grad(true);
        let token = std::sync::Arc::new(());
        let captured = std::sync::Arc::clone(&token);
        let output = attach_backward(input.detach() * 3.0, &[&input], move |gradient| {
            assert_eq!(std::sync::Arc::strong_count(&captured), 2);
            Ok(vec![Some(gradient * 3.0)])
        })
        .unwrap();
        assert_eq!(std::sync::Arc::strong_count(&token), 2);
        output.sum(Kind::Float).backward();
        assert_eq!(Vec::<f32>::try_from(input.grad()).unwrap(), [3.0, 3.0]);
        assert_eq!(std::sync::Arc::strong_count(&token), 1);
        assert!(output.sum(Kind::Float).f_backward().is_err());
    }

    #[test]
    fn errors_and_panics_of_a_backward_come_out_as_errors() {
        let input = Tensor::from_slice(&[1.0f32]).set_requires_grad(true);
        let wrong_count = attach_backward(input.detach() * 1.0, &[&input], |_| Ok(vec![])).unwrap();
        assert!(
            wrong_count
                .f_backward()
                .unwrap_err()
                .to_string()
                .contains("0 gradients for 1 inputs")
        );
        let panics = attach_backward(input.detach() * 1.0, &[&input], |_| panic!("inside")).unwrap();
        assert!(panics.f_backward().unwrap_err().to_string().contains("panicked"));
    }

    /// Two threads meet at one node: one runs its backward, the other is refused, and nobody frees
    /// what the other uses.
    #[test]
    fn of_two_threads_at_one_node_one_runs_its_backward() {
        for _ in 0..300 {
            let input = Tensor::from_slice(&[1.0f32, 2.0]).set_requires_grad(true);
            let token = std::sync::Arc::new(vec![7; 100]);
            let captured = std::sync::Arc::clone(&token);
            let output = attach_backward(input.detach() * 3.0, &[&input], move |gradient| {
                assert!(captured.iter().all(|&seven| seven == 7));
                Ok(vec![Some(gradient * 3.0)])
            })
            .unwrap();
            let start = std::sync::Barrier::new(2);
            let losses = [output.sum(Kind::Float), output.sum(Kind::Float)];
            let ran = std::thread::scope(|scope| {
                let start = &start;
                let passes = losses.map(|loss| {
                    scope.spawn(move || {
                        start.wait();
                        loss.f_backward().map_err(|error| error.to_string())
                    })
                });
                passes.map(|pass| pass.join().unwrap())
            });
            let refused: Vec<_> = ran.iter().filter_map(|pass| pass.as_ref().err()).collect();
            assert!(refused.len() == 1 && refused[0].contains("ran twice"), "{ran:?}");
            assert_eq!(Vec::<f32>::try_from(input.grad()).unwrap(), [3.0, 3.0]);
            assert_eq!(std::sync::Arc::strong_count(&token), 1);
        }
    }

    #[test]
    fn nothing_is_recorded_under_no_grad() {
        let input = Tensor::from_slice(&[1.0f32]).set_requires_grad(true);
        let output = tch::no_grad(|| attach_backward(&input * 1.0, &[&input], |_| Ok(vec![None]))).unwrap();
        assert!(!output.requires_grad());
    }
}
