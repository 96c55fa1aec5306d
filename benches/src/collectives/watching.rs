//! How long the threads of a name were on a core, as the kernel counts it.

use std::fs;
use std::path::{Path, PathBuf};

/// The thread of the liveness channel.
const LIVENESS: &str = "liveness";

/// Seconds that threads of the liveness channel were on a core so far, of the process that has
/// `argument` among its arguments and the most of them; 0 where there is none.
pub(super) fn liveness_seconds(argument: &str) -> f64 {
    let processes = entries(Path::new("/proc"));
    let of_run = processes.filter(|process| {
        let arguments = fs::read(process.join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&arguments).contains(argument)
    });
    of_run
        .map(|process| seconds_in(&process.join("task"), |name| name == LIVENESS))
        .fold(0.0, f64::max)
}

/// Seconds that the threads of this process, those that have ended left out, were on a core so far.
pub(super) fn own_seconds() -> f64 {
    seconds_in(Path::new("/proc/self/task"), |_| true)
}

/// Of the threads whose names are `wanted`.
fn seconds_in(tasks: &Path, wanted: impl Fn(&str) -> bool) -> f64 {
    let named = entries(tasks).filter(|task| wanted(text(&task.join("comm")).trim()));
    // proc(5), schedstat: the first number is the time on a core, in nanoseconds.
    let nanoseconds = named.filter_map(|task| {
        text(&task.join("schedstat"))
            .split(' ')
            .next()?
            .parse::<f64>()
            .ok()
    });
    nanoseconds.sum::<f64>() / 1e9
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries.filter_map(|entry| entry.ok().map(|entry| entry.path()))
}
