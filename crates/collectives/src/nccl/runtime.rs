//! The functions of the CUDA runtime and of libtorch that order work on a GPU.
//!
//! A CUDA build of libtorch brings both into the process; they are looked up there, so that
//! nothing links CUDA and a CPU build serves as well until a GPU is asked for.
#![expect(unsafe_code, reason = "looks up functions of shared libraries")]

use std::{
    ffi::{CStr, c_char, c_int, c_uint, c_void},
    fmt,
    mem::ManuallyDrop,
    path::Path,
};

use libloading::os::unix::Library;

use super::{
    error::NcclError,
    table::{MissingSymbol, table},
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

/// `cudaDeviceProp` as far as it is read, which has begun so since CUDA 10, with room for the rest of
/// any version (1,032 bytes in CUDA 12).
#[derive(Debug)]
#[repr(C, align(8))]
pub(super) struct DeviceProperties {
    name: [u8; 256],
    uuid: [u8; 16],
    rest: [u8; 7920],
}

/// Which GPU it is among all that NVIDIA has made, whatever number a process gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct GpuUuid(pub [u8; 16]);

impl GpuUuid {
    /// Whether the driver has told one: some virtual GPUs have none but zeros.
    pub fn is_told(&self) -> bool {
        self.0 != [0; 16]
    }
}

impl fmt::Display for GpuUuid {
    /// As `nvidia-smi -L` prints it.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("GPU")?;
        for part in [0..4, 4..6, 6..8, 8..10, 10..16] {
            formatter.write_str("-")?;
            for byte in &self.0[part] {
                write!(formatter, "{byte:02x}")?;
            }
        }
        Ok(())
    }
}

table! {
    /// Of the CUDA runtime.
    struct CudaFunctions {
        set_device: "cudaSetDevice" fn(c_int) -> CudaCode;
        get_device_properties: "cudaGetDeviceProperties" fn(*mut DeviceProperties, c_int) -> CudaCode;
        get_last_error: "cudaGetLastError" fn() -> CudaCode;
        pointer_get_attributes: "cudaPointerGetAttributes" fn(*mut PointerAttributes, *const c_void) -> CudaCode;
        event_create: "cudaEventCreateWithFlags" fn(*mut EventHandle, c_uint) -> CudaCode;
        event_record: "cudaEventRecord" fn(EventHandle, StreamHandle) -> CudaCode;
        event_query: "cudaEventQuery" fn(EventHandle) -> CudaCode;
        stream_wait_event: "cudaStreamWaitEvent" fn(StreamHandle, EventHandle, c_uint) -> CudaCode;
        get_error_string: "cudaGetErrorString" fn(CudaCode) -> *const c_char;
    }
}

impl CudaFunctions {
    /// Makes GPU number `device` that of the calling thread.
    pub(super) fn select(&self, device: usize) -> Result<(), NcclError> {
        // SAFETY: takes a plain integer.
        let code = unsafe { (self.set_device)(number(device)) };
        self.check(device, "cudaSetDevice", code)
    }

    /// Takes the calling thread's last error away: that of a call that may fail harmlessly, or of one
    /// that is reported. libtorch looks for one behind every kernel, and would throw it as the kernel's.
    pub(super) fn forget_error(&self) {
        // SAFETY: no arguments.
        unsafe { (self.get_last_error)() };
    }

    /// What `function` returned about GPU `device`; a failure with the runtime's own words.
    pub(super) fn check(
        &self,
        device: usize,
        function: &'static str,
        code: CudaCode,
    ) -> Result<(), NcclError> {
        if code == CUDA_SUCCESS {
            return Ok(());
        }
        self.forget_error();
        // SAFETY: the runtime returns a text of its own, for any code.
        let text = unsafe {
            let text = (self.get_error_string)(code);
            (!text.is_null()).then(|| CStr::from_ptr(text).to_string_lossy().into_owned())
        };
        Err(NcclError::Gpu {
            device,
            function,
            message: format!("{} (CUDA error {code})", text.unwrap_or_default()),
        })
    }
}

fn number(device: usize) -> c_int {
    c_int::try_from(device).unwrap_or(c_int::MAX)
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
        // SAFETY: the file's initializers run here; a file of a test has none.
        let library = unsafe { Library::new(path) }.map_err(|error| NcclError::NotFound {
            library: path.display().to_string(),
            message: error.to_string(),
        })?;
        Self::of(&ManuallyDrop::new(library))
    }

    /// Makes GPU number `device` of this process that of the calling thread.
    ///
    /// # Errors
    /// [`NcclError::Gpu`] with the runtime's own words.
    pub fn select(&self, device: usize) -> Result<(), NcclError> {
        self.cuda.select(device)
    }

    /// Which GPU the number `device` means in this process.
    ///
    /// # Errors
    /// [`NcclError::Gpu`] with the runtime's own words.
    pub fn uuid(&self, device: usize) -> Result<GpuUuid, NcclError> {
        let mut properties = DeviceProperties {
            name: [0; 256],
            uuid: [0; 16],
            rest: [0; 7920],
        };
        // SAFETY: the struct is longer than that of any version, which the runtime fills.
        let code = unsafe { (self.cuda.get_device_properties)(&raw mut properties, number(device)) };
        self.cuda.check(device, "cudaGetDeviceProperties", code)?;
        Ok(GpuUuid(properties.uuid))
    }

    /// libtorch first: a CPU build may well have a CUDA runtime beside it.
    fn of(library: &Library) -> Result<Self, NcclError> {
        let missing = |MissingSymbol { symbol, message }| NcclError::NoGpuRuntime { symbol, message };
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

#[cfg(test)]
mod tests {
    use std::mem::offset_of;

    use super::*;

    #[test]
    fn a_uuid_is_written_as_nvidia_smi_writes_it() {
        let uuid = GpuUuid([
            0x41, 0x25, 0x54, 0x06, 0xc9, 0xaf, 0xf9, 0x4b, 0x4e, 0xbf, 0x9d, 0x57, 0xad, 0x18, 0x53, 0x0a,
        ]);
        assert_eq!(uuid.to_string(), "GPU-41255406-c9af-f94b-4ebf-9d57ad18530a");
        assert!(uuid.is_told() && !GpuUuid([0; 16]).is_told());
    }

    /// Compiled and run beside the real headers of the CUDA runtime.
    #[test]
    fn structures_are_those_of_the_real_header_or_longer() {
        let Some(packages) = test_data::peers_packages() else {
            return;
        };
        let equal = [
            (
                "offsetof(struct cudaDeviceProp, uuid)",
                offset_of!(DeviceProperties, uuid),
            ),
            ("sizeof(cudaUUID_t)", size_of::<GpuUuid>()),
            (
                "offsetof(struct cudaPointerAttributes, type)",
                offset_of!(PointerAttributes, kind),
            ),
            (
                "offsetof(struct cudaPointerAttributes, device)",
                offset_of!(PointerAttributes, device),
            ),
            ("cudaErrorNotReady", 600),
            ("cudaEventDisableTiming", 2),
            ("cudaMemoryTypeDevice", 2),
        ];
        let checks: String = equal
            .map(|(header, own)| {
                format!("  if ((size_t)({header}) != {own}) {{ printf(\"{header} is not {own}\\n\"); return 1; }}\n")
            })
            .concat();
        let (properties, attributes) = (size_of::<DeviceProperties>(), size_of::<PointerAttributes>());
        let program = format!(
            "#include <stddef.h>\n#include <stdio.h>\n#include <cuda_runtime_api.h>\nint main(void) {{\n{checks}  return sizeof(struct cudaDeviceProp) > {properties} || sizeof(struct cudaPointerAttributes) > {attributes};\n}}\n"
        );
        nccl_stand_in::run_with_real_headers(&packages, &program);
    }
}
