//! Downloads filings on a few threads. What arrives is judged before it gets its name.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use documents::{MOST_INPUT_BYTES, Progress};
use durable::{DISK, DurableError, Operation, Storage, commit_bytes, commit_file, remove_all_partials};
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::envelope::Envelope;
use super::hosts::Hosts;
use super::ledger::{Ledger, Stored};
use super::listed_filing::ListedFiling;
use super::report::NotFetched;
use crate::web::{Client, Failure, Fault, FetchError, Request, Stopped, Transfer};

/// So many filings in a row that fail for reasons of the connection are an outage.
const LONGEST_RUN_OF_FAILURES: u32 = 10;

/// What all threads of a download share.
pub(crate) struct Job<'a> {
    pub(crate) out: &'a Path,
    pub(crate) client: &'a Client,
    pub(crate) hosts: &'a Hosts,
    pub(crate) threads: usize,
}

/// What a download did.
#[derive(Debug, Default)]
pub(crate) struct Downloaded {
    pub(crate) fetched: u64,
    pub(crate) bytes: u64,
    pub(crate) not_fetched: Vec<NotFetched>,
}

/// What lies in the place of a filing.
enum Found {
    /// The file of its ledger row.
    AsStored,
    /// A whole one that has no row: the program was killed in between.
    WithoutRow(Stored),
    /// A file that is not what its row says.
    Damaged,
    Nothing,
}

/// Reads the whole file: its length alone does not show that the disk has kept it. What is there
/// but cannot be opened is an error: nobody knows whether it must be fetched again.
fn look(out: &Path, filing: &ListedFiling, row: Option<&Stored>) -> Result<Found, FetchError> {
    let path = row.map_or_else(|| out.join(filing.file()), |row| out.join(&row.file));
    let mut file = match durable::open_file(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(source) => return Err(FetchError::Read { path, source }),
    };
    let mut arriving = Arriving::default();
    let read = io::copy(&mut file, &mut arriving);
    let Some(row) = row else {
        let whole = read.ok().and_then(|_| arriving.check(filing).ok());
        return Ok(whole.map_or(Found::Nothing, Found::WithoutRow));
    };
    Ok(
        if read.is_ok_and(|bytes| bytes == row.bytes) && arriving.sha256() == row.sha256 {
            Found::AsStored
        } else {
            Found::Damaged
        },
    )
}

impl Job<'_> {
    /// Leaves out the filings that are stored, by the hash of what is there, and counts those that
    /// are damaged. One that is there whole but not in the ledger gets its row.
    ///
    /// # Errors
    /// [`FetchError::Read`] when a file that is there cannot be opened; [`FetchError::Durable`]
    /// when the ledger cannot be written.
    pub(crate) fn without_stored(
        &self,
        ledger: &mut Ledger,
        filings: Vec<ListedFiling>,
        progress: &dyn Progress,
    ) -> Result<(Vec<ListedFiling>, u64), FetchError> {
        progress.start("checking what is there", Some(filings.len() as u64));
        let found: Vec<Result<Found, FetchError>> = filings
            .par_iter()
            .map(|filing| {
                let found = look(self.out, filing, ledger.stored(&filing.accession));
                progress.advance(1);
                found
            })
            .collect();
        progress.finish();
        let (mut missing, mut damaged) = (Vec::new(), 0);
        for (filing, found) in filings.into_iter().zip(found) {
            match found? {
                Found::AsStored => {}
                Found::WithoutRow(stored) => ledger.append(&filing, stored, &self.url(&filing))?,
                Found::Damaged => {
                    damaged += 1;
                    missing.push(filing);
                }
                Found::Nothing => missing.push(filing),
            }
        }
        Ok((missing, damaged))
    }

    /// Downloads the filings; those that cannot be had are in the answer, and in
    /// `not_fetched.tsv`.
    ///
    /// # Errors
    /// [`FetchError::OutOfReach`] when filing after filing fails; [`FetchError::Durable`].
    pub(crate) fn run(
        &self,
        filings: Vec<ListedFiling>,
        ledger: Ledger,
        progress: &dyn Progress,
    ) -> Result<Downloaded, FetchError> {
        progress.start("fetching filings", Some(filings.len() as u64));
        let shared = Shared {
            ledger: Mutex::new(ledger),
            filings: Mutex::new(filings.into_iter()),
            state: Mutex::default(),
            stop: AtomicBool::new(false),
        };
        let outcomes: Vec<Result<(), FetchError>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..self.threads.max(1))
                .map(|_| scope.spawn(|| self.work(&shared, progress)))
                .collect();
            let join = |thread: std::thread::ScopedJoinHandle<'_, _>| {
                thread
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            threads.into_iter().map(join).collect()
        });
        progress.finish();
        let mut downloaded = shared
            .state
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
            .downloaded;
        downloaded.not_fetched.sort();
        write_not_fetched(self.out, &downloaded.not_fetched)?;
        outcomes.into_iter().collect::<Result<(), _>>()?;
        Ok(downloaded)
    }

    fn work(&self, shared: &Shared, progress: &dyn Progress) -> Result<(), FetchError> {
        while !shared.stop.load(Ordering::Relaxed) {
            // The lock is let go before the download begins.
            let next = lock(&shared.filings).next();
            let Some(filing) = next else { break };
            let outcome = self
                .download(&filing)
                .and_then(|stored| shared.record(&filing, stored, &self.url(&filing)))
                .or_else(|error| shared.excuse(&filing, error));
            if outcome.is_err() {
                shared.stop.store(true, Ordering::Relaxed);
                return outcome;
            }
            progress.advance(1);
        }
        Ok(())
    }

    fn url(&self, filing: &ListedFiling) -> String {
        format!("{}/Archives/{}", self.hosts.www, filing.archive_path())
    }

    fn download(&self, filing: &ListedFiling) -> Result<Stored, FetchError> {
        let path = self.out.join(filing.file());
        if let Some(folder) = path.parent().filter(|folder| !folder.is_dir()) {
            DISK.create_dir_all(folder)
                .map_err(|source| DurableError::new(Operation::Create, folder, source))?;
        } else if let Some(folder) = path.parent() {
            // What a killed run left; what other threads of this process write here stays.
            remove_all_partials(&DISK, folder)?;
        }
        let url = self.url(filing);
        let request = Request {
            url: &url,
            first_byte: 0,
            most_bytes: MOST_INPUT_BYTES,
        };
        self.client
            .fetch(&request, |transfer| store(transfer, filing, &path))
    }
}

/// Writes the body beside, and gives it its name when it is whole and the right one.
fn store(mut transfer: Transfer, filing: &ListedFiling, path: &Path) -> Result<Stored, Failure> {
    let mut verdict = None;
    let written = commit_file(&DISK, path, |file| {
        let mut arriving = Arriving::default();
        let passed = transfer.each_chunk(|chunk| {
            arriving.push(chunk);
            file.write_all(chunk)
        });
        let judged = match passed {
            Ok(()) => arriving.check(filing),
            Err(Stopped::Transfer(fault)) => Err(fault),
            Err(Stopped::Receiver(error)) => return Err(error),
        };
        // Any error keeps the file from its name.
        let named = judged
            .as_ref()
            .map(|_| ())
            .map_err(|_| io::Error::other("not whole"));
        verdict = Some(judged);
        named
    });
    match verdict {
        Some(Err(fault)) => Err(fault.into()),
        Some(Ok(stored)) => written.map(|()| stored).map_err(Failure::Disk),
        None => Err(written.map_or_else(Failure::Disk, |()| Fault::unsound("empty").into())),
    }
}

/// A body on its way to the disk: hashed, counted, and both ends kept.
#[derive(Debug, Default)]
struct Arriving {
    envelope: Envelope,
    hash: Sha256,
    bytes: u64,
}

impl Arriving {
    fn push(&mut self, chunk: &[u8]) {
        self.envelope.push(chunk);
        self.hash.update(chunk);
        self.bytes += chunk.len() as u64;
    }

    fn check(self, filing: &ListedFiling) -> Result<Stored, Fault> {
        self.envelope.check(&filing.accession)?;
        Ok(Stored {
            file: filing.file(),
            bytes: self.bytes,
            sha256: self.sha256(),
        })
    }

    fn sha256(self) -> String {
        crate::web::hex(&self.hash.finalize())
    }
}

impl io::Write for Arriving {
    fn write(&mut self, chunk: &[u8]) -> io::Result<usize> {
        self.push(chunk);
        Ok(chunk.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Shared {
    ledger: Mutex<Ledger>,
    filings: Mutex<std::vec::IntoIter<ListedFiling>>,
    state: Mutex<DownloadState>,
    stop: AtomicBool,
}

#[derive(Debug, Default)]
struct DownloadState {
    downloaded: Downloaded,
    failures_in_a_row: u32,
}

impl Shared {
    fn record(&self, filing: &ListedFiling, stored: Stored, url: &str) -> Result<(), FetchError> {
        let bytes = stored.bytes;
        lock(&self.ledger).append(filing, stored, url)?;
        let mut state = lock(&self.state);
        state.failures_in_a_row = 0;
        state.downloaded.fetched += 1;
        state.downloaded.bytes += bytes;
        Ok(())
    }

    /// A filing that cannot be had is noted, unless it is one of many in a row.
    fn excuse(&self, filing: &ListedFiling, error: FetchError) -> Result<(), FetchError> {
        let FetchError::GivenUp { url, fault, .. } = error else {
            return Err(error);
        };
        let mut state = lock(&self.state);
        state.downloaded.not_fetched.push(NotFetched {
            accession: filing.accession.clone(),
            url,
            reason: fault.to_string(),
        });
        state.failures_in_a_row = if fault.is_outage() {
            state.failures_in_a_row + 1
        } else {
            0
        };
        if state.failures_in_a_row < LONGEST_RUN_OF_FAILURES {
            return Ok(());
        }
        Err(FetchError::OutOfReach {
            failures: state.failures_in_a_row,
            fault,
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn write_not_fetched(out: &Path, not_fetched: &[NotFetched]) -> Result<(), DurableError> {
    let mut text = "accession\turl\treason\n".to_owned();
    for filing in not_fetched {
        text.push_str(&[&*filing.accession, &*filing.url, &*filing.reason].join("\t"));
        text.push('\n');
    }
    commit_bytes(&DISK, &out.join("not_fetched.tsv"), text.as_bytes())
}

#[cfg(test)]
mod tests {
    use durable::testing::{lay_pipe, within_a_minute};

    use super::*;

    #[test]
    fn a_pipe_in_the_place_of_a_kept_filing_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let filing = ListedFiling {
            cik: 7,
            company: "Example Mills".to_owned(),
            form: "10-K".to_owned(),
            filed: jiff::civil::date(2015, 3, 1),
            accession: "0000000007-15-000001".to_owned(),
        };
        let path = folder.path().join(filing.file());
        DISK.create_dir_all(path.parent().unwrap()).unwrap();
        lay_pipe(&path).unwrap();
        let row = Stored {
            file: filing.file(),
            bytes: 0,
            sha256: Arriving::default().sha256(),
        };
        for row in [None, Some(row)] {
            let (out, filing) = (folder.path().to_owned(), filing.clone());
            let looked = within_a_minute(move || look(&out, &filing, row.as_ref()).map(drop));
            match looked {
                Err(FetchError::Read { path: named, source }) => {
                    assert_eq!(named, path);
                    assert!(source.to_string().contains("it is a pipe"), "{source}");
                }
                other => panic!("{other:?}"),
            }
        }
    }
}
