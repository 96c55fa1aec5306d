//! How numbers of several ranks become one, and what MPI calls that.
#![expect(unsafe_code, reason = "reads constants of the MPI library")]

use ::mpi::ffi;

use crate::{Element, Operation};

/// How elements of several ranks become one.
#[derive(Debug, Clone, Copy)]
pub(super) enum Reduction {
    Sum,
    Minimum,
    Maximum,
}

impl Reduction {
    pub(super) fn operation(self) -> Operation {
        match self {
            Self::Sum => Operation::AllReduceSum,
            Self::Minimum => Operation::AllReduceMin,
            Self::Maximum => Operation::AllReduceMax,
        }
    }

    /// MPI's own.
    pub(super) fn native(self) -> ffi::MPI_Op {
        // SAFETY: constants of the MPI library, written before `main` by its shim.
        unsafe {
            match self {
                Self::Sum => ffi::RSMPI_SUM,
                Self::Minimum => ffi::RSMPI_MIN,
                Self::Maximum => ffi::RSMPI_MAX,
            }
        }
    }
}

/// MPI's own kind of number.
pub(super) fn datatype(element: Element) -> ffi::MPI_Datatype {
    // SAFETY: constants of the MPI library, written before `main` by its shim.
    unsafe {
        match element {
            Element::F32 => ffi::RSMPI_FLOAT,
            Element::F64 => ffi::RSMPI_DOUBLE,
            Element::U64 => ffi::RSMPI_UINT64_T,
        }
    }
}
