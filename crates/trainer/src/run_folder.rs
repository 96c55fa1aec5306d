//! The run folder: one launch at a time, and the files that describe it.

use std::path::{Path, PathBuf};

use collectives::Collective;
use durable::{DISK, DurableError, FolderLock, Operation, Storage};
use model::Precision;
use serde_json::json;

use crate::{agree::on_first_rank, error::TrainError, exit, metrics::timestamp, precision, session::Session};

/// A run folder that this launch holds.
#[derive(Debug)]
pub(crate) struct RunFolder {
    dir: PathBuf,
    /// Held by rank 0 alone.
    _lock: Option<FolderLock>,
}

impl RunFolder {
    /// Creates the folder when it is missing and locks it against other launches.
    ///
    /// # Errors
    /// On all ranks when another launch holds it, or it cannot be written.
    pub(crate) fn enter(collective: &mut dyn Collective, dir: &Path) -> Result<Self, TrainError> {
        let lock = on_first_rank(collective, || {
            for folder in [dir.to_owned(), dir.join("logs"), dir.join("checkpoints")] {
                DISK.create_dir_all(&folder)
                    .map_err(|source| DurableError::new(Operation::Create, &folder, source))?;
            }
            let lock = FolderLock::acquire(dir, "tenk-pretrain train")?;
            exit::forget(dir)?;
            Ok(lock)
        })?;
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
            "tuple": session.tuple,
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
