//! Gradients on GPUs, summed by NCCL; everything else goes on over the backend below.
//!
//! [`Nccl`] lays [`GpuSums`] over another backend: set-up, digests and small sums stay there,
//! the gradients are summed where they lie, in a stream of their own beside the backward pass.
//! NCCL is found when the program runs ([`NcclLibrary`]), the CUDA runtime and libtorch's streams
//! in the process ([`GpuRuntime`]). The slower way without all this is the backend below itself,
//! on copies in host memory (`parallel.backend = "mpi"`).
//!
//! No machine with a GPU has run this yet: tests hold it against the real library without a
//! GPU, and against a stand-in for what needs one.

mod abi;
mod aside;
mod communicator;
mod error;
mod gpu;
mod library;
mod lookout;
mod runtime;
mod sums;
mod table;

use std::{fmt, time::Duration};

pub use abi::Version;
pub use error::{NcclError, Work};
pub use gpu::Gpu;
pub use library::NcclLibrary;
pub use lookout::OnFailure;
pub use runtime::{GpuRuntime, GpuUuid};
pub use sums::GpuSums;

use crate::layer::Layer;
use crate::{Collective, CollectiveError};

/// Numbers that lie one after the other in the memory of a GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GpuNumbers {
    /// Where the first begins.
    pub address: usize,
    /// How many.
    pub count: usize,
    /// Their kind.
    pub element: GpuElement,
}

/// What NCCL sums here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GpuElement {
    /// 32-bit floating point.
    F32,
    /// 64-bit floating point.
    F64,
    /// The upper half of an f32.
    Bf16,
}

impl GpuElement {
    fn size_bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F64 => 8,
            Self::Bf16 => 2,
        }
    }
}

impl fmt::Display for GpuElement {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::F32 => "f32",
            Self::F64 => "f64",
            Self::Bf16 => "bf16",
        })
    }
}

impl GpuNumbers {
    fn bytes(&self) -> usize {
        self.count.saturating_mul(self.element.size_bytes())
    }
}

/// Deadlines of NCCL.
#[derive(Debug, Clone, Copy)]
pub struct NcclTimes {
    /// For every call, and for every bucket to be summed.
    pub call: Duration,
    /// For NCCL to end once it is aborted.
    pub abort: Duration,
}

/// Another backend, and sums on GPUs beside it.
#[derive(Debug)]
pub struct Nccl<'a> {
    below: &'a mut dyn Collective,
    sums: GpuSums,
}

impl<'a> Nccl<'a> {
    /// `below`, over which `sums` were connected.
    pub fn new(below: &'a mut dyn Collective, sums: GpuSums) -> Self {
        Self { below, sums }
    }

    /// Leaves NCCL in order, together with all other ranks; without it dropping this aborts.
    ///
    /// # Errors
    /// [`NcclError`] where a rank does not come or NCCL fails.
    pub fn leave(self) -> Result<(), CollectiveError> {
        self.sums.leave()
    }
}

impl Layer for Nccl<'_> {
    fn below(&self) -> &dyn Collective {
        self.below
    }

    fn below_mut(&mut self) -> &mut dyn Collective {
        self.below
    }

    fn own_gpu_sums(&mut self) -> Option<&mut GpuSums> {
        Some(&mut self.sums)
    }
}
