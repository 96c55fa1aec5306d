//! How many computing threads a rank has, against the cores that it may use.
//!
//! Launchers bind ranks to cores (`mpirun -n 1` to a single one) without a word, and threads
//! beyond the mask only take turns: so it is checked, before anything is computed.

use collectives::Collective;
use serde::{Deserialize, Serialize};

use crate::error::TrainError;

/// The cores that a process may use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Affinity {
    /// Its host.
    pub host: String,
    /// Numbers of the cores of its mask.
    pub cores: Vec<usize>,
}

/// The computing threads of a rank and where they run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ComputeThreads {
    /// Computing threads.
    pub num_threads: usize,
    /// Cores of the mask.
    pub num_cores: usize,
    /// Ranks of this host whose masks touch it, this one included.
    pub sharing_ranks: usize,
}

const HOST_NAME: &str = "/proc/sys/kernel/hostname";

impl Affinity {
    /// That of the calling thread.
    ///
    /// # Errors
    /// When the system does not say.
    pub(crate) fn read() -> Result<Self, TrainError> {
        let io = |path: &str, source| TrainError::Io {
            operation: "read",
            path: path.into(),
            source,
        };
        let mask =
            rustix::thread::sched_getaffinity(None).map_err(|error| io("the affinity mask", error.into()))?;
        let host = std::fs::read_to_string(HOST_NAME).map_err(|error| io(HOST_NAME, error))?;
        Ok(Self {
            host: host.trim().to_owned(),
            cores: (0..rustix::thread::CpuSet::MAX_CPU)
                .filter(|&core| mask.is_set(core))
                .collect(),
        })
    }

    fn touches(&self, other: &Self) -> bool {
        self.host == other.host && self.cores.iter().any(|core| other.cores.contains(core))
    }
}

/// The masks of all ranks, in rank order.
///
/// # Errors
/// When the ranks cannot reach each other.
pub(crate) fn gather(collective: &mut dyn Collective, own: &Affinity) -> Result<Vec<Affinity>, TrainError> {
    let json = |source| TrainError::Json {
        what: "an affinity mask".to_owned(),
        source,
    };
    let bytes = serde_json::to_vec(own).map_err(json)?;
    collective
        .all_gather(&bytes)?
        .iter()
        .map(|bytes| serde_json::from_slice(bytes).map_err(json))
        .collect()
}

/// The threads of a rank: as configured, or its fair share of the cores, at least one.
///
/// # Errors
/// [`TrainError::TooFewCores`] when several configured threads do not have a core each. One
/// thread always runs: ranks may outnumber cores in tests.
pub(crate) fn choose(
    configured: Option<usize>,
    own: &Affinity,
    all: &[Affinity],
    machine_cores: usize,
) -> Result<ComputeThreads, TrainError> {
    let num_cores = own.cores.len().max(1);
    let sharing_ranks = all.iter().filter(|other| own.touches(other)).count().max(1);
    let num_threads = configured.unwrap_or((num_cores / sharing_ranks).max(1));
    if num_threads > 1 && num_threads * sharing_ranks > num_cores {
        return Err(TrainError::TooFewCores {
            threads: num_threads,
            ranks: sharing_ranks,
            cores: num_cores,
            machine_cores,
        });
    }
    if configured.is_none() && num_cores < machine_cores && num_cores == 1 {
        tracing::warn!(
            machine_cores,
            "this rank is bound to one core; `mpirun --bind-to none` or `--map-by slot:PE=N` gives it more"
        );
    }
    Ok(ComputeThreads {
        num_threads,
        num_cores,
        sharing_ranks,
    })
}

/// Cores of this machine, whatever the mask says.
pub(crate) fn machine_cores() -> usize {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    text.lines()
        .filter(|line| line.starts_with("processor"))
        .count()
        .max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(host: &str, cores: &[usize]) -> Affinity {
        Affinity {
            host: host.to_owned(),
            cores: cores.to_vec(),
        }
    }

    #[test]
    fn by_default_ranks_share_the_cores_fairly_and_get_at_least_one() {
        let both = [
            on("a", &[0, 1, 2, 3]),
            on("a", &[0, 1, 2, 3]),
            on("b", &[0, 1, 2, 3]),
        ];
        assert_eq!(choose(None, &both[0], &both, 4).unwrap().num_threads, 2);
        assert_eq!(choose(None, &both[2], &both, 4).unwrap().num_threads, 4);
        let crowd = vec![on("a", &[0, 1]); 5];
        assert_eq!(choose(None, &crowd[0], &crowd, 2).unwrap().num_threads, 1);
    }

    #[test]
    fn bound_ranks_do_not_share() {
        let bound = [on("a", &[0]), on("a", &[1])];
        let threads = choose(Some(1), &bound[0], &bound, 2).unwrap();
        assert_eq!((threads.num_cores, threads.sharing_ranks), (1, 1));
    }

    #[test]
    fn too_many_threads_for_the_binding_are_refused_with_the_flags() {
        let bound = [on("a", &[0])];
        let error = choose(Some(2), &bound[0], &bound, 8).unwrap_err().to_string();
        assert!(
            error.contains("--bind-to none") && error.contains("--map-by slot:PE=2"),
            "{error}"
        );
        let shared = [on("a", &[0, 1]), on("a", &[0, 1])];
        assert!(choose(Some(2), &shared[0], &shared, 2).is_err());
        assert!(choose(Some(1), &shared[0], &shared, 2).is_ok());
    }

    #[test]
    fn this_process_has_a_host_and_cores() {
        let own = Affinity::read().unwrap();
        assert!(!own.host.is_empty() && !own.cores.is_empty() && machine_cores() >= own.cores.len());
    }
}
