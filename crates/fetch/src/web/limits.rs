//! How much of an answer is taken, and how slowly it may come.

use std::io::{self, Read};
use std::time::Duration;

/// Lists, indexes and checksums: the largest, EDGAR's index of a quarter, has about 50 MB.
pub(crate) const PAGE_BYTES: u64 = 256 << 20;
/// A dump, packed: all of English Wikipedia in one file has about 25 GB.
pub(crate) const DUMP_BYTES: u64 = 256 << 30;

/// After this time a body has to have come at [`SLOWEST_BYTES_PER_SECOND`] on average.
const GRACE: Duration = Duration::from_mins(5);
const SLOWEST_BYTES_PER_SECOND: u64 = 1024;

/// Whether so many bytes in this time are a drip that nobody should wait for.
pub(super) fn is_drip(elapsed: Duration, bytes: u64) -> bool {
    elapsed > GRACE && bytes / elapsed.as_secs().max(1) < SLOWEST_BYTES_PER_SECOND
}

/// Reads at most so many bytes; one more is an error of the kind [`io::ErrorKind::FileTooLarge`].
#[derive(Debug)]
pub(super) struct Limited<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Limited<R> {
    pub(super) fn new(inner: R, most_bytes: u64) -> Self {
        Self {
            inner,
            left: most_bytes,
        }
    }
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.left = self
            .left
            .checked_sub(length as u64)
            .ok_or(io::ErrorKind::FileTooLarge)?;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_of_the_limit_passes_and_one_byte_more_does_not() {
        let read = |length: usize| {
            let mut bytes = Vec::new();
            let result = Limited::new(&vec![1; length][..], 10).read_to_end(&mut bytes);
            (result.map_err(|error| error.kind()), bytes.len())
        };
        assert_eq!(read(10), (Ok(10), 10));
        assert_eq!(read(11).0, Err(io::ErrorKind::FileTooLarge));
        assert_eq!(read(0), (Ok(0), 0));
    }

    #[test]
    fn a_drip_is_told_from_a_slow_line_and_a_slow_start() {
        let minutes = Duration::from_mins;
        assert!(!is_drip(minutes(4), 0));
        assert!(is_drip(minutes(6), 6 * 60 * 1024 - 1));
        assert!(!is_drip(minutes(6), 6 * 60 * 1024));
        assert!(is_drip(minutes(600), 1 << 20));
    }
}
