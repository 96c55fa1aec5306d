//! The functions of the CUDA runtime and of libtorch that order work on a GPU.
//!
//! A CUDA build of libtorch brings both into the process; they are looked up there, so that
//! nothing links CUDA and a CPU build serves as well until a GPU is asked for.
#![expect(unsafe_code, reason = "looks up functions of shared libraries")]

use std::{
    ffi::{c_char, c_int, c_uint, c_void},
    mem::ManuallyDrop,
    path::Path,
};

use libloading::os::unix::Library;

use super::{
    error::NcclError,
    table::{Missing, table},
};

/// `cudaError_t`, as a plain integer for the same reason as NCCL's codes.
pub(super) type CudaCode = c_int;
pub(super) const CUDA_SUCCESS: CudaCode = 0;
/// Work before an event is still going on.
pub(super) const CUDA_NOT_READY: CudaCode = 600;
/// An event that is not asked for times is the cheapest.
pub(super) const EVENT_DISABLE_TIMING: c_uint = 2;
/// `cudaMemoryTypeDevice`
pub(super) const MEMORY_OF_DEVICE: c_int = 2;

/// `cudaEvent_t`
pub(super) type EventHandle = *mut c_void;
/// `cudaStream_t`; null is the default stream of the thread's current GPU.
pub(super) type StreamHandle = *mut c_void;

/// `cudaPointerAttributes`, with room for what later versions append.
#[derive(Debug)]
#[repr(C)]
pub(super) struct PointerAttributes {
    pub(super) kind: c_int,
    pub(super) device: c_int,
    device_pointer: usize,
    host_pointer: usize,
    appended: [usize; 24],
}

impl PointerAttributes {
    pub(super) const EMPTY: Self = Self {
        kind: 0,
        device: 0,
        device_pointer: 0,
        host_pointer: 0,
        appended: [0; 24],
    };
}

table! {
    /// Of the CUDA runtime.
    struct CudaFunctions {
        set_device: "cudaSetDevice" fn(c_int) -> CudaCode;
        pointer_get_attributes: "cudaPointerGetAttributes" fn(*mut PointerAttributes, *const c_void) -> CudaCode;
        event_create: "cudaEventCreateWithFlags" fn(*mut EventHandle, c_uint) -> CudaCode;
        event_record: "cudaEventRecord" fn(EventHandle, StreamHandle) -> CudaCode;
        event_query: "cudaEventQuery" fn(EventHandle) -> CudaCode;
        event_destroy: "cudaEventDestroy" fn(EventHandle) -> CudaCode;
        stream_wait_event: "cudaStreamWaitEvent" fn(StreamHandle, EventHandle, c_uint) -> CudaCode;
        get_error_string: "cudaGetErrorString" fn(CudaCode) -> *const c_char;
    }
}

table! {
    /// Of libtorch's C interface.
    struct TorchFunctions {
        get_current_stream: "aoti_torch_get_current_cuda_stream" fn(i32, *mut StreamHandle) -> i32;
        get_stream_from_pool: "torch_get_cuda_stream_from_pool" fn(bool, i32, *mut StreamHandle) -> i32;
    }
}

/// The CUDA runtime and libtorch, as far as sums on GPUs need them.
#[derive(Debug, Clone)]
pub struct GpuRuntime {
    pub(super) cuda: CudaFunctions,
    pub(super) torch: TorchFunctions,
}

impl GpuRuntime {
    /// Those that are loaded in this process.
    ///
    /// # Errors
    /// [`NcclError::NoGpuRuntime`] where libtorch is a CPU build.
    pub fn of_process() -> Result<Self, NcclError> {
        Self::of(&ManuallyDrop::new(Library::this()))
    }

    /// Those in one file: for tests, whose file stands in for both.
    ///
    /// # Errors
    /// [`NcclError::NotFound`] and [`NcclError::NoGpuRuntime`].
    pub fn of_file(path: &Path) -> Result<Self, NcclError> {
        // SAFETY: the file's initialisers run here; a file of a test has none.
        let library = unsafe { Library::new(path) }.map_err(|error| NcclError::NotFound {
            library: path.display().to_string(),
            message: error.to_string(),
        })?;
        Self::of(&ManuallyDrop::new(library))
    }

    /// libtorch first: a CPU build may well have a CUDA runtime beside it.
    fn of(library: &Library) -> Result<Self, NcclError> {
        let missing = |Missing { symbol, message }| NcclError::NoGpuRuntime { symbol, message };
        // SAFETY: both interfaces are C and stable over the versions that have these names (CUDA
        // from 11, libtorch from 2.10); the library is never closed.
        unsafe {
            Ok(Self {
                torch: TorchFunctions::look_up(library).map_err(missing)?,
                cuda: CudaFunctions::look_up(library).map_err(missing)?,
            })
        }
    }
}
