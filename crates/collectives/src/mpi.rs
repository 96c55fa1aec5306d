//! Ranks as processes started by `mpirun` or `srun`, over MPI.
//!
//! One communication thread makes all MPI calls of the process, [`thread`] holds its loop and
//! [`native`] the calls. This file hands it one call at a time and waits.
//!
//! Large reductions work in place in the caller's slice: sums of ranks that are all on one host
//! through memory that they share ([`shared_memory`]), larger ones over several hosts around a
//! [`ring`], and all others by MPI's own call (`MPI_IN_PLACE`). The safe path
//! ([`MpiOptions::zero_copy`] off) copies through a buffer of the communication thread and MPI's own
//! call, and passes the same tests.

mod buffer;
mod communication;
mod exchange;
mod fingerprint;
mod host;
mod job;
mod library;
mod native;
mod options;
mod parts;
mod reduce;
mod reduction;
mod ring;
mod segment;
mod shared_memory;
mod thread;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, Sender},
    },
    thread::JoinHandle,
};

use bytemuck::Pod;

use crate::{Call, Collective, CollectiveError, Element, Operation, Rank, SumOrder, call::Sequence};
use buffer::Buffer;
use job::{Copied, Job, Place, Reply, SliceOfCaller, Work};
pub use options::MpiOptions;
use reduction::Reduction;

/// From this size on a reduction works in the caller's slice.
const LARGE_BYTES: usize = 64 * 1024;

/// The connection of this process to the other ranks. One a process.
#[derive(Debug)]
pub struct Mpi {
    place: Place,
    jobs: Sender<Job>,
    thread: Option<JoinHandle<()>>,
    sequence: Sequence,
    broken: Option<Call>,
    options: MpiOptions,
    /// Whether the communication thread's waits sleep from their beginning.
    asleep: Arc<AtomicBool>,
}

impl Mpi {
    /// Starts MPI on a communication thread and learns this process's place.
    ///
    /// # Errors
    /// [`CollectiveError::Start`] when MPI does not start before the deadline.
    pub fn connect(options: MpiOptions) -> Result<Self, CollectiveError> {
        let (jobs, work) = mpsc::channel();
        let (started, place) = mpsc::channel();
        let asleep = Arc::new(AtomicBool::new(false));
        let waits = Arc::clone(&asleep);
        let thread = std::thread::Builder::new()
            .name("communication".to_owned())
            .spawn(move || thread::run(&work, &started, options, waits))
            .map_err(|error| CollectiveError::Start {
                message: error.to_string(),
            })?;
        let place = place
            .recv_timeout(options.timeout)
            .map_err(|_| CollectiveError::Start {
                message: format!(
                    "MPI_Init did not return, or the ranks of this host did not join, within {} s",
                    options.timeout.as_secs_f64()
                ),
            })??;
        Ok(Self {
            place,
            jobs,
            thread: Some(thread),
            sequence: Sequence::default(),
            broken: None,
            options,
            asleep,
        })
    }

    fn submit(&mut self, operation: Operation, work: Work) -> Result<Reply, CollectiveError> {
        let call = self.sequence.next(operation);
        if let Some(earlier) = self.broken {
            return Err(CollectiveError::Unusable {
                rank: self.place.rank,
                call,
                earlier,
            });
        }
        let (reply, answer) = mpsc::channel();
        let sent = self.jobs.send(Job { call, work, reply });
        let result = sent
            .map_err(drop)
            .and_then(|()| receive(&answer))
            .unwrap_or_else(|()| {
                Err(CollectiveError::Failed {
                    rank: self.place.rank,
                    call,
                    message: "the communication thread is gone".to_owned(),
                })
            });
        if result.is_err() {
            self.broken = Some(call);
        }
        result
    }

    fn reduce<T: Pod>(
        &mut self,
        element: Element,
        reduction: Reduction,
        values: &mut [T],
    ) -> Result<(), CollectiveError> {
        let operation = reduction.operation();
        let count = values.len();
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(values);
        if self.options.zero_copy && bytes.len() >= LARGE_BYTES {
            let slice = SliceOfCaller(Buffer {
                start: bytes.as_mut_ptr().cast(),
                count,
                element,
            });
            let work = Work::ReduceInPlace { slice, reduction };
            return self.submit(operation, work).map(drop);
        }
        let mut words = vec![0_u64; bytes.len().div_ceil(8)];
        bytemuck::cast_slice_mut(&mut words)[..bytes.len()].copy_from_slice(bytes);
        let copy = Copied {
            words,
            count,
            element,
        };
        let work = Work::ReduceCopy { copy, reduction };
        if let Reply::Words(words) = self.submit(operation, work)? {
            bytes.copy_from_slice(&bytemuck::cast_slice(&words)[..bytes.len()]);
        }
        Ok(())
    }
}

/// The communication thread's answer; `Err` when it is gone.
fn receive(answer: &Receiver<Result<Reply, CollectiveError>>) -> Result<Result<Reply, CollectiveError>, ()> {
    answer.recv().map_err(drop)
}

impl Collective for Mpi {
    fn rank(&self) -> Rank {
        self.place.rank
    }

    fn world_size(&self) -> u32 {
        self.place.world_size
    }

    fn local_rank(&self) -> u32 {
        self.place.local_rank
    }

    fn local_size(&self) -> u32 {
        self.place.local_size
    }

    fn calls_made(&self) -> u64 {
        self.sequence.made()
    }

    fn wait_asleep(&mut self, asleep: bool) {
        self.asleep.store(asleep, Ordering::Relaxed);
    }

    fn sum_order(&self) -> SumOrder {
        self.place.sum_order
    }

    fn barrier(&mut self) -> Result<(), CollectiveError> {
        self.submit(Operation::Barrier, Work::Barrier).map(drop)
    }

    fn all_reduce_sum_f32(&mut self, values: &mut [f32]) -> Result<(), CollectiveError> {
        self.reduce(Element::F32, Reduction::Sum, values)
    }

    fn all_reduce_sum_f64(&mut self, values: &mut [f64]) -> Result<(), CollectiveError> {
        self.reduce(Element::F64, Reduction::Sum, values)
    }

    fn all_reduce_sum_u64(&mut self, values: &mut [u64]) -> Result<(), CollectiveError> {
        self.reduce(Element::U64, Reduction::Sum, values)
    }

    fn all_reduce_min_f64(&mut self, values: &mut [f64]) -> Result<(), CollectiveError> {
        self.reduce(Element::F64, Reduction::Minimum, values)
    }

    fn all_reduce_max_f64(&mut self, values: &mut [f64]) -> Result<(), CollectiveError> {
        self.reduce(Element::F64, Reduction::Maximum, values)
    }

    fn broadcast(&mut self, root: Rank, bytes: &mut Vec<u8>) -> Result<(), CollectiveError> {
        let own = if root == self.place.rank {
            std::mem::take(bytes)
        } else {
            Vec::new()
        };
        let work = Work::Broadcast { root, bytes: own };
        if let Reply::Bytes(received) = self.submit(Operation::Broadcast, work)? {
            *bytes = received;
        }
        Ok(())
    }

    fn all_gather(&mut self, bytes: &[u8]) -> Result<Vec<Vec<u8>>, CollectiveError> {
        let work = Work::AllGather {
            bytes: bytes.to_vec(),
        };
        match self.submit(Operation::AllGather, work)? {
            Reply::Parts(parts) => Ok(parts),
            Reply::Done | Reply::Words(_) | Reply::Bytes(_) => Ok(Vec::new()),
        }
    }

    fn all_to_all(&mut self, mut parts: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, CollectiveError> {
        parts.resize(self.place.world_size as usize, Vec::new());
        match self.submit(Operation::AllToAll, Work::AllToAll { parts })? {
            Reply::Parts(parts) => Ok(parts),
            Reply::Done | Reply::Words(_) | Reply::Bytes(_) => Ok(Vec::new()),
        }
    }

    fn abort(&mut self, message: &str) {
        self.broken = None;
        // The process ends inside; only a lost communication thread comes back.
        let _ = self.submit(Operation::Finish, Work::Abort(message.to_owned()));
    }
}

impl Drop for Mpi {
    /// Leaving is a collective too: MPI is finalized when all ranks arrive before the deadline,
    /// and aborted when not, or when this rank leaves by an error or a panic.
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.abort("the rank panicked");
        } else if let Some(call) = self.broken {
            self.abort(&format!("the rank left after its failed {call}"));
        } else {
            let _ = self.submit(Operation::Finish, Work::Finish);
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
