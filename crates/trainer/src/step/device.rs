//! Which device a rank computes on: a GPU of its own, or the CPU. All ranks the same kind.
//!
//! A rank that sees one GPU alone takes it, whatever its place on its host: launchers hide the others
//! (`--gpus-per-task=1`, `CUDA_VISIBLE_DEVICES`). A rank that sees several takes the one of its place.
//! What a rank sees nobody else knows, so all compare the UUIDs of what they have taken.

use collectives::{Collective, CollectiveError, GpuRuntime, GpuUuid};
use serde_json::json;
use tch::Device;

use crate::{
    config::{BackendChoice, DeviceChoice, KeyPlace, RunConfig},
    error::TrainError,
    ranks::agree::{agree, compare},
    step::device_error::DeviceError,
};

/// Where a rank stands on its host.
#[derive(Debug, Clone, PartialEq, Eq)]
struct HostRank {
    host: String,
    /// Ranks of this host before this one.
    local_rank: usize,
    /// Ranks of this host.
    local_size: usize,
}

impl HostRank {
    /// `hosts`: those of all ranks, in rank order.
    fn of(rank: usize, hosts: &[String]) -> Self {
        let host = hosts.get(rank).cloned().unwrap_or_default();
        let on_host = |hosts: &[String]| hosts.iter().filter(|other| **other == host).count();
        Self {
            local_rank: on_host(&hosts[..rank.min(hosts.len())]),
            local_size: on_host(hosts),
            host,
        }
    }
}

/// The device of every rank for `parallel.device` and `parallel.backend`, the same kind on all of
/// them; a GPU is selected before anything uses one.
///
/// # Errors
/// [`DeviceError::NoGpu`] where a rank asked for one and has none, and [`DeviceError::SharedGpu`] where
/// two have the same, on all ranks alike.
pub(crate) fn decide(
    collective: &mut dyn Collective,
    config: &RunConfig,
    hosts: &[String],
) -> Result<Device, TrainError> {
    let local = HostRank::of(collective.rank().0 as usize, hosts);
    let device = agree(collective, choose(config, &local, torch_native::num_gpus()))?;
    let kind = if device == Device::Cpu { "cpu" } else { "cuda" };
    compare(collective, &json!({ "parallel": { "device": kind } }))?;
    if let Device::Cuda(number) = device {
        let runtime = GpuRuntime::of_process().map_err(|error| CollectiveError::from(error).into());
        let runtime = agree(collective, runtime)?;
        take(collective, &runtime, number, hosts)?;
    }
    Ok(device)
}

fn choose(config: &RunConfig, local: &HostRank, num_gpus: usize) -> Result<Device, TrainError> {
    let (device, backend) = (config.parallel.device, config.parallel.backend);
    let (key, value) = match (device, backend) {
        (DeviceChoice::Cpu, _) => return Ok(Device::Cpu),
        (DeviceChoice::Cuda, _) => ("parallel.device", "cuda"),
        (DeviceChoice::Auto, BackendChoice::Nccl) => ("parallel.backend", "nccl"),
        (DeviceChoice::Auto, _) if num_gpus == 0 => return Ok(Device::Cpu),
        (DeviceChoice::Auto, _) => ("parallel.device", "auto"),
    };
    let number = number_of(local, num_gpus).ok_or_else(|| DeviceError::NoGpu {
        place: KeyPlace::of(&config.places, key),
        asked: format!("{key} = {value:?}"),
        host: local.host.clone(),
        local_size: local.local_size,
        num_gpus,
    })?;
    Ok(Device::Cuda(number))
}

/// The GPU of a rank among the `num_gpus` that it sees. `None` without one, and where there are several
/// but not one for each rank of the host: which of them the others see is not known then.
fn number_of(local: &HostRank, num_gpus: usize) -> Option<usize> {
    match num_gpus {
        0 => None,
        1 => Some(0),
        _ => (local.local_size <= num_gpus).then_some(local.local_rank),
    }
}

/// Makes GPU `number` this rank's, and refuses two ranks on one GPU. All ranks together.
fn take(
    collective: &mut dyn Collective,
    runtime: &GpuRuntime,
    number: usize,
    hosts: &[String],
) -> Result<(), TrainError> {
    let taken = runtime.select(number).and_then(|()| runtime.uuid(number));
    let uuid = agree(
        collective,
        taken.map_err(|error| CollectiveError::from(error).into()),
    )?;
    if !uuid.is_told() {
        tracing::warn!("GPU {number} has no UUID, so tenk would not notice another rank on it");
    }
    let of_all: Vec<GpuUuid> = collective
        .all_gather(&uuid.0)?
        .iter()
        .map(|bytes| GpuUuid(bytes.as_slice().try_into().unwrap_or_default()))
        .collect();
    check_own(&of_all, hosts)
}

/// `of_all`: the GPUs of all ranks, in rank order. A UUID names a GPU on any host, as containers of one
/// host have names of their own.
fn check_own(of_all: &[GpuUuid], hosts: &[String]) -> Result<(), TrainError> {
    let times = |uuid: &GpuUuid| of_all.iter().filter(|other| *other == uuid).count();
    let Some(&uuid) = of_all.iter().find(|uuid| uuid.is_told() && times(uuid) > 1) else {
        return Ok(());
    };
    let ranks = (0..)
        .zip(of_all)
        .zip(hosts)
        .filter(|((_, other), _)| **other == uuid)
        .map(|((rank, _), host)| (rank, host.clone()))
        .collect();
    Err(DeviceError::SharedGpu { ranks, uuid }.into())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use collectives::Threads;
    use nccl_stand_in::StandIn;

    use super::*;
    use crate::{config::tests::tiny, run::tests::on_every_rank};

    fn hosts(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    fn chosen(overrides: &[&str], place: &HostRank, num_gpus: usize) -> Result<Device, TrainError> {
        choose(&tiny(overrides), place, num_gpus)
    }

    #[test]
    fn a_rank_takes_the_gpu_of_its_place_on_its_host() {
        let hosts = hosts(&["a", "b", "a", "b", "b"]);
        let local = |rank| HostRank::of(rank, &hosts).local_rank;
        assert_eq!([0, 1, 2, 3, 4].map(local), [0, 0, 1, 1, 2]);
        let device = chosen(&[], &HostRank::of(4, &hosts), 4).unwrap();
        assert_eq!(device, Device::Cuda(2));
    }

    /// Ranks of a host against the GPUs that each of them sees.
    #[test]
    fn one_visible_gpu_is_taken_by_any_rank_several_by_place_and_too_few_are_refused() {
        for local_size in 1..=9 {
            for num_gpus in 0..=9 {
                let ranks = 0..local_size;
                let found: Vec<Option<usize>> = ranks
                    .clone()
                    .map(|local_rank| {
                        let place = HostRank {
                            host: "oak".to_owned(),
                            local_rank,
                            local_size,
                        };
                        number_of(&place, num_gpus)
                    })
                    .collect();
                let expected: Vec<Option<usize>> = match num_gpus {
                    0 => ranks.map(|_| None).collect(),
                    1 => ranks.map(|_| Some(0)).collect(),
                    _ if num_gpus < local_size => ranks.map(|_| None).collect(),
                    _ => ranks.map(Some).collect(),
                };
                assert_eq!(found, expected, "{local_size} ranks, {num_gpus} GPUs");
            }
        }
    }

    #[test]
    fn without_a_gpu_auto_is_the_cpu_and_cuda_is_refused_with_the_host_and_the_key() {
        let place = HostRank::of(0, &hosts(&["oak"]));
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
            assert!(error.contains("CUDA_VISIBLE_DEVICES hides none"), "{error}");
        }
    }

    #[test]
    fn more_ranks_than_gpus_on_a_host_are_refused_by_each_of_them_with_the_ways_out() {
        let hosts = hosts(&["a", "b", "a", "a"]);
        let said = |rank| {
            chosen(&[], &HostRank::of(rank, &hosts), 2)
                .unwrap_err()
                .to_string()
        };
        let error = said(0);
        assert!(
            error.contains("host a has 3 ranks") && error.contains("sees 2 GPUs"),
            "{error}"
        );
        for way_out in [
            "at most 2 ranks",
            "--gpus-per-task=1",
            "CUDA_VISIBLE_DEVICES",
            "\"cpu\"",
        ] {
            assert!(error.contains(way_out), "{way_out}: {error}");
        }
        assert_eq!([said(2), said(3)], [error.clone(), error]);
        assert_eq!(chosen(&[], &HostRank::of(1, &hosts), 2).unwrap(), Device::Cuda(0));
    }

    fn uuid(number: u8) -> GpuUuid {
        GpuUuid([number; 16])
    }

    #[test]
    fn ranks_on_one_gpu_are_named_with_their_hosts_and_others_are_not() {
        let hosts = hosts(&["a", "a", "b", "b"]);
        let of = |numbers: [u8; 4]| check_own(&numbers.map(uuid), &hosts);
        of([1, 2, 3, 4]).unwrap();
        // What tells no UUID cannot be told apart.
        of([0, 0, 3, 4]).unwrap();
        for (numbers, expected) in [
            (
                [1, 1, 3, 4],
                "rank 0 (host a) and rank 1 (host a) compute on one GPU (GPU-01010101-",
            ),
            (
                [1, 2, 4, 4],
                "rank 2 (host b) and rank 3 (host b) compute on one GPU (GPU-04040404-",
            ),
            (
                [1, 2, 1, 4],
                "rank 0 (host a) and rank 2 (host b) compute on one GPU",
            ),
            (
                [0, 5, 5, 5],
                "rank 1 (host a), rank 2 (host b) and rank 3 (host b) compute on one GPU",
            ),
        ] {
            let error = of(numbers).unwrap_err();
            let said = error.to_string();
            assert!(said.starts_with(expected), "{said}");
            assert!(
                said.contains("--gpu-bind=single:1") && said.contains("CUDA_VISIBLE_DEVICES"),
                "{said}"
            );
            assert!(error.is_on_all_ranks() && error.is_reported_by(0));
        }
        let named = of([1, 2, 4, 4]).unwrap_err();
        assert_eq!(
            [1, 2, 3].map(|rank| named.is_reported_by(rank)),
            [false, true, true]
        );
    }

    /// What each rank of one host has selected, or says, where it sees these of a stand-in's GPUs.
    fn taken(stand_in: &StandIn, visible: &[Vec<usize>]) -> Vec<Result<usize, String>> {
        let world_size = u32::try_from(visible.len()).unwrap();
        let hosts = vec!["oak".to_owned(); visible.len()];
        let runtime = GpuRuntime::of_file(stand_in.path()).unwrap();
        on_every_rank(Threads::world(world_size, Duration::from_mins(1)), |collective| {
            let rank = collective.rank().0 as usize;
            stand_in.show(&visible[rank]);
            let device = chosen(&[], &HostRank::of(rank, &hosts), visible[rank].len()).unwrap();
            let Device::Cuda(number) = device else {
                panic!("{device:?}")
            };
            let taken = take(collective, &runtime, number, &hosts);
            taken
                .map(|()| stand_in.selected())
                .map_err(|error| error.to_string())
        })
    }

    #[test]
    fn ranks_take_what_they_see_and_two_on_one_gpu_are_refused_whatever_number_it_has() {
        let stand_in = StandIn::load();
        let gpus: Vec<usize> = stand_in.gpus(4).collect();
        let all = gpus.clone();
        let own: Vec<Vec<usize>> = gpus.iter().map(|&gpu| vec![gpu]).collect();
        let expected: Vec<Result<usize, String>> = gpus.iter().copied().map(Ok).collect();
        for visible in [&own, &vec![all.clone(); 4]] {
            assert_eq!(taken(&stand_in, visible), expected, "{visible:?}");
        }
        // Some ranks see all and some one of their own.
        assert_eq!(
            taken(&stand_in, &[all.clone(), own[3].clone(), all]),
            [Ok(gpus[0]), Ok(gpus[3]), Ok(gpus[2])]
        );
        // All see the one same; each sees two in another order; two hold one under two numbers.
        let twins = stand_in.gpus(2);
        stand_in.twin(twins.start, gpus[1]);
        for visible in [
            vec![vec![gpus[0]]; 2],
            vec![vec![gpus[0], gpus[1]], vec![gpus[1], gpus[0]]],
            vec![vec![gpus[1]], vec![twins.start]],
        ] {
            for said in taken(&stand_in, &visible) {
                let said = said.unwrap_err();
                assert!(
                    said.starts_with("rank 0 (host oak) and rank 1 (host oak) compute on one GPU (GPU-5a"),
                    "{visible:?}: {said}"
                );
            }
        }
    }

    #[test]
    fn a_gpu_that_cannot_be_selected_is_an_error_on_all_ranks() {
        let stand_in = StandIn::load();
        let runtime = GpuRuntime::of_file(stand_in.path()).unwrap();
        let first = stand_in.gpus(1).start;
        let said = on_every_rank(Threads::world(2, Duration::from_mins(1)), |collective| {
            let number = [first, 1_000_000][collective.rank().0 as usize];
            let hosts = hosts(&["a", "a"]);
            take(collective, &runtime, number, &hosts)
                .unwrap_err()
                .to_string()
        });
        for said in said {
            assert!(
                said.starts_with(
                    "rank 1: GPU 1000000: cudaSetDevice failed: stand-in: invalid device ordinal"
                ),
                "{said}"
            );
        }
    }
}
