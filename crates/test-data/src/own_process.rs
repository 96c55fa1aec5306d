//! A test that needs a process of its own: for what a library does once in a process, or writes past
//! the harness to standard error.

use std::process::Command;

use crate::environment::environment;

/// Says to a test that it runs in the process that was started for it.
const STARTED: &str = "TENK_TEST_OWN_PROCESS";

/// Runs the test `name` (as the harness lists it, `module::tests::name`) of the calling binary again,
/// alone in a process, and returns what that wrote to standard error. `None` there: the test goes on.
///
/// # Panics
/// Where the test fails in its process, or there is none of that name.
pub fn own_process(name: &str) -> Option<String> {
    if environment(STARTED).is_some() {
        return None;
    }
    let program = std::env::current_exe().expect("the system knows the path of a running program");
    let output = Command::new(program)
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env(STARTED, "1")
        .output()
        .expect("a program that runs can be started again");
    let [stdout, stderr] =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(
        output.status.success() && stdout.contains("1 passed"),
        "{name} in a process of its own: {}\n{stdout}{stderr}",
        output.status
    );
    Some(stderr)
}
