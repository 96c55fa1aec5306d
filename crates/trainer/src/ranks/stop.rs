//! A request to stop: SIGUSR1, SIGTERM, SIGINT or SIGHUP, or a time that the run was given.
//!
//! The first signal is remembered; the loop finishes its step, all ranks agree, a checkpoint is
//! written and the process exits 75. A second one ends all ranks at once, also with 75: this one tells
//! the others, which would take its end for a failure else, and writes `last_exit.json`; what the last
//! checkpoint holds can be resumed. A third one does not even write.
//!
//! A process that was started with SIGHUP ignored, as by nohup(1), goes on ignoring it.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use collectives::EndNotice;
use durable::{DurableError, FolderLock};
use signal_hook::{consts::SIGHUP, flag, iterator::Signals, low_level};

use crate::{
    error::chain,
    ranks::{
        exit::{self, ExitStatus, write_last_exit},
        stop_reason::{SIGNALS, StopReason, name},
    },
};

/// How long before the end of its job a run stops: a step and a checkpoint have to fit. As
/// long as the launcher's `--signal=USR1@180` gives.
const BEFORE_END: Duration = Duration::from_mins(3);

/// Whether this process was asked to stop.
#[derive(Debug, Clone, Default)]
pub(crate) struct StopRequest(Arc<StopState>);

#[derive(Debug, Default)]
struct StopState {
    /// Why, once it was asked.
    reason: OnceLock<StopReason>,
    /// When it is asked by itself, and why.
    limit: Mutex<Option<(Instant, StopReason)>>,
    /// Where a second signal leaves `last_exit.json`.
    place: Mutex<Option<RunPlace>>,
    /// By which the other ranks hear of it.
    notice: Mutex<Option<EndNotice>>,
}

/// A run folder, and this process's rank.
#[derive(Debug, Clone)]
struct RunPlace {
    run_dir: PathBuf,
    rank: u32,
    /// Whether this launch holds the folder.
    is_entered: bool,
}

impl StopRequest {
    /// A request that only [`StopRequest::ask`] and [`StopRequest::limit`] make.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Listens to the signals, from the start of the process on: one that comes while the ranks
    /// connect must not end them.
    ///
    /// # Errors
    /// When the system refuses a handler or the thread that listens.
    pub(crate) fn on_signals() -> io::Result<Self> {
        let request = Self::default();
        let ending = Arc::new(AtomicBool::new(false));
        let heeded = SIGNALS
            .into_iter()
            .filter(|&signal| signal != SIGHUP || !ignores_hangup());
        let heeded: Vec<i32> = heeded.collect();
        for &signal in &heeded {
            let code = i32::from(ExitStatus::Stopped.code());
            flag::register_conditional_shutdown(signal, code, Arc::clone(&ending))?;
        }
        let mut signals = Signals::new(heeded)?;
        let heard = request.clone();
        thread::Builder::new().name("signals".to_owned()).spawn(move || {
            for (count, signal) in signals.forever().enumerate() {
                if count == 0 {
                    heard.ask(StopReason::Signal(signal));
                    tracing::info!(
                        "{}: the run finishes this step, writes a checkpoint and stops. A second signal ends it at once",
                        name(signal)
                    );
                } else {
                    heard.end_at_once(name(signal), &ending);
                    low_level::exit(i32::from(ExitStatus::Stopped.code()));
                }
            }
        })?;
        Ok(request)
    }

    /// Asks to stop; the first reason stays.
    pub(crate) fn ask(&self, reason: StopReason) {
        self.0.reason.get_or_init(|| reason);
    }

    /// Asks by itself from `at` on; of several limits the earliest counts.
    pub(crate) fn limit(&self, at: Instant, reason: StopReason) {
        let mut limit = lock(&self.0.limit);
        if limit.as_ref().is_none_or(|(earlier, _)| at < *earlier) {
            *limit = Some((at, reason));
        }
    }

    /// Whether a stop was asked for.
    pub(crate) fn asked(&self) -> bool {
        if let Some((at, reason)) = *lock(&self.0.limit)
            && Instant::now() >= at
        {
            self.ask(reason);
        }
        self.0.reason.get().is_some()
    }

    /// What this rank tells the others: 0 where it was not asked.
    pub(crate) fn code(&self) -> u64 {
        if self.asked() {
            self.0.reason.get().map_or(0, |reason| reason.code())
        } else {
            0
        }
    }

    /// Names the run folder before it is entered: another launch may hold it.
    pub(crate) fn approach(&self, run_dir: &Path, rank: u32) {
        let (run_dir, is_entered) = (run_dir.to_owned(), false);
        *lock(&self.0.place) = Some(RunPlace {
            run_dir,
            rank,
            is_entered,
        });
    }

    /// Names the run folder that this launch holds from now on.
    pub(crate) fn enter(&self, run_dir: &Path, rank: u32) {
        let (run_dir, is_entered) = (run_dir.to_owned(), true);
        *lock(&self.0.place) = Some(RunPlace {
            run_dir,
            rank,
            is_entered,
        });
    }

    /// By what the other ranks are told of a second signal.
    pub(crate) fn tell_by(&self, notice: EndNotice) {
        *lock(&self.0.notice) = Some(notice);
    }

    /// Does what a second signal does before the process ends; `ending`: the next one waits for
    /// nothing more.
    fn end_at_once(&self, signal: &str, ending: &AtomicBool) {
        let place = lock(&self.0.place).clone();
        let resumes = place.as_ref().map(|place| what_resumes(&place.run_dir));
        let reason = format!(
            "{signal} came while the run was already stopping, so it ended at once{}",
            resumes.map_or_else(String::new, |resumes| format!("; {resumes}"))
        );
        tracing::warn!("{reason}");
        // First of all, and until the others can hear it: they would call this end a failure.
        if let Some(notice) = lock(&self.0.notice).clone() {
            notice.tell(&reason);
        }
        ending.store(true, Ordering::SeqCst);
        if let Some(Err(error)) = place.map(|place| place.leave(&reason)) {
            tracing::warn!("last_exit.json was not written: {}", chain(&error));
        }
    }
}

impl RunPlace {
    /// Writes `last_exit.json`. What an earlier launch left in a folder that was not entered yet
    /// must not pass for this one's end, unless another launch holds the folder.
    fn leave(&self, reason: &str) -> Result<(), DurableError> {
        if self.is_entered {
            return write_last_exit(&self.run_dir, ExitStatus::Stopped, reason, self.rank, None);
        }
        if !self.run_dir.is_dir() {
            return Ok(());
        }
        let Ok(_lock) = FolderLock::acquire(&self.run_dir, "tenk-pretrain train") else {
            return Ok(());
        };
        exit::forget(&self.run_dir)?;
        write_last_exit(&self.run_dir, ExitStatus::Stopped, reason, self.rank, None)
    }
}

/// Whether this process was started with SIGHUP ignored (`SigIgn` in `/proc/PID/status`, proc(5):
/// signal n is bit n - 1).
fn ignores_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & (1 << (SIGHUP - 1)) != 0)
}

/// What `--resume auto` does after an end that wrote no checkpoint.
pub(crate) fn what_resumes(run_dir: &Path) -> &'static str {
    match checkpoint::list(&run_dir.join("checkpoints")) {
        Ok(checkpoints) if checkpoints.is_empty() => {
            "no checkpoint was written yet, so `--resume auto` begins again"
        }
        _ => "`--resume auto` goes on from the newest checkpoint",
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// When a run has to stop so that its checkpoint is written before its job ends.
/// `job_end` is Slurm's `SLURM_JOB_END_TIME`: seconds since 1970.
///
/// `None` for what is no such number.
pub(crate) fn before_job_end(job_end: &str, now: SystemTime) -> Option<Instant> {
    let end = UNIX_EPOCH.checked_add(Duration::from_secs(job_end.trim().parse().ok()?))?;
    let left = end.duration_since(now).unwrap_or_default();
    Instant::now().checked_add(left.saturating_sub(BEFORE_END))
}

#[cfg(test)]
mod tests {
    use signal_hook::consts::SIGUSR1;

    use super::*;
    use crate::ranks::stop_reason::Stop;

    /// The one test of this process that raises a signal: a second one would end it.
    #[test]
    fn the_first_signal_only_asks() {
        let request = StopRequest::on_signals().unwrap();
        assert!(!request.asked());
        low_level::raise(SIGUSR1).unwrap();
        while !request.asked() {
            thread::yield_now();
        }
        let stop = Stop::agreed(&[request.code()]).unwrap();
        assert_eq!(stop.to_string(), "SIGUSR1");
    }

    #[test]
    fn a_second_signal_leaves_the_reason_in_the_run_folder() {
        let folder = tempfile::tempdir().unwrap();
        let (request, ending) = (StopRequest::new(), AtomicBool::new(false));
        request.end_at_once("SIGTERM", &ending);
        assert!(ending.load(Ordering::SeqCst));
        request.enter(folder.path(), 3);
        request.end_at_once("SIGTERM", &ending);
        let text = std::fs::read_to_string(folder.path().join("last_exit.json")).unwrap();
        let exit: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (&exit["status"], &exit["code"], &exit["rank"]),
            (&"stopped".into(), &75.into(), &3.into())
        );
        assert!(
            exit["reason"].as_str().unwrap().starts_with("SIGTERM came"),
            "{exit}"
        );
        assert!(
            exit["reason"].as_str().unwrap().contains("no checkpoint"),
            "{exit}"
        );
        std::fs::create_dir_all(folder.path().join("checkpoints").join("step-00000007")).unwrap();
        assert_eq!(
            what_resumes(folder.path()),
            "`--resume auto` goes on from the newest checkpoint"
        );
    }

    #[test]
    fn a_second_signal_before_the_folder_is_entered_replaces_what_an_earlier_launch_left() {
        let folder = tempfile::tempdir().unwrap();
        let run_dir = folder.path().join("run");
        let (request, ending) = (StopRequest::new(), AtomicBool::new(false));
        request.approach(&run_dir, 1);
        request.end_at_once("SIGHUP", &ending);
        assert!(!run_dir.exists(), "a folder that was not there");
        std::fs::create_dir(&run_dir).unwrap();
        write_last_exit(&run_dir, ExitStatus::Failed, "the launch before", 0, Some(7)).unwrap();
        let held = FolderLock::acquire(&run_dir, "another launch").unwrap();
        request.end_at_once("SIGHUP", &ending);
        let reason = || {
            let text = std::fs::read(run_dir.join("last_exit.json")).unwrap();
            let exit: serde_json::Value = serde_json::from_slice(&text).unwrap();
            exit["reason"].as_str().unwrap().to_owned()
        };
        assert_eq!(reason(), "the launch before");
        drop(held);
        request.end_at_once("SIGHUP", &ending);
        assert!(reason().starts_with("SIGHUP came"), "{}", reason());
    }

    #[test]
    fn a_limit_asks_when_its_time_has_come_and_the_earliest_counts() {
        let request = StopRequest::new();
        let now = Instant::now();
        request.limit(now + Duration::from_hours(1), StopReason::StopAfter);
        assert!(!request.asked());
        request.limit(now, StopReason::JobEnds);
        request.limit(now + Duration::from_hours(2), StopReason::StopAfter);
        assert!(request.asked());
        assert_eq!(StopReason::from_code(request.code()), Some(StopReason::JobEnds));
    }

    #[test]
    fn a_run_stops_three_minutes_before_its_job_ends() {
        let now = UNIX_EPOCH + Duration::from_secs(1_000_000);
        let begun = Instant::now();
        let left = |end: &str| before_job_end(end, now).unwrap().duration_since(begun);
        let hour = left("1003600");
        let expected = Duration::from_mins(57);
        assert!(
            (expected..expected + Duration::from_mins(1)).contains(&hour),
            "{hour:?}"
        );
        assert!(left("1000000") < Duration::from_mins(1) && left("5") < Duration::from_mins(1));
        assert!(
            before_job_end("soon", now).is_none() && before_job_end(&u64::MAX.to_string(), now).is_none()
        );
    }
}
