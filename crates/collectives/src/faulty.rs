//! A rank of which one call goes wrong, for tests of what its caller and the other ranks do then.

use std::time::Duration;

use crate::{Call, Collective, CollectiveError, GpuSums, Operation, Rank};

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The call is not made, and ends in [`CollectiveError::Failed`].
    Fails,
    /// The call is made so much later.
    Late(Duration),
    /// The lowest bit of the first number that a sum gives comes out wrong, on this rank alone.
    FlipsBit,
}

/// A rank over another backend, of which the call with one sequence number is faulty.
#[derive(Debug)]
pub struct Faulty<C> {
    inner: C,
    at: u64,
    fault: Fault,
}

impl<C: Collective> Faulty<C> {
    /// `at`: the sequence number of the faulty call, from 1; a number that is never reached: none is.
    pub fn new(inner: C, at: u64, fault: Fault) -> Self {
        Self { inner, at, fault }
    }

    fn is_now(&self) -> bool {
        self.inner.calls_made() + 1 == self.at
    }

    /// Before the next call.
    fn before(&self, operation: Operation) -> Result<(), CollectiveError> {
        match self.fault {
            _ if !self.is_now() => Ok(()),
            Fault::FlipsBit => Ok(()),
            Fault::Late(by) => {
                std::thread::sleep(by);
                Ok(())
            }
            Fault::Fails => Err(CollectiveError::Failed {
                rank: self.inner.rank(),
                call: Call {
                    operation,
                    sequence: self.at,
                },
                message: "a fault that a test asked for".to_owned(),
            }),
        }
    }

    /// A sum, and the fault in what it gives.
    fn summed<T>(
        &mut self,
        values: &mut [T],
        sum: impl FnOnce(&mut C, &mut [T]) -> Result<(), CollectiveError>,
        flip: impl FnOnce(&mut T),
    ) -> Result<(), CollectiveError> {
        self.before(Operation::AllReduceSum)?;
        let flips = self.is_now() && self.fault == Fault::FlipsBit;
        sum(&mut self.inner, values)?;
        if let Some(first) = values.first_mut().filter(|_| flips) {
            flip(first);
        }
        Ok(())
    }
}

impl<C: Collective> Collective for Faulty<C> {
    fn rank(&self) -> Rank {
        self.inner.rank()
    }

    fn world_size(&self) -> u32 {
        self.inner.world_size()
    }

    fn local_rank(&self) -> u32 {
        self.inner.local_rank()
    }

    fn local_size(&self) -> u32 {
        self.inner.local_size()
    }

    fn calls_made(&self) -> u64 {
        self.inner.calls_made()
    }

    fn at_step(&mut self, step: u64) {
        self.inner.at_step(step);
    }

    fn gpu_sums(&mut self) -> Option<&mut GpuSums> {
        self.inner.gpu_sums()
    }

    fn barrier(&mut self) -> Result<(), CollectiveError> {
        self.before(Operation::Barrier)?;
        self.inner.barrier()
    }

    fn all_reduce_sum_f32(&mut self, values: &mut [f32]) -> Result<(), CollectiveError> {
        self.summed(values, C::all_reduce_sum_f32, |value| {
            *value = f32::from_bits(value.to_bits() ^ 1);
        })
    }

    fn all_reduce_sum_f64(&mut self, values: &mut [f64]) -> Result<(), CollectiveError> {
        self.summed(values, C::all_reduce_sum_f64, |value| {
            *value = f64::from_bits(value.to_bits() ^ 1);
        })
    }

    fn all_reduce_sum_u64(&mut self, values: &mut [u64]) -> Result<(), CollectiveError> {
        self.summed(values, C::all_reduce_sum_u64, |value| *value ^= 1)
    }

    fn all_reduce_min_f64(&mut self, values: &mut [f64]) -> Result<(), CollectiveError> {
        self.before(Operation::AllReduceMin)?;
        self.inner.all_reduce_min_f64(values)
    }

    fn all_reduce_max_f64(&mut self, values: &mut [f64]) -> Result<(), CollectiveError> {
        self.before(Operation::AllReduceMax)?;
        self.inner.all_reduce_max_f64(values)
    }

    fn broadcast(&mut self, root: Rank, bytes: &mut Vec<u8>) -> Result<(), CollectiveError> {
        self.before(Operation::Broadcast)?;
        self.inner.broadcast(root, bytes)
    }

    fn all_gather(&mut self, bytes: &[u8]) -> Result<Vec<Vec<u8>>, CollectiveError> {
        self.before(Operation::AllGather)?;
        self.inner.all_gather(bytes)
    }

    fn all_to_all(&mut self, parts: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, CollectiveError> {
        self.before(Operation::AllToAll)?;
        self.inner.all_to_all(parts)
    }

    fn abort(&mut self, message: &str) {
        self.inner.abort(message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Threads;

    /// What both ranks of a world make of three sums, the second of rank 1 being faulty.
    fn sums(fault: Fault, timeout: Duration) -> Vec<Result<Vec<u64>, CollectiveError>> {
        let world = Threads::world(2, timeout).into_iter();
        let ranks = world.map(|inner| {
            let at = if inner.rank() == Rank(1) { 2 } else { 0 };
            Faulty::new(inner, at, fault)
        });
        let work = |mut rank: Faulty<Threads>| {
            let sum = |_| {
                let mut values = [21];
                rank.all_reduce_sum_u64(&mut values)?;
                Ok(values[0])
            };
            let sums: Result<Vec<u64>, CollectiveError> = (0..3).map(sum).collect();
            if let Err(error) = &sums {
                rank.abort(&error.to_string());
            }
            sums
        };
        std::thread::scope(|scope| {
            let threads: Vec<_> = ranks.map(|rank| scope.spawn(move || work(rank))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        })
    }

    #[test]
    fn the_faulty_call_alone_goes_wrong_and_on_its_rank_alone() {
        let minute = Duration::from_mins(1);
        assert_eq!(
            sums(Fault::FlipsBit, minute),
            [Ok(vec![42; 3]), Ok(vec![42, 43, 42])]
        );
        let late = Fault::Late(Duration::from_millis(20));
        assert_eq!(sums(late, minute), [Ok(vec![42; 3]), Ok(vec![42; 3])]);
    }

    #[test]
    fn the_other_ranks_are_told_who_failed_and_a_late_one_meets_the_deadline() {
        let failed = sums(Fault::Fails, Duration::from_mins(1));
        assert!(matches!(&failed[1], Err(CollectiveError::Failed { call, .. }) if call.sequence == 2));
        assert!(
            matches!(&failed[0], Err(CollectiveError::Aborted { by: Rank(1), .. })),
            "{failed:?}"
        );
        let late = sums(Fault::Late(Duration::from_millis(500)), Duration::from_millis(50));
        assert!(
            matches!(&late[0], Err(CollectiveError::Deadline { .. })),
            "{late:?}"
        );
    }
}
