//! What ends a `fetch`, each with the way out. A single filing that cannot be had does not.

use std::path::PathBuf;

use durable::DurableError;

use super::answer::Fault;

/// An error that ends a `fetch`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The archives want to know who asks.
    #[error(
        "the user agent {found:?} {lacks}; give your name and e-mail address, as in \
         --user-agent \"Example Research someone@example.com\""
    )]
    UserAgent {
        /// The text as given.
        found: String,
        /// What is wrong with it.
        lacks: &'static str,
    },
    /// Faster than the archives allow, or not at all.
    #[error("{found} requests a second are not possible; give a number above 0 and at most 10")]
    RequestRate {
        /// The number as given; not a number when it was none.
        found: f64,
    },
    /// The options do not fit together.
    #[error("{reason}")]
    Options {
        /// Which, and what to give instead.
        reason: String,
    },
    /// A list of companies cannot be understood.
    #[error("{}, line {line}: {reason}", path.display())]
    List {
        /// The file.
        path: PathBuf,
        /// Line number, from 1.
        line: usize,
        /// What is wrong there and what is expected.
        reason: String,
    },
    /// A file could not be read.
    #[error("cannot read {}: check that it exists and is readable", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A request gave nothing, however often it was tried.
    #[error("cannot fetch {url} (tried {attempts} times); run the command again to go on from here")]
    GivenUp {
        /// The address.
        url: String,
        /// How often it was tried.
        attempts: u32,
        /// What the last attempt met.
        #[source]
        fault: Fault,
    },
    /// One filing after the other fails: the archive is out of reach.
    #[error(
        "{failures} filings in a row could not be fetched, so the archive cannot be reached. The fetched filings are kept: run the command again to go on from here"
    )]
    OutOfReach {
        /// How many in a row.
        failures: u32,
        /// What the last one met.
        #[source]
        fault: Fault,
    },
    /// The ledger is not one of ours.
    #[error("{}, line {line} is not a row of a ledger of filings; choose another --out folder", path.display())]
    Ledger {
        /// The ledger.
        path: PathBuf,
        /// Line number, from 1.
        line: usize,
    },
    /// The checksum file does not list the dump.
    #[error("{url} lists no {file}; check --wiki and --dump on the dump's page")]
    NoChecksum {
        /// The checksum file.
        url: String,
        /// The name that it should list.
        file: String,
    },
    /// The dump is whole, but not what the checksum file says.
    #[error("{} was fetched completely, but its {kind} is {found}, not {expected}; it was removed: run the command again", path.display())]
    Checksum {
        /// The file.
        path: PathBuf,
        /// `SHA-1` or `MD5`.
        kind: &'static str,
        /// The hash that the archive states.
        expected: String,
        /// The hash of what arrived.
        found: String,
    },
    /// A dump that is there under its name is not what the checksum file says.
    #[error(
        "{} exists, but its {kind} is {found}, not {expected}: it is damaged or was changed; remove it and run the command again", path.display()
    )]
    Stored {
        /// The file.
        path: PathBuf,
        /// `SHA-1` or `MD5`.
        kind: &'static str,
        /// The hash that the archive states.
        expected: String,
        /// The hash of what is there.
        found: String,
    },
    /// Writing failed.
    #[error(transparent)]
    Durable(#[from] DurableError),
}
