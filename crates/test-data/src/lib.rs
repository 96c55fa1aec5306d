//! Where tests and benchmarks find real data, and how a test says that it was skipped.
//!
//! Rust's harness counts a test that returns early as passed. A skipped test therefore also adds a
//! line to the file that `TENK_SKIPS` names; `scripts/count_tests.sh` takes these from the passed.
//! For tests only: no program depends on this crate.

pub mod agreement;
mod environment;
pub mod furniture_labels;
pub mod items;
mod labeled_text;
mod own_process;

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use environment::environment;
pub use own_process::own_process;
use tempfile::TempDir;

/// The root of the checkout that this was built in.
pub fn repository() -> PathBuf {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    crates
        .and_then(Path::parent)
        .unwrap_or(Path::new("."))
        .to_path_buf()
}

/// The folder of test data: `TENK_DATA` (relative to the checkout's root), else `../shared/data`
/// beside the checkout.
pub fn root() -> PathBuf {
    let folder = environment("TENK_DATA").unwrap_or_else(|| "../shared/data".into());
    repository().join(folder)
}

/// A file or folder of the test data; `None`, said aloud and counted as skipped, where there is none.
///
/// # Panics
/// Where it is missing although `TENK_DATA_REQUIRED=1`.
pub fn find(relative: &str) -> Option<PathBuf> {
    let path = root().join(relative);
    if path.exists() {
        return Some(path);
    }
    let reason = format!("no test data at {} (set TENK_DATA)", path.display());
    assert!(!is_required(), "{reason}");
    skip(&reason);
    None
}

/// Python of the peers' environment, whose folder `TENK_PEERS` names.
///
/// # Errors
/// The way out, where `make test` did not hand it over.
pub fn peers_python() -> Result<PathBuf, String> {
    let folder =
        environment("TENK_PEERS").ok_or("TENK_PEERS is not set; run the tests through `make test`")?;
    let python = Path::new(&folder).join("bin/python");
    if python.exists() {
        Ok(python)
    } else {
        Err(format!("{} is missing; run `make peers`", python.display()))
    }
}

/// [`peers_python`]; `None`, said aloud and counted as skipped, where there is none.
///
/// # Panics
/// Where it is missing although `TENK_DATA_REQUIRED=1`.
pub fn find_peers_python() -> Option<PathBuf> {
    peers_python()
        .map_err(|reason| {
            assert!(!is_required(), "{reason}");
            skip(&reason);
        })
        .ok()
}

/// A folder with what a script of the peers writes for `cases` random cases. `None`, said aloud and
/// counted as skipped, where there is no Python of the peers.
///
/// # Panics
/// Where it is missing although `TENK_DATA_REQUIRED=1`, and where the script fails.
pub fn random_fixtures(script: &str, cases: usize) -> Option<TempDir> {
    let python = find_peers_python()?;
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let mut command = Command::new(python);
    command
        .arg(repository().join(script))
        .arg(folder.path())
        .args(["--random", &cases.to_string()]);
    let output = command
        .env("HF_HUB_OFFLINE", "1")
        .output()
        .expect("the Python of the peers can be started");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Some(folder)
}

/// The Python packages of the peers' environment, which `TENK_PEERS` names: headers and libraries
/// are among them. `None`, said aloud and counted as skipped, where there is none.
///
/// # Panics
/// Where it is missing although `TENK_DATA_REQUIRED=1`.
pub fn peers_packages() -> Option<PathBuf> {
    let peers = environment("TENK_PEERS").map(|folder| Path::new(&folder).join("lib"));
    let versions = peers.and_then(|folder| std::fs::read_dir(folder).ok());
    let mut folders = versions.into_iter().flatten().flatten();
    let packages = folders.find_map(|version| {
        let packages = version.path().join("site-packages");
        packages.is_dir().then_some(packages)
    });
    if packages.is_some() {
        return packages;
    }
    let reason = "no environment of the peers (run the tests through `make test`, which sets TENK_PEERS)";
    assert!(!is_required(), "{reason}");
    skip(reason);
    None
}

/// Whether missing data fails a test instead of skipping it.
pub fn is_required() -> bool {
    environment("TENK_DATA_REQUIRED").is_some_and(|value| value == "1")
}

/// Says that the calling test is skipped, and why; the test returns after it.
///
/// # Panics
/// Where the file that `TENK_SKIPS` names cannot be written.
pub fn skip(reason: &str) {
    print_skipped(reason);
    let Some(list) = environment("TENK_SKIPS") else {
        return;
    };
    let package = environment("CARGO_PKG_NAME").unwrap_or_default();
    let thread = std::thread::current();
    // The harness names the thread of a test after the test.
    let line = format!(
        "{}::{}\t{reason}\n",
        package.to_string_lossy(),
        thread.name().unwrap_or("unnamed")
    );
    let added = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&list)
        .and_then(|mut file| file.write_all(line.as_bytes()));
    assert!(added.is_ok(), "cannot add to TENK_SKIPS={}", list.display());
}

#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn print_skipped(reason: &str) {
    eprintln!("skipped: {reason}");
}
