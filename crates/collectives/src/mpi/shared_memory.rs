//! Sums over the ranks of one host, through memory that all of them have mapped.
//!
//! A vector goes through in pieces that stay in a core's cache. Of each piece every rank brings
//! its numbers, adds up its own part of it over all ranks, and takes the other parts:
//!
//! ```text
//!            rank 0              rank 1
//! bring      part 1 ->           part 0 ->         into the rank's own bytes of the slot
//! add        own + part 0 of 1   part 1 of 0 + own into the results of the slot
//! take       <- part 1           <- part 0
//! ```
//!
//! Parts are added in the order of the ranks, so the bits depend on nothing else. Every rank
//! counts the pieces that it has brought, added and taken; the others wait for these counters,
//! and nobody overwrites a slot that another has not read.
//!
//! | bytes of the segment | what |
//! |---|---|
//! | 8 | a random number, by which a rank knows that it has mapped the right one |
//! | from [`COUNTERS`] on, [`LINE`] a counter | brought, added, taken; rank after rank |
//! | then, [`PIECE_BYTES`] each, slot after slot | what each rank brings; the results |
//!
//! The segment has no name (`memfd_create(2)`): whoever is killed, nothing is left of it.
#![expect(unsafe_code, reason = "memory that other processes write to")]

use std::{
    fs::File,
    hash::{BuildHasher as _, Hasher as _, RandomState},
    io,
    ops::{Add, Range},
    os::fd::AsRawFd as _,
    slice,
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use bytemuck::Pod;
use memmap2::MmapRaw;
use rustix::fs::{MemfdFlags, memfd_create};

/// A piece. Those of a slot are in the level 2 cache of every processor that this may run on.
const PIECE_BYTES: usize = 256 * 1024;
/// Pieces by which a rank may be ahead of another.
const SLOTS: usize = 4;
/// The name of the segment, and how the system shows it in `/proc`.
const NAME: &str = "tenk-sums";
const MEMFD: &str = "/memfd:tenk-sums";
/// A counter has a line of its own, with the one that processors fetch beside it.
const LINE: usize = 128;
const COUNTERS: usize = LINE;
/// Looks at a counter before the caller is asked whether to go on: about as long as a piece takes.
const SPINS: u32 = 2_000;

/// Where a rank finds the segment that another has made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Address {
    process: u64,
    descriptor: u64,
    number: u64,
}

impl Address {
    pub(super) fn to_bytes(self) -> Vec<u8> {
        let words = [self.process, self.descriptor, self.number];
        words.into_iter().flat_map(u64::to_le_bytes).collect()
    }

    /// `None` where the maker had no segment to offer.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let &[process, descriptor, number] = bytes.as_chunks().0 else {
            return None;
        };
        let [process, descriptor, number] = [process, descriptor, number].map(u64::from_le_bytes);
        Some(Self {
            process,
            descriptor,
            number,
        })
    }
}

/// A new segment, for as long as it takes the others to open it.
pub(super) struct Segment {
    file: File,
    number: u64,
}

impl Segment {
    /// Makes the segment of `num_ranks` ranks.
    pub(super) fn create(num_ranks: usize) -> io::Result<Self> {
        let file = File::from(memfd_create(NAME, MemfdFlags::CLOEXEC)?);
        file.set_len(segment_bytes(num_ranks) as u64)?;
        let number = RandomState::new().build_hasher().finish();
        rustix::io::pwrite(&file, &number.to_le_bytes(), 0)?;
        Ok(Self { file, number })
    }

    pub(super) fn address(&self) -> Address {
        Address {
            process: u64::from(std::process::id()),
            descriptor: self.file.as_raw_fd().unsigned_abs().into(),
            number: self.number,
        }
    }
}

/// The counters of a rank.
#[derive(Debug, Clone, Copy)]
enum Counter {
    Brought,
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
        let path = format!("/proc/{}/fd/{}", address.process, address.descriptor);
        let stranger = || io::Error::other("process numbers have another meaning here");
        // In another container the number may be anybody's, and opening a device does things.
        let target = std::fs::read_link(&path)?;
        if !target
            .as_os_str()
            .as_encoded_bytes()
            .starts_with(MEMFD.as_bytes())
        {
            return Err(stranger());
        }
        let file = File::options().read(true).write(true).open(path)?;
        let mut number = [0; 8];
        rustix::io::pread(&file, &mut number, 0)?;
        let length = file.metadata()?.len();
        if u64::from_le_bytes(number) != address.number || length != segment_bytes(num_ranks) as u64 {
            return Err(stranger());
        }
        Ok(Self {
            map: MmapRaw::map_raw(&file)?,
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
        // Each rank brings two pieces ahead, so that others have come by when it needs them.
        for turn in 0..pieces.len() + 2 {
            if let Some(piece) = pieces.get(turn) {
                self.bring(piece, values, &mut go_on)?;
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
    fn bring<T: Pod>(
        &self,
        piece: &Piece,
        values: &[T],
        go_on: &mut impl FnMut(Instant) -> bool,
    ) -> Result<(), Late> {
        // Who has added this slot's last piece has read what this rank had brought.
        self.wait(Counter::Added, before(piece), go_on)?;
        for other in self.others() {
            let part = self.part::<T>(piece, other);
            // SAFETY: these bytes are written by this rank alone, and by the wait above nobody reads
            // them before the counter below says so.
            let brought = unsafe { self.slice_mut(self.brought_by(self.rank, piece), piece, &part) };
            brought.copy_from_slice(&values[part]);
        }
        self.count(Counter::Brought, piece);
        Ok(())
    }

    /// Adds up this rank's part over all ranks, in their order.
    fn add<T: Pod + Add<Output = T>>(
        &self,
        piece: &Piece,
        values: &mut [T],
        go_on: &mut impl FnMut(Instant) -> bool,
    ) -> Result<(), Late> {
        self.wait(Counter::Brought, piece.number + 1, go_on)?;
        // Who has taken this slot's last piece has read the results.
        self.wait(Counter::Taken, before(piece), go_on)?;
        let part = self.part::<T>(piece, self.rank);
        let own = &mut values[part.clone()];
        // SAFETY: the results of this part are written by this rank alone, and by the second wait
        // nobody reads them before the counter below says so.
        let sum = unsafe { self.slice_mut(self.results(piece), piece, &part) };
        // SAFETY: by the first wait these bytes are written, and their writer waits for the counter
        // below before it writes to them again.
        let brought = |rank| unsafe { self.slice::<T>(self.brought_by(rank, piece), piece, &part) };
        if self.num_ranks == 2 {
            // Two numbers have the same sum in either order.
            add_two(brought(1 - self.rank), own, sum);
        } else {
            for rank in 0..self.num_ranks {
                let addend = if rank == self.rank { &*own } else { brought(rank) };
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
    fn brought_by(&self, rank: usize, piece: &Piece) -> usize {
        let slot = usize::try_from(piece.number % SLOTS as u64).unwrap_or(0);
        data_start(self.num_ranks) + (slot * (self.num_ranks + 1) + rank) * PIECE_BYTES
    }

    /// Where in the segment the results are in the piece's slot.
    fn results(&self, piece: &Piece) -> usize {
        self.brought_by(self.num_ranks, piece)
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

fn data_start(num_ranks: usize) -> usize {
    (COUNTERS + num_ranks * 3 * LINE).next_multiple_of(4096)
}

fn segment_bytes(num_ranks: usize) -> usize {
    data_start(num_ranks) + SLOTS * (num_ranks + 1) * PIECE_BYTES
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::MetadataExt as _, time::Duration};

    use super::*;

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

    #[test]
    fn the_segment_is_in_no_folder_so_that_nothing_is_left_of_it() {
        let segment = Segment::create(2).unwrap();
        assert_eq!(segment.file.metadata().unwrap().nlink(), 0);
    }

    #[test]
    fn another_file_under_the_same_number_is_refused() {
        let segment = Segment::create(2).unwrap();
        let right = segment.address();
        assert!(SharedMemory::open(right, 0, 2).is_ok());
        let wrong = Address {
            number: right.number.wrapping_add(1),
            ..right
        };
        assert!(SharedMemory::open(wrong, 0, 2).is_err());
        assert!(SharedMemory::open(right, 0, 3).is_err());
        let device = File::open("/dev/null").unwrap();
        let other = Address {
            descriptor: device.as_raw_fd().unsigned_abs().into(),
            ..right
        };
        assert!(SharedMemory::open(other, 0, 2).is_err());
        assert_eq!(Address::from_bytes(&right.to_bytes()), Some(right));
        assert_eq!(Address::from_bytes(&[]), None);
    }
}
