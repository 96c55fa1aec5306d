//! `data.stage_to`: the first rank of each host copies the corpus to a disk of the host, the
//! others wait, and all read the copy.
//!
//! A corpus has its own folder there, by its hash, so runs on one corpus share a copy and runs on
//! different ones do not meet.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use collectives::{Collective, CollectiveError};
use durable::{DISK, DurableError, FolderLock};
use serde::{Deserialize, Serialize};
use shards::{Corpus, Packing, StageReport};

use crate::{error::TrainError, ranks::agree::agree};

/// Between two looks at whether a copy is finished.
const POLL: Duration = Duration::from_millis(100);

/// A corpus and its packing indices.
type Data = (Arc<Corpus>, Vec<Arc<Packing>>);

/// What the first rank of a host did, for the log of rank 0.
#[derive(Debug, Serialize, Deserialize)]
struct Staged {
    report: StageReport,
    seconds: f64,
}

/// Copies the corpus on every host and opens the copies. All ranks must call it.
///
/// # Errors
/// When a copy cannot be made or opened on any host, on all ranks alike.
pub(crate) fn stage(
    collective: &mut dyn Collective,
    (corpus, packings): (&Arc<Corpus>, Vec<Arc<Packing>>),
    stage_to: &Path,
    hosts: &[String],
) -> Result<Data, TrainError> {
    let folder = folder_of(corpus, stage_to);
    let is_first_of_host = collective.local_rank() == 0;
    let copied = if is_first_of_host {
        let (corpus, packings, folder) = (Arc::clone(corpus), packings.clone(), folder.clone());
        let copying = thread::spawn(move || copy(&corpus, &packings, &folder));
        wait_for_all(collective, || !copying.is_finished())?;
        let copied = copying.join().unwrap_or(Err(TrainError::StagingPanicked));
        copied.map(Some)
    } else {
        wait_for_all(collective, || false)?;
        Ok(None)
    };
    let copied = agree(collective, copied)?;
    report(collective, copied.as_ref(), &folder, hosts)?;
    let opened = open(corpus, &packings, &folder);
    agree(collective, opened)
}

/// `STAGE_TO/corpus-` and the first digits of the corpus's hash.
fn folder_of(corpus: &Corpus, stage_to: &Path) -> PathBuf {
    let hash = corpus.corpus_hash();
    stage_to.join(format!("corpus-{}", hash.get(..16).unwrap_or(hash)))
}

/// Waits until no rank is busy. It is a short call again and again, because a copy may take
/// longer than `parallel.timeout_s` while a lost rank still has to be noticed after that.
fn wait_for_all(collective: &mut dyn Collective, is_busy: impl Fn() -> bool) -> Result<(), CollectiveError> {
    loop {
        let mut busy = [u64::from(is_busy())];
        collective.all_reduce_sum_u64(&mut busy)?;
        if busy == [0] {
            return Ok(());
        }
        thread::sleep(POLL);
    }
}

fn copy(corpus: &Corpus, packings: &[Arc<Packing>], folder: &Path) -> Result<Staged, TrainError> {
    let begun = Instant::now();
    // What is there already is trusted by its hash, and read for as long as the run goes on.
    durable::private_folder(folder)?;
    let _lock = wait_for_lock(folder)?;
    let packings: Vec<&Packing> = packings.iter().map(AsRef::as_ref).collect();
    let report = shards::stage(&DISK, corpus, &packings, folder)?;
    Ok(Staged {
        report,
        seconds: begun.elapsed().as_secs_f64(),
    })
}

/// Another run that copies the same corpus to the same folder goes first; its lock ends with it.
fn wait_for_lock(folder: &Path) -> Result<FolderLock, DurableError> {
    let mut told = false;
    loop {
        match FolderLock::acquire(folder, "tenk-pretrain train: data.stage_to") {
            Err(DurableError::Locked { holder, .. }) => {
                if !told {
                    tracing::warn!("waiting for {holder}, which is copying to {}", folder.display());
                }
                told = true;
                thread::sleep(POLL);
            }
            result => return result,
        }
    }
}

/// Rank 0 logs what was done on each host.
fn report(
    collective: &mut dyn Collective,
    own: Option<&Staged>,
    folder: &Path,
    hosts: &[String],
) -> Result<(), TrainError> {
    let json = |source| TrainError::Json {
        what: "what was staged".to_owned(),
        source,
    };
    let all = collective.all_gather(&serde_json::to_vec(&own).map_err(json)?)?;
    if collective.rank().0 != 0 {
        return Ok(());
    }
    for (bytes, host) in all.iter().zip(hosts) {
        let staged: Option<Staged> = serde_json::from_slice(bytes).map_err(json)?;
        let Some(Staged { report, seconds }) = staged else {
            continue;
        };
        if report.damaged_files > 0 {
            tracing::warn!(
                "{} files of {} on host {host} were damaged and have been copied again; check its disk",
                report.damaged_files,
                folder.display()
            );
        }
        tracing::info!(
            host,
            copied_files = report.copied_files,
            copied_bytes = report.copied_bytes,
            kept_files = report.kept_files,
            kept_bytes = report.kept_bytes,
            seconds = (seconds * 100.0).round() / 100.0,
            "the corpus is staged in {}",
            folder.display()
        );
    }
    Ok(())
}

/// The copies of a corpus and of its packing indices, read as the corpus was.
fn open(corpus: &Corpus, packings: &[Arc<Packing>], folder: &Path) -> Result<Data, TrainError> {
    let mode = corpus.read_mode();
    let copy = Corpus::open_with(folder, mode)?;
    let open = |packing: &Arc<Packing>| {
        let name = packing.path().file_name().unwrap_or_default();
        let packing = Packing::open_with(&folder.join(name), mode)?;
        packing.check_corpus(&copy)?;
        Ok(Arc::new(packing))
    };
    let packings = packings.iter().map(open).collect::<Result<_, TrainError>>()?;
    Ok((Arc::new(copy), packings))
}
