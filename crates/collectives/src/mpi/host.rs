//! Sums of ranks that are all on one host: the memory that they share, and when it is used.
#![expect(unsafe_code, reason = "takes the caller's slice from its pointer")]

use std::{
    io,
    ops::Add,
    time::{Duration, Instant},
};

use bytemuck::Pod;

use super::{
    buffer::Buffer,
    communication::{AWAKE, Communication, keep},
    reduction::Reduction,
    segment::{Address, Segment},
    shared_memory::{Late, SharedMemory},
};
use crate::{Call, CollectiveError, Element, Operation, Rank};

/// Of the calls at the start, which all ranks make before those that the caller counts.
const START: Call = Call {
    operation: Operation::Start,
    sequence: 0,
};

/// In a sum all ranks have arrived: one that is waited for has only lost its core for a moment.
const AWAKE_IN_SUM: Duration = Duration::from_micros(500);

impl Communication {
    /// Joins all ranks of the run, which are on one host, in one segment. Where one of them does not
    /// see it, all go on as over several hosts.
    ///
    /// # Errors
    /// When a rank is lost meanwhile.
    pub(super) fn join_host(&self) -> Result<Option<SharedMemory>, CollectiveError> {
        let (rank, num_ranks) = (self.world.rank() as usize, self.world.size() as usize);
        if num_ranks == 1 {
            return Ok(None);
        }
        let deadline = Instant::now() + self.timeout;
        let segment = (rank == 0).then(|| Segment::create(num_ranks)).transpose();
        let address = match &segment {
            Ok(Some(segment)) => segment.address().to_bytes(),
            _ => Vec::new(),
        };
        let address = self.broadcast(START, deadline, Rank(0), address)?;
        let address = Address::from_bytes(&address);
        let joined = match (&segment, address) {
            (Ok(_), Some(address)) => SharedMemory::open(address, rank, num_ranks),
            (Err(error), _) => Err(io::Error::new(error.kind(), error.to_string())),
            (_, None) => Err(io::Error::other("rank 0 could not make it")),
        };
        // The segment is there until every rank has opened it.
        let joined_all = self.all_have(joined.is_ok(), deadline)?;
        drop(segment);
        match joined {
            Ok(memory) => Ok(joined_all.then_some(memory)),
            Err(error) => {
                tracing::warn!(
                    rank,
                    "this rank shares no memory with the other ranks of its host, so sums take the way over several hosts: {error}"
                );
                Ok(None)
            }
        }
    }

    fn all_have(&self, own: bool, deadline: Instant) -> Result<bool, CollectiveError> {
        let mut least = Box::new(u64::from(own));
        let buffer = Buffer {
            start: std::ptr::from_mut(&mut *least).cast(),
            count: 1,
            element: Element::U64,
        };
        // SAFETY: `least` lives until MPI has finished with it, or for ever (`keep`).
        let pending = unsafe { self.world.start_all_reduce(buffer, Reduction::Minimum) };
        least = keep(self.finish(START, deadline, AWAKE, pending), least)?;
        Ok(*least == 1)
    }

    /// Sums in shared memory; `None` where that is not how this call is made. Every rank has arrived.
    pub(super) fn sum_in_host(
        &mut self,
        call: Call,
        buffer: Buffer,
        reduction: Reduction,
    ) -> Option<Result<(), CollectiveError>> {
        let mut memory = self.host.take()?;
        let deadline = Instant::now() + self.timeout;
        // SAFETY: `SliceOfCaller`: the caller waits, with its exclusive borrow of so many numbers of
        // this kind, until this returns.
        let summed = unsafe {
            match (buffer.element, reduction) {
                (Element::F32, Reduction::Sum) => {
                    Some(self.sum_slice(&mut memory, deadline, &mut *buffer.numbers::<f32>()))
                }
                (Element::F64, Reduction::Sum) => {
                    Some(self.sum_slice(&mut memory, deadline, &mut *buffer.numbers::<f64>()))
                }
                _ => None,
            }
        };
        self.host = Some(memory);
        let late = |Late(rank)| {
            let missing = u32::try_from(rank).map(Rank);
            self.late(call, missing.into_iter().collect())
        };
        summed.map(|summed| summed.map_err(late))
    }

    fn sum_slice<T: Pod + Add<Output = T>>(
        &self,
        memory: &mut SharedMemory,
        deadline: Instant,
        values: &mut [T],
    ) -> Result<(), Late> {
        memory.sum(values, |begun| {
            self.world.progress();
            self.rest(begun, AWAKE_IN_SUM);
            Instant::now() < deadline
        })
    }
}
