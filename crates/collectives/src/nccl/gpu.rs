//! A rank's GPU with its two streams: libtorch's current one, in which gradients are made and
//! used, and an own one, in which they are summed. Events order the two on the GPU itself.
#![expect(unsafe_code, reason = "calls the CUDA runtime and libtorch")]

use std::ptr;

use super::error::NcclError;
use super::runtime::{
    CUDA_NOT_READY, CUDA_SUCCESS, CudaCode, CudaFunctions, EVENT_DISABLE_TIMING, EventHandle, GpuRuntime,
    MEMORY_OF_DEVICE, PointerAttributes, StreamHandle,
};
use crate::DeviceBuffer;

/// A GPU and its streams.
#[derive(Debug)]
pub struct Gpu {
    cuda: CudaFunctions,
    device: usize,
    /// libtorch's, of the thread that opened this.
    current: StreamHandle,
    own: StreamHandle,
}

// SAFETY: streams belong to the process; any thread may use them with their GPU selected, which
// every method that needs it does (`select`).
unsafe impl Send for Gpu {}

/// One of the two streams of a [`Gpu`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    Current,
    Own,
}

/// A point in a stream. It is never destroyed: there are a few dozen in a process, and behind a sum that
/// hangs not even that call may come back.
#[derive(Debug)]
pub(super) struct Event(EventHandle);

// SAFETY: as for `Gpu`.
unsafe impl Send for Event {}

impl Gpu {
    /// GPU number `device` of this host. The current stream is that of the calling thread, so
    /// that has to be the thread that trains.
    ///
    /// # Errors
    /// [`NcclError::Gpu`] with the runtime's own words.
    pub fn open(runtime: &GpuRuntime, device: usize) -> Result<Self, NcclError> {
        let mut gpu = Self {
            cuda: runtime.cuda,
            device,
            current: ptr::null_mut(),
            own: ptr::null_mut(),
        };
        gpu.select()?;
        let number = i32::try_from(device).unwrap_or(i32::MAX);
        // SAFETY: both functions write one pointer, which lives through the call. Streams of the
        // pool are never destroyed.
        let (current, own) = unsafe {
            (
                (runtime.torch.get_current_stream)(number, &raw mut gpu.current),
                (runtime.torch.get_stream_from_pool)(false, number, &raw mut gpu.own),
            )
        };
        gpu.torch("aoti_torch_get_current_cuda_stream", current)?;
        gpu.torch("torch_get_cuda_stream_from_pool", own)?;
        Ok(gpu)
    }

    pub(super) fn device(&self) -> usize {
        self.device
    }

    /// Makes this the calling thread's GPU: the null stream is that of the current GPU, and an
    /// event has to belong to the GPU of its stream.
    pub(super) fn select(&self) -> Result<(), NcclError> {
        self.cuda.select(self.device)
    }

    /// Takes what is left of a failure off the calling thread.
    pub(super) fn forget_error(&self) {
        self.cuda.forget_error();
    }

    pub(super) fn stream(&self, stream: Stream) -> StreamHandle {
        match stream {
            Stream::Current => self.current,
            Stream::Own => self.own,
        }
    }

    pub(super) fn event(&self) -> Result<Event, NcclError> {
        let mut handle = ptr::null_mut();
        // SAFETY: writes one pointer, which lives through the call.
        let code = unsafe { (self.cuda.event_create)(&raw mut handle, EVENT_DISABLE_TIMING) };
        self.cuda("cudaEventCreateWithFlags", code)?;
        Ok(Event(handle))
    }

    /// Puts `event` behind everything that `stream` was given so far.
    pub(super) fn record(&self, event: &Event, stream: Stream) -> Result<(), NcclError> {
        // SAFETY: both handles are live, an event and a stream for ever.
        let code = unsafe { (self.cuda.event_record)(event.0, self.stream(stream)) };
        self.cuda("cudaEventRecord", code)
    }

    /// What `stream` is given from now on waits for `event`, on the GPU.
    pub(super) fn wait(&self, stream: Stream, event: &Event) -> Result<(), NcclError> {
        // SAFETY: as in `record`.
        let code = unsafe { (self.cuda.stream_wait_event)(self.stream(stream), event.0, 0) };
        self.cuda("cudaStreamWaitEvent", code)
    }

    /// Whether everything before `event` is finished.
    pub(super) fn is_reached(&self, event: &Event) -> Result<bool, NcclError> {
        // SAFETY: as in `record`.
        match unsafe { (self.cuda.event_query)(event.0) } {
            CUDA_NOT_READY => {
                // No failure, but the runtime keeps it as one.
                self.cuda.forget_error();
                Ok(false)
            }
            code => self.cuda("cudaEventQuery", code).map(|()| true),
        }
    }

    /// Whether `buffer` lies in the memory of this GPU, first byte to last.
    pub(super) fn holds(&self, buffer: &DeviceBuffer) -> bool {
        let last = buffer.bytes().saturating_sub(1);
        [Some(buffer.address), buffer.address.checked_add(last)]
            .into_iter()
            .all(|address| address.is_some_and(|address| self.holds_byte(address)))
    }

    fn holds_byte(&self, address: usize) -> bool {
        let mut attributes = PointerAttributes::EMPTY;
        // SAFETY: the runtime looks the address up and does not read what is there; the struct is
        // at least as long as that of any version.
        let code = unsafe {
            (self.cuda.pointer_get_attributes)(&raw mut attributes, ptr::without_provenance(address))
        };
        if code != CUDA_SUCCESS {
            // Up to CUDA 10 host memory is an invalid value.
            self.cuda.forget_error();
            return false;
        }
        attributes.kind == MEMORY_OF_DEVICE && usize::try_from(attributes.device) == Ok(self.device)
    }

    fn cuda(&self, function: &'static str, code: CudaCode) -> Result<(), NcclError> {
        self.cuda.check(self.device, function, code)
    }

    /// libtorch's C functions return 0 for success, and have printed why else.
    fn torch(&self, function: &'static str, code: i32) -> Result<(), NcclError> {
        if code == 0 {
            return Ok(());
        }
        self.cuda.forget_error();
        Err(NcclError::Gpu {
            device: self.device,
            function,
            message: format!("libtorch returned {code} and printed the reason"),
        })
    }
}
