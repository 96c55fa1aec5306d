//! Connects the ranks by NCCL where that sums their gradients, and ends it when they are done.

use std::{path::Path, time::Duration};

use collectives::{Collective, Gpu, GpuRuntime, Nccl, NcclError, NcclLibrary, NcclReduce, NcclTimes};
use serde_json::json;
use tch::Device;

use crate::{
    config::{KeyPlace, RunConfig},
    error::{TrainError, chain},
    ranks::{
        agree::{agree, compare},
        last_resort::LastResort,
    },
    step::gradient_transport::GradientTransport,
};

/// Runs `work` with the backend that sums gradients as `transport` says. All ranks together. A rank
/// whose GPU hangs says why in `last_exit.json` of `run_dir`, which a dry run has not.
///
/// # Errors
/// Those of `work`, after which NCCL is aborted; [`TrainError::Agreed`] on all ranks where NCCL
/// cannot be used on one.
pub(crate) fn connected<T>(
    config: &RunConfig,
    device: Device,
    transport: GradientTransport,
    collective: &mut dyn Collective,
    run_dir: Option<&Path>,
    work: impl FnOnce(&mut dyn Collective) -> Result<T, TrainError>,
) -> Result<T, TrainError> {
    match transport {
        GradientTransport::HostMemory => work(collective),
        GradientTransport::Nccl => connected_by_nccl(config, device, collective, run_dir, work),
    }
}

fn connected_by_nccl<T>(
    config: &RunConfig,
    device: Device,
    collective: &mut dyn Collective,
    run_dir: Option<&Path>,
    work: impl FnOnce(&mut dyn Collective) -> Result<T, TrainError>,
) -> Result<T, TrainError> {
    let within = Duration::from_secs(config.parallel.abort_s);
    let last_resort = LastResort::new(collective.rank().0, run_dir, within);
    let reduce = connect(config, device, collective, &last_resort)?;
    let mut nccl = Nccl::new(collective, reduce);
    let done = work(&mut nccl).inspect_err(|_| last_resort.is_back())?;
    if let Err(error) = nccl.leave() {
        // Nothing that was learned depends on how NCCL goes down.
        tracing::warn!("NCCL did not shut down cleanly: {}", chain(&error));
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
            place: KeyPlace::of(&config.places, "parallel.nccl_library"),
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
