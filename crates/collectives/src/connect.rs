//! Which backend a launch needs, and the connection to the other ranks.
//!
//! The environment is not read here: start-up code passes a lookup to [`Launch::detect`].

use std::time::Duration;

use crate::{Collective, CollectiveError, Single};

/// The wanted backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Backend {
    /// MPI when a launcher started this process, else one process.
    #[default]
    Auto,
    /// One process.
    Single,
    /// MPI, also for one process.
    Mpi,
}

/// What the launcher says about this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Launch {
    /// The launcher in words.
    pub by: &'static str,
    /// This process's rank, where the launcher says it.
    pub rank: Option<u32>,
    /// The number of ranks, where the launcher says it.
    pub world_size: Option<u32>,
}

const PMIX: &str = "a PMIx launcher (prterun, srun --mpi=pmix)";
const SRUN: &str = "srun";

/// A launcher, and where it says what.
struct KnownLauncher {
    by: &'static str,
    rank_variable: &'static str,
    world_size_variable: &'static str,
}

const LAUNCHERS: [KnownLauncher; 4] = [
    KnownLauncher {
        by: "mpirun (Open MPI)",
        rank_variable: "OMPI_COMM_WORLD_RANK",
        world_size_variable: "OMPI_COMM_WORLD_SIZE",
    },
    KnownLauncher {
        by: "a PMI launcher (mpiexec, srun --mpi=pmi2)",
        rank_variable: "PMI_RANK",
        world_size_variable: "PMI_SIZE",
    },
    KnownLauncher {
        by: PMIX,
        rank_variable: "PMIX_RANK",
        world_size_variable: "SLURM_STEP_NUM_TASKS",
    },
    KnownLauncher {
        by: SRUN,
        rank_variable: "SLURM_PROCID",
        world_size_variable: "SLURM_STEP_NUM_TASKS",
    },
];

impl Launch {
    /// Reads the launcher out of the environment that `variable` looks up.
    pub fn detect(variable: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let number = |name: &str| variable(name).and_then(|text| text.trim().parse().ok());
        let read = |launcher: &KnownLauncher| {
            let rank = number(launcher.rank_variable)?;
            let world_size = number(launcher.world_size_variable);
            // PMIx may not say the size; a Slurm batch script has a rank but is no step.
            let counts = match launcher.by {
                PMIX => true,
                SRUN => world_size > Some(1),
                _ => world_size.is_some(),
            };
            counts.then_some(Self {
                by: launcher.by,
                rank: Some(rank),
                world_size,
            })
        };
        LAUNCHERS.iter().find_map(read)
    }
}

/// Joins the ranks of this run; `timeout` is the deadline of every call.
///
/// # Errors
/// When the launch and the backend do not fit together, and when MPI does not start.
pub fn connect(
    backend: Backend,
    launch: Option<Launch>,
    timeout: Duration,
) -> Result<Box<dyn Collective>, CollectiveError> {
    let launched = launch.and_then(|launch| Some((launch.by, launch.world_size?)));
    match (backend, launch) {
        (Backend::Single, _) => match launched {
            Some((by, world_size)) if world_size > 1 => {
                Err(CollectiveError::SingleUnderLauncher { by, world_size })
            }
            _ => Ok(Box::new(Single::new())),
        },
        (Backend::Auto, None) => Ok(Box::new(Single::new())),
        (Backend::Auto, Some(_)) | (Backend::Mpi, _) => {
            let collective = connect_mpi(launch, timeout)?;
            match launched {
                Some((by, launched)) if launched != collective.world_size() => {
                    Err(CollectiveError::OtherFamily {
                        by,
                        launched,
                        seen: collective.world_size(),
                    })
                }
                _ => Ok(collective),
            }
        }
    }
}

#[cfg(feature = "mpi")]
fn connect_mpi(_launch: Option<Launch>, timeout: Duration) -> Result<Box<dyn Collective>, CollectiveError> {
    Ok(Box::new(crate::Mpi::connect(crate::MpiOptions::new(timeout))?))
}

#[cfg(not(feature = "mpi"))]
fn connect_mpi(launch: Option<Launch>, _timeout: Duration) -> Result<Box<dyn Collective>, CollectiveError> {
    match launch {
        Some(Launch {
            world_size: Some(1), ..
        }) => Ok(Box::new(Single::new())),
        _ => Err(CollectiveError::NotBuiltWithMpi {
            by: launch.map(|launch| launch.by),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detect(environment: &[(&str, &str)]) -> Option<Launch> {
        Launch::detect(|name| {
            environment
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn launchers_are_recognized_by_their_variables() {
        assert_eq!(detect(&[]), None);
        assert_eq!(detect(&[("SLURM_PROCID", "0"), ("SLURM_NTASKS", "8")]), None);
        let open_mpi = detect(&[("OMPI_COMM_WORLD_RANK", "1"), ("OMPI_COMM_WORLD_SIZE", "2")]).unwrap();
        assert_eq!((open_mpi.rank, open_mpi.world_size), (Some(1), Some(2)));
        assert_eq!(
            detect(&[("PMI_RANK", "0"), ("PMI_SIZE", "4")])
                .unwrap()
                .world_size,
            Some(4)
        );
        assert_eq!(detect(&[("PMIX_RANK", "3")]).unwrap().rank, Some(3));
        assert_eq!(
            detect(&[("SLURM_PROCID", "5"), ("SLURM_STEP_NUM_TASKS", "8")])
                .unwrap()
                .by,
            "srun"
        );
    }

    #[test]
    fn one_process_needs_no_launcher() {
        let collective = connect(Backend::Auto, None, Duration::from_secs(1)).unwrap();
        assert_eq!((collective.rank(), collective.world_size()), (Rank(0), 1));
    }

    #[test]
    fn single_under_a_launcher_of_several_ranks_is_refused() {
        let launch = Launch {
            by: "mpirun (Open MPI)",
            rank: Some(0),
            world_size: Some(2),
        };
        let error = connect(Backend::Single, Some(launch), Duration::from_secs(1)).unwrap_err();
        assert!(error.to_string().contains("parallel.backend"), "{error}");
    }

    use crate::Rank;
}
