//! Ends the launcher of a job that has lost a host.
//!
//! Open MPI 4.1's `mpirun` tells its daemon on every host to end and waits for each of them. One
//! behind a cut network never answers, so `mpirun` would hang until TCP gives up: 15 minutes by
//! Linux's default (`net.ipv4.tcp_retries2`), in which no supervisor starts the job again.

use std::{fs, thread, time::Duration};

use rustix::process::{Pid, Signal, getppid, kill_process};

/// Names of the processes that start the ranks of a whole job.
const LAUNCHERS: [&str; 7] = [
    "mpirun",
    "mpiexec",
    "orterun",
    "mpirun.openmpi",
    "mpiexec.openmpi",
    "prterun",
    "mpiexec.hydra",
];

/// Between two signals. A second one within five seconds makes `mpirun` end without waiting for
/// its daemons; one second after the first it would kill this process.
const BETWEEN: Duration = Duration::from_millis(500);

/// Asks the launcher twice to end, where it is what has started this process; it runs on another
/// host, or is none of ours, otherwise.
pub(crate) fn end() {
    let Some(parent) = getppid().filter(|&parent| is_launcher(parent)) else {
        return;
    };
    for _ in 0..2 {
        // It may be gone already, which is what is wanted.
        let _ = kill_process(parent, Signal::TERM);
        thread::sleep(BETWEEN);
    }
}

/// By the name of its program (`/proc/PID/comm`, proc(5)).
fn is_launcher(process: Pid) -> bool {
    let name = fs::read_to_string(format!("/proc/{}/comm", process.as_raw_nonzero()));
    name.is_ok_and(|name| LAUNCHERS.contains(&name.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_started_this_test_is_no_launcher() {
        assert!(!is_launcher(rustix::process::getpid()));
        end();
    }
}
