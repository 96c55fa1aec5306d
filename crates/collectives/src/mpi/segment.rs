//! The memory that the ranks of one host share: made by one, found and mapped by the others.
//!
//! | bytes of the segment | what |
//! |---|---|
//! | 8 | a random number, by which a rank knows that it has mapped the right one |
//! | from [`COUNTERS`] on, [`LINE`] a counter | brought, added, taken; rank after rank |
//! | then, [`PIECE_BYTES`] each, slot after slot | what each rank brings; the results |
//!
//! The segment has no name (`memfd_create(2)`): whoever is killed, nothing is left of it.

use std::{
    fs::File,
    hash::{BuildHasher as _, Hasher as _, RandomState},
    io,
    os::fd::AsRawFd as _,
};

use memmap2::MmapRaw;
use rustix::fs::{MemfdFlags, memfd_create};

/// A piece. Those of a slot are in the level 2 cache of every processor that this may run on.
pub(super) const PIECE_BYTES: usize = 256 * 1024;
/// Pieces by which a rank may be ahead of another.
pub(super) const SLOTS: usize = 4;
/// The name of the segment, and how the system shows it in `/proc`.
const NAME: &str = "tenk-sums";
const MEMFD: &str = "/memfd:tenk-sums";
/// A counter has a line of its own, with the one that processors fetch beside it.
pub(super) const LINE: usize = 128;
pub(super) const COUNTERS: usize = LINE;

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

    /// Maps the segment of `num_ranks` ranks.
    ///
    /// # Errors
    /// When this process does not see the maker's descriptors, as in another container.
    pub(super) fn map(self, num_ranks: usize) -> io::Result<MmapRaw> {
        let path = format!("/proc/{}/fd/{}", self.process, self.descriptor);
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
        if u64::from_le_bytes(number) != self.number || length != segment_bytes(num_ranks) as u64 {
            return Err(stranger());
        }
        MmapRaw::map_raw(&file)
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

/// Where the first slot begins.
pub(super) fn data_start(num_ranks: usize) -> usize {
    (COUNTERS + num_ranks * 3 * LINE).next_multiple_of(4096)
}

fn segment_bytes(num_ranks: usize) -> usize {
    data_start(num_ranks) + SLOTS * (num_ranks + 1) * PIECE_BYTES
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn the_segment_is_in_no_folder_so_that_nothing_is_left_of_it() {
        let segment = Segment::create(2).unwrap();
        assert_eq!(segment.file.metadata().unwrap().nlink(), 0);
    }

    #[test]
    fn another_file_under_the_same_number_is_refused() {
        let segment = Segment::create(2).unwrap();
        let right = segment.address();
        assert!(right.map(2).is_ok());
        let wrong = Address {
            number: right.number.wrapping_add(1),
            ..right
        };
        assert!(wrong.map(2).is_err());
        assert!(right.map(3).is_err());
        let device = File::open("/dev/null").unwrap();
        let other = Address {
            descriptor: device.as_raw_fd().unsigned_abs().into(),
            ..right
        };
        assert!(other.map(2).is_err());
        assert_eq!(Address::from_bytes(&right.to_bytes()), Some(right));
        assert_eq!(Address::from_bytes(&[]), None);
    }
}
