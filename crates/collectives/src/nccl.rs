//! Gradients on GPUs, summed by NCCL; everything else goes on over the backend below.
//!
//! [`Nccl`] lays [`NcclReduce`] over another backend: set-up, digests and small sums stay there,
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
mod reduce;
mod runtime;
mod table;
mod times;

pub use abi::NcclVersion;
pub use error::{NcclError, NcclWork};
pub use gpu::Gpu;
pub use library::NcclLibrary;
pub use lookout::OnFailure;
pub use reduce::NcclReduce;
pub use runtime::{GpuRuntime, GpuUuid};
pub use times::NcclTimes;

use crate::layer::Layer;
use crate::{Collective, CollectiveError, DeviceReduce};

/// Another backend, and sums on GPUs beside it.
#[derive(Debug)]
pub struct Nccl<'a> {
    below: &'a mut dyn Collective,
    reduce: NcclReduce,
}

impl<'a> Nccl<'a> {
    /// `below`, over which `reduce` was connected.
    pub fn new(below: &'a mut dyn Collective, reduce: NcclReduce) -> Self {
        Self { below, reduce }
    }

    /// Leaves NCCL in order, together with all other ranks; without it dropping this aborts.
    ///
    /// # Errors
    /// [`NcclError`] where a rank does not come or NCCL fails.
    pub fn leave(self) -> Result<(), CollectiveError> {
        self.reduce.leave()
    }
}

impl Layer for Nccl<'_> {
    fn below(&self) -> &dyn Collective {
        self.below
    }

    fn below_mut(&mut self) -> &mut dyn Collective {
        self.below
    }

    fn own_device_reduce(&mut self) -> Option<&mut dyn DeviceReduce> {
        Some(&mut self.reduce)
    }
}
