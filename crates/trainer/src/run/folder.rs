//! The run folder: one launch at a time, one folder for all ranks, and the files that describe it.

pub(crate) mod find_checkpoint;
pub(crate) mod lineage;
pub(crate) mod metrics;
pub(crate) mod saved_run_error;
pub(crate) mod saved_state;
pub(crate) mod text_dates;

use std::{
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use collectives::{Collective, Rank};
use durable::{DISK, DurableError, FolderLock, Operation, Storage};
use model::Precision;
use serde_json::json;

use crate::{
    config::RunConfig,
    error::TrainError,
    ranks::{agree::on_first_rank, exit, timestamp::timestamp},
    run::session::Session,
    step::precision,
};

/// A run folder that this launch holds.
#[derive(Debug)]
pub(crate) struct RunFolder {
    dir: PathBuf,
    /// Held by rank 0 alone.
    _lock: Option<FolderLock>,
}

impl RunFolder {
    /// Creates the folder when it is missing and locks it against other launches. `hosts` are
    /// those of all ranks.
    ///
    /// # Errors
    /// On all ranks when another launch holds it, it cannot be written, or it is not the same
    /// folder on all ranks.
    pub(crate) fn enter(
        collective: &mut dyn Collective,
        dir: &Path,
        hosts: &[String],
    ) -> Result<Self, TrainError> {
        let lock = on_first_rank(collective, || {
            for folder in [dir.to_owned(), dir.join("logs"), dir.join("checkpoints")] {
                DISK.create_dir_all(&folder)
                    .map_err(|source| DurableError::new(Operation::Create, &folder, source))?;
            }
            let lock = FolderLock::acquire(dir, "tenk-pretrain train")?;
            exit::forget(dir)?;
            Ok(lock)
        })?;
        check_shared(collective, dir, hosts)?;
        Ok(Self {
            dir: dir.to_owned(),
            _lock: lock,
        })
    }

    /// The folder.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where its checkpoints are.
    pub(crate) fn checkpoints(&self) -> PathBuf {
        self.dir.join("checkpoints")
    }

    /// Writes the resolved `config.toml`, with the precision that was decided, and
    /// `environment.json`. For rank 0.
    ///
    /// # Errors
    /// When they cannot be written.
    pub(crate) fn describe(&self, session: &Session, decided: Precision) -> Result<(), TrainError> {
        let mut config = session.plan.config.clone();
        config.training.precision = decided.into();
        let config = config_file::to_toml(&config)?;
        durable::commit_bytes(&DISK, &self.dir.join("config.toml"), config.as_bytes())?;
        let environment = json!({
            "tuple": session.reproducibility_key,
            "precision": precision::name(decided),
            "hosts": session.hosts,
            "num_cores": session.threads.num_cores,
            "ranks_sharing_cores": session.threads.sharing_ranks,
            "hashes": session.hashes,
            "program_version": env!("CARGO_PKG_VERSION"),
            "started": timestamp(),
        });
        durable::commit_file(&DISK, &self.dir.join("environment.json"), |file| {
            serde_json::to_writer_pretty(&mut *file, &environment)?;
            file.write_all(b"\n")
        })?;
        Ok(())
    }
}

/// The configuration that a run folder holds, which may be somebody else's: unlike a configuration that is
/// named on the command line, it is not waited for.
///
/// # Errors
/// When it cannot be read, or is none.
pub(crate) fn config(run_dir: &Path) -> Result<RunConfig, TrainError> {
    let path = run_dir.join("config.toml");
    let text = durable::read_text(&path, durable::MOST_JSON_BYTES)
        .map_err(|source| DurableError::new(Operation::Read, &path, source))?;
    Ok(config_file::load_str(&text, &path, &[])?)
}

/// A file system of the network may show a new file late.
const SEEN_WITHIN: Duration = Duration::from_secs(5);

/// Rank 0 puts a file into the folder under a name that was never there, which no cache knows;
/// every rank looks for it, and rank 0 takes it away.
fn check_shared(collective: &mut dyn Collective, dir: &Path, hosts: &[String]) -> Result<(), TrainError> {
    if collective.world_size() == 1 {
        return Ok(());
    }
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let name = format!(".shared-{}-{}", std::process::id(), since_1970.as_nanos());
    let mut seen_as = name.into_bytes();
    collective.broadcast(Rank(0), &mut seen_as)?;
    let path = dir.join(String::from_utf8_lossy(&seen_as).as_ref());
    on_first_rank(collective, || Ok(durable::commit_bytes(&DISK, &path, b"")?))?;
    let seen = collective.all_gather(&[u8::from(comes_to_be(&path))])?;
    // One that stays is empty and hidden, and no later launch asks for its name.
    if collective.rank().0 == 0 {
        let _ = DISK.remove_file(&path);
    }
    let blind: Vec<usize> = (0..seen.len()).filter(|&rank| seen[rank] != [1]).collect();
    if blind.is_empty() {
        return Ok(());
    }
    Err(TrainError::RunFolderNotShared {
        dir: dir.to_owned(),
        first: hosts.first().cloned().unwrap_or_default(),
        others: in_words(&blind, hosts),
    })
}

fn comes_to_be(path: &Path) -> bool {
    let begun = Instant::now();
    while !path.exists() {
        if begun.elapsed() > SEEN_WITHIN {
            return false;
        }
        thread::sleep(Duration::from_millis(50));
    }
    true
}

/// `host b (rank 1) does`, `hosts b (ranks 2, 3), c (rank 4) do`.
fn in_words(ranks: &[usize], hosts: &[String]) -> String {
    let mut ranks_of: Vec<(&str, Vec<String>)> = Vec::new();
    for &rank in ranks {
        let host = hosts.get(rank).map_or("unknown", String::as_str);
        match ranks_of.iter_mut().find(|(other, _)| *other == host) {
            Some((_, ranks)) => ranks.push(rank.to_string()),
            None => ranks_of.push((host, vec![rank.to_string()])),
        }
    }
    let host = |(host, ranks): &(&str, Vec<String>)| match ranks.as_slice() {
        [rank] => format!("{host} (rank {rank})"),
        ranks => format!("{host} (ranks {})", ranks.join(", ")),
    };
    let named: Vec<String> = ranks_of.iter().map(host).collect();
    match named.as_slice() {
        [one] => format!("host {one} does"),
        several => format!("hosts {} do", several.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_that_do_not_see_the_folder_are_named_once_with_their_ranks() {
        let hosts = ["a", "b", "b", "c"].map(str::to_owned);
        assert_eq!(in_words(&[3], &hosts), "host c (rank 3) does");
        assert_eq!(
            in_words(&[1, 2, 3], &hosts),
            "hosts b (ranks 1, 2), c (rank 3) do"
        );
    }
}
