//! Which device a rank computes on: a GPU of its own, or the CPU. All ranks the same kind.

use collectives::Collective;
use serde_json::json;
use tch::Device;

use crate::{
    agree::{agree, compare},
    config::{BackendChoice, DeviceChoice, RunConfig},
    error::TrainError,
};

/// Where a rank stands on its host.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    host: String,
    /// Ranks of this host before this one: the index of its GPU.
    local_rank: usize,
}

impl Place {
    /// `hosts`: those of all ranks, in rank order.
    fn of(rank: usize, hosts: &[String]) -> Self {
        let host = hosts.get(rank).cloned().unwrap_or_default();
        let local_rank = hosts[..rank.min(hosts.len())]
            .iter()
            .filter(|other| **other == host)
            .count();
        Self { host, local_rank }
    }
}

/// The device of every rank for `parallel.device` and `parallel.backend`, the same kind on all of
/// them.
///
/// # Errors
/// [`TrainError::NoGpu`] where a rank asked for one and has none, on all ranks alike.
pub(crate) fn decide(
    collective: &mut dyn Collective,
    config: &RunConfig,
    hosts: &[String],
) -> Result<Device, TrainError> {
    let place = Place::of(collective.rank().0 as usize, hosts);
    let device = agree(collective, choose(config, &place, torch_native::num_gpus()))?;
    let kind = if device == Device::Cpu { "cpu" } else { "cuda" };
    compare(collective, &json!({ "parallel": { "device": kind } }))?;
    Ok(device)
}

fn choose(config: &RunConfig, place: &Place, num_gpus: usize) -> Result<Device, TrainError> {
    let (device, backend) = (config.parallel.device, config.parallel.backend);
    let (key, value) = match (device, backend) {
        (DeviceChoice::Cpu, _) => return Ok(Device::Cpu),
        (DeviceChoice::Cuda, _) => ("parallel.device", "cuda"),
        (DeviceChoice::Auto, BackendChoice::Nccl) => ("parallel.backend", "nccl"),
        (DeviceChoice::Auto, _) if num_gpus == 0 => return Ok(Device::Cpu),
        (DeviceChoice::Auto, _) => ("parallel.device", "auto"),
    };
    if place.local_rank >= num_gpus {
        return Err(TrainError::NoGpu {
            place: config.places.of(key).cloned().map(Box::new),
            asked: format!("{key} = {value:?}"),
            host: place.host.clone(),
            local_rank: place.local_rank,
            num_gpus,
        });
    }
    Ok(Device::Cuda(place.local_rank))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::tiny;

    fn hosts(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    fn chosen(overrides: &[&str], place: &Place, num_gpus: usize) -> Result<Device, TrainError> {
        choose(&tiny(overrides), place, num_gpus)
    }

    #[test]
    fn a_rank_takes_the_gpu_of_its_place_on_its_host() {
        let hosts = hosts(&["a", "b", "a", "b", "b"]);
        let local = |rank| Place::of(rank, &hosts).local_rank;
        assert_eq!([0, 1, 2, 3, 4].map(local), [0, 0, 1, 1, 2]);
        let device = chosen(&[], &Place::of(4, &hosts), 4).unwrap();
        assert_eq!(device, Device::Cuda(2));
    }

    #[test]
    fn without_a_gpu_auto_is_the_cpu_and_cuda_is_refused_with_the_host_and_the_key() {
        let place = Place::of(0, &hosts(&["oak"]));
        assert_eq!(chosen(&[], &place, 0).unwrap(), Device::Cpu);
        assert_eq!(
            chosen(&["parallel.device='cpu'"], &place, 8).unwrap(),
            Device::Cpu
        );
        for (key, asked) in [
            ("parallel.device='cuda'", "parallel.device = \"cuda\""),
            ("parallel.backend='nccl'", "parallel.backend = \"nccl\""),
        ] {
            let error = chosen(&[key], &place, 0).unwrap_err().to_string();
            assert!(error.contains(asked) && error.contains("oak"), "{error}");
        }
    }

    #[test]
    fn more_ranks_than_gpus_on_a_host_are_refused() {
        let place = Place::of(2, &hosts(&["a", "a", "a"]));
        let error = chosen(&[], &place, 2).unwrap_err().to_string();
        assert!(
            error.contains("2 GPUs") && error.contains("rank 2 of its host"),
            "{error}"
        );
    }
}
