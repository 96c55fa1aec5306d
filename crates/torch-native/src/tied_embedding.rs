//! Rows of a matrix that is also used as a whole: word embeddings that the decoder shares.
//!
//! libtorch makes a gradient of the whole matrix for a few thousand rows, and adds it to the one that
//! comes from the decoder. Here the rows are added where the leaf's gradient lies.
//!
//! V vocabulary, D hidden.

#![expect(unsafe_code, reason = "threads write disjoint columns")]

use tch::{Kind, Tensor};

use crate::TorchError;
use crate::autograd::{attach_backward, grad_in_place};
use crate::gpu::has_own_kernels;
use crate::memory::{slice, slice_mut};
use crate::parallel::{SharedSlice, parallel_for};

const OPERATION: &str = "tied_embedding";
/// Columns that a thread takes at a time: whole cache lines.
const BLOCK: usize = 64;

/// The rows `ids`, i64 [..], of the leaf `weight` [V, D] -> [.., D], differentiable; rows of
/// `padding_id` have no gradient.
///
/// A leaf on the CPU with an f32 gradient that is there already ([`crate::preset_grad`]) gets the rows
/// added to it in the backward pass, before its hook ([`crate::on_gradient_ready`]) is called.
///
/// # Errors
/// [`TorchError::Tch`] for an id outside the matrix, or when libtorch fails otherwise.
pub fn tied_embedding(weight: &Tensor, ids: &Tensor, padding_id: i64) -> Result<Tensor, TorchError> {
    let detached = weight.f_detach()?;
    let rows = Tensor::f_embedding(&detached, ids, padding_id, false, false)?;
    let (leaf, ids) = (weight.shallow_clone(), ids.f_contiguous()?);
    attach_backward(rows, &[weight], move |gradient| {
        let _no_grad = tch::no_grad_guard();
        let has_kernel = has_own_kernels(leaf.device())
            && leaf.f_kind()? == Kind::Float
            && gradient.f_kind()? == Kind::Float;
        if let Some(mut whole) = grad_in_place(&leaf)?.filter(|_| has_kernel) {
            add_rows(&mut whole, &ids, &gradient.f_contiguous()?, padding_id)?;
            return Ok(vec![None]);
        }
        let num_rows = leaf.size().first().copied().unwrap_or(0);
        let whole = Tensor::f_embedding_dense_backward(gradient, &ids, num_rows, padding_id, false)?;
        Ok(vec![Some(whole)])
    })
}

/// Adds each row of `gradient` to the row of `whole` that is its id's, in their order.
fn add_rows(whole: &mut Tensor, ids: &Tensor, gradient: &Tensor, padding_id: i64) -> Result<(), TorchError> {
    let width = usize::try_from(whole.size2()?.1).unwrap_or(0);
    let ids: &[i64] = slice(OPERATION, ids)?;
    let rows: &[f32] = slice(OPERATION, gradient)?;
    let whole = SharedSlice::new(slice_mut::<f32>(OPERATION, whole)?);
    parallel_for(width.div_ceil(BLOCK), 1, &|blocks| {
        let columns = blocks.start * BLOCK..(blocks.end * BLOCK).min(width);
        for (id, row) in ids.iter().zip(rows.chunks_exact(width.max(1))) {
            // The forward pass has refused ids that are no rows.
            let Ok(target) = usize::try_from(*id) else {
                continue;
            };
            if *id == padding_id {
                continue;
            }
            let start = target * width;
            // SAFETY: the ranges of `parallel_for`, and so their columns, are disjoint.
            let target = unsafe { whole.part(start + columns.start..start + columns.end) };
            for (target, value) in target.iter_mut().zip(&row[columns.clone()]) {
                *target += value;
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::{num_threads, on_gradient_ready, preset_grad, set_num_threads};
    use tch::Device;

    /// Rows and the gradient of a matrix that is looked up and multiplied with.
    fn results(kind: Kind, is_preset: bool) -> [Tensor; 2] {
        let weight = (Tensor::arange(70 * 9, (kind, Device::Cpu)).view([9, 70]) * 0.01).sin();
        let weight = weight.set_requires_grad(true);
        if is_preset {
            preset_grad(&weight, &weight.detach().zeros_like()).unwrap();
        }
        let ids = Tensor::from_slice(&[3i64, 1, 8, 3, 0, 3]).view([2, 3]);
        let rows = tied_embedding(&weight, &ids, 1).unwrap();
        let head = rows.view([6, 70]).matmul(&weight.transpose(0, 1));
        (&head * &head).sum(kind).backward();
        [rows.detach(), weight.grad()].map(|tensor| tensor.to_kind(Kind::Double))
    }

    #[test]
    fn rows_and_gradient_are_those_of_libtorch_and_the_padding_has_none() {
        let [rows, gradient] = results(Kind::Double, false);
        assert_eq!(rows.size(), [2, 3, 70]);
        for (kind, is_preset) in [(Kind::Float, true), (Kind::Float, false), (Kind::Double, true)] {
            for (ours, expected) in results(kind, is_preset).iter().zip([&rows, &gradient]) {
                let error = (ours - expected).norm().double_value(&[]) / expected.norm().double_value(&[]);
                assert!(error < 1e-6, "{kind:?} {is_preset}: {error}");
            }
        }
    }

    #[test]
    fn rows_are_added_where_the_gradient_lies_and_the_hook_sees_the_whole_one() {
        let before = num_threads();
        let run = |threads: usize| {
            set_num_threads(threads).unwrap();
            let weight = Tensor::ones([9, 200], (Kind::Float, Device::Cpu)).set_requires_grad(true);
            let gradient = Tensor::zeros([9, 200], (Kind::Float, Device::Cpu));
            preset_grad(&weight, &gradient).unwrap();
            let seen = Arc::new(Mutex::new(Vec::new()));
            let (note, view) = (Arc::clone(&seen), Mutex::new(gradient.shallow_clone()));
            on_gradient_ready(&weight, move || {
                note.lock().unwrap().push(view.lock().unwrap().copy());
            })
            .unwrap();
            let ids = Tensor::from_slice(&[3i64, 8, 3]);
            let rows = || tied_embedding(&weight, &ids, 1).unwrap();
            // The rows alone: no other way reaches the leaf.
            rows().sum(Kind::Float).backward();
            assert_eq!(seen.lock().unwrap().pop().unwrap(), gradient);
            assert!((gradient.sum(Kind::Double).double_value(&[]) - 600.0).abs() < 1e-9);
            for _ in 0..2 {
                (rows().matmul(&weight.transpose(0, 1)) * 0.01)
                    .sin()
                    .sum(Kind::Float)
                    .backward();
                assert_eq!(seen.lock().unwrap().pop().unwrap(), gradient);
            }
            gradient
        };
        let gradients = [1, 3].map(run);
        set_num_threads(before).unwrap();
        assert_eq!(gradients[0], gradients[1]);
    }

    #[test]
    fn an_id_outside_the_matrix_is_refused() {
        let weight = Tensor::zeros([4, 8], (Kind::Float, Device::Cpu)).set_requires_grad(true);
        for id in [-1i64, 4] {
            assert!(tied_embedding(&weight, &Tensor::from_slice(&[id]), 1).is_err());
        }
    }
}
