//! A rank of which one call goes wrong, for tests of what its caller and the other ranks do then.

use std::time::Duration;

use crate::layer::{Layer, Sum};
use crate::{Call, Collective, CollectiveError, Operation};

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
}

impl<C: Collective> Layer for Faulty<C> {
    fn below(&self) -> &dyn Collective {
        &self.inner
    }

    fn below_mut(&mut self) -> &mut dyn Collective {
        &mut self.inner
    }

    fn before(&mut self, operation: Operation) -> Result<(), CollectiveError> {
        let is_now = self.inner.calls_made() + 1 == self.at;
        match self.fault {
            Fault::Late(by) if is_now => std::thread::sleep(by),
            Fault::Fails if is_now => {
                return Err(CollectiveError::Failed {
                    rank: self.inner.rank(),
                    call: Call {
                        operation,
                        sequence: self.at,
                    },
                    message: "a fault that a test asked for".to_owned(),
                });
            }
            _ => {}
        }
        Ok(())
    }

    fn after_sum(&mut self, sum: Sum<'_>) {
        if self.fault != Fault::FlipsBit || self.inner.calls_made() != self.at {
            return;
        }
        match sum {
            Sum::F32([first, ..]) => *first = f32::from_bits(first.to_bits() ^ 1),
            Sum::F64([first, ..]) => *first = f64::from_bits(first.to_bits() ^ 1),
            Sum::U64([first, ..]) => *first ^= 1,
            Sum::F32([]) | Sum::F64([]) | Sum::U64([]) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Rank, Threads};

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
