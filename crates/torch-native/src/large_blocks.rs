//! Large blocks of tensor memory are kept for the next tensor instead of going back to the
//! system.
//!
//! A training step frees what the next one allocates again, in the same sizes. glibc unmaps
//! such blocks at once; their pages were then mapped, faulted in and cleared anew in every
//! step. `docs/decisions/0007-cpu-kernels.md` has the figures.

#![expect(unsafe_code, reason = "calls the C++ shim")]

use crate::ffi::tenk_keep_large_blocks;

/// From now on, CPU tensors of 1 MiB and more take their memory from blocks that earlier tensors
/// freed. For programs that work in steps of repeating shapes: what is kept is, for every
/// size, as much as was ever in use at once.
pub fn keep_large_blocks() {
    // SAFETY: the allocator lives for the rest of the process; tensors made before it keep
    // their own way of being freed.
    unsafe { tenk_keep_large_blocks() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind, Tensor};

    #[test]
    fn a_freed_block_is_the_next_of_its_size() {
        keep_large_blocks();
        // No other test has tensors of this odd size.
        let make = |len: i64| Tensor::ones([len], (Kind::Float, Device::Cpu));
        let first = make(7_777_777);
        let address = first.data_ptr() as usize;
        assert!(address.is_multiple_of(64));
        drop(first);
        assert_ne!(make(3_000_000).data_ptr() as usize, address);
        let second = make(7_777_777);
        assert_eq!(second.data_ptr() as usize, address);
        assert!((second.sum(Kind::Double).double_value(&[]) - 7_777_777.0).abs() < 0.5);
        assert_eq!(Tensor::zeros([0], (Kind::Float, Device::Cpu)).numel(), 0);
    }
}
