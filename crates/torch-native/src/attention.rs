//! Fused multi-head attention on the CPU, forward and backward, with dropout: in f32, and in bf16
//! where the processor multiplies it.
//!
//! Queries are taken in blocks against blocks of keys, so nothing of size T x T is ever in
//! memory: beside its input and output the forward pass saves one number a row. The bits of
//! dropout come out of the counter where they are used, in both passes, and are those of
//! [`crate::dropout()`] on a tensor [B, N, T, T]. A head belongs to one thread, so results do
//! not depend on the number of threads.
//!
//! B sequences, T positions, D hidden, N heads, H per head.

mod attend;
mod backward;
#[cfg(target_arch = "x86_64")]
mod bf16;
mod forward;
mod head;
mod operands;
mod pack;
mod product;
mod softmax_rows;

use tch::{Device, Kind, Tensor};

use crate::autograd::attach_backward;
use crate::dropout::keep_bits::{KeepStream, keep_stream};
use crate::instructions::Instructions;
use crate::memory::{slice, slice_mut};
use crate::parallel::{SharedSlice, parallel_for};
use crate::{Dropout, TorchError};

use attend::Attend;
use head::{Inputs, MASKED, Outputs, SavedAttention, Shape};

const OPERATION: &str = "fused_attention";

/// How the rows of a fused projection make sequences.
#[derive(Debug, Clone, Copy)]
pub enum Sequences<'a> {
    /// All of [B, T, 3D], one of T rows after the other. The mask has B T elements of any kind,
    /// non-zero where a key may be attended to; `None` for all.
    Padded(Option<&'a Tensor>),
    /// Of [rows, 3D], so many rows each, without padding between them.
    Packed {
        /// `[B]`, at least 1 each.
        lengths: &'a [usize],
        /// T: the bits of dropout are those of sequences that are padded to it.
        positions: usize,
    },
}

/// What a call is about, beside its tensors; owned, so that the backward pass can have it.
struct Plan {
    shape: Shape,
    starts: Vec<usize>,
    bias: Vec<f32>,
    dropout: Option<KeepStream>,
    instructions: Instructions,
}

impl Plan {
    fn inputs<'a, T>(&'a self, query_key_value: &'a [T]) -> Inputs<'a, T> {
        Inputs {
            shape: self.shape,
            starts: &self.starts,
            query_key_value,
            bias: &self.bias,
            dropout: self.dropout,
        }
    }

    fn num_heads(&self) -> usize {
        self.shape.sequences * self.shape.heads
    }

    /// `query_key_value`: [.., 3D] -> context [.., D] and row sums [B N T].
    fn forward<T: Attend>(&self, query_key_value: &Tensor) -> Result<(Tensor, Vec<f32>), TorchError> {
        let mut size = query_key_value.size();
        if let Some(width) = size.last_mut() {
            *width = i64::try_from(self.shape.width()).unwrap_or(i64::MAX);
        }
        let mut context = Tensor::f_empty(size, (T::KIND, Device::Cpu))?;
        let mut log_sums = vec![0.0; self.num_heads() * self.shape.positions];
        let inputs = self.inputs(slice(OPERATION, query_key_value)?);
        let outputs = Outputs {
            context: SharedSlice::new(slice_mut(OPERATION, &mut context)?),
            log_sums: SharedSlice::new(&mut log_sums),
        };
        parallel_for(self.num_heads(), 1, &|heads| {
            T::forward(self.instructions, &inputs, &outputs, heads);
        })?;
        Ok((context, log_sums))
    }

    /// -> gradient of the fused projection, [.., 3D].
    fn backward<T: Attend>(
        &self,
        query_key_value: &Tensor,
        context: &Tensor,
        log_sums: &[f32],
        context_gradient: &Tensor,
    ) -> Result<Tensor, TorchError> {
        let mut gradient = query_key_value.f_empty_like()?;
        let context_gradient = context_gradient.f_contiguous()?;
        let inputs = self.inputs(slice(OPERATION, query_key_value)?);
        let saved = SavedAttention {
            context: slice(OPERATION, context)?,
            context_gradient: slice(OPERATION, &context_gradient)?,
            log_sums,
        };
        let shared = SharedSlice::new(slice_mut(OPERATION, &mut gradient)?);
        parallel_for(self.num_heads(), 1, &|heads| {
            T::backward(self.instructions, &inputs, &saved, &shared, heads);
        })?;
        Ok(gradient)
    }
}

fn shape_of(
    query_key_value: &Tensor,
    num_heads: usize,
    sequences: Sequences<'_>,
) -> Result<Shape, TorchError> {
    let size = |size: i64| usize::try_from(size).unwrap_or(0);
    let (num_sequences, positions, width) = match sequences {
        Sequences::Padded(_) => {
            let (sequences, positions, width) = query_key_value.size3()?;
            (size(sequences), size(positions), size(width))
        }
        Sequences::Packed { lengths, positions } => {
            (lengths.len(), positions, size(query_key_value.size2()?.1))
        }
    };
    if num_heads == 0 || width == 0 || !width.is_multiple_of(3 * num_heads) {
        return Err(TorchError::SizeMismatch {
            operation: OPERATION,
            what: "a row of queries, keys and values",
            expected: width.next_multiple_of(3 * num_heads.max(1)).max(3),
            found: width,
        });
    }
    Ok(Shape {
        sequences: num_sequences,
        positions,
        heads: num_heads,
        head_size: width / (3 * num_heads),
    })
}

/// Where each sequence begins among `rows`, and where the last one ends.
fn starts(shape: Shape, sequences: Sequences<'_>, rows: usize) -> Result<Vec<usize>, TorchError> {
    let Sequences::Packed { lengths, .. } = sequences else {
        return Ok((0..=shape.sequences)
            .map(|sequence| sequence * shape.positions)
            .collect());
    };
    if let Some(length) = lengths
        .iter()
        .find(|length| !(1..=shape.positions).contains(*length))
    {
        return Err(TorchError::OutOfRange {
            name: "the length of a packed sequence",
            value: *length as f64,
            expected: "at least 1 and at most the number of positions",
        });
    }
    let ends = lengths.iter().scan(0, |end, length| {
        *end += length;
        Some(*end)
    });
    let starts: Vec<usize> = std::iter::once(0).chain(ends).collect();
    match starts.last() {
        Some(&end) if end == rows => Ok(starts),
        end => Err(TorchError::SizeMismatch {
            operation: OPERATION,
            what: "the lengths of the packed sequences together",
            expected: rows,
            found: end.copied().unwrap_or(0),
        }),
    }
}

/// What is added to scores: 0 for a key, [`MASKED`] for one that is masked or does not exist.
fn bias(shape: Shape, sequences: Sequences<'_>) -> Result<Vec<f32>, TorchError> {
    let (positions, padded) = (shape.positions, shape.padded_positions());
    let mut bias = vec![MASKED; shape.sequences * padded];
    let rows = bias.chunks_exact_mut(padded.max(1));
    let mask = match sequences {
        Sequences::Packed { lengths, .. } => {
            rows.zip(lengths)
                .for_each(|(row, &length)| row[..length].fill(0.0));
            return Ok(bias);
        }
        Sequences::Padded(None) => vec![true; shape.sequences * positions],
        Sequences::Padded(Some(mask)) => Vec::<bool>::try_from(mask.f_to_kind(Kind::Bool)?.f_reshape([-1])?)?,
    };
    if mask.len() != shape.sequences * positions {
        return Err(TorchError::SizeMismatch {
            operation: OPERATION,
            what: "the attention mask",
            expected: shape.sequences * positions,
            found: mask.len(),
        });
    }
    for (row, mask) in rows.zip(mask.chunks_exact(positions.max(1))) {
        if !mask.contains(&true) {
            return Err(TorchError::OutOfRange {
                name: "the number of keys that a sequence's attention mask leaves",
                value: 0.0,
                expected: "at least 1",
            });
        }
        for (bias, _) in row.iter_mut().zip(mask).filter(|(_, is_key)| **is_key) {
            *bias = 0.0;
        }
    }
    Ok(bias)
}

fn attention<T: Attend>(query_key_value: &Tensor, plan: Plan) -> Result<Tensor, TorchError> {
    let detached = query_key_value.f_detach()?.f_contiguous()?;
    let (context, log_sums) = plan.forward::<T>(&detached)?;
    let saved = context.f_detach()?;
    attach_backward(context, &[query_key_value], move |gradient| {
        let _no_grad = tch::no_grad_guard();
        Ok(vec![Some(
            plan.backward::<T>(&detached, &saved, &log_sums, gradient)?,
        )])
    })
}

/// Scaled dot-product self-attention of all heads -> [.., D] in the kind of the input,
/// differentiable.
///
/// `query_key_value`: [B, T, 3D] or [rows, 3D], as `sequences` has it, f32, bf16 or fp16 on the CPU: a
/// row holds N queries of H numbers, then N keys, then N values. fp16, and bf16 on a processor that
/// does not multiply it, are computed in f32.
///
/// # Errors
/// [`TorchError::UnsupportedKind`] for another kind and [`TorchError::NotASlice`] for
/// another device; [`TorchError::SizeMismatch`] for a width that `num_heads` does not divide, a
/// mask of another size or lengths that are not those of the rows; [`TorchError::OutOfRange`] for a
/// sequence without keys, or a dropout that [`crate::dropout()`] refuses.
pub fn fused_attention(
    query_key_value: &Tensor,
    num_heads: usize,
    sequences: Sequences<'_>,
    dropout: Option<Dropout<'_>>,
) -> Result<Tensor, TorchError> {
    let shape = shape_of(query_key_value, num_heads, sequences)?;
    let rows = query_key_value.numel() / (3 * shape.width());
    let elements = shape.sequences * shape.heads * shape.positions * shape.positions;
    let plan = Plan {
        shape,
        starts: starts(shape, sequences, rows)?,
        bias: bias(shape, sequences)?,
        dropout: keep_stream(dropout, elements)?,
        instructions: Instructions::detect(),
    };
    match query_key_value.f_kind()? {
        Kind::Float => attention::<f32>(query_key_value, plan),
        #[cfg(target_arch = "x86_64")]
        Kind::BFloat16 if bf16::has_kernel(plan.instructions) => {
            attention::<crate::memory::Bf16>(query_key_value, plan)
        }
        kind @ (Kind::BFloat16 | Kind::Half) => {
            let context = attention::<f32>(&query_key_value.f_to_kind(Kind::Float)?, plan)?;
            Ok(context.f_to_kind(kind)?)
        }
        kind => Err(TorchError::UnsupportedKind {
            operation: OPERATION,
            kind,
        }),
    }
}

#[cfg(test)]
mod tests;
