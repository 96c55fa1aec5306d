//! Runs the commands that several ranks work on: connects these, and reports an error once.

use std::time::Duration;

use collectives::{Backend, Collective, CollectiveError, Launch, connect};

use crate::{
    commands::output::{fail, fail_on},
    config::RunConfig,
    error::{TrainError, chain},
    ranks::{agree::agree, exit::ExitStatus},
    run::plan::parallel::LONGEST_TIMEOUT_S,
};

/// Connects the ranks and runs `work`. One rank reports what all of them know; a rank that
/// fails alone reports by itself and ends the others.
///
/// A rank that has no configuration connects all the same: the others wait for it, and its
/// error, told to all of them, is reported once.
pub(crate) fn on_all_ranks<T>(
    loaded: Loaded<T>,
    launch: Option<Launch>,
    work: impl FnOnce((RunConfig, T), &mut dyn Collective) -> Result<ExitStatus, TrainError>,
) -> ExitStatus {
    let (loaded, mut collective) = match connect_with(loaded, launch) {
        Ok(connected) => connected,
        Err(error) => return fail_unconnected(&error, launch),
    };
    let collective = collective.as_mut();
    let result = agree(collective, loaded).and_then(|loaded| work(loaded, collective));
    let rank = collective.rank().0;
    match result {
        Ok(status) => status,
        Err(error) if collective.world_size() == 1 => fail(&error),
        Err(error) if error.is_on_all_ranks() && error.is_reported_by(rank) => fail(&error),
        Err(error) if error.is_on_all_ranks() => ExitStatus::Failed,
        Err(error) => {
            let status = fail_on(rank, &error);
            collective.abort(&chain(&error));
            status
        }
    }
}

/// A configuration with what else a command was given, or what is wrong with them.
pub(crate) type Loaded<T> = Result<(RunConfig, T), TrainError>;

/// How long ranks without a configuration wait for each other.
const WITHOUT_CONFIGURATION: Duration = Duration::from_mins(1);

/// The connection, and the configuration or what is wrong with it, of which the other ranks
/// have to learn.
///
/// # Errors
/// When there can be no connection; an error of the configuration comes first.
fn connect_with<T>(
    loaded: Loaded<T>,
    launch: Option<Launch>,
) -> Result<(Loaded<T>, Box<dyn Collective>), TrainError> {
    let error = match loaded {
        Ok((config, more)) => {
            // What the plan refuses must not end the connection through which it is told.
            let timeout = Duration::from_secs(config.parallel.timeout_s.clamp(1, LONGEST_TIMEOUT_S));
            match connect(config.parallel.backend.into(), launch, timeout) {
                Ok(collective) => return Ok((Ok((config, more)), collective)),
                // The launcher has a connection for those that want none.
                Err(error @ CollectiveError::SingleUnderLauncher { .. }) => error.into(),
                Err(error) => return Err(error.into()),
            }
        }
        Err(error) => error,
    };
    match connect(Backend::Auto, launch, WITHOUT_CONFIGURATION) {
        Ok(collective) => Ok((Err(error), collective)),
        Err(_) => Err(error),
    }
}

/// Reports an error of a rank that the others cannot be told of. What program and launcher
/// make impossible is the same on every rank, and rank 0 says it.
fn fail_unconnected(error: &TrainError, launch: Option<Launch>) -> ExitStatus {
    let rank = launch.and_then(|launch| launch.rank).unwrap_or(0);
    let is_everywhere = matches!(
        error,
        TrainError::Collective(CollectiveError::NotBuiltWithMpi { .. } | CollectiveError::OtherFamily { .. })
    );
    match launch.and_then(|launch| launch.world_size) {
        Some(2..) if is_everywhere && rank > 0 => ExitStatus::Failed,
        Some(2..) if !is_everywhere => fail_on(rank, error),
        _ => fail(error),
    }
}
