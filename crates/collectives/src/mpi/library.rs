//! The MPI library of this process: which it is, what it supports, and what it says about failures.
#![expect(unsafe_code, reason = "calls the C interface of MPI")]

use std::{
    ffi::{c_int, c_void},
    ptr,
};

use ::mpi::ffi;

/// What MPI says about a failed call.
#[derive(Debug)]
pub(super) struct Failure(pub(super) String);

/// Leaves MPI; every rank must have arrived.
pub(super) fn finalize() {
    // SAFETY: the last MPI call of the process; nothing is pending.
    let code = unsafe { ffi::MPI_Finalize() };
    if code != 0 {
        tracing::warn!(code, "MPI_Finalize reported a failure");
    }
}

/// Levels of support for threads rise with their numbers (MPI 4.0, 11.2.1). Below "funneled" a
/// process must have one thread only, and this one has threads that compute.
pub(super) fn check_threads(provided: c_int, wanted: c_int) -> Result<(), Failure> {
    if provided >= wanted {
        return Ok(());
    }
    Err(Failure(format!(
        "the MPI library supports threads only up to level {provided}, but tenk needs level {wanted} (MPI_THREAD_FUNNELED); use an MPI library that was built with support for threads"
    )))
}

/// The library's name and version in its own words.
pub(super) fn library_version() -> Result<String, Failure> {
    // SAFETY: the buffer has the length that MPI asks for; MPI writes `length` bytes to it.
    unsafe {
        let capacity = usize::try_from(ffi::RSMPI_MAX_LIBRARY_VERSION_STRING).unwrap_or(8192);
        let mut text = vec![0_u8; capacity + 1];
        let mut length = 0;
        check(ffi::MPI_Get_library_version(
            text.as_mut_ptr().cast(),
            &raw mut length,
        ))?;
        text.truncate(usize::try_from(length).unwrap_or(0));
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

/// `MPI_IN_PLACE` is `(void *) 1` in Open MPI's `mpi.h` and `(void *) -1` in that of MPICH and
/// its relatives.
pub(super) fn in_place_of(library: &str) -> Result<*const c_void, Failure> {
    const OF_MPICH: [&str; 4] = ["MPICH", "Intel(R) MPI", "MVAPICH", "CRAY"];
    if library.contains("Open MPI") {
        Ok(ptr::without_provenance(1))
    } else if OF_MPICH.iter().any(|name| library.contains(name)) {
        Ok(ptr::without_provenance(usize::MAX))
    } else {
        Err(Failure(format!(
            "the MPI library `{library}` is not known; Open MPI and MPICH are supported"
        )))
    }
}

/// A number as MPI takes it.
pub(super) fn number(count: usize) -> Result<c_int, Failure> {
    c_int::try_from(count).map_err(|_| Failure(format!("{count} is more than MPI can count")))
}

/// The failure behind a result code, in MPI's own words.
pub(super) fn check(code: c_int) -> Result<(), Failure> {
    if code == 0 {
        return Ok(());
    }
    let mut text = [0_u8; 8192];
    let mut length = 0;
    // SAFETY: the buffer is longer than any MPI_MAX_ERROR_STRING.
    let known = unsafe { ffi::MPI_Error_string(code, text.as_mut_ptr().cast(), &raw mut length) } == 0;
    let length = if known {
        usize::try_from(length).unwrap_or(0)
    } else {
        0
    };
    Err(Failure(format!(
        "MPI error {code}: {}",
        String::from_utf8_lossy(&text[..length.min(text.len())])
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_without_support_for_threads_is_refused() {
        assert!(check_threads(1, 1).is_ok() && check_threads(3, 1).is_ok());
        let Failure(message) = check_threads(0, 1).unwrap_err();
        assert!(message.contains("MPI_THREAD_FUNNELED"), "{message}");
    }

    #[test]
    fn in_place_follows_the_family_and_unknown_ones_are_refused() {
        assert_eq!(in_place_of("Open MPI v4.1.4, package: Debian").unwrap().addr(), 1);
        assert_eq!(in_place_of("MPICH Version:\t4.0.2").unwrap().addr(), usize::MAX);
        assert!(in_place_of("Another MPI 1.0").is_err());
    }
}
