//! The side channel that notices a lost rank by itself, while its peers wait in a collective.
//!
//! Rank 0 is the [`coordinator`], every other rank a [`worker`]. A worker keeps a TCP connection to
//! rank 0, opened at start among processes that know the run's secret. A connection that closes
//! without a goodbye is a death, silence is a stop or a partition. Rank 0 names the rank to
//! all others; each process hears of a failure once, through the callback it gave. Collectives
//! alone could only say who waited.

mod connected;
mod coordinator;
mod door;
mod farewell;
mod greeting;
mod join;
mod options;
mod position;
mod process;
mod rank_failure;
#[cfg(test)]
mod tests;
mod wire;
mod worker;

use std::{
    sync::{
        Arc,
        mpsc::{self, Sender},
    },
    thread::JoinHandle,
};

pub use farewell::EndNotice;
pub use options::LivenessOptions;
pub use position::{Position, Watched};
pub use process::Process;
pub use rank_failure::{Cause, RankFailure};

use crate::{Collective, CollectiveError};
use coordinator::Coordinator;
use farewell::Farewell;
use join::Joined;
use position::PositionCell;
use rank_failure::OnRankFailure;
use worker::Worker;

/// This process's end of the channel.
///
/// Dropping it without [`Liveness::leave`] or [`Liveness::fail`] is a death to the others.
#[derive(Debug)]
pub struct Liveness {
    position: Arc<PositionCell>,
    farewell: Arc<Sender<Farewell>>,
    thread: Option<JoinHandle<()>>,
}

impl Liveness {
    /// Opens the channel on all ranks; `None` where there is one rank alone.
    ///
    /// # Errors
    /// When rank 0 cannot listen, or cannot be reached over any of its addresses.
    pub fn start(
        collective: &mut dyn Collective,
        host: &str,
        options: LivenessOptions,
        on_failure: impl Fn(&RankFailure) + Send + 'static,
    ) -> Result<Option<Self>, CollectiveError> {
        if collective.world_size() == 1 {
            return Ok(None);
        }
        let position = Arc::new(PositionCell::default());
        let (farewell, heard) = mpsc::channel();
        let on_failure: OnRankFailure = Box::new(on_failure);
        let joined = join::join(collective, host, options)?;
        let cell = Arc::clone(&position);
        let body: Box<dyn FnOnce() + Send> = match joined {
            Joined::Coordinator(processes, streams) => {
                let coordinator = Coordinator::new(processes, streams, options);
                Box::new(move || coordinator.watch(&cell, &heard, on_failure))
            }
            Joined::Worker(processes, rank, stream) => {
                let worker = Worker::new(processes, rank, stream, options);
                Box::new(move || worker.watch(&cell, &heard, on_failure))
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

    /// Says goodbye: the end of this process is no failure.
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
        // A thread that has ended (a failure was reported) needs no farewell.
        let _ = self.farewell.send(farewell);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
