//! Which way the gradients of several ranks go: through host memory by MPI, or by NCCL from GPU
//! to GPU. `parallel.backend` chooses; all else goes over MPI in any case.

use std::{path::Path, time::Duration};

use collectives::{Collective, Gpu, GpuRuntime, Nccl, NcclError, NcclLibrary, NcclReduce, NcclTimes};
use serde_json::json;
use tch::Device;
use torch_native::has_own_kernels;

use crate::{
    config::{BackendChoice, ParallelSection, RunConfig},
    error::{TrainError, chain},
    ranks::{
        agree::{agree, compare},
        last_resort::LastResort,
    },
    run::session::Session,
    step::reduction::Reduction,
};

/// Where gradients are summed over ranks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GradientWay {
    /// In host memory, by the backend that carries everything else.
    HostMemory,
    /// In the memory of the GPUs.
    Nccl,
}

impl GradientWay {
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
    let beside_the_pass = match GradientWay::of(parallel, device, world_size) {
        GradientWay::Nccl => true,
        GradientWay::HostMemory => world_size > 1 && has_own_kernels(device),
    };
    parallel.overlap && beside_the_pass
}

/// Runs `work` with the backend that sums gradients as `session` decided. All ranks together. A rank
/// whose GPU hangs says why in `last_exit.json` of `run_dir`, which a dry run has not.
///
/// # Errors
/// Those of `work`, after which NCCL is aborted; [`TrainError::Agreed`] on all ranks where NCCL
/// cannot be used on one.
pub(crate) fn connected<T>(
    session: &Session,
    collective: &mut dyn Collective,
    run_dir: Option<&Path>,
    work: impl FnOnce(&mut dyn Collective) -> Result<T, TrainError>,
) -> Result<T, TrainError> {
    if session.gradients == GradientWay::HostMemory {
        return work(collective);
    }
    let within = Duration::from_secs(session.plan.config.parallel.abort_s);
    let last_resort = LastResort::new(collective.rank().0, run_dir, within);
    let sums = connect(&session.plan.config, session.device, collective, &last_resort)?;
    let mut nccl = Nccl::new(collective, sums);
    let done = work(&mut nccl).inspect_err(|_| last_resort.is_back())?;
    if let Err(error) = nccl.leave() {
        // Nothing that was learned depends on how NCCL goes down.
        tracing::warn!("NCCL did not end in order: {}", chain(&error));
    }
    last_resort.over();
    Ok(done)
}

/// Sums over the GPUs of all ranks. Whatever one rank can find out alone is agreed on before
/// ranks wait for each other in NCCL.
fn connect(
    config: &RunConfig,
    device: Device,
    collective: &mut dyn Collective,
    last_resort: &LastResort,
) -> Result<NcclReduce, TrainError> {
    let parallel = &config.parallel;
    let (library, gpu) = agree(collective, open(config, device))?;
    let version = library.version().to_string();
    compare(collective, &json!({ "nccl": version }))?;
    let times = NcclTimes {
        call: Duration::from_secs(parallel.timeout_s),
        // The other half is for the process itself to end.
        abort: Duration::from_secs(parallel.abort_s) / 2,
    };
    tracing::info!("gradients are summed by NCCL {version} ({})", library.name());
    let last_resort = last_resort.clone();
    let on_failure = Box::new(move |error: &NcclError| last_resort.failed(&error.to_string()));
    let connected = NcclReduce::connect(collective, library, gpu, times, on_failure);
    agree(collective, connected.map_err(TrainError::from))
}

fn open(config: &RunConfig, device: Device) -> Result<(NcclLibrary, Gpu), TrainError> {
    let path = config.parallel.nccl_library.as_deref();
    let library = NcclLibrary::open(path).map_err(|error| match path {
        None => TrainError::Collective(error.into()),
        Some(_) => TrainError::NcclLibrary {
            place: config.places.of("parallel.nccl_library").cloned().map(Box::new),
            source: Box::new(error),
        },
    })?;
    let gpu = GpuRuntime::of_process().and_then(|runtime| Gpu::open(&runtime, number_of(device)));
    Ok((library, gpu.map_err(collectives::CollectiveError::from)?))
}

fn number_of(device: Device) -> usize {
    match device {
        Device::Cuda(number) => number,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::tiny;

    fn way(overrides: &[&str], device: Device, world_size: u32) -> GradientWay {
        GradientWay::of(&tiny(overrides).parallel, device, world_size)
    }

    #[test]
    fn nccl_sums_what_several_ranks_have_on_gpus_unless_told_otherwise() {
        let gpu = Device::Cuda(3);
        for (overrides, device, world_size, expected) in [
            (&[][..], gpu, 8, GradientWay::Nccl),
            (&[], gpu, 1, GradientWay::HostMemory),
            (&[], Device::Cpu, 8, GradientWay::HostMemory),
            (&["parallel.backend='nccl'"], gpu, 1, GradientWay::Nccl),
            (&["parallel.backend='mpi'"], gpu, 8, GradientWay::HostMemory),
            (
                &["parallel.reduction='canonical'"],
                gpu,
                8,
                GradientWay::HostMemory,
            ),
        ] {
            assert_eq!(way(overrides, device, world_size), expected, "{overrides:?}");
        }
    }

    #[test]
    fn a_library_that_the_configuration_names_and_that_is_not_there_is_told_with_its_key() {
        let config = tiny(&["parallel.nccl_library='/nowhere/libnccl.so.2'"]);
        let said = chain(&open(&config, Device::Cuda(0)).unwrap_err());
        for part in [
            "parallel.nccl_library",
            "/nowhere/libnccl.so.2",
            "cannot open shared object",
        ] {
            assert!(said.contains(part), "{part}: {said}");
        }
    }

    /// The library is a stand-in's; the process is the real one, whose libtorch is for CPUs.
    #[test]
    fn a_libtorch_without_cuda_is_told_apart_from_a_missing_library() {
        if torch_native::num_gpus() > 0 {
            return;
        }
        let stand_in = nccl_stand_in::compiled(&[]);
        let config = tiny(&[&format!("parallel.nccl_library={stand_in:?}")]);
        let said = chain(&open(&config, Device::Cuda(0)).unwrap_err());
        assert!(
            said.contains("aoti_torch_get_current_cuda_stream") && said.contains("CUDA build of libtorch"),
            "{said}"
        );
    }
}
