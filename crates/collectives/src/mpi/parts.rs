//! How the bytes of all ranks lie in one buffer.

use std::ffi::c_int;

use super::library::Failure;

/// Where the parts of all ranks lie one after the other, in bytes.
pub(super) struct Parts {
    pub(super) counts: Vec<c_int>,
    pub(super) starts: Vec<c_int>,
    pub(super) end: usize,
}

impl Parts {
    /// # Errors
    /// When they have more bytes than MPI can count.
    pub(super) fn new(lengths: &[u64]) -> Result<Self, Failure> {
        let too_long = || {
            Failure(format!(
                "the parts of all ranks have {} bytes, more than 2^31",
                lengths.iter().map(|&length| u128::from(length)).sum::<u128>()
            ))
        };
        let mut end: c_int = 0;
        let (mut counts, mut starts) = (Vec::new(), Vec::new());
        for &length in lengths {
            let count = c_int::try_from(length).map_err(|_| too_long())?;
            counts.push(count);
            starts.push(end);
            end = end.checked_add(count).ok_or_else(too_long)?;
        }
        let end = usize::try_from(end).map_err(|_| too_long())?;
        Ok(Self { counts, starts, end })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_lie_one_after_the_other_and_more_than_mpi_can_count_are_refused() {
        let parts = Parts::new(&[3, 0, 5]).unwrap();
        assert_eq!(
            (parts.counts, parts.starts, parts.end),
            (vec![3, 0, 5], vec![0, 3, 3], 8)
        );
        for lengths in [&[1 << 31][..], &[1 << 30, 1 << 30], &[u64::MAX, u64::MAX]] {
            let Failure(message) = Parts::new(lengths).err().unwrap();
            assert!(message.contains("more than 2^31"), "{message}");
        }
    }
}
