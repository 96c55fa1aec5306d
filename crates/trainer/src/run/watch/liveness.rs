//! What a run does when one of its ranks is lost: rank 0 names it, and every process ends.
//!
//! The other ranks wait in a collective for a rank that never comes, so the channel's own
//! thread reports and exits; nothing is written but `last_exit.json`. The last checkpoint is
//! whole, and `--resume auto` goes on from it.

use std::{
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use collectives::{Cause, Collective, Liveness, LivenessOptions, Rank, RankFailure};

use crate::{
    error::{TrainError, chain},
    ranks::{
        exit::{ExitStatus, write_last_exit},
        launcher, shared_memory, stop,
    },
    run::session::Session,
};

/// Opens the channel on all ranks of a run with several.
///
/// # Errors
/// When the hosts do not reach rank 0 over TCP.
pub(crate) fn open(
    collective: &mut dyn Collective,
    session: &Session,
    run_dir: &Path,
) -> Result<Option<Liveness>, TrainError> {
    let parallel = &session.plan.config.parallel;
    let options = LivenessOptions {
        silence: Duration::from_secs(parallel.silence_s),
        ..LivenessOptions::default()
    };
    let rank = collective.rank();
    let host = session.hosts.get(rank.0 as usize).map_or("", String::as_str);
    let own = OwnProcess {
        rank,
        host: host.to_owned(),
        run_dir: run_dir.to_owned(),
        abort: Duration::from_secs(parallel.abort_s),
    };
    let on_failure = move |failure: &RankFailure| own.end_after(failure);
    Ok(Liveness::start(collective, host, options, on_failure)?)
}

/// Says goodbye, or why this rank fails alone. One that waited in vain ends here with what rank 0
/// names, and comes back only where rank 0 does not answer.
pub(crate) fn close<T>(channel: Liveness, result: &Result<T, TrainError>) {
    match result {
        Err(error) if error.is_deadline() => channel.waited(&chain(error)),
        Err(error) if !error.is_on_all_ranks() => channel.fail(&chain(error)),
        _ => channel.leave(),
    }
}

/// This process, as far as it matters once a rank is lost.
struct OwnProcess {
    rank: Rank,
    host: String,
    run_dir: PathBuf,
    abort: Duration,
}

impl OwnProcess {
    /// Reports once for all ranks, then ends this process without waiting for anything.
    fn end_after(&self, failure: &RankFailure) {
        let status = status_of(failure);
        let code = i32::from(status.code());
        let is_silent = matches!(failure.cause, Cause::Silent { .. });
        // Nobody may be left who cleans up on this side.
        if failure.cause == Cause::Orphaned || is_silent {
            shared_memory::remove_mapped_segments();
        }
        if !reports(failure, self.rank) {
            tracing::debug!("{failure}");
            // The launcher ends this rank with its own message, unless it is gone itself.
            thread::sleep(self.abort / 2);
            signal_hook::low_level::exit(code);
        }
        if is_silent && failure.process.rank == Rank(0) {
            // Each side of a cut network misses the other; where both write, rank 0 goes first.
            thread::sleep(self.abort / 5);
        }
        self.report(failure, status);
        if is_silent && failure.process.host != self.host {
            launcher::end();
        }
        signal_hook::low_level::exit(code);
    }

    fn report(&self, failure: &RankFailure, status: ExitStatus) {
        let finished = Some(failure.position.step.saturating_sub(1));
        let (reason, step) = match &failure.cause {
            // What the rank itself writes too; no step of it is in a checkpoint.
            Cause::Ended { message } => (message.clone(), None),
            _ => (failure.to_string(), finished),
        };
        // A rank that fails or is ended by itself has said why.
        if !matches!(failure.cause, Cause::Failed { .. } | Cause::Ended { .. }) {
            tracing::error!("{failure}");
            // Behind the name, because a disk that is gone with a host may not answer.
            tracing::warn!("{}", stop::what_resumes(&self.run_dir));
        }
        let rank = failure.process.rank.0;
        if let Err(error) = write_last_exit(&self.run_dir, status, &reason, rank, step) {
            tracing::warn!("last_exit.json was not written: {}", chain(&error));
        }
    }
}

/// How a run ends with this failure.
fn status_of(failure: &RankFailure) -> ExitStatus {
    match failure.cause {
        Cause::Ended { .. } => ExitStatus::Stopped,
        _ => ExitStatus::Failed,
    }
}

/// Whether this rank is the one that reports a failure: rank 0, and rank 1 where rank 0 is lost.
fn reports(failure: &RankFailure, rank: Rank) -> bool {
    match failure.cause {
        Cause::Orphaned => rank == failure.process.rank,
        _ => rank == Rank(u32::from(failure.process.rank == Rank(0))),
    }
}
