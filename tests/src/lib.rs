//! What the test binaries share: where the product's programs, the test data and the peers
//! are, and how a program is run with a time limit that ends its whole process group.

pub mod browser;
pub mod run_folder;

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
pub use test_data::{find as test_data, repository};

#[expect(
    clippy::disallowed_methods,
    reason = "the start-up of a test is where its environment is read"
)]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A program of the product, built by `make test` before the tests run.
///
/// # Errors
/// Where the program is missing, or older than a source that it was built from.
pub fn program(name: &str) -> Result<PathBuf> {
    let folder =
        environment("TENK_BIN_DIR").context("TENK_BIN_DIR is not set; run the tests through `make test`")?;
    let path = Path::new(&folder).join(name);
    ensure!(
        path.is_file(),
        "{} is missing; run the tests through `make test`",
        path.display()
    );
    refuse_stale(&path)?;
    Ok(path)
}

/// Cargo writes the sources of a program into `PROGRAM.d`; none may be newer than it.
fn refuse_stale(program: &Path) -> Result<()> {
    let built = program.metadata()?.modified()?;
    let listing = std::fs::read_to_string(program.with_extension("d"))
        .context("no list of sources beside the program")?;
    let sources = listing.split_once(':').map_or("", |(_, sources)| sources);
    for source in sources.split_whitespace() {
        let changed = Path::new(source)
            .metadata()
            .and_then(|metadata| metadata.modified());
        if changed.is_ok_and(|changed| changed > built) {
            bail!(
                "{} is older than {source}; run the tests through `make test`",
                program.display()
            );
        }
    }
    Ok(())
}

/// The tarball of `make dist`, which `make test-long` makes before the tests run.
///
/// # Errors
/// Where it was not handed over.
pub fn tarball() -> Result<PathBuf> {
    let path =
        environment("TENK_DIST").context("TENK_DIST is not set; run the tests through `make test-long`")?;
    let path = PathBuf::from(path);
    ensure!(path.is_file(), "{} is missing; run `make dist`", path.display());
    Ok(path)
}

/// The cargo profile of the programs in [`tarball`].
pub fn tarball_profile() -> String {
    environment("TENK_DIST_PROFILE").unwrap_or_else(|| "release".to_owned())
}

/// Python of the peers' environment.
///
/// # Errors
/// Where `make test` did not hand it over.
pub fn peers_python() -> Result<PathBuf> {
    test_data::peers_python().map_err(anyhow::Error::msg)
}

/// Held by a test that uses all cores, so that timings and time limits stay meaningful.
pub fn whole_machine() -> MutexGuard<'static, ()> {
    static MACHINE: Mutex<()> = Mutex::new(());
    MACHINE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Runs a command to its end and returns what it printed.
///
/// # Errors
/// Where it does not start, or is still running after `limit`: its process group is killed.
pub fn run(command: &mut Command, limit: Duration) -> Result<Output> {
    let child = start(command)?;
    let group = child.id();
    let described = format!("{command:?}");
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(child.wait_with_output()));
    let Ok(output) = receiver.recv_timeout(limit) else {
        kill_group(group);
        bail!("{described} was still running after {limit:?}; its process group was killed");
    };
    output.with_context(|| format!("waiting for {described}"))
}

/// Starts a command in a process group of its own, its output captured.
///
/// # Errors
/// Where it does not start.
pub fn start(command: &mut Command) -> Result<Child> {
    command
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn().with_context(|| format!("starting {command:?}"))
}

/// Ends the process group that [`start`] made for the process `id`: SIGTERM, which lets an
/// `mpirun` end its ranks (it puts each into a group of its own), and SIGKILL after five seconds.
pub fn kill_group(id: u32) {
    let Some(pid) = i32::try_from(id).ok().and_then(Pid::from_raw) else {
        return;
    };
    // The group may be gone already, which is what is wanted.
    let _ = kill_process_group(pid, Signal::TERM);
    let gone = || test_kill_process_group(pid).is_err();
    if wait_until("the process group ends", Duration::from_secs(5), gone).is_err() {
        let _ = kill_process_group(pid, Signal::KILL);
    }
}

/// Whether a process has ended; one that nobody has waited for yet counts.
pub fn has_ended(process: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.as_raw_nonzero()));
    stat.map_or(true, |stat| {
        stat.rsplit_once(')')
            .is_some_and(|(_, rest)| rest.trim_start().starts_with('Z'))
    })
}

/// Like [`run`], and the command must succeed. Returns its standard output.
///
/// # Errors
/// Those of [`run`], and an exit code other than 0, with both outputs.
pub fn run_ok(command: &mut Command, limit: Duration) -> Result<String> {
    let output = run(command, limit)?;
    stdout_of(command, &output)
}

/// Standard output of a command that has ended.
///
/// # Errors
/// Where it failed, with all that it printed.
pub fn stdout_of(command: &Command, output: &Output) -> Result<String> {
    let (stdout, stderr) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    ensure!(
        output.status.success(),
        "{command:?} ended with {}\n--- stdout\n{stdout}\n--- stderr\n{stderr}",
        output.status
    );
    Ok(stdout.into_owned())
}

/// `scripts/mpirun.sh RANKS PROGRAM`, to which arguments are added.
pub fn mpirun(ranks: u32, program: &Path) -> Command {
    let mut command = Command::new(repository().join("scripts/mpirun.sh"));
    command.arg(ranks.to_string()).arg(program);
    command
}

/// Waits until `condition` holds, looking every 20 ms.
///
/// # Errors
/// Where it does not hold within `limit`.
pub fn wait_until(what: &str, limit: Duration, mut condition: impl FnMut() -> bool) -> Result<()> {
    let start = Instant::now();
    while !condition() {
        ensure!(start.elapsed() < limit, "waited {limit:?} in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
