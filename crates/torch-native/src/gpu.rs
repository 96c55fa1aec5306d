//! Which GPUs there are, what they can do, and whether they compute the same bits every time. On a
//! machine without one everything here says so; nothing links CUDA.

#![expect(unsafe_code, reason = "calls the C++ shim")]

use tch::{Device, Tensor};

use crate::TorchError;
use crate::ffi::{
    check, tenk_compute_capability, tenk_gpu_free_memory, tenk_gpu_peak_memory, tenk_gpu_reset_peak_memory,
    tenk_inexact_kernels, tenk_pin_memory, tenk_use_deterministic_algorithms, tenk_use_exact_kernels,
};

/// Whether tensors of `device` are computed by this crate's kernels, which read and write memory of the
/// CPU; elsewhere by libtorch's operations. Whatever is done in two ways by device asks here.
///
/// The feature `gpu-branch`, which is for tests, makes it the GPU's way on the CPU too.
pub fn has_own_kernels(device: Device) -> bool {
    device == Device::Cpu && !cfg!(feature = "gpu-branch")
}

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

/// The most memory of a GPU that this process has had at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GpuPeak {
    /// Bytes of tensors.
    pub tensors_bytes: usize,
    /// Bytes that libtorch's allocator had taken from the GPU for them.
    pub taken_bytes: usize,
}

/// The most memory of a GPU that this process has had at once, since [`reset_gpu_peak_memory`] where
/// that was called.
///
/// # Errors
/// [`TorchError::Shim`] where libtorch has no allocator for GPUs.
pub fn gpu_peak_memory(index: usize) -> Result<GpuPeak, TorchError> {
    let (mut tensors_bytes, mut taken_bytes) = (0, 0);
    // SAFETY: both numbers live through the call.
    check("gpu_peak_memory", unsafe {
        tenk_gpu_peak_memory(number(index), &raw mut tensors_bytes, &raw mut taken_bytes)
    })?;
    Ok(GpuPeak {
        tensors_bytes,
        taken_bytes,
    })
}

/// What [`gpu_peak_memory`] tells begins anew with what is there now.
///
/// # Errors
/// As [`gpu_peak_memory`].
pub fn reset_gpu_peak_memory(index: usize) -> Result<(), TorchError> {
    // SAFETY: the shim catches every exception.
    check("reset_gpu_peak_memory", unsafe {
        tenk_gpu_reset_peak_memory(number(index))
    })
}

fn number(index: usize) -> i32 {
    i32::try_from(index).unwrap_or(i32::MAX)
}

/// A copy of a CPU tensor in pinned memory, from which a GPU copies beside what it computes. May be
/// called on any thread.
///
/// # Errors
/// [`TorchError::Shim`] where there is no GPU, or no memory.
pub fn pin_memory(tensor: &Tensor) -> Result<Tensor, TorchError> {
    let mut pinned = std::ptr::null_mut();
    // SAFETY: the handle is a live tensor and the place for the result lives through the call.
    check("pin_memory", unsafe {
        tenk_pin_memory(tensor.as_ptr(), &raw mut pinned)
    })?;
    // SAFETY: the shim succeeded, so this is a new tensor, which nobody else frees.
    Ok(unsafe { Tensor::from_ptr(pinned) })
}

/// From here on, in the whole process, libtorch takes no kernel that computes something else than
/// what it is asked for. Attention never takes cuDNN's: some of its builds drop in steps of 1/16, so that
/// a rate of 0.1 is 0.0625 or 0.125, and some give gradients that are not numbers. Products of f32
/// matrices never take TF32, which the environment variable `TORCH_ALLOW_TF32_CUBLAS_OVERRIDE` of some
/// containers turns on.
///
/// # Errors
/// [`TorchError::Shim`] when libtorch refuses.
pub fn use_exact_kernels() -> Result<(), TorchError> {
    // SAFETY: no arguments; the shim catches every exception.
    check("use_exact_kernels", unsafe { tenk_use_exact_kernels() })
}

/// The kernels that [`use_exact_kernels`] turns off, as libtorch itself says whether they may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InexactKernels {
    /// cuDNN's attention.
    pub cudnn_attention: bool,
    /// Products of f32 matrices in TF32.
    pub tf32: bool,
}

/// Which kernels that compute something else may run.
///
/// # Errors
/// [`TorchError::Shim`] when libtorch does not say.
pub fn inexact_kernels() -> Result<InexactKernels, TorchError> {
    let (mut cudnn_attention, mut tf32) = (0, 0);
    // SAFETY: both numbers live through the call.
    check("inexact_kernels", unsafe {
        tenk_inexact_kernels(&raw mut cudnn_attention, &raw mut tf32)
    })?;
    Ok(InexactKernels {
        cudnn_attention: cudnn_attention != 0,
        tf32: tf32 != 0,
    })
}

/// From here on libtorch uses only algorithms that give equal bits for equal inputs, in the whole
/// process; an operation that has none becomes an error. With `on` false it uses any again.
///
/// # Errors
/// [`TorchError::Shim`] when libtorch refuses.
pub fn use_deterministic_algorithms(on: bool) -> Result<(), TorchError> {
    // SAFETY: the shim catches every exception.
    check("use_deterministic_algorithms", unsafe {
        tenk_use_deterministic_algorithms(i32::from(on))
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
            for error in [
                gpu_peak_memory(0).unwrap_err(),
                reset_gpu_peak_memory(0).unwrap_err(),
                pin_memory(&Tensor::from_slice(&[1.0_f32])).unwrap_err(),
            ] {
                assert!(matches!(error, TorchError::Shim { .. }), "{error}");
            }
        } else {
            assert!(compute_capability(0).unwrap().0 >= 3);
            assert!(gpu_peak_memory(0).unwrap().taken_bytes < 1 << 40);
        }
    }

    #[test]
    fn pinning_prints_nothing() {
        let name = "gpu::tests::pinning_prints_nothing";
        if let Some(stderr) = test_data::own_process(name) {
            assert_eq!(stderr, "");
            return;
        }
        let tensor = Tensor::from_slice(&[1.0_f32, 2.0]);
        // Without a GPU it is an error, after whatever is printed.
        assert_eq!(pin_memory(&tensor).is_ok(), num_gpus() > 0);
    }

    /// So the test before this one could fail.
    #[test]
    fn pinning_for_a_device_prints_that_it_is_deprecated() {
        let name = "gpu::tests::pinning_for_a_device_prints_that_it_is_deprecated";
        if let Some(stderr) = test_data::own_process(name) {
            assert!(stderr.contains("deprecated"), "{stderr}");
            return;
        }
        let _ = Tensor::from_slice(&[1.0_f32, 2.0]).f_pin_memory(Device::Cuda(0));
    }

    #[test]
    fn neither_attention_of_cudnn_nor_tf32_may_run_once_they_are_turned_off() {
        let name = "gpu::tests::neither_attention_of_cudnn_nor_tf32_may_run_once_they_are_turned_off";
        if test_data::own_process(name).is_some() {
            return;
        }
        let may_run = inexact_kernels().unwrap();
        assert!(may_run.cudnn_attention, "libtorch's own choice has changed");
        use_exact_kernels().unwrap();
        let expected = InexactKernels {
            cudnn_attention: false,
            tf32: false,
        };
        assert_eq!(inexact_kernels().unwrap(), expected);
    }

    #[test]
    fn only_tensors_of_the_cpu_are_computed_by_our_kernels() {
        assert_eq!(has_own_kernels(Device::Cpu), !cfg!(feature = "gpu-branch"));
        assert!(!has_own_kernels(Device::Cuda(0)));
    }
}
