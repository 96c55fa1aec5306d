//! A stand-in for NCCL, the CUDA runtime and libtorch's streams, for tests without a GPU.
//!
//! It is not NCCL: `c/nccl_stand_in.c` says what it does instead. It is compiled when a test
//! asks for it; where the peers' environment is there, the same file is also checked against the
//! real headers. For tests only: no program depends on this crate.
#![expect(unsafe_code, reason = "calls the stand-in's own functions")]
#![expect(clippy::unwrap_used, reason = "a test's own failure is its message")]

mod compile;

use std::{
    ffi::{c_char, c_int, c_uint, c_ulong, c_void},
    path::{Path, PathBuf},
    ptr,
    sync::atomic::{AtomicUsize, Ordering},
};

use libloading::os::unix::Library;

pub use compile::{check_with_real_headers, compiled, run_with_real_headers};

/// What goes wrong on a stand-in's GPU. The numbers are those of the C file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The set-up fails on this rank.
    InitFails = 1,
    /// The set-up never ends.
    InitNeverEnds,
    /// The call for a sum fails.
    SumIsRefused,
    /// A sum does not end, and NCCL reports an error when it is asked.
    SumBreaks,
    /// A sum does not end, and nothing is reported.
    SumHangs,
    /// Aborting does not return.
    AbortHangs,
    /// Leaving never ends.
    FinalizeNeverEnds,
    /// libtorch has no stream.
    NoStream,
    /// A sum does not end, whatever is done; the abort does not return, and from then on no call
    /// about the GPU does.
    SumAndAbortHang,
    /// The call for a sum does not return.
    SumDoesNotReturn,
    /// The question whether an event is reached does not return.
    QueryDoesNotReturn,
    /// The question whether an event is reached fails.
    QueryFails,
    /// A question about host memory is an error, as it was before CUDA 11.
    HostMemoryIsInvalid,
    /// The end of a communicator that was left in order does not return.
    DestroyDoesNotReturn,
}

/// The stand-in, loaded into this process. All that are loaded share their GPUs.
#[derive(Debug)]
pub struct StandIn {
    library: Library,
    path: PathBuf,
}

/// Numbers in the memory of a stand-in's GPU, NaN at first. They live as long as the process.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    start: *mut f32,
    count: usize,
}

// SAFETY: the memory is never freed; it is read and written by `Memory`'s and the stand-in's own
// functions, as racily as a GPU's memory is.
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

impl Memory {
    /// Where it begins.
    pub fn address(&self) -> usize {
        self.start.addr()
    }

    /// What it holds at this moment.
    pub fn read(&self) -> Vec<f32> {
        (0..self.count)
            // SAFETY: within the allocation, which is never freed.
            .map(|index| unsafe { self.start.add(index).read_volatile() })
            .collect()
    }

    /// `count` of its numbers from `start` on.
    ///
    /// # Panics
    /// Where it has not so many.
    #[must_use]
    pub fn part(&self, start: usize, count: usize) -> Self {
        assert!(start + count <= self.count, "a part of {} numbers", self.count);
        Self {
            start: self.start.wrapping_add(start),
            count,
        }
    }
}

impl StandIn {
    /// Compiles it where that was not done yet, and loads it.
    ///
    /// # Panics
    /// Where there is no C compiler.
    pub fn load() -> Self {
        let path = compiled(&[]);
        // SAFETY: the stand-in has no initializers.
        let library = unsafe { Library::new(&path) }.unwrap();
        Self { library, path }
    }

    /// Its file, which stands in for NCCL, the CUDA runtime and libtorch.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// So many GPUs that no other test of this process uses.
    pub fn gpus(&self, count: usize) -> std::ops::Range<usize> {
        // Number 0 is what every thread has selected at first, so what goes wrong on it would reach all tests.
        static NEXT: AtomicUsize = AtomicUsize::new(1);
        let first = NEXT.fetch_add(count, Ordering::Relaxed);
        first..first + count
    }

    /// Numbers on `gpu`.
    pub fn memory(&self, gpu: usize, count: usize) -> Memory {
        let start = Box::leak(vec![f32::NAN; count].into_boxed_slice()).as_mut_ptr();
        self.adopt(gpu, start.addr(), count * size_of::<f32>());
        Memory { start, count }
    }

    /// Makes memory of this process memory of `gpu`. It has to outlive all that the stand-in is
    /// asked to do with it.
    pub fn adopt(&self, gpu: usize, address: usize, bytes: usize) {
        // SAFETY: the C file has this function with this type; it keeps the address alone.
        unsafe {
            self.function::<unsafe extern "C" fn(c_int, *const c_void, usize)>("stand_in_memory")(
                number(gpu),
                ptr::without_provenance(address),
                bytes,
            );
        }
    }

    /// Makes all memory of this process memory of whichever GPU the thread that asks has selected: for
    /// a process of its own, whose gradients are made where no test can name them.
    pub fn adopt_all(&self) {
        // SAFETY: the C file has this function with this type; it keeps the address alone.
        unsafe {
            self.function::<unsafe extern "C" fn(c_int, *const c_void, usize)>("stand_in_memory")(
                -1,
                ptr::null(),
                usize::MAX,
            );
        }
    }

    /// Makes something go wrong on `gpu`, at its sum number `at` (from 1) where it is about a sum.
    pub fn fail(&self, gpu: usize, fault: Fault, at: u64) {
        self.fail_with_number(gpu, fault as c_int, at);
    }

    /// The same with the number of a fault, by which another process may be told; 0: none.
    pub fn fail_with_number(&self, gpu: usize, fault: c_int, at: u64) {
        // SAFETY: the C file has this function with this type.
        unsafe {
            self.function::<unsafe extern "C" fn(c_int, c_int, c_ulong)>("stand_in_fault")(
                number(gpu),
                fault,
                at,
            );
        }
    }

    /// Makes the number `gpu` mean the GPU of the number `other`.
    pub fn twin(&self, gpu: usize, other: usize) {
        // SAFETY: the C file has this function with this type.
        unsafe {
            self.function::<unsafe extern "C" fn(c_int, c_int)>("stand_in_twin")(number(gpu), number(other));
        }
    }

    /// From here on the calling thread numbers these GPUs from 0, as a process does that has them in
    /// `CUDA_VISIBLE_DEVICES`.
    pub fn show(&self, gpus: &[usize]) {
        let gpus: Vec<c_int> = gpus.iter().map(|&gpu| number(gpu)).collect();
        // SAFETY: the C file has this function with this type; it copies the numbers.
        unsafe {
            self.function::<unsafe extern "C" fn(*const c_int, c_int)>("stand_in_visible")(
                gpus.as_ptr(),
                number(gpus.len()),
            );
        }
    }

    /// The GPU that the calling thread has selected.
    ///
    /// # Panics
    /// Never: the C file's numbers begin with 0.
    pub fn selected(&self) -> usize {
        // SAFETY: the C file has this function with this type.
        let gpu = unsafe { self.function::<unsafe extern "C" fn() -> c_int>("stand_in_selected")() };
        usize::try_from(gpu).unwrap()
    }

    /// The error that the CUDA runtime keeps for the calling thread; 0: none.
    pub fn last_error(&self) -> i32 {
        // SAFETY: the C file has this function with this type.
        unsafe { self.function::<unsafe extern "C" fn() -> c_int>("stand_in_last_error")() }
    }

    /// Makes the handlers that run when this process exits wait for ever.
    pub fn hang_at_exit(&self) {
        // SAFETY: the C file has this function with this type.
        unsafe { self.function::<unsafe extern "C" fn()>("stand_in_hang_at_exit")() }
    }

    /// Gives the current stream of `gpu` a kernel that fills `memory` after a while.
    pub fn fill(&self, gpu: usize, memory: Memory, value: f32, after_us: u32) {
        // SAFETY: the C file has this function with this type; the memory is never freed.
        unsafe {
            self.function::<unsafe extern "C" fn(c_int, *mut f32, usize, f32, c_uint)>("stand_in_fill")(
                number(gpu),
                memory.start,
                memory.count,
                value,
                after_us,
            );
        }
    }

    /// Gives the current stream of `gpu` a kernel that copies.
    ///
    /// # Panics
    /// Where there is less room than numbers.
    pub fn copy(&self, gpu: usize, from: Memory, to: Memory) {
        assert!(to.count >= from.count, "a copy into less memory");
        // SAFETY: the C file has this function with this type; the memory is never freed.
        unsafe {
            self.function::<unsafe extern "C" fn(c_int, *const f32, *mut f32, usize)>("stand_in_copy")(
                number(gpu),
                from.start,
                to.start,
                from.count,
            );
        }
    }

    /// Waits until the current stream of `gpu` has done what it was given so far.
    pub fn synchronize(&self, gpu: usize) {
        // SAFETY: the C file has this function with this type.
        unsafe { self.function::<unsafe extern "C" fn(c_int)>("stand_in_synchronize")(number(gpu)) }
    }

    /// What was asked of `gpu` so far, one line a call.
    pub fn trace(&self, gpu: usize) -> Vec<String> {
        let mut text = vec![0_u8; 16 << 10];
        // SAFETY: the C file has this function with this type; it writes at most so many bytes.
        unsafe {
            self.function::<unsafe extern "C" fn(c_int, *mut c_char, usize)>("stand_in_trace")(
                number(gpu),
                text.as_mut_ptr().cast(),
                text.len(),
            );
        }
        let end = text.iter().position(|&byte| byte == 0).unwrap_or(0);
        let text = String::from_utf8_lossy(&text[..end]);
        text.lines().map(str::to_owned).collect()
    }

    /// # Safety
    /// The function has to be of type `F`.
    unsafe fn function<F: Copy>(&self, name: &str) -> F {
        // SAFETY: the caller's promise.
        *unsafe { self.library.get::<F>(name.as_bytes()) }.unwrap()
    }
}

fn number(gpu: usize) -> c_int {
    c_int::try_from(gpu).unwrap_or(c_int::MAX)
}
