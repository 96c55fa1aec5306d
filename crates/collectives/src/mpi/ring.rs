//! Sums over ranks of several hosts, by messages around a ring: every rank sends and receives
//! `2 (p - 1) / p` of the vector, both at once, whatever the number `p` of ranks (Patarasuk and Yuan
//! 2009, "Bandwidth optimal all-reduce algorithms for clusters of workstations"). `MPI_Iallreduce`
//! is not used for them: in place, Open MPI 4 sends whole vectors up and down a binomial tree, twice
//! the bytes for two ranks.
//!
//! The vector is cut into `p` chunks. In step `t` a rank sends chunk `rank - t` to its right and
//! receives chunk `rank - t - 1` from its left; in the first `p - 1` steps it adds what it receives
//! to its own, afterwards chunks are whole and replace its own. Chunk `c` is so added up in the order
//! of the ranks from `c` on, and its bits depend on nothing else. Chunks travel in pieces: one is
//! added up, and sent on, while those behind it are under way.
#![expect(
    unsafe_code,
    reason = "gives parts of one vector to MPI while it adds to others"
)]

use std::{
    collections::VecDeque,
    mem::ManuallyDrop,
    ops::{Add, Range},
    slice,
    time::{Duration, Instant},
};

use bytemuck::Pod;

use super::{
    library::Failure,
    native::{Pending, World},
};

/// A piece. Open MPI sends up to 64 KiB, with its header, at once over TCP; what is longer waits for a
/// handshake, which queues behind the data of both directions and leaves half of the link unused:
/// between two network namespaces joined at 764 Mbit/s 0.091 GB of a vector a second with pieces of
/// 60 KiB and 0.051 with 128 and 256 KiB, at full speed 2.2 and 1.1 (two cores of an AMD EPYC with
/// AVX512-BF16, Open MPI 4.1.4, 28 November 2026).
const PIECE_BYTES: usize = 60 * 1024;
/// Pieces that are under way in each direction; 8, 32 and 128 gave the same rates.
const WINDOW: usize = 16;
/// Pieces of them that may pass before the next look. With looks every 50 microseconds instead, a
/// rank's two threads took 3.0 s of its cores for 1.5 GB at 764 Mbit/s, and 0.9 s so.
const PAUSE_PIECES: u32 = 4;
/// Shortest and longest pause between two looks at what is under way.
const PAUSE: (Duration, Duration) = (Duration::from_micros(20), Duration::from_millis(2));

/// Whether so many bytes go around the ring: at least a whole piece in every step.
pub(super) fn is_worth_it(num_bytes: usize, num_ranks: u32) -> bool {
    num_ranks > 1 && num_bytes / num_ranks as usize >= PIECE_BYTES
}

/// Which part of a vector travels in which message. Both the messages that a rank sends and those
/// that it receives are counted from 0, piece after piece and step after step.
#[derive(Debug, Clone, Copy)]
struct Messages {
    count: usize,
    rank: usize,
    num_ranks: usize,
    pieces_per_chunk: usize,
}

impl Messages {
    fn new<T>(count: usize, rank: usize, num_ranks: usize) -> Self {
        let longest_chunk = count.div_ceil(num_ranks) * size_of::<T>();
        Self {
            count,
            rank,
            num_ranks,
            pieces_per_chunk: longest_chunk.div_ceil(PIECE_BYTES).max(1),
        }
    }

    /// Those of one direction.
    fn total(&self) -> usize {
        2 * (self.num_ranks - 1) * self.pieces_per_chunk
    }

    /// From this message on, a rank receives sums instead of addends.
    fn first_whole(&self) -> usize {
        (self.num_ranks - 1) * self.pieces_per_chunk
    }

    fn is_whole(&self, received: usize) -> bool {
        received >= self.first_whole()
    }

    /// What is sent on must have been received; what comes first is there.
    fn may_send(&self, message: usize, received: usize) -> bool {
        message < received + self.pieces_per_chunk
    }

    /// What replaces a piece that this rank has sent may come only once that is out.
    fn may_receive(&self, message: usize, sent: usize) -> bool {
        message < sent + self.first_whole()
    }

    fn sent(&self, message: usize) -> Range<usize> {
        self.piece(message, 0)
    }

    fn received(&self, message: usize) -> Range<usize> {
        self.piece(message, 1)
    }

    fn piece(&self, message: usize, behind: usize) -> Range<usize> {
        let (step, piece) = (message / self.pieces_per_chunk, message % self.pieces_per_chunk);
        let chunk = (self.rank + 2 * self.num_ranks - step - behind) % self.num_ranks;
        let start = |part: usize, of: usize, length: usize| part * length / of;
        let first = start(chunk, self.num_ranks, self.count);
        let length = start(chunk + 1, self.num_ranks, self.count) - first;
        let within = |piece| first + start(piece, self.pieces_per_chunk, length);
        within(piece)..within(piece + 1)
    }
}

/// Why a sum was not finished.
pub(super) enum Stopped {
    /// `go_on` said no.
    Late,
    Failed(Failure),
}

impl From<Failure> for Stopped {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Replaces `numbers` by their sums over all ranks, which bring as many.
/// `go_on` is asked again and again while nothing comes, and pauses for as long as it is told.
///
/// # Errors
/// When `go_on` said no, or MPI fails. MPI may read and write the numbers ever after.
///
/// # Safety
/// Nobody else touches the numbers until this returns, and after an error nobody ever does.
pub(super) unsafe fn all_reduce_sum<T: Pod + Add<Output = T>>(
    world: &World,
    numbers: *mut [T],
    mut go_on: impl FnMut(Duration) -> bool,
) -> Result<(), Stopped> {
    let (values, count) = (numbers.cast::<T>(), numbers.len());
    let (rank, num_ranks) = (world.rank(), world.size());
    let (right, left) = ((rank + 1) % num_ranks, (rank + num_ranks - 1) % num_ranks);
    let messages = Messages::new::<T>(count, rank as usize, num_ranks as usize);
    let slot_length = PIECE_BYTES / size_of::<T>() + 1;
    // After an error MPI may write to it for ever.
    let mut slots = ManuallyDrop::new(vec![T::zeroed(); WINDOW * slot_length]);
    let first_slot = slots.as_mut_ptr();
    let slot = |message: usize| first_slot.wrapping_add(message % WINDOW * slot_length);
    let (mut sends, mut receives) = (Direction::default(), Direction::default());
    let begun = Instant::now();
    while sends.finished < messages.total() || receives.finished < messages.total() {
        while receives.has_room(&messages) && messages.may_receive(receives.begun(), sends.finished) {
            let piece = messages.received(receives.begun());
            let to = if messages.is_whole(receives.begun()) {
                values.wrapping_add(piece.start)
            } else {
                slot(receives.begun())
            };
            // SAFETY: no message that is under way has this slot, or this part of the numbers
            // (`may_receive`).
            receives.push(unsafe { world.start_receive(to.cast(), piece.len() * size_of::<T>(), left) }?);
        }
        while sends.has_room(&messages) && messages.may_send(sends.begun(), receives.finished) {
            let piece = messages.sent(sends.begun());
            let from = values.wrapping_add(piece.start);
            // SAFETY: nothing is added to this part any more (`may_send`), and nothing received
            // before it is out (`may_receive`).
            sends.push(unsafe { world.start_send(from.cast(), piece.len() * size_of::<T>(), right) }?);
        }
        let (out, came) = (sends.finish_first()?, receives.finish_first()?);
        if let Some(message) = came.filter(|&message| !messages.is_whole(message)) {
            let piece = messages.received(message);
            // SAFETY: MPI has finished with the slot, and has no message of this part under way: it
            // is sent only after this (`may_send`).
            let (received, own) = unsafe {
                (
                    slice::from_raw_parts(slot(message), piece.len()),
                    slice::from_raw_parts_mut(values.wrapping_add(piece.start), piece.len()),
                )
            };
            add(own, received);
        }
        if out.or(came).is_some() {
            continue;
        }
        let num_finished = sends.finished + receives.finished;
        if !go_on(pause(begun.elapsed(), num_finished, messages.pieces_per_chunk)) {
            return Err(Stopped::Late);
        }
    }
    drop(ManuallyDrop::into_inner(slots));
    Ok(())
}

/// Adds what was received to a part of the numbers.
fn add<T: Pod + Add<Output = T>>(own: &mut [T], received: &[T]) {
    for (own, received) in own.iter_mut().zip(received) {
        *own = *received + *own;
    }
}

/// As long as [`PAUSE_PIECES`] took so far: every look at MPI costs system calls, on cores that
/// compute meanwhile, and what is left of the window keeps the link busy. Of a short chunk it is
/// less, because a rank has no more to send until its neighbor has looked.
fn pause(elapsed: Duration, num_finished: usize, pieces_per_chunk: usize) -> Duration {
    let whole = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let pieces = PAUSE_PIECES.min(whole(pieces_per_chunk / 2));
    (elapsed * pieces / whole(num_finished / 2).max(1)).clamp(PAUSE.0, PAUSE.1)
}

/// The messages to one neighbor or from the other, which are told finished in the order in which they
/// began.
#[derive(Default)]
struct Direction {
    finished: usize,
    under_way: VecDeque<Pending>,
}

impl Direction {
    fn begun(&self) -> usize {
        self.finished + self.under_way.len()
    }

    fn push(&mut self, pending: Pending) {
        self.under_way.push_back(pending);
    }

    fn has_room(&self, messages: &Messages) -> bool {
        self.under_way.len() < WINDOW && self.begun() < messages.total()
    }

    /// The first message under way, if it is finished.
    fn finish_first(&mut self) -> Result<Option<usize>, Failure> {
        let Some(first) = self.under_way.front_mut() else {
            return Ok(None);
        };
        if !first.test()? {
            return Ok(None);
        }
        self.under_way.pop_front();
        self.finished += 1;
        Ok(Some(self.finished - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// By which a sum shows whose numbers are in it, and how often.
    const WEIGHTS: [u64; 6] = [1, 10, 100, 1_000, 10_000, 100_000];

    /// A rank of a simulated ring: what it has, and which of its messages are under way.
    struct Simulated {
        messages: Messages,
        values: Vec<u64>,
        num_sent: usize,
        num_out: usize,
        num_posted: usize,
        num_received: usize,
    }

    impl Simulated {
        /// Nothing that is sent, or received into, may be touched meanwhile.
        fn check_apart(&self, touched: &Range<usize>) {
            let sends = (self.num_out..self.num_sent).map(|message| self.messages.sent(message));
            let receives = (self.num_received..self.num_posted)
                .filter(|&message| self.messages.is_whole(message))
                .map(|message| self.messages.received(message));
            for under_way in sends.chain(receives) {
                let overlaps = touched.start < under_way.end && under_way.start < touched.end;
                assert!(!overlaps, "{touched:?} and {under_way:?}");
            }
        }

        /// Begins what it may begin, one message each way.
        fn begin(&mut self) {
            let total = self.messages.total();
            let next = self.num_posted;
            let has_room = next < total && next - self.num_received < WINDOW;
            if has_room && self.messages.may_receive(next, self.num_out) {
                if self.messages.is_whole(next) {
                    self.check_apart(&self.messages.received(next));
                }
                self.num_posted += 1;
            }
            let next = self.num_sent;
            let has_room = next < total && next - self.num_out < WINDOW;
            if has_room && self.messages.may_send(next, self.num_received) {
                self.num_sent += 1;
            }
        }
    }

    /// Sums over a ring in which each turn is one rank's, and moves one message from its left to it:
    /// the memory that is sent is read then, and not before.
    fn sums(count: usize, num_ranks: usize, turns: &[usize]) -> Vec<Vec<u64>> {
        let mut ranks: Vec<Simulated> = (0..num_ranks)
            .map(|rank| Simulated {
                messages: Messages::new::<u64>(count, rank, num_ranks),
                values: (0..count)
                    .map(|index| (index + 1) as u64 * WEIGHTS[rank])
                    .collect(),
                num_sent: 0,
                num_out: 0,
                num_posted: 0,
                num_received: 0,
            })
            .collect();
        let total = ranks[0].messages.total();
        let mut turns = turns.iter().copied().cycle();
        while ranks
            .iter()
            .any(|rank| rank.num_received < total || rank.num_out < total)
        {
            let rank = turns.next().unwrap() % num_ranks;
            let left = (rank + num_ranks - 1) % num_ranks;
            ranks[rank].begin();
            let (own, sender) = (&ranks[rank], &ranks[left]);
            if own.num_received == own.num_posted || sender.num_out == sender.num_sent {
                continue;
            }
            let (message, outgoing) = (own.num_received, sender.messages.sent(sender.num_out));
            let piece = sender.values[outgoing].to_vec();
            ranks[left].num_out += 1;
            let own = &mut ranks[rank];
            own.num_received += 1;
            let place = own.messages.received(message);
            own.check_apart(&place);
            assert_eq!(place.len(), piece.len());
            let is_whole = own.messages.is_whole(message);
            for (own, piece) in own.values[place].iter_mut().zip(piece) {
                *own = if is_whole { piece } else { *own + piece };
            }
        }
        ranks.into_iter().map(|rank| rank.values).collect()
    }

    #[test]
    fn a_pause_is_as_long_as_some_pieces_took_and_shorter_where_chunks_are_short() {
        let second = Duration::from_secs(1);
        // A thousand pieces each way in a second: a millisecond each.
        assert_eq!(pause(second, 2_000, 1_000), PAUSE.1);
        assert_eq!(pause(second, 20_000, 1_000), Duration::from_micros(400));
        assert_eq!(pause(second, 20_000, 4), Duration::from_micros(200));
        assert_eq!(pause(second, 20_000, 1), PAUSE.0);
        assert_eq!(pause(Duration::ZERO, 0, 1_000), PAUSE.0);
    }

    proptest! {
        #[test]
        fn every_rank_ends_with_the_sums_whatever_the_order_of_their_turns(
            count in 0_usize..200_000,
            num_ranks in 2_usize..7,
            turns in prop::collection::vec(0_usize..7, 1..20),
        ) {
            // Every rank has its turn at some time.
            let turns: Vec<usize> = turns.into_iter().chain(0..num_ranks).collect();
            let factor: u64 = WEIGHTS[..num_ranks].iter().sum();
            let expected: Vec<u64> = (0..count).map(|index| (index + 1) as u64 * factor).collect();
            for values in sums(count, num_ranks, &turns) {
                prop_assert!(values == expected);
            }
        }
    }
}
