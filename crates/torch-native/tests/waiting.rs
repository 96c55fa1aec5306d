//! How threads wait, in a process of its own: threads of other tests would count as well.

use std::{fs, path::PathBuf, thread, time::Duration};

use tch::{Device, Kind, Tensor};
use torch_native::{WaitAsleep, set_num_threads};

const GAP: Duration = Duration::from_millis(4);
const LOOPS: u32 = 40;

/// The other threads of this process, and how long each was on a core.
fn on_core() -> Vec<(PathBuf, Duration)> {
    let own = fs::read_link("/proc/thread-self").expect("Linux names the thread");
    let threads = fs::read_dir("/proc/self/task")
        .expect("Linux lists the threads")
        .map(|thread| thread.expect("a thread has a name").path());
    let others = threads.filter(|path| path.file_name() != own.file_name());
    let times = |path: PathBuf| {
        let text = fs::read_to_string(path.join("schedstat")).ok()?;
        let nanoseconds = text.split_whitespace().next()?.parse().ok()?;
        Some((path, Duration::from_nanos(nanoseconds)))
    };
    others.filter_map(times).collect()
}

/// How long other threads were on a core in all the time between two of libtorch's loops.
fn awake_between_loops(numbers: &Tensor) -> Duration {
    let run = || drop(numbers.sin());
    run();
    let mut awake = Duration::ZERO;
    for _ in 0..LOOPS {
        run();
        let before = on_core();
        thread::sleep(GAP);
        for (path, time) in on_core() {
            let earlier = before.iter().find(|(other, _)| *other == path);
            awake += time.saturating_sub(earlier.map_or(time, |(_, earlier)| *earlier));
        }
    }
    awake
}

#[test]
fn threads_that_wait_sleep_while_a_team_of_idle_ones_lives_and_spin_before_and_after() {
    if thread::available_parallelism().map_or(1, usize::from) < 2 {
        return test_data::skip("on one core threads sleep while they wait in any case");
    }
    set_num_threads(2).unwrap();
    let numbers = Tensor::ones([1 << 18], (Kind::Float, Device::Cpu));
    let spinning = awake_between_loops(&numbers);
    let guard = WaitAsleep::begin().unwrap();
    let asleep = awake_between_loops(&numbers);
    drop(guard);
    let again = awake_between_loops(&numbers);
    let gaps = GAP * LOOPS;
    // Other processes may want the cores, so that a thread that spins is not on one all the time.
    assert!(
        asleep < gaps / 10,
        "{spinning:?}, then {asleep:?}, then {again:?} of {gaps:?}"
    );
    assert!(
        spinning > 2 * asleep && again > 2 * asleep,
        "{spinning:?}, then {asleep:?}, then {again:?} of {gaps:?}"
    );
}
