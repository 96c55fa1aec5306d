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
mod communicator;
mod error;
mod gpu;
mod library;
mod runtime;
mod sums;
mod table;

use std::time::Duration;

pub use abi::Version;
pub use error::{Bucket, NcclError, Work};
pub use gpu::Gpu;
pub use library::NcclLibrary;
pub use runtime::GpuRuntime;
pub use sums::GpuSums;

use crate::{Collective, CollectiveError, Element, Rank};

/// Numbers that lie one after the other in the memory of a GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GpuNumbers {
    /// Where the first begins.
    pub address: usize,
    /// How many.
    pub count: usize,
    /// Their kind.
    pub element: Element,
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

impl Collective for Nccl<'_> {
    fn gpu_sums(&mut self) -> Option<&mut GpuSums> {
        Some(&mut self.sums)
    }
    fn calls_made(&self) -> u64 {
        self.below.calls_made()
    }
    fn at_step(&mut self, step: u64) {
        self.below.at_step(step);
    }
    fn rank(&self) -> Rank {
        self.below.rank()
    }
    fn world_size(&self) -> u32 {
        self.below.world_size()
    }
    fn local_rank(&self) -> u32 {
        self.below.local_rank()
    }
    fn local_size(&self) -> u32 {
        self.below.local_size()
    }
    fn barrier(&mut self) -> Result<(), CollectiveError> {
        self.below.barrier()
    }
    fn all_reduce_sum_f32(&mut self, values: &mut [f32]) -> Result<(), CollectiveError> {
        self.below.all_reduce_sum_f32(values)
    }
    fn all_reduce_sum_f64(&mut self, values: &mut [f64]) -> Result<(), CollectiveError> {
        self.below.all_reduce_sum_f64(values)
    }
    fn all_reduce_sum_u64(&mut self, values: &mut [u64]) -> Result<(), CollectiveError> {
        self.below.all_reduce_sum_u64(values)
    }
    fn all_reduce_min_f64(&mut self, values: &mut [f64]) -> Result<(), CollectiveError> {
        self.below.all_reduce_min_f64(values)
    }
    fn all_reduce_max_f64(&mut self, values: &mut [f64]) -> Result<(), CollectiveError> {
        self.below.all_reduce_max_f64(values)
    }
    fn broadcast(&mut self, root: Rank, bytes: &mut Vec<u8>) -> Result<(), CollectiveError> {
        self.below.broadcast(root, bytes)
    }
    fn all_gather(&mut self, bytes: &[u8]) -> Result<Vec<Vec<u8>>, CollectiveError> {
        self.below.all_gather(bytes)
    }
    fn all_to_all(&mut self, parts: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, CollectiveError> {
        self.below.all_to_all(parts)
    }
    fn abort(&mut self, message: &str) {
        self.below.abort(message);
    }
}
