//! The MPI functions that are used, their result codes turned into errors.
//!
//! Everything here is called by the communication thread alone.
#![expect(unsafe_code, reason = "calls the C interface of MPI")]

use std::{
    ffi::{c_int, c_void},
    ptr,
};

use ::mpi::ffi;

use super::{
    buffer::Buffer,
    library::{Failure, check, check_threads, in_place_of, library_version, number},
    parts::Parts,
    reduction::{Reduction, datatype},
};

/// Of all messages between two ranks.
const TAG: c_int = 0;

/// A started, unfinished call.
pub(super) struct Pending(ffi::MPI_Request);

impl Pending {
    /// Lets MPI work; true when the call is finished.
    pub(super) fn test(&mut self) -> Result<bool, Failure> {
        let mut finished = 0;
        // SAFETY: the request comes from a started call of this thread; a finished request
        // becomes the null request, for which the test is true.
        unsafe {
            check(ffi::MPI_Test(
                &raw mut self.0,
                &raw mut finished,
                ffi::RSMPI_STATUS_IGNORE,
            ))?;
        }
        Ok(finished != 0)
    }
}

/// All ranks of the run.
pub(super) struct World {
    comm: ffi::MPI_Comm,
    rank: u32,
    size: u32,
    /// `MPI_IN_PLACE` is a cast in a C macro that no binding can carry; each family has its own.
    in_place: *const c_void,
}

impl World {
    /// Starts MPI; failures of later calls come back as codes instead of ending the process.
    pub(super) fn initialize() -> Result<Self, Failure> {
        let mut provided = 0;
        // SAFETY: first MPI call of the process, by the only thread that makes MPI calls;
        // null arguments are allowed since MPI-2.
        unsafe {
            check(ffi::MPI_Init_thread(
                ptr::null_mut(),
                ptr::null_mut(),
                ffi::RSMPI_THREAD_FUNNELED,
                &raw mut provided,
            ))?;
            check_threads(provided, ffi::RSMPI_THREAD_FUNNELED)?;
            let comm = ffi::RSMPI_COMM_WORLD;
            check(ffi::MPI_Comm_set_errhandler(comm, ffi::RSMPI_ERRORS_RETURN))?;
            let (rank, size) = place_in(comm)?;
            let in_place = in_place_of(&library_version()?)?;
            Ok(Self {
                comm,
                rank,
                size,
                in_place,
            })
        }
    }

    pub(super) fn rank(&self) -> u32 {
        self.rank
    }

    pub(super) fn size(&self) -> u32 {
        self.size
    }

    /// Rank and number of ranks among those of this host.
    pub(super) fn local(&self) -> Result<(u32, u32), Failure> {
        // SAFETY: `local` is written by MPI before it is read, and freed once.
        unsafe {
            let mut local = ffi::RSMPI_COMM_NULL;
            check(ffi::MPI_Comm_split_type(
                self.comm,
                ffi::RSMPI_COMM_TYPE_SHARED,
                0,
                ffi::RSMPI_INFO_NULL,
                &raw mut local,
            ))?;
            let place = place_in(local)?;
            check(ffi::MPI_Comm_free(&raw mut local))?;
            Ok(place)
        }
    }

    /// # Safety
    /// `buffer` has numbers that nobody else touches and that live until
    /// [`Pending::test`] has said that the call is finished.
    pub(super) unsafe fn start_all_reduce(
        &self,
        buffer: Buffer,
        reduction: Reduction,
    ) -> Result<Pending, Failure> {
        let (count, datatype) = (number(buffer.count)?, datatype(buffer.element));
        // SAFETY: the caller's promise; in place, input and output are the same memory.
        unsafe {
            start(|request| {
                ffi::MPI_Iallreduce(
                    self.in_place,
                    buffer.start,
                    count,
                    datatype,
                    reduction.native(),
                    self.comm,
                    request,
                )
            })
        }
    }

    /// Sends to `rank`, which receives its messages in the order in which they were sent.
    ///
    /// # Safety
    /// `start` points to `num_bytes` bytes that nobody writes to and that live until
    /// [`Pending::test`] has said that the call is finished.
    pub(super) unsafe fn start_send(
        &self,
        start_of: *const c_void,
        num_bytes: usize,
        rank: u32,
    ) -> Result<Pending, Failure> {
        let (count, rank) = (number(num_bytes)?, number(rank as usize)?);
        // SAFETY: the caller's promise.
        unsafe {
            let byte = ffi::RSMPI_UINT8_T;
            start(|request| ffi::MPI_Isend(start_of, count, byte, rank, TAG, self.comm, request))
        }
    }

    /// Receives what `rank` sends.
    ///
    /// # Safety
    /// `start` points to `num_bytes` bytes that nobody else touches and that live until
    /// [`Pending::test`] has said that the call is finished.
    pub(super) unsafe fn start_receive(
        &self,
        start_of: *mut c_void,
        num_bytes: usize,
        rank: u32,
    ) -> Result<Pending, Failure> {
        let (count, rank) = (number(num_bytes)?, number(rank as usize)?);
        // SAFETY: the caller's promise.
        unsafe {
            let byte = ffi::RSMPI_UINT8_T;
            start(|request| ffi::MPI_Irecv(start_of, count, byte, rank, TAG, self.comm, request))
        }
    }

    /// # Safety
    /// `start` points to `num_bytes` bytes that nobody else touches and that live until
    /// [`Pending::test`] has said that the call is finished.
    pub(super) unsafe fn start_broadcast(
        &self,
        start_of: *mut c_void,
        num_bytes: usize,
        root: u32,
    ) -> Result<Pending, Failure> {
        let (count, root) = (number(num_bytes)?, number(root as usize)?);
        // SAFETY: the caller's promise.
        unsafe {
            start(|request| ffi::MPI_Ibcast(start_of, count, ffi::RSMPI_UINT8_T, root, self.comm, request))
        }
    }

    /// # Safety
    /// `own` points to `num_bytes` bytes, `all` to that many for each rank; both live, and
    /// nobody else touches `all`, until [`Pending::test`] has said that the call is finished.
    pub(super) unsafe fn start_all_gather(
        &self,
        own: *const c_void,
        all: *mut c_void,
        num_bytes: usize,
    ) -> Result<Pending, Failure> {
        let count = number(num_bytes)?;
        // SAFETY: the caller's promise.
        unsafe {
            let byte = ffi::RSMPI_UINT8_T;
            start(|request| ffi::MPI_Iallgather(own, count, byte, all, count, byte, self.comm, request))
        }
    }

    /// # Safety
    /// As [`World::start_all_gather`]; `all` has room for all `parts`, and `own` and `parts` live
    /// as long.
    pub(super) unsafe fn start_all_gather_parts(
        &self,
        own: &[u8],
        all: *mut c_void,
        parts: &Parts,
    ) -> Result<Pending, Failure> {
        let count = number(own.len())?;
        // The pointer of an empty slice dangles at 1, which is Open MPI's `MPI_IN_PLACE`.
        let own: *const c_void = if own.is_empty() {
            ptr::null()
        } else {
            own.as_ptr().cast()
        };
        // SAFETY: the caller's promise.
        unsafe {
            let byte = ffi::RSMPI_UINT8_T;
            start(|request| {
                ffi::MPI_Iallgatherv(
                    own,
                    count,
                    byte,
                    all,
                    parts.counts.as_ptr(),
                    parts.starts.as_ptr(),
                    byte,
                    self.comm,
                    request,
                )
            })
        }
    }

    /// # Safety
    /// `own` and `all` point to 8 bytes for each rank; both live, and nobody else touches `all`,
    /// until [`Pending::test`] has said that the call is finished.
    pub(super) unsafe fn start_all_to_all_words(
        &self,
        own: *const c_void,
        all: *mut c_void,
    ) -> Result<Pending, Failure> {
        // SAFETY: the caller's promise.
        unsafe {
            let word = ffi::RSMPI_UINT64_T;
            start(|request| ffi::MPI_Ialltoall(own, 1, word, all, 1, word, self.comm, request))
        }
    }

    /// # Safety
    /// `own` points to the bytes that `sent` lays out, `all` to room for those of `received`; all
    /// of them live, and nobody else touches `all`, until [`Pending::test`] has said that the
    /// call is finished.
    pub(super) unsafe fn start_all_to_all_parts(
        &self,
        own: *const c_void,
        sent: &Parts,
        all: *mut c_void,
        received: &Parts,
    ) -> Result<Pending, Failure> {
        // SAFETY: the caller's promise.
        unsafe {
            let byte = ffi::RSMPI_UINT8_T;
            start(|request| {
                ffi::MPI_Ialltoallv(
                    own,
                    sent.counts.as_ptr(),
                    sent.starts.as_ptr(),
                    byte,
                    all,
                    received.counts.as_ptr(),
                    received.starts.as_ptr(),
                    byte,
                    self.comm,
                    request,
                )
            })
        }
    }

    /// Lets MPI work for the other ranks: what this one has sent may still be on its way out.
    pub(super) fn progress(&self) {
        let mut any = 0;
        // SAFETY: the communicator lives; the result is a plain integer of this frame.
        unsafe {
            ffi::MPI_Iprobe(
                ffi::RSMPI_ANY_SOURCE,
                ffi::RSMPI_ANY_TAG,
                self.comm,
                &raw mut any,
                ffi::RSMPI_STATUS_IGNORE,
            );
        }
    }

    /// Ends this process and, through the launcher, all others.
    pub(super) fn abort(&self) -> ! {
        // SAFETY: allowed at any time between initialization and finalization.
        unsafe {
            ffi::MPI_Abort(self.comm, 1);
        }
        std::process::abort()
    }
}

/// # Safety
/// `begin` must start one MPI call on buffers that outlive it and write its request.
unsafe fn start(begin: impl FnOnce(*mut ffi::MPI_Request) -> c_int) -> Result<Pending, Failure> {
    // SAFETY: a constant of the MPI library.
    let mut request = unsafe { ffi::RSMPI_REQUEST_NULL };
    check(begin(&raw mut request))?;
    Ok(Pending(request))
}

/// # Safety
/// `comm` must be a live communicator.
unsafe fn place_in(comm: ffi::MPI_Comm) -> Result<(u32, u32), Failure> {
    let (mut rank, mut size) = (0, 0);
    // SAFETY: the caller's promise; both results are plain integers of this frame.
    unsafe {
        check(ffi::MPI_Comm_rank(comm, &raw mut rank))?;
        check(ffi::MPI_Comm_size(comm, &raw mut size))?;
    }
    let natural = |value: c_int| {
        u32::try_from(value).map_err(|_| Failure(format!("MPI reported the rank or size {value}")))
    };
    Ok((natural(rank)?, natural(size)?))
}
