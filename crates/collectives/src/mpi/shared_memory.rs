//! Sums over the ranks of one host, through the memory that all of them have
//! mapped (`segment`).
//!
//! A vector goes through in pieces that stay in a core's cache. Of each piece every rank copies
//! its numbers in, adds up its own part of it over all ranks, and takes the other parts:
//!
//! ```text
//!            rank 0              rank 1
//! copy in    part 1 ->           part 0 ->         into the rank's own bytes of the slot
//! add        own + part 0 of 1   part 1 of 0 + own into the results of the slot
//! take       <- part 1           <- part 0
//! ```
//!
//! Parts are added in the order of the ranks, so the bits depend on nothing else. Every rank
//! counts the pieces that it has copied in, added and taken; the others wait for these counters,
//! and nobody overwrites a slot that another has not read.
#![expect(unsafe_code, reason = "memory that other processes write to")]

use std::{
    io,
    ops::{Add, Range},
    slice,
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use bytemuck::Pod;
use memmap2::MmapRaw;

use super::segment::{Address, COUNTERS, LINE, PIECE_BYTES, SLOTS, data_start};

/// Looks at a counter before the caller is asked whether to go on: about as long as a piece takes.
const SPINS: u32 = 2_000;

/// The counters of a rank.
#[derive(Debug, Clone, Copy)]
enum Counter {
    CopiedIn,
    Added,
    Taken,
}

/// The rank that a sum waited for in vain.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Late(pub(super) usize);

/// One rank's view of the segment.
#[derive(Debug)]
pub(super) struct SharedMemory {
    map: MmapRaw,
    rank: usize,
    num_ranks: usize,
    /// Pieces of all sums so far.
    pieces: u64,
}

/// A piece of the vector, and its number among those of all sums.
#[derive(Debug, Clone)]
struct Piece {
    elements: Range<usize>,
    number: u64,
}

impl SharedMemory {
    /// Maps the segment at `address` as `rank` of `num_ranks`.
    ///
    /// # Errors
    /// When this process does not see the maker's descriptors, as in another container.
    pub(super) fn open(address: Address, rank: usize, num_ranks: usize) -> io::Result<Self> {
        Ok(Self {
            map: address.map(num_ranks)?,
            rank,
            num_ranks,
            pieces: 0,
        })
    }

    /// Replaces `values` by their sum over all ranks, which have to bring as many. `go_on` is asked
    /// again and again while another rank is waited for, and rests; it is told since when.
    ///
    /// # Errors
    /// The rank that was waited for when `go_on` said no; `values` are lost, and the memory is of
    /// no use any more.
    pub(super) fn sum<T: Pod + Add<Output = T>>(
        &mut self,
        values: &mut [T],
        mut go_on: impl FnMut(Instant) -> bool,
    ) -> Result<(), Late> {
        let pieces = self.pieces_of::<T>(values.len());
        self.pieces += pieces.len() as u64;
        // Each rank copies two pieces in ahead, so that others have come by when it needs them.
        for turn in 0..pieces.len() + 2 {
            if let Some(piece) = pieces.get(turn) {
                self.copy_in(piece, values, &mut go_on)?;
            }
            if let Some(piece) = turn.checked_sub(1).and_then(|turn| pieces.get(turn)) {
                self.add(piece, values, &mut go_on)?;
            }
            if let Some(piece) = turn.checked_sub(2).and_then(|turn| pieces.get(turn)) {
                self.take(piece, values, &mut go_on)?;
            }
        }
        Ok(())
    }

    fn pieces_of<T>(&self, count: usize) -> Vec<Piece> {
        let longest = PIECE_BYTES / size_of::<T>();
        let starts = (0..count).step_by(longest);
        (self.pieces..)
            .zip(starts)
            .map(|(number, start)| Piece {
                elements: start..count.min(start + longest),
                number,
            })
            .collect()
    }

    /// Copies what the other ranks add up.
    fn copy_in<T: Pod>(
        &self,
        piece: &Piece,
        values: &[T],
        go_on: &mut impl FnMut(Instant) -> bool,
    ) -> Result<(), Late> {
        // Who has added this slot's last piece has read what this rank had copied in.
        self.wait(Counter::Added, before(piece), go_on)?;
        for other in self.others() {
            let part = self.part::<T>(piece, other);
            // SAFETY: these bytes are written by this rank alone, and by the wait above nobody reads
            // them before the counter below says so.
            let slot = unsafe { self.slice_mut(self.copied_in_by(self.rank, piece), piece, &part) };
            slot.copy_from_slice(&values[part]);
        }
        self.count(Counter::CopiedIn, piece);
        Ok(())
    }

    /// Adds up this rank's part over all ranks, in their order.
    fn add<T: Pod + Add<Output = T>>(
        &self,
        piece: &Piece,
        values: &mut [T],
        go_on: &mut impl FnMut(Instant) -> bool,
    ) -> Result<(), Late> {
        self.wait(Counter::CopiedIn, piece.number + 1, go_on)?;
        // Who has taken this slot's last piece has read the results.
        self.wait(Counter::Taken, before(piece), go_on)?;
        let part = self.part::<T>(piece, self.rank);
        let own = &mut values[part.clone()];
        // SAFETY: the results of this part are written by this rank alone, and by the second wait
        // nobody reads them before the counter below says so.
        let sum = unsafe { self.slice_mut(self.results(piece), piece, &part) };
        // SAFETY: by the first wait these bytes are written, and their writer waits for the counter
        // below before it writes to them again.
        let copied_in = |rank| unsafe { self.slice::<T>(self.copied_in_by(rank, piece), piece, &part) };
        if self.num_ranks == 2 {
            // Two numbers have the same sum in either order.
            add_two(copied_in(1 - self.rank), own, sum);
        } else {
            for rank in 0..self.num_ranks {
                let addend = if rank == self.rank { &*own } else { copied_in(rank) };
                if rank == 0 {
                    sum.copy_from_slice(addend);
                } else {
                    sum.iter_mut()
                        .zip(addend)
                        .for_each(|(sum, &addend)| *sum = *sum + addend);
                }
            }
            own.copy_from_slice(sum);
        }
        self.count(Counter::Added, piece);
        Ok(())
    }

    /// Copies what the other ranks have added up.
    fn take<T: Pod>(
        &self,
        piece: &Piece,
        values: &mut [T],
        go_on: &mut impl FnMut(Instant) -> bool,
    ) -> Result<(), Late> {
        self.wait(Counter::Added, piece.number + 1, go_on)?;
        for other in self.others() {
            let part = self.part::<T>(piece, other);
            // SAFETY: by the wait the results of all parts are written, and their writers wait for
            // the counter below before they write to them again.
            let sum = unsafe { self.slice(self.results(piece), piece, &part) };
            values[part].copy_from_slice(sum);
        }
        self.count(Counter::Taken, piece);
        Ok(())
    }

    fn others(&self) -> impl Iterator<Item = usize> + use<> {
        let own = self.rank;
        (0..self.num_ranks).filter(move |&rank| rank != own)
    }

    /// The elements of a piece that `rank` adds up: whole lines of the cache.
    fn part<T>(&self, piece: &Piece, rank: usize) -> Range<usize> {
        let Range { start, end } = piece.elements;
        let of_line = LINE / size_of::<T>();
        let share = (end - start).div_ceil(self.num_ranks).next_multiple_of(of_line);
        end.min(start + rank * share)..end.min(start + (rank + 1) * share)
    }

    /// Waits until every other rank has counted so far.
    fn wait(
        &self,
        counter: Counter,
        at_least: u64,
        go_on: &mut impl FnMut(Instant) -> bool,
    ) -> Result<(), Late> {
        for other in self.others() {
            let counter = self.counter(counter, other);
            let has_come = || counter.load(Ordering::Acquire) >= at_least;
            let mut begun = None;
            // Whoever has begun to rest looks once in between.
            while !(0..if begun.is_some() { 1 } else { SPINS }).any(|_| {
                std::hint::spin_loop();
                has_come()
            }) {
                if !go_on(*begun.get_or_insert_with(Instant::now)) {
                    return Err(Late(other));
                }
            }
        }
        Ok(())
    }

    fn count(&self, counter: Counter, piece: &Piece) {
        self.counter(counter, self.rank)
            .store(piece.number + 1, Ordering::Release);
    }

    fn counter(&self, counter: Counter, rank: usize) -> &AtomicU64 {
        let start = COUNTERS + (rank * 3 + counter as usize) * LINE;
        // SAFETY: inside the segment, which lives as long as `self`; aligned, because the segment
        // begins at a page; and all ranks use these bytes as this counter alone.
        unsafe { AtomicU64::from_ptr(self.map.as_mut_ptr().add(start).cast()) }
    }

    /// Where in the segment the bytes of a rank are in the piece's slot.
    fn copied_in_by(&self, rank: usize, piece: &Piece) -> usize {
        let slot = usize::try_from(piece.number % SLOTS as u64).unwrap_or(0);
        data_start(self.num_ranks) + (slot * (self.num_ranks + 1) + rank) * PIECE_BYTES
    }

    /// Where in the segment the results are in the piece's slot.
    fn results(&self, piece: &Piece) -> usize {
        self.copied_in_by(self.num_ranks, piece)
    }

    /// # Safety
    /// `area` is one of the piece's slot, `part` in the piece; nobody writes to it meanwhile.
    unsafe fn slice<T: Pod>(&self, area: usize, piece: &Piece, part: &Range<usize>) -> &[T] {
        let offset = area + (part.start - piece.elements.start) * size_of::<T>();
        // SAFETY: a part is inside its piece, and a piece is no longer than its area; the areas
        // begin at multiples of `PIECE_BYTES` and any bytes are a `T`. The rest is the caller's.
        unsafe { slice::from_raw_parts(self.map.as_ptr().add(offset).cast(), part.len()) }
    }

    /// # Safety
    /// As [`SharedMemory::slice`], and nobody reads it either.
    #[expect(
        clippy::mut_from_ref,
        reason = "the memory is not this process's: what keeps it apart is the protocol"
    )]
    unsafe fn slice_mut<T: Pod>(&self, area: usize, piece: &Piece, part: &Range<usize>) -> &mut [T] {
        let offset = area + (part.start - piece.elements.start) * size_of::<T>();
        // SAFETY: as in `slice`.
        unsafe { slice::from_raw_parts_mut(self.map.as_mut_ptr().add(offset).cast(), part.len()) }
    }
}

/// Both `own` and `sum` become the sum of `own` and `other`.
fn add_two<T: Pod + Add<Output = T>>(other: &[T], own: &mut [T], sum: &mut [T]) {
    for ((own, sum), &other) in own.iter_mut().zip(sum).zip(other) {
        *own = *own + other;
        *sum = *own;
    }
}

/// How many pieces a rank has to have counted so that the slot of `piece` is free.
fn before(piece: &Piece) -> u64 {
    (piece.number + 1).saturating_sub(SLOTS as u64)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::mpi::segment::Segment;

    /// What each of `num_ranks` threads gets from `work` on its view of one segment.
    fn on_ranks<R: Send>(num_ranks: usize, work: impl Fn(SharedMemory) -> R + Sync) -> Vec<R> {
        let segment = Segment::create(num_ranks).unwrap();
        let address = segment.address();
        std::thread::scope(|scope| {
            let work = &work;
            let start =
                |rank| scope.spawn(move || work(SharedMemory::open(address, rank, num_ranks).unwrap()));
            let ranks: Vec<_> = (0..num_ranks).map(start).collect();
            ranks.into_iter().map(|rank| rank.join().unwrap()).collect()
        })
    }

    fn rest(_: Instant) -> bool {
        std::thread::yield_now();
        true
    }

    /// Numbers whose sum depends on the order.
    fn values(rank: usize, length: u32) -> Vec<f64> {
        let value = |index| (f64::from(index) + rank as f64 * 0.7).sin() * 1e3;
        (0..length).map(value).collect()
    }

    #[test]
    fn sums_are_those_in_rank_order_to_the_bit_at_any_length_and_world() {
        const LENGTHS: [u32; 8] = [1, 0, 31, 33, 65_536, 65_537, 200_003, 1_000_003];
        for num_ranks in [2, 3, 4, 8] {
            on_ranks(num_ranks, |mut memory| {
                for length in LENGTHS {
                    let of_ranks = (0..num_ranks).map(|rank| values(rank, length));
                    let mut double = values(memory.rank, length);
                    let expected = of_ranks
                        .clone()
                        .reduce(|sum, other| sum.iter().zip(other).map(|(sum, other)| sum + other).collect());
                    memory.sum(&mut double, rest).unwrap();
                    assert!(double == expected.unwrap(), "{length} f64 of {num_ranks}");

                    #[expect(clippy::cast_possible_truncation, reason = "any f32 will do")]
                    let narrow =
                        |values: Vec<f64>| -> Vec<f32> { values.iter().map(|&value| value as f32).collect() };
                    let mut single = narrow(values(memory.rank, length));
                    let expected = of_ranks
                        .map(narrow)
                        .reduce(|sum, other| sum.iter().zip(other).map(|(sum, other)| sum + other).collect());
                    memory.sum(&mut single, rest).unwrap();
                    assert!(single == expected.unwrap(), "{length} f32 of {num_ranks}");
                }
            });
        }
    }

    #[test]
    fn a_rank_that_does_not_come_is_named() {
        let late = on_ranks(3, |mut memory| {
            if memory.rank == 1 {
                return Ok(());
            }
            let deadline = Instant::now() + Duration::from_millis(300);
            memory.sum(&mut vec![1.0_f32; 100_000], |begun| {
                rest(begun) && Instant::now() < deadline
            })
        });
        assert_eq!(late, [Err(Late(1)), Ok(()), Err(Late(1))]);
    }
}
