//! The side channel that notices a lost rank by itself, while its peers wait in a collective.
//!
//! Every rank keeps a TCP connection to rank 0, opened at start among processes that know the run's
//! secret. A connection that closes
//! without a goodbye is a death, silence is a stop or a partition. Rank 0 names the rank to
//! all others; each process hears of a loss once, through the callback it gave. Collectives
//! alone could only say who waited.

mod door;
mod greeting;
mod hub;
mod join;
mod member;
mod position;
#[cfg(test)]
mod tests;
mod wire;

use std::{
    convert::Infallible,
    fmt,
    sync::{
        Arc, Weak,
        mpsc::{self, Sender},
    },
    thread::JoinHandle,
    time::Duration,
};

pub use position::{Position, Watched};

use crate::{Collective, CollectiveError, Rank};
use position::PositionCell;

/// Times of the channel.
#[derive(Debug, Clone, Copy)]
pub struct LivenessOptions {
    /// Between two signs of life of a rank.
    pub beat: Duration,
    /// Without a sign of life for this long, a rank counts as lost.
    pub silence: Duration,
    /// The same once another rank has waited in vain beyond the deadline of its call.
    pub late_silence: Duration,
    /// For all ranks to open their connection.
    pub join: Duration,
}

impl Default for LivenessOptions {
    fn default() -> Self {
        Self {
            beat: Duration::from_millis(250),
            silence: Duration::from_secs(15),
            // Four beats: a thread that waits for a core on a busy machine is not taken for lost.
            late_silence: Duration::from_secs(1),
            join: Duration::from_mins(1),
        }
    }
}

/// A rank's process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its rank.
    pub rank: Rank,
    /// The host that it runs on.
    pub host: String,
    /// Its process id there.
    pub pid: u32,
}

impl fmt::Display for Process {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "rank {} (host {}, pid {})",
            self.rank, self.host, self.pid
        )
    }
}

/// How a rank was lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// Its connection closed without a goodbye.
    Closed,
    /// No sign of life; its process is there, but stopped.
    Stopped {
        /// Since when.
        silent: Duration,
    },
    /// No sign of life.
    Silent {
        /// Since when.
        silent: Duration,
        /// The other ranks of its host that are silent too.
        others: Vec<Rank>,
    },
    /// It lives, but others waited for it beyond their deadline.
    Late {
        /// The other ranks that had not come as far as the one that waited.
        others: Vec<Rank>,
        /// What that one said.
        waited: String,
    },
    /// It waited for others beyond its deadline, and none of them is behind it.
    Stuck {
        /// What it said.
        waited: String,
    },
    /// It lives, but the launcher that started it is gone, and with it all that ends the ranks.
    Orphaned,
    /// It said that it gives up.
    Failed {
        /// Its reason.
        message: String,
    },
    /// It was told to end at once, which is no failure.
    Ended {
        /// By what.
        message: String,
    },
}

/// A lost rank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// The rank's process.
    pub process: Process,
    /// How it was lost.
    pub cause: Cause,
    /// Where it was, by its last sign of life.
    pub position: Position,
}

impl fmt::Display for Loss {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (process, position) = (&self.process, &self.position);
        match &self.cause {
            Cause::Closed => write!(
                formatter,
                "{process} is gone: its connection closed {position}; look for the end of its log, for the kernel's out-of-memory killer (`dmesg`) and for its node's health"
            ),
            Cause::Stopped { silent } => write!(
                formatter,
                "{process} is stopped (SIGSTOP or a debugger) and silent for {:.1} s, {position}",
                silent.as_secs_f64()
            ),
            Cause::Silent { silent, others } => write!(
                formatter,
                "{process} has been silent for {:.1} s{}{}, {position}: {} stopped, or {} off the network",
                silent.as_secs_f64(),
                like(others),
                if others.is_empty() { "" } else { " of its host" },
                if others.is_empty() {
                    "its process is"
                } else {
                    "these processes are"
                },
                // Of rank 0 the others say it, and which side of a cut they are on nobody can tell.
                if process.rank == Rank(0) {
                    "its host or the one that misses it is"
                } else {
                    "its host is"
                }
            ),
            Cause::Late { others, waited } => {
                write!(
                    formatter,
                    "{process} is late{}, {position}: {waited}",
                    like(others)
                )
            }
            Cause::Stuck { waited } => write!(
                formatter,
                "{process} waited in vain {position}, and no rank is behind it: {waited}"
            ),
            Cause::Orphaned => write!(
                formatter,
                "the launcher is gone: the process that started {process} has ended while its ranks were {position}; look for the end of mpirun's (or srun's) own output"
            ),
            Cause::Failed { message } => write!(formatter, "{process} failed {position}: {message}"),
            Cause::Ended { message } => write!(formatter, "{process} ended {position}: {message}"),
        }
    }
}

/// To which other ranks the same happened, in words.
fn like(others: &[Rank]) -> String {
    let numbers: Vec<String> = others.iter().map(ToString::to_string).collect();
    match &numbers[..] {
        [] => String::new(),
        [one] => format!(", like rank {one}"),
        [first @ .., last] => format!(", like ranks {} and {last}", first.join(", ")),
    }
}

/// This process's end of the channel.
///
/// Dropping it without [`Liveness::leave`] or [`Liveness::fail`] is a death to the others.
#[derive(Debug)]
pub struct Liveness {
    position: Arc<PositionCell>,
    farewell: Arc<Sender<Farewell>>,
    thread: Option<JoinHandle<()>>,
}

/// The last word of a rank; after `Waited` it listens for whom rank 0 names.
#[derive(Debug)]
enum Farewell {
    Done,
    Failed(String),
    Waited(String),
    /// Of a process that is told to end at once; `ended` is dropped when the others can hear it.
    Ended {
        message: String,
        ended: Sender<Infallible>,
    },
}

/// For the last word of a process that is told to end at once.
const LAST_WORD: Duration = Duration::from_secs(1);

/// By which any thread ends this process's part in the channel.
#[derive(Debug, Clone)]
pub struct EndNotice(Weak<Sender<Farewell>>);

impl EndNotice {
    /// Tells the other ranks that this process was told to end at once, by `message`, so that they do
    /// not take its end for a failure. Returns when they can hear it, after a second at the latest.
    pub fn tell(&self, message: &str) {
        let Some(farewell) = self.0.upgrade() else {
            return;
        };
        let (ended, told) = mpsc::channel();
        let message = message.to_owned();
        // Where its thread has ended, a loss was reported or a farewell said.
        if farewell.send(Farewell::Ended { message, ended }).is_ok() {
            let _ = told.recv_timeout(LAST_WORD);
        }
    }
}

/// What a process does when it hears of a lost rank; called once, by the channel's thread.
type OnLoss = Box<dyn Fn(&Loss) + Send>;

impl Liveness {
    /// Opens the channel on all ranks; `None` where there is one rank alone.
    ///
    /// # Errors
    /// When rank 0 cannot listen, or cannot be reached over any of its addresses.
    pub fn start(
        collective: &mut dyn Collective,
        host: &str,
        options: LivenessOptions,
        on_loss: impl Fn(&Loss) + Send + 'static,
    ) -> Result<Option<Self>, CollectiveError> {
        if collective.world_size() == 1 {
            return Ok(None);
        }
        let position = Arc::new(PositionCell::default());
        let (farewell, heard) = mpsc::channel();
        let on_loss: OnLoss = Box::new(on_loss);
        let joined = join::join(collective, host, options)?;
        let cell = Arc::clone(&position);
        let body: Box<dyn FnOnce() + Send> = match joined {
            join::Joined::Hub(processes, streams) => {
                let hub = hub::Hub::new(processes, streams, options);
                Box::new(move || hub.watch(&cell, &heard, on_loss))
            }
            join::Joined::Member(processes, rank, stream) => {
                let member = member::Member::new(processes, rank, stream, options);
                Box::new(move || member.watch(&cell, &heard, on_loss))
            }
        };
        let thread = std::thread::Builder::new()
            .name("liveness".to_owned())
            .spawn(body)
            .map_err(|error| CollectiveError::Liveness {
                rank: collective.rank(),
                message: format!("its thread did not start: {error}"),
            })?;
        Ok(Some(Self {
            position,
            farewell: Arc::new(farewell),
            thread: Some(thread),
        }))
    }

    /// `collective`, whose steps and calls the channel reports as this rank's position.
    pub fn watch<'a>(&self, collective: &'a mut dyn Collective) -> Watched<'a> {
        Watched::new(collective, Arc::clone(&self.position))
    }

    /// What tells the others that this process is ended from outside.
    pub fn end_notice(&self) -> EndNotice {
        EndNotice(Arc::downgrade(&self.farewell))
    }

    /// Says goodbye: the end of this process is no loss.
    pub fn leave(mut self) {
        self.end(Farewell::Done);
    }

    /// Tells the others why this rank gives up.
    pub fn fail(mut self, message: &str) {
        self.end(Farewell::Failed(message.to_owned()));
    }

    /// Tells rank 0 that this rank waited for others beyond its deadline, `message`. A rank that is
    /// behind, or silent, is named to all as lost; where none is, this one and its message.
    pub fn waited(mut self, message: &str) {
        self.end(Farewell::Waited(message.to_owned()));
    }

    fn end(&mut self, farewell: Farewell) {
        // A thread that has ended (a loss was reported) needs no farewell.
        let _ = self.farewell.send(farewell);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
