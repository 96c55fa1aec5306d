//! Several ranks as threads of one process, for tests.
//!
//! Every call is one exchange: each rank puts its bytes down, the last one publishes all of
//! them, each rank computes the result by itself in rank order. Slow and simple on purpose:
//! it is what the other backends are compared with, its check that all ranks make the same call
//! included.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bytemuck::Pod;

use crate::{Call, CallPayload, Collective, CollectiveError, Element, Operation, Rank, call::Sequence};

/// One rank of a world whose ranks are threads of this process.
#[derive(Debug)]
pub struct Threads {
    rank: Rank,
    meeting: Arc<Meeting>,
    sequence: Sequence,
    timeout: Duration,
}

/// Where the ranks meet, call by call.
#[derive(Debug)]
struct Meeting {
    state: Mutex<State>,
    changed: Condvar,
    world_size: u32,
}

#[derive(Debug)]
struct State {
    deposits: Vec<Option<Deposit>>,
    /// The complete exchange, until every rank has taken it.
    published: Option<Arc<[Deposit]>>,
    taken: u32,
    aborted: Option<(Rank, String)>,
}

#[derive(Debug, Clone)]
struct Deposit {
    call: Call,
    payload: CallPayload,
    /// One for all ranks, or one for each.
    parts: Arc<[Vec<u8>]>,
}

impl Threads {
    /// The ranks of a world of `world_size`, in rank order; give each to its own thread.
    ///
    /// # Panics
    /// When `world_size` is 0.
    pub fn world(world_size: u32, timeout: Duration) -> Vec<Self> {
        assert!(world_size > 0, "a world has at least one rank");
        let meeting = Arc::new(Meeting {
            state: Mutex::new(State {
                deposits: (0..world_size).map(|_| None).collect(),
                published: None,
                taken: 0,
                aborted: None,
            }),
            changed: Condvar::new(),
            world_size,
        });
        (0..world_size)
            .map(|rank| Self {
                rank: Rank(rank),
                meeting: Arc::clone(&meeting),
                sequence: Sequence::default(),
                timeout,
            })
            .collect()
    }

    fn exchange(
        &mut self,
        operation: Operation,
        payload: CallPayload,
        parts: Vec<Vec<u8>>,
    ) -> Result<Arc<[Deposit]>, CollectiveError> {
        let call = self.sequence.next(operation);
        let deadline = Instant::now() + self.timeout;
        let mut state = self.meeting.lock();
        state = self.wait(state, call, deadline, |state| state.published.is_none())?;
        state.deposits[self.rank.0 as usize] = Some(Deposit {
            call,
            payload,
            parts: parts.into(),
        });
        if state.deposits.iter().all(Option::is_some) {
            let all: Arc<[Deposit]> = state.deposits.iter_mut().filter_map(Option::take).collect();
            state.published = Some(all);
            state.taken = 0;
            self.meeting.changed.notify_all();
        }
        state = self.wait(state, call, deadline, |state| state.published.is_some())?;
        let all = state.published.clone().unwrap_or_else(|| Arc::new([]));
        state.taken += 1;
        if state.taken == self.meeting.world_size {
            state.published = None;
            self.meeting.changed.notify_all();
        }
        drop(state);
        same_calls(&all)?;
        Ok(all)
    }

    /// Waits until `ready`; a deadline or another rank's abort ends the wait for all.
    fn wait<'a>(
        &self,
        mut state: MutexGuard<'a, State>,
        call: Call,
        deadline: Instant,
        ready: impl Fn(&State) -> bool,
    ) -> Result<MutexGuard<'a, State>, CollectiveError> {
        loop {
            if let Some((by, message)) = &state.aborted {
                return Err(CollectiveError::Aborted {
                    rank: self.rank,
                    call,
                    by: *by,
                    message: message.clone(),
                });
            }
            if ready(&state) {
                return Ok(state);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let error = CollectiveError::Deadline {
                    rank: self.rank,
                    call,
                    waited: self.timeout,
                    missing: state.missing(),
                };
                state.aborted = Some((self.rank, error.to_string()));
                self.meeting.changed.notify_all();
                return Err(error);
            }
            state = match self.meeting.changed.wait_timeout(state, left) {
                Ok((state, _)) => state,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
    }

    fn reduce<T: Pod>(
        &mut self,
        operation: Operation,
        element: Element,
        values: &mut [T],
        combine: impl Fn(T, T) -> T,
    ) -> Result<(), CollectiveError> {
        let count = values.len();
        let payload = CallPayload::Numbers { element, count };
        let all = self.exchange(operation, payload, vec![bytemuck::cast_slice(values).to_vec()])?;
        for (rank, deposit) in all.iter().enumerate() {
            let others = deposit.part(0).chunks_exact(size_of::<T>());
            for (value, other) in values.iter_mut().zip(others.map(bytemuck::pod_read_unaligned)) {
                *value = if rank == 0 { other } else { combine(*value, other) };
            }
        }
        Ok(())
    }
}

impl Deposit {
    fn part(&self, index: usize) -> &[u8] {
        self.parts.get(index).map_or(&[], Vec::as_slice)
    }
}

impl Meeting {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn missing(&self) -> Vec<Rank> {
        let absent = |(rank, deposit): (u32, &Option<Deposit>)| deposit.is_none().then_some(Rank(rank));
        (0..).zip(&self.deposits).filter_map(absent).collect()
    }
}

/// Ranks must agree on the call, on what is combined and on who sends.
fn same_calls(all: &[Deposit]) -> Result<(), CollectiveError> {
    let Some(first) = all.first() else { return Ok(()) };
    let differs = |other: &Deposit| (other.call, other.payload) != (first.call, first.payload);
    match (0..).zip(all).find(|(_, other)| differs(other)) {
        None => Ok(()),
        Some((other, deposit)) => Err(CollectiveError::Mismatch {
            rank: Rank(0),
            call: first.call,
            payload: first.payload,
            other: Rank(other),
            other_call: deposit.call,
            other_payload: deposit.payload,
        }),
    }
}

impl Collective for Threads {
    fn rank(&self) -> Rank {
        self.rank
    }

    fn world_size(&self) -> u32 {
        self.meeting.world_size
    }

    fn local_rank(&self) -> u32 {
        self.rank.0
    }

    fn local_size(&self) -> u32 {
        self.meeting.world_size
    }

    fn calls_made(&self) -> u64 {
        self.sequence.made()
    }

    fn barrier(&mut self) -> Result<(), CollectiveError> {
        self.exchange(Operation::Barrier, CallPayload::Anything, Vec::new())
            .map(drop)
    }

    fn all_reduce_sum_f32(&mut self, values: &mut [f32]) -> Result<(), CollectiveError> {
        self.reduce(Operation::AllReduceSum, Element::F32, values, |left, right| {
            left + right
        })
    }

    fn all_reduce_sum_f64(&mut self, values: &mut [f64]) -> Result<(), CollectiveError> {
        self.reduce(Operation::AllReduceSum, Element::F64, values, |left, right| {
            left + right
        })
    }

    fn all_reduce_sum_u64(&mut self, values: &mut [u64]) -> Result<(), CollectiveError> {
        self.reduce(Operation::AllReduceSum, Element::U64, values, u64::wrapping_add)
    }

    fn all_reduce_min_f64(&mut self, values: &mut [f64]) -> Result<(), CollectiveError> {
        self.reduce(Operation::AllReduceMin, Element::F64, values, f64::min)
    }

    fn all_reduce_max_f64(&mut self, values: &mut [f64]) -> Result<(), CollectiveError> {
        self.reduce(Operation::AllReduceMax, Element::F64, values, f64::max)
    }

    fn broadcast(&mut self, root: Rank, bytes: &mut Vec<u8>) -> Result<(), CollectiveError> {
        let own = (root == self.rank).then(|| bytes.clone());
        let all = self.exchange(Operation::Broadcast, CallPayload::From(root), Vec::from_iter(own))?;
        let Some(deposit) = all.get(root.0 as usize) else {
            return Err(CollectiveError::Failed {
                rank: self.rank,
                call: all[0].call,
                message: format!("rank {root} is not one of {} ranks", all.len()),
            });
        };
        bytes.clear();
        bytes.extend_from_slice(deposit.part(0));
        Ok(())
    }

    fn all_gather(&mut self, bytes: &[u8]) -> Result<Vec<Vec<u8>>, CollectiveError> {
        let all = self.exchange(Operation::AllGather, CallPayload::Anything, vec![bytes.to_vec()])?;
        Ok(all.iter().map(|deposit| deposit.part(0).to_vec()).collect())
    }

    fn all_to_all(&mut self, parts: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, CollectiveError> {
        let own = self.rank.0 as usize;
        let all = self.exchange(Operation::AllToAll, CallPayload::Anything, parts)?;
        Ok(all.iter().map(|deposit| deposit.part(own).to_vec()).collect())
    }

    fn abort(&mut self, message: &str) {
        let mut state = self.meeting.lock();
        state
            .aborted
            .get_or_insert_with(|| (self.rank, message.to_owned()));
        self.meeting.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_rank_is_named_at_the_deadline() {
        let mut world = Threads::world(3, Duration::from_millis(50));
        let mut absent = world.remove(1);
        let errors: Vec<_> = std::thread::scope(|scope| {
            let waiting: Vec<_> = world
                .iter_mut()
                .map(|rank| scope.spawn(|| rank.barrier().unwrap_err()))
                .collect();
            waiting.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let named = |error: &CollectiveError| matches!(error, CollectiveError::Deadline { missing, call, .. } if *missing == [Rank(1)] && call.sequence == 1);
        assert!(errors.iter().any(named), "{errors:?}");
        assert!(matches!(absent.barrier(), Err(CollectiveError::Aborted { .. })));
    }

    /// What both ranks say to two calls that differ.
    fn refused(
        one: impl FnOnce(&mut Threads) -> Result<(), CollectiveError>,
        other: impl FnOnce(&mut Threads) -> Result<(), CollectiveError> + Send + 'static,
    ) -> String {
        let mut world = Threads::world(2, Duration::from_secs(10));
        let mut second = world.pop().unwrap();
        let mut first = world.pop().unwrap();
        let other = std::thread::spawn(move || other(&mut second).unwrap_err());
        let error = one(&mut first).unwrap_err();
        assert_eq!(error, other.join().unwrap());
        error.to_string()
    }

    #[test]
    fn different_calls_are_refused_on_every_rank() {
        let own = |rank: &mut Threads| rank.all_reduce_sum_u64(&mut [1]);
        for (error, expected) in [
            (
                refused(own, |rank| rank.all_reduce_sum_u64(&mut [1, 2])),
                "rank 1 made all-reduce (sum) number 1 of 2 u64 (16 bytes)",
            ),
            (refused(own, Threads::barrier), "rank 1 made barrier number 1:"),
        ] {
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn as_many_bytes_of_another_kind_and_another_root_are_refused_on_every_rank() {
        let own = |rank: &mut Threads| rank.all_reduce_sum_u64(&mut [1]);
        for (error, expected) in [
            (
                refused(own, |rank| rank.all_reduce_sum_f64(&mut [1.0])),
                "number 1 of 1 u64 (8 bytes) while rank 1 made all-reduce (sum) number 1 of 1 f64",
            ),
            (
                refused(own, |rank| rank.all_reduce_sum_f32(&mut [1.0, 2.0])),
                "rank 1 made all-reduce (sum) number 1 of 2 f32",
            ),
            (
                refused(
                    |rank| rank.broadcast(Rank(0), &mut vec![1]),
                    |rank| rank.broadcast(Rank(1), &mut vec![1]),
                ),
                "broadcast number 1 from rank 0 while rank 1 made broadcast number 1 from rank 1",
            ),
        ] {
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn an_abort_ends_the_others_with_its_message() {
        let mut world = Threads::world(2, Duration::from_secs(10));
        let mut second = world.pop().unwrap();
        let mut first = world.pop().unwrap();
        let other = std::thread::spawn(move || second.barrier().unwrap_err());
        first.abort("the disk is full");
        let error = other.join().unwrap();
        assert!(
            error
                .to_string()
                .contains("rank 0 gave up during barrier number 1 of rank 1: the disk is full"),
            "{error}"
        );
    }
}
