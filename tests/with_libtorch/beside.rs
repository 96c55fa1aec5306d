//! A run whose cores others want too says so, once a rank.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Result, ensure};
use tests::{kill_group, mpirun, program, start, wait_until, whole_machine};

use crate::bad_input::train;
use crate::demo::demo;
use crate::running::LIMIT;

const RANKS: u32 = 2;
/// As long again as a rank looks before it warns.
const LONGER: Duration = Duration::from_secs(4);

/// Threads that always want a core.
struct Busy {
    done: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Busy {
    fn start(count: usize) -> Self {
        let done = Arc::new(AtomicBool::new(false));
        let spin = |done: Arc<AtomicBool>| {
            move || {
                while !done.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            }
        };
        let threads = (0..count).map(|_| std::thread::spawn(spin(Arc::clone(&done))));
        Self {
            threads: threads.collect(),
            done,
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.done.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// The warnings of a rank's log.
fn warnings(run: &Path, rank: u32) -> Vec<String> {
    let log = std::fs::read_to_string(run.join(format!("logs/rank-{rank}.jsonl")));
    let log = log.unwrap_or_default();
    let slowed = log
        .lines()
        .filter(|line| line.contains("is slowed by other work"));
    slowed.map(str::to_owned).collect()
}

#[test]
fn ranks_beside_busy_threads_are_warned_of_once_each_with_share_and_way_out() -> Result<()> {
    let cores = std::thread::available_parallelism()?.get();
    if cores < RANKS as usize {
        test_data::skip("the ranks alone have not a core each");
        return Ok(());
    }
    demo()?;
    let _machine = whole_machine();
    let folder = tempfile::tempdir()?;
    let run = folder.path().join("run");
    let settings = [
        "training.max_steps=1000000",
        "evaluation.every_steps=0",
        "checkpoint.every_steps=0",
        "parallel.threads=1",
    ];
    let mut command = train(mpirun(RANKS, &program("tenk-pretrain")?), &run, &settings)?;
    let _busy = Busy::start(2 * cores);
    let child = start(&mut command)?;
    let all_warned = || (0..RANKS).all(|rank| !warnings(&run, rank).is_empty());
    let warned = wait_until("every rank warns of other work", LIMIT, all_warned);
    if warned.is_ok() {
        std::thread::sleep(LONGER);
    }
    kill_group(child.id());
    warned?;
    for rank in 0..RANKS {
        let said = warnings(&run, rank);
        ensure!(said.len() == 1, "rank {rank}: {said:#?}");
        for part in [&format!("rank {rank} on "), " % of the time", "taskset"] {
            ensure!(said[0].contains(part), "{part:?} is missing: {}", said[0]);
        }
    }
    Ok(())
}
