//! Declarations of the C++ shim, and the way its error strings become [`TorchError`].

#![expect(unsafe_code, reason = "the boundary to C++")]

use std::ffi::{CStr, CString, c_char, c_int, c_void};

use crate::TorchError;

/// libtorch's `at::Tensor`, opaque here.
pub(crate) type RawTensor = torch_sys::C_tensor;

/// Consumes `state`; fills one pointer per input; returns null or a `tenk_error` string.
pub(crate) type BackwardFunction = extern "C" fn(
    state: *mut c_void,
    gradient: *const RawTensor,
    gradients: *mut *mut RawTensor,
    num_inputs: usize,
) -> *mut c_char;
pub(crate) type DropFunction = extern "C" fn(state: *mut c_void);
pub(crate) type ReadyFunction = extern "C" fn(state: *const c_void);
pub(crate) type VisitFunction = extern "C" fn(state: *mut c_void, name: *const c_char, count: u64);
pub(crate) type RangeFunction = extern "C" fn(state: *const c_void, begin: i64, end: i64);

unsafe extern "C" {
    pub(crate) fn tenk_error(message: *const c_char) -> *mut c_char;
    fn tenk_free(message: *mut c_char);
    pub(crate) fn tenk_keep_large_blocks();
    pub(crate) fn tenk_compute_capability(index: c_int, major: *mut c_int, minor: *mut c_int) -> *mut c_char;
    pub(crate) fn tenk_gpu_free_memory(index: c_int, bytes: *mut usize) -> *mut c_char;
    pub(crate) fn tenk_gpu_peak_memory(index: c_int, tensors: *mut usize, taken: *mut usize) -> *mut c_char;
    pub(crate) fn tenk_gpu_reset_peak_memory(index: c_int) -> *mut c_char;
    pub(crate) fn tenk_pin_memory(tensor: *const RawTensor, pinned: *mut *mut RawTensor) -> *mut c_char;
    pub(crate) fn tenk_use_exact_kernels() -> *mut c_char;
    pub(crate) fn tenk_inexact_kernels(cudnn_attention: *mut c_int, tf32: *mut c_int) -> *mut c_char;
    pub(crate) fn tenk_use_deterministic_algorithms(on: c_int) -> *mut c_char;
    pub(crate) fn tenk_count_operators(handle: *mut u64) -> *mut c_char;
    pub(crate) fn tenk_stop_counting(handle: u64) -> *mut c_char;
    pub(crate) fn tenk_counted_operators(visit: VisitFunction, state: *mut c_void) -> *mut c_char;
    pub(crate) fn tenk_large_blocks(in_use: *mut usize, kept: *mut usize, most_in_use: *mut usize);
    pub(crate) fn tenk_libtorch_version() -> *const c_char;
    pub(crate) fn tenk_preset_grad(leaf: *const RawTensor, gradient: *const RawTensor) -> *mut c_char;
    pub(crate) fn tenk_on_gradient_ready(
        leaf: *const RawTensor,
        ready: ReadyFunction,
        drop: DropFunction,
        state: *mut c_void,
    ) -> *mut c_char;
    pub(crate) fn tenk_backward(output: *const RawTensor, gradient: *const RawTensor) -> *mut c_char;
    pub(crate) fn tenk_parallel_for(
        count: i64,
        grain: i64,
        range: RangeFunction,
        state: *const c_void,
    ) -> *mut c_char;
    pub(crate) fn tenk_attach_node(
        output: *const RawTensor,
        inputs: *const *const RawTensor,
        num_inputs: usize,
        backward: BackwardFunction,
        drop: DropFunction,
        state: *mut c_void,
        attached: *mut c_int,
    ) -> *mut c_char;
}

/// Turns what a shim function returned into a `Result`, freeing the string.
pub(crate) fn check(operation: &'static str, message: *mut c_char) -> Result<(), TorchError> {
    if message.is_null() {
        return Ok(());
    }
    // SAFETY: the shim returns null or a NUL-terminated string made by strdup, ours to free.
    let text = unsafe {
        let text = CStr::from_ptr(message).to_string_lossy().into_owned();
        tenk_free(message);
        text
    };
    Err(TorchError::Shim {
        operation,
        message: text,
    })
}

/// Makes an error string that C++ may free.
pub(crate) fn error_string(message: &str) -> *mut c_char {
    let text = CString::new(message.replace('\0', " ")).unwrap_or_default();
    // SAFETY: `text` is NUL-terminated and lives through the call, which copies it.
    unsafe { tenk_error(text.as_ptr()) }
}
