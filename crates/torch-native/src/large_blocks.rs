//! Large blocks of tensor memory are kept for the next tensor instead of going back to the
//! system.
//!
//! A training step frees what the next one allocates again, in the same sizes. glibc unmaps
//! such blocks at once; their pages were then mapped, faulted in and cleared anew in every
//! step. `docs/decisions/0007-cpu-kernels.md` has the figures.

#![expect(unsafe_code, reason = "calls the C++ shim")]

use crate::ffi::{tenk_keep_large_blocks, tenk_large_blocks};

/// From now on, CPU tensors of 1 MiB and more take their memory from blocks that earlier tensors
/// freed: for programs that work in steps of nearly repeating shapes. A block begins at a huge page,
/// where the system has some, and holds tensors that are up to an eighth larger than its first. What is
/// kept and what is in use come together to at most 5/4 of the most that was in use at once;
/// [`large_blocks`] says how much that is.
pub fn keep_large_blocks() {
    // SAFETY: the allocator lives for the rest of the process; tensors made before it keep
    // their own way of being freed.
    unsafe { tenk_keep_large_blocks() }
}

/// Bytes in memory of blocks for tensors of 1 MiB and more, since [`keep_large_blocks`]: a block counts
/// with the largest tensor that it has held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LargeBlocks {
    /// Of blocks that tensors hold.
    pub in_use: usize,
    /// Of blocks that are kept for the next tensor.
    pub kept: usize,
    /// The most that was ever in use at once.
    pub most_in_use: usize,
}

/// How much memory there is in large blocks.
pub fn large_blocks() -> LargeBlocks {
    let (mut in_use, mut kept, mut most_in_use) = (0, 0, 0);
    // SAFETY: three places to write to, live for the whole call.
    unsafe { tenk_large_blocks(&raw mut in_use, &raw mut kept, &raw mut most_in_use) };
    LargeBlocks {
        in_use,
        kept,
        most_in_use,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Mutex, MutexGuard, PoisonError};
    use tch::{Device, Kind, Tensor};

    /// What one test frees is not evicted by the other.
    fn alone() -> MutexGuard<'static, ()> {
        static ALONE: Mutex<()> = Mutex::new(());
        ALONE.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[test]
    fn a_freed_block_is_the_next_of_its_size() {
        let _alone = alone();
        keep_large_blocks();
        // No other test has tensors of this odd size.
        let make = |len: i64| Tensor::ones([len], (Kind::Float, Device::Cpu));
        // So much is in use once that nothing below has to go.
        drop(make(30_000_000));
        let first = make(7_777_777);
        let address = first.data_ptr() as usize;
        assert!(address.is_multiple_of(1 << 21));
        drop(first);
        assert_ne!(make(3_000_000).data_ptr() as usize, address);
        let second = make(7_777_777);
        assert_eq!(second.data_ptr() as usize, address);
        assert!((second.sum(Kind::Double).double_value(&[]) - 7_777_777.0).abs() < 0.5);
        assert_eq!(Tensor::zeros([0], (Kind::Float, Device::Cpu)).numel(), 0);
    }

    #[test]
    fn a_block_has_room_for_an_eighth_more_and_counts_with_the_largest_tensor_it_held() {
        let _alone = alone();
        keep_large_blocks();
        let make = |len: i64| Tensor::full([len], 1.0, (Kind::Float, Device::Cpu));
        drop(make(60_000_000));
        let length = 9_999_992; // a size of this test's own, a multiple of 8
        let held = |len: i64| {
            let before = large_blocks().in_use;
            let tensor = make(len);
            assert!((tensor.sum(Kind::Double).double_value(&[]) - len as f64).abs() < 0.5);
            (tensor.data_ptr() as usize, large_blocks().in_use - before)
        };
        let bytes = |len: i64| usize::try_from(4 * len).unwrap();
        let (first, in_use) = held(length);
        assert_eq!(in_use, bytes(length));
        assert_eq!(held(length / 8 * 9), (first, bytes(length / 8 * 9)));
        assert_eq!(held(length), (first, bytes(length / 8 * 9)));
        assert_ne!(held(length / 8 * 9 + 1).0, first);
    }

    #[test]
    fn what_is_kept_makes_room_for_what_is_taken() {
        let _alone = alone();
        keep_large_blocks();
        let make = |mebibytes: i64| Tensor::ones([mebibytes << 18], (Kind::Float, Device::Cpu));
        drop(make(400));
        // The block of 400 fits none of them.
        let tensors: Vec<Tensor> = (0..3).map(|_| make(120)).collect();
        let found = large_blocks();
        assert!(
            found.in_use + found.kept <= found.most_in_use / 4 * 5 + 4,
            "{found:?}"
        );
        drop(tensors);
    }

    #[test]
    fn what_is_kept_and_in_use_stays_within_five_quarters_of_the_most_in_use() {
        let _alone = alone();
        keep_large_blocks();
        let make = |mebibytes: i64| Tensor::ones([mebibytes << 18], (Kind::Float, Device::Cpu));
        // Sizes of which none fits another's block: without a bound all of them would be kept.
        for mebibytes in (1..60).map(|step| 40 + 7 * step % 311) {
            drop(make(mebibytes));
            let found = large_blocks();
            assert!(
                found.most_in_use >= usize::try_from(mebibytes).unwrap() << 20,
                "{found:?}"
            );
            assert!(
                found.in_use + found.kept <= found.most_in_use / 4 * 5 + 4,
                "{found:?}"
            );
        }
    }
}
