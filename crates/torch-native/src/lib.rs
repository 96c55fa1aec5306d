//! The only crate with C++ and raw tensor memory, behind a safe API.
//!
//! It owns what `tch` cannot do: leaves over a flat buffer with preset gradients, slices of
//! tensor memory and its reuse, autograd nodes whose backward is Rust, kernels on libtorch's
//! own threads (dropout as a function of its key, attention, GELU, `LayerNorm`, cross entropy, linear
//! maps, rows of a tied matrix) and the fused optimizer step. It knows no model.

mod adamw;
mod attention;
mod autograd;
mod bias_gelu;
mod cross_entropy;
mod dropout;
mod error;
mod ffi;
mod gpu;
mod gradient_ready;
mod instructions;
mod lanes;
mod large_blocks;
mod linear;
mod memory;
mod normal;
mod operators;
mod parallel;
mod philox;
mod recompute;
mod reduce;
mod residual_norm;
mod row_kernels;
mod stored;
mod tied_embedding;
mod waiting;

pub use adamw::{AdamW, adamw_step};
pub use attention::{Sequences, fused_attention};
pub use autograd::{attach_backward, leaf_view, preset_grad};
pub use bias_gelu::bias_gelu;
pub use cross_entropy::cross_entropy;
pub use dropout::{Dropout, DropoutKey, DropoutRate, dropout, with_seeded_generator};
pub use error::TorchError;
pub use gpu::{
    GpuPeak, InexactKernels, compute_capability, gpu_free_memory, gpu_peak_memory, has_own_kernels,
    inexact_kernels, num_gpus, pin_memory, reset_gpu_peak_memory, use_deterministic_algorithms,
    use_exact_kernels,
};
pub use gradient_ready::on_gradient_ready;
pub use large_blocks::{LargeBlocks, keep_large_blocks, large_blocks};
pub use linear::{LateWeight, linear};
pub use memory::{
    copy_from_bytes, slice_f32, slice_f64, tensor_bytes, tensor_from_bytes, with_slice_f32, with_slice_f64,
    with_slice_mut_f32, with_slice_mut_f64,
};
pub use normal::fill_normal;
pub use operators::count_operators;
pub use parallel::{libtorch_version, num_threads, set_num_threads};
pub use philox::{philox4x32_10, purpose_key};
pub use recompute::recomputed;
pub use reduce::squared_norm;
pub use residual_norm::{LayerNormWeights, ResidualInputs, layer_norm, residual_layer_norm};
pub use tied_embedding::tied_embedding;
pub use waiting::WaitAsleep;
