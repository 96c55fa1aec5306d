//! `LayerNorm(residual + dropout(input + bias))` in one pass, forward and backward: the end of
//! both halves of a transformer layer.
//!
//! Saved for the backward pass are the sum and, of each of its rows, mean and inverse
//! deviation. The bits of dropout are made anew and are those of [`crate::dropout()`]. The kernel
//! is for f32 and bf16 on the CPU; everything else goes by libtorch's operations.

mod rows;

use tch::{Device, Kind, Tensor};

use crate::autograd::attach_backward;
use crate::dropout::keep_bits::{KeepStream, keep_stream};
use crate::gpu::has_own_kernels;
use crate::instructions::Instructions;
use crate::memory::{Bf16, slice, slice_mut};
use crate::parallel::SharedSlice;
use crate::row_kernels::{column_sums, for_row_blocks, has_row_kernel, in_kind_of};
use crate::stored::Stored;
use crate::{Dropout, TorchError, dropout};

use rows::{BackwardPass, ForwardPass, Statistics, backward_on, forward_on};

const OPERATION: &str = "residual_layer_norm";

/// The weights of a `LayerNorm`.
#[derive(Debug, Clone, Copy)]
pub struct LayerNormWeights<'a> {
    /// `[D]`.
    pub weight: &'a Tensor,
    /// `[D]`.
    pub bias: &'a Tensor,
    /// Added to the variance.
    pub epsilon: f64,
}

/// What goes into the sum that is normalized.
#[derive(Debug, Clone, Copy)]
pub struct ResidualInputs<'a> {
    /// [.., D], the product without its bias.
    pub input: &'a Tensor,
    /// `[D]` in the kind of the input or in f32, added to the input before dropout.
    pub bias: &'a Tensor,
    /// [.., D], what goes around the product.
    pub residual: &'a Tensor,
}

/// What the backward pass needs.
struct SavedNorm {
    /// [.., D].
    sum: Tensor,
    /// One a row.
    statistics: Vec<Statistics>,
    /// `[D]`.
    weight: Tensor,
    dropout: Option<KeepStream>,
    instructions: Instructions,
}

fn forward<T: Stored>(
    instructions: Instructions,
    inputs: ResidualInputs<'_>,
    norm: LayerNormWeights<'_>,
    dropout: Option<KeepStream>,
) -> Result<(Tensor, SavedNorm), TorchError> {
    let (input, residual) = (inputs.input.f_contiguous()?, inputs.residual.f_contiguous()?);
    let (mut sum, mut output) = (input.f_empty_like()?, input.f_empty_like()?);
    let bias: &[f32] = slice(OPERATION, inputs.bias)?;
    let num_rows = input.numel() / bias.len();
    let mut statistics = vec![Statistics::default(); num_rows];
    let forward = ForwardPass::<T> {
        input: slice(OPERATION, &input)?,
        bias,
        residual: slice(OPERATION, &residual)?,
        norm_weight: slice(OPERATION, norm.weight)?,
        norm_bias: slice(OPERATION, norm.bias)?,
        epsilon: norm.epsilon,
        dropout,
        sum: SharedSlice::new(slice_mut(OPERATION, &mut sum)?),
        output: SharedSlice::new(slice_mut(OPERATION, &mut output)?),
        statistics: SharedSlice::new(&mut statistics),
    };
    for_row_blocks(num_rows, &|rows| forward_on(instructions, &forward, rows))?;
    let weight = norm.weight.f_detach()?;
    let saved = SavedNorm {
        sum,
        statistics,
        weight,
        dropout,
        instructions,
    };
    Ok((output, saved))
}

/// Gradients of input, bias, residual, and of the `LayerNorm`'s weight and bias.
fn backward<T: Stored>(saved: &SavedNorm, output_gradient: &Tensor) -> Result<[Tensor; 5], TorchError> {
    let output_gradient = output_gradient.f_contiguous()?;
    let weight: &[f32] = slice(OPERATION, &saved.weight)?;
    let width = weight.len();
    let mut residual_gradient = saved.sum.f_empty_like()?;
    // Without dropout the two gradients are one.
    let mut input_gradient = match saved.dropout {
        Some(_) => saved.sum.f_empty_like()?,
        None => Tensor::f_empty([0], (T::KIND, Device::Cpu))?,
    };
    let backward = BackwardPass::<T> {
        sum: slice(OPERATION, &saved.sum)?,
        statistics: &saved.statistics,
        norm_weight: weight,
        output_gradient: slice(OPERATION, &output_gradient)?,
        dropout: saved.dropout,
        residual_gradient: SharedSlice::new(slice_mut(OPERATION, &mut residual_gradient)?),
        input_gradient: SharedSlice::new(slice_mut(OPERATION, &mut input_gradient)?),
    };
    let instructions = saved.instructions;
    let sums = column_sums(saved.statistics.len(), 3 * width, &|rows, sums| {
        backward_on(instructions, &backward, rows, sums);
    })?;
    if saved.dropout.is_none() {
        input_gradient = residual_gradient.shallow_clone();
    }
    let vector = |index: usize| Tensor::f_from_slice(&sums[index * width..][..width]);
    Ok([
        input_gradient,
        vector(2)?,
        residual_gradient,
        vector(0)?,
        vector(1)?,
    ])
}

/// The same in libtorch's operations, in whatever kind the inputs have.
fn by_operations(
    inputs: ResidualInputs<'_>,
    norm: LayerNormWeights<'_>,
    probability_dropout: Option<Dropout<'_>>,
) -> Result<Tensor, TorchError> {
    let mut sum = inputs.input.f_add(&in_kind_of(inputs.input, inputs.bias)?)?;
    if let Some(Dropout {
        probability,
        key,
        site,
    }) = probability_dropout
    {
        sum = dropout(&sum, probability, key, site)?;
    }
    layer_norm(&sum.f_add(inputs.residual)?, norm)
}

/// `LayerNorm` over the last dimension of `input`: [.., D] -> [.., D] in the kind of the input,
/// computed in that of the weights. Differentiable.
///
/// # Errors
/// [`TorchError::Tch`] when the shapes do not fit or libtorch fails.
pub fn layer_norm(input: &Tensor, norm: LayerNormWeights<'_>) -> Result<Tensor, TorchError> {
    let normalize = |input: &Tensor| {
        let (weight, bias) = (Some(norm.weight), Some(norm.bias));
        input.f_layer_norm(&norm.weight.size()[..], weight, bias, norm.epsilon, false)
    };
    // libtorch's CPU kernel reads half precision beside f32 weights; its GPU kernel does not.
    let (kind, weight_kind) = (input.f_kind()?, norm.weight.f_kind()?);
    if kind == weight_kind || has_own_kernels(input.device()) {
        return Ok(normalize(input)?);
    }
    Ok(normalize(&input.f_to_kind(weight_kind)?)?.f_to_kind(kind)?)
}

/// `LayerNorm(residual + dropout(input + bias))` -> [.., D] in the kind of the inputs,
/// differentiable.
///
/// # Errors
/// [`TorchError::OutOfRange`] for a dropout that [`crate::dropout()`] refuses;
/// [`TorchError::Tch`] when the shapes do not fit or libtorch fails.
pub fn residual_layer_norm(
    inputs: ResidualInputs<'_>,
    norm: LayerNormWeights<'_>,
    dropout: Option<Dropout<'_>>,
) -> Result<Tensor, TorchError> {
    residual_layer_norm_on(Instructions::detect(), inputs, norm, dropout)
}

fn residual_layer_norm_on(
    instructions: Instructions,
    inputs: ResidualInputs<'_>,
    norm: LayerNormWeights<'_>,
    dropout: Option<Dropout<'_>>,
) -> Result<Tensor, TorchError> {
    let ResidualInputs {
        input,
        bias,
        residual,
    } = inputs;
    let fits = input.size() == residual.size()
        && input.f_kind()? == residual.f_kind()?
        && has_row_kernel(input, bias)?
        && has_row_kernel(residual, norm.weight)?
        && has_row_kernel(residual, norm.bias)?;
    if !fits {
        return by_operations(inputs, norm, dropout);
    }
    let stream = keep_stream(dropout, input.numel())?;
    match input.f_kind()? {
        Kind::BFloat16 => by_kernel::<Bf16>(instructions, inputs, norm, stream),
        _ => by_kernel::<f32>(instructions, inputs, norm, stream),
    }
}

fn by_kernel<T: Stored>(
    instructions: Instructions,
    inputs: ResidualInputs<'_>,
    norm: LayerNormWeights<'_>,
    dropout: Option<KeepStream>,
) -> Result<Tensor, TorchError> {
    let (output, saved) = tch::no_grad(|| forward::<T>(instructions, inputs, norm, dropout))?;
    let leaves = [inputs.input, inputs.bias, inputs.residual, norm.weight, norm.bias];
    attach_backward(output, &leaves, move |gradient| {
        let _no_grad = tch::no_grad_guard();
        Ok(backward::<T>(&saved, gradient)?.map(Some).into())
    })
}

#[cfg(test)]
mod tests;
