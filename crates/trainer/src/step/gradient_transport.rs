//! By what the gradients of several ranks travel: through host memory by MPI, or by NCCL from GPU
//! to GPU. `parallel.backend` chooses; all else goes over MPI in any case.

use tch::Device;
use torch_native::has_own_kernels;

use crate::config::{BackendChoice, ParallelSection, Reduction};

/// Where gradients are summed over ranks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GradientTransport {
    /// In host memory, by the backend that carries everything else.
    HostMemory,
    /// In the memory of the GPUs.
    Nccl,
}

impl GradientTransport {
    /// The canonical tree, which NCCL does not know, is added up in host memory.
    pub(crate) fn of(parallel: &ParallelSection, device: Device, world_size: u32) -> Self {
        let wanted = match parallel.backend {
            BackendChoice::Auto => world_size > 1,
            BackendChoice::Nccl => true,
            BackendChoice::Single | BackendChoice::Mpi => false,
        };
        if wanted && device.is_cuda() && parallel.reduction == Reduction::Fast {
            Self::Nccl
        } else {
            Self::HostMemory
        }
    }
}

/// Whether gradients are summed beside the backward pass: from a GPU to host memory the pass would have
/// to wait for them.
pub(crate) fn overlaps(parallel: &ParallelSection, device: Device, world_size: u32) -> bool {
    let beside_the_pass = match GradientTransport::of(parallel, device, world_size) {
        GradientTransport::Nccl => true,
        GradientTransport::HostMemory => world_size > 1 && has_own_kernels(device),
    };
    parallel.overlap && beside_the_pass
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::tiny;

    fn transport(overrides: &[&str], device: Device, world_size: u32) -> GradientTransport {
        GradientTransport::of(&tiny(overrides).parallel, device, world_size)
    }

    #[test]
    fn nccl_sums_what_several_ranks_have_on_gpus_unless_told_otherwise() {
        let gpu = Device::Cuda(3);
        for (overrides, device, world_size, expected) in [
            (&[][..], gpu, 8, GradientTransport::Nccl),
            (&[], gpu, 1, GradientTransport::HostMemory),
            (&[], Device::Cpu, 8, GradientTransport::HostMemory),
            (&["parallel.backend='nccl'"], gpu, 1, GradientTransport::Nccl),
            (&["parallel.backend='mpi'"], gpu, 8, GradientTransport::HostMemory),
            (
                &["parallel.reduction='canonical'"],
                gpu,
                8,
                GradientTransport::HostMemory,
            ),
        ] {
            assert_eq!(
                transport(overrides, device, world_size),
                expected,
                "{overrides:?}"
            );
        }
    }
}
