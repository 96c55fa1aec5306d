//! Which device a rank computes on: a GPU of its own, or the CPU. All ranks the same kind.

use collectives::Collective;
use serde_json::json;
use tch::Device;

use crate::{
    agree::{agree, compare},
    config::DeviceChoice,
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

/// The device of every rank for `parallel.device`, the same kind on all of them.
///
/// # Errors
/// [`TrainError::NoGpu`] where a rank asked for one and has none, on all ranks alike.
pub(crate) fn decide(
    collective: &mut dyn Collective,
    choice: DeviceChoice,
    hosts: &[String],
) -> Result<Device, TrainError> {
    let place = Place::of(collective.rank().0 as usize, hosts);
    let device = agree(collective, choose(choice, &place, torch_native::num_gpus()))?;
    let kind = if device == Device::Cpu { "cpu" } else { "cuda" };
    compare(collective, &json!({ "parallel": { "device": kind } }))?;
    Ok(device)
}

fn choose(choice: DeviceChoice, place: &Place, num_gpus: usize) -> Result<Device, TrainError> {
    let is_cpu = choice == DeviceChoice::Cpu || (choice == DeviceChoice::Auto && num_gpus == 0);
    if is_cpu {
        return Ok(Device::Cpu);
    }
    if place.local_rank >= num_gpus {
        return Err(TrainError::NoGpu {
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

    fn hosts(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn a_rank_takes_the_gpu_of_its_place_on_its_host() {
        let hosts = hosts(&["a", "b", "a", "b", "b"]);
        let local = |rank| Place::of(rank, &hosts).local_rank;
        assert_eq!([0, 1, 2, 3, 4].map(local), [0, 0, 1, 1, 2]);
        let device = choose(DeviceChoice::Auto, &Place::of(4, &hosts), 4).unwrap();
        assert_eq!(device, Device::Cuda(2));
    }

    #[test]
    fn without_a_gpu_auto_is_the_cpu_and_cuda_is_refused_with_the_host_and_the_key() {
        let place = Place::of(0, &hosts(&["oak"]));
        assert_eq!(choose(DeviceChoice::Auto, &place, 0).unwrap(), Device::Cpu);
        assert_eq!(choose(DeviceChoice::Cpu, &place, 8).unwrap(), Device::Cpu);
        let error = choose(DeviceChoice::Cuda, &place, 0).unwrap_err().to_string();
        assert!(
            error.starts_with("parallel.device = \"cuda\"") && error.contains("oak"),
            "{error}"
        );
    }

    #[test]
    fn more_ranks_than_gpus_on_a_host_are_refused() {
        let place = Place::of(2, &hosts(&["a", "a", "a"]));
        let error = choose(DeviceChoice::Auto, &place, 2).unwrap_err().to_string();
        assert!(
            error.contains("2 GPUs") && error.contains("rank 2 of its host"),
            "{error}"
        );
    }
}
