//! Whether other work wants the cores of this rank: measured by the time that its threads stand in line
//! for one, told to those that wait for each other, and said to people once.
//!
//! Threads that spin while they wait are the fastest as long as nobody else wants their cores, and the
//! slowest beside other work, which then gets its turn in place of the thread that they wait for.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use tch::Device;
use torch_native::WaitAsleep;

use crate::run::session::Session;

/// Between two looks, each of which reads two small files a thread.
const LOOK: Duration = Duration::from_millis(200);
/// Share of a look that a thread stands in line from which on the cores count as crowded, and below which
/// they do not. On two cores (AMD EPYC) with little other work it is mostly below 0.1, beside one busy loop 0.3
/// to 0.6.
const CROWDED: f64 = 0.2;
const CALM: f64 = 0.1;
/// So many calm looks one after the other end a crowd.
const CALM_LOOKS: u32 = 10;
/// So long a crowd is worth a word.
const WARN_AFTER: Duration = Duration::from_secs(3);

const THREADS: &str = "/proc/self/task";

/// How long the living threads of this process have stood in line for a core so far, added up; `None`
/// where the kernel does not count it. A quota of processor time (cgroups) counts as a line too.
pub(crate) fn waited_for_cores() -> Option<Duration> {
    let waited = threads(|_| true)?.into_values();
    waited.reduce(|sum, next| sum + next)
}

/// How long each living thread that `counts` has stood in line so far; `None` where nobody knows.
fn threads(counts: impl Fn(&Path) -> bool) -> Option<BTreeMap<PathBuf, Duration>> {
    let threads = fs::read_dir(THREADS).ok()?;
    let paths = threads
        .filter_map(|thread| Some(thread.ok()?.path()))
        .filter(|path| counts(path));
    // A thread that ends meanwhile has no file any more.
    let waited = paths.filter_map(|path| {
        let waited = waited_by(&fs::read_to_string(path.join("schedstat")).ok()?)?;
        Some((path, waited))
    });
    Some(waited.collect())
}

/// The second number of a thread's `schedstat`, in nanoseconds (Linux,
/// `Documentation/scheduler/sched-stats.rst`).
fn waited_by(schedstat: &str) -> Option<Duration> {
    let nanoseconds = schedstat.split_whitespace().nth(1)?.parse().ok()?;
    Some(Duration::from_nanos(nanoseconds))
}

/// What a look finds, judged by the looks before.
#[derive(Debug, Default)]
struct Crowd {
    is_there: bool,
    calm_looks: u32,
    /// Since it is there: how long, and how long of that the thread that waits most stood in line.
    lasted: Duration,
    waited: Duration,
    has_warned: bool,
}

impl Crowd {
    /// A look of length `look`, in which the thread that waits most stood in line for `waited`. Returns
    /// the share to warn of, once.
    fn see(&mut self, waited: Duration, look: Duration) -> Option<f64> {
        let share = waited.as_secs_f64() / look.as_secs_f64().max(1e-9);
        self.calm_looks = if share < CALM { self.calm_looks + 1 } else { 0 };
        if self.calm_looks >= CALM_LOOKS {
            *self = Self {
                has_warned: self.has_warned,
                calm_looks: self.calm_looks,
                ..Self::default()
            };
        } else if share > CROWDED {
            self.is_there = true;
        }
        if !self.is_there {
            return None;
        }
        self.lasted += look;
        self.waited += waited;
        let share = self.waited.as_secs_f64() / self.lasted.as_secs_f64();
        let is_worth_it = !self.has_warned && self.lasted >= WARN_AFTER && share > CROWDED;
        self.has_warned |= is_worth_it;
        is_worth_it.then_some(share)
    }
}

/// A thread that looks for other work on this rank's cores, for as long as this lives.
#[derive(Debug)]
pub(crate) struct CrowdWatch {
    is_crowded: Arc<AtomicBool>,
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Who is watched.
#[derive(Debug)]
struct Watched {
    /// What the threads that compute are called: like the one that has started them.
    name: String,
    rank: u32,
    host: String,
    num_threads: usize,
    /// Whether this run itself leaves each of its threads a core.
    fits: bool,
}

impl CrowdWatch {
    /// Watches the threads that compute for the calling thread, this one included; `None` where they do
    /// not compute on cores, or nobody counts how long they wait for one.
    pub(crate) fn begin(session: &Session, rank: u32) -> Option<Self> {
        let threads = session.threads;
        let watched = Watched {
            name: fs::read_to_string("/proc/thread-self/comm").ok()?,
            rank,
            host: session.hosts.get(rank as usize).cloned().unwrap_or_default(),
            num_threads: threads.num_threads,
            fits: threads.num_threads * threads.sharing_ranks <= threads.num_cores,
        };
        (session.device == Device::Cpu)
            .then(|| Self::of(watched))
            .flatten()
    }

    fn of(watched: Watched) -> Option<Self> {
        watched.look()?;
        let is_crowded = Arc::new(AtomicBool::new(false));
        let (told, (end, ended)) = (Arc::clone(&is_crowded), mpsc::channel());
        // Without it threads spin while they wait, as they do on cores of their own.
        let thread = thread::Builder::new()
            .name("crowd".to_owned())
            .spawn(move || watched.watch(&told, &ended))
            .ok()?;
        Some(Self {
            is_crowded,
            end: Some(end),
            thread: Some(thread),
        })
    }

    /// Whether other work wants the cores now.
    pub(crate) fn is_crowded(&self) -> bool {
        self.is_crowded.load(Ordering::Relaxed)
    }
}

impl Drop for CrowdWatch {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Watched {
    fn watch(&self, is_crowded: &AtomicBool, ended: &Receiver<()>) {
        let (mut crowd, mut asleep) = (Crowd::default(), None);
        let (mut seen, mut at) = (self.look().unwrap_or_default(), Instant::now());
        while ended.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
            let (now, look) = (self.look().unwrap_or_default(), at.elapsed());
            if let Some(share) = crowd.see(longest_wait(&seen, &now), look)
                && self.fits
            {
                tracing::warn!("{}", self.warning(share));
            }
            (seen, at) = (now, Instant::now());
            is_crowded.store(crowd.is_there, Ordering::Relaxed);
            if !crowd.is_there {
                asleep = None;
            } else if asleep.is_none() && self.num_threads > 1 {
                asleep = Some(WaitAsleep::begin().inspect_err(|error| tracing::warn!("{error}")));
            }
        }
    }

    fn look(&self) -> Option<BTreeMap<PathBuf, Duration>> {
        threads(|path| fs::read_to_string(path.join("comm")).is_ok_and(|name| name == self.name))
    }

    fn warning(&self, share: f64) -> String {
        let fewer = if self.num_threads > 1 {
            ", or take fewer threads (parallel.threads)"
        } else {
            ""
        };
        format!(
            "rank {} on {} is slowed by other work on its cores, or by a quota. One of its computing threads \
             waited for a core {:.0} % of the time, and all others wait for it; end the other work, or give \
             this run cores of its own (taskset, a cpuset, an exclusive job){fewer}",
            self.rank,
            self.host,
            100.0 * share
        )
    }
}

/// That of the thread which waited most between two looks.
fn longest_wait(before: &BTreeMap<PathBuf, Duration>, after: &BTreeMap<PathBuf, Duration>) -> Duration {
    let waits = after.iter().map(|(thread, &waited)| {
        let earlier = before.get(thread).copied().unwrap_or_default();
        waited.saturating_sub(earlier)
    });
    waits.max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ranks::affinity::machine_cores;

    /// Looks in which the thread that waits most stood in line for these shares: whether a crowd is
    /// there after each, and what was warned of.
    fn seen(shares: impl IntoIterator<Item = f64>) -> (Vec<bool>, Vec<f64>) {
        let mut crowd = Crowd::default();
        let mut warned = Vec::new();
        let looks = shares.into_iter().map(|share| {
            warned.extend(crowd.see(LOOK.mul_f64(share), LOOK));
            crowd.is_there
        });
        (looks.collect(), warned)
    }

    #[test]
    fn the_time_in_line_is_the_second_number_of_schedstat() {
        let nanoseconds = Duration::from_nanos;
        assert_eq!(waited_by("700 20 3\n"), Some(nanoseconds(20)));
        assert_eq!(waited_by("700"), None);
        assert_eq!(waited_by("700 - 3"), None);
    }

    #[test]
    fn one_crowded_look_makes_a_crowd_and_two_calm_seconds_end_it() {
        let calm = [0.0; CALM_LOOKS as usize];
        assert!(!seen([0.1; 50]).0.contains(&true));
        let (looks, _) = seen([0.1, 0.4].into_iter().chain(calm));
        assert_eq!(looks[..3], [false, true, true]);
        assert_eq!(looks[looks.len() - 2..], [true, false]);
        // A little is neither.
        let between = [0.0, 0.15].repeat(50);
        assert!(
            seen([0.4].into_iter().chain(between))
                .0
                .iter()
                .all(|&is_there| is_there)
        );
    }

    #[test]
    fn a_crowd_that_lasts_is_warned_of_once_with_its_share() {
        let long = |share: f64| vec![share; 40];
        assert!(seen(vec![0.5; 10]).1.is_empty());
        assert!(seen([vec![0.5; 2], vec![0.15; 40]].concat()).1.is_empty());
        let (_, warned) = seen([long(0.4), long(0.0), long(0.6)].concat());
        assert_eq!(warned.len(), 1);
        assert!((warned[0] - 0.4).abs() < 1e-6);
    }

    #[test]
    fn the_warning_names_rank_host_and_share_and_the_way_out() {
        let text = watched().warning(0.433);
        for part in ["rank 3", "node-7", "43 %", "parallel.threads", "taskset"] {
            assert!(text.contains(part), "{text}");
        }
    }

    fn watched() -> Watched {
        Watched {
            name: fs::read_to_string("/proc/thread-self/comm").unwrap_or_default(),
            rank: 3,
            host: "node-7".to_owned(),
            num_threads: 2,
            fits: true,
        }
    }

    /// Each thread counts for itself: other tests run in this process, and their threads end.
    #[test]
    fn threads_that_outnumber_the_cores_stand_in_line_and_are_a_crowd() {
        const AT_MOST: Duration = Duration::from_mins(1);
        let own = || waited_by(&fs::read_to_string("/proc/thread-self/schedstat").ok()?);
        if own().is_none() || waited_for_cores().is_none() {
            return test_data::skip("the kernel does not count how long threads wait for a core");
        }
        let watch = CrowdWatch::of(watched()).unwrap();
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..2 * machine_cores() {
                scope.spawn(|| {
                    while !done.load(Ordering::Relaxed) {
                        std::hint::spin_loop();
                    }
                });
            }
            let begun = Instant::now();
            while !watch.is_crowded() && begun.elapsed() < AT_MOST {}
            done.store(true, Ordering::Relaxed);
        });
        assert!(watch.is_crowded() && own().unwrap() > LOOK.mul_f64(CROWDED));
    }
}
