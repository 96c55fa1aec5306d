//! Which GPUs there are, what they can do, and whether they compute the same bits every time. On a
//! machine without one everything here says so; nothing links CUDA.

#![expect(unsafe_code, reason = "calls the C++ shim")]

use crate::TorchError;
use crate::ffi::{check, tenk_compute_capability, tenk_gpu_free_memory, tenk_use_deterministic_algorithms};

/// GPUs that this libtorch can compute on; 0 for a CPU build.
pub fn num_gpus() -> usize {
    if !tch::Cuda::is_available() {
        return 0;
    }
    usize::try_from(tch::Cuda::device_count()).unwrap_or(0)
}

/// Compute capability of a GPU, major and minor number: (7, 0) for Volta.
///
/// # Errors
/// [`TorchError::Shim`] when the CUDA runtime is not loaded or has no such GPU.
pub fn compute_capability(index: usize) -> Result<(i32, i32), TorchError> {
    let (mut major, mut minor) = (0, 0);
    let index = i32::try_from(index).unwrap_or(i32::MAX);
    // SAFETY: both numbers live through the call.
    let message = unsafe { tenk_compute_capability(index, &raw mut major, &raw mut minor) };
    check("compute_capability", message)?;
    Ok((major, minor))
}

/// Bytes of a GPU's memory that nobody uses.
///
/// # Errors
/// [`TorchError::Shim`] when the CUDA runtime is not loaded or has no such GPU.
pub fn gpu_free_memory(index: usize) -> Result<usize, TorchError> {
    let mut bytes = 0;
    let index = i32::try_from(index).unwrap_or(i32::MAX);
    // SAFETY: the number lives through the call.
    check("gpu_free_memory", unsafe {
        tenk_gpu_free_memory(index, &raw mut bytes)
    })?;
    Ok(bytes)
}

/// From here on libtorch uses only algorithms that give equal bits for equal inputs, in the whole
/// process; an operation that has none becomes an error.
///
/// # Errors
/// [`TorchError::Shim`] when libtorch refuses.
pub fn use_deterministic_algorithms() -> Result<(), TorchError> {
    // SAFETY: no arguments; the shim catches every exception.
    check("use_deterministic_algorithms", unsafe {
        tenk_use_deterministic_algorithms()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gpu_that_is_not_there_is_an_error_that_says_so() {
        if num_gpus() == 0 {
            let error = compute_capability(0).unwrap_err().to_string();
            assert!(error.contains("compute_capability"), "{error}");
            let error = gpu_free_memory(0).unwrap_err().to_string();
            assert!(error.contains("CUDA runtime"), "{error}");
        } else {
            assert!(compute_capability(0).unwrap().0 >= 3);
        }
    }
}
