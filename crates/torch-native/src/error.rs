//! The crate's error type.

use std::ops::Range;

use tch::{Device, Kind, TchError};

/// What can go wrong between Rust and libtorch.
#[derive(Debug, thiserror::Error)]
pub enum TorchError {
    /// A libtorch operation called through `tch` failed.
    #[error("a libtorch operation failed: {0}")]
    Tch(#[from] TchError),
    /// A function of the C++ shim failed.
    #[error("{operation} failed in libtorch: {message}")]
    Shim {
        /// The shim's function.
        operation: &'static str,
        /// What the C++ exception said.
        message: String,
    },
    /// What a backward pass computes a second time failed.
    #[error("computing activations a second time failed: {message}")]
    Recomputation {
        /// What went wrong.
        message: String,
    },
    /// The tensor's memory cannot be used as one slice.
    #[error(
        "{operation} needs a contiguous CPU tensor of kind {expected:?}; it got kind {kind:?} on {device:?}, contiguous: {contiguous}"
    )]
    NotASlice {
        /// The function that was called.
        operation: &'static str,
        /// The element kind that the function works on.
        expected: Kind,
        /// The tensor's kind.
        kind: Kind,
        /// The tensor's device.
        device: Device,
        /// Whether its memory is contiguous.
        contiguous: bool,
    },
    /// The tensor's kind is not one that the operation has.
    #[error("{operation} has no form for tensors of kind {kind:?}")]
    UnsupportedKind {
        /// The function that was called.
        operation: &'static str,
        /// The tensor's kind.
        kind: Kind,
    },
    /// Two sizes that must agree do not.
    #[error("{operation}: {what} holds {found} elements or bytes, expected {expected}")]
    SizeMismatch {
        /// The function that was called.
        operation: &'static str,
        /// Which argument.
        what: &'static str,
        /// The size that the other arguments ask for.
        expected: usize,
        /// The size that it has.
        found: usize,
    },
    /// A range of the flat buffer is empty, out of order or out of bounds.
    #[error("{operation}: range {range:?} is out of order or outside the {len} elements of the buffer")]
    BadRange {
        /// The function that was called.
        operation: &'static str,
        /// The range.
        range: Range<usize>,
        /// The buffer's length in elements.
        len: usize,
    },
    /// Two tensors that are written share memory.
    #[error("{operation}: two of its tensors share memory")]
    Aliased {
        /// The function that was called.
        operation: &'static str,
    },
    /// A view does not start at a multiple of 64 bytes.
    #[error("a leaf view starts at byte {offset_bytes}, which is not a multiple of 64")]
    Unaligned {
        /// Byte offset in the flat buffer.
        offset_bytes: usize,
    },
    /// The team of threads that do nothing could not be had ([`crate::WaitAsleep`]).
    #[error(
        "OpenMP threads go on spinning while they wait: {size} idle threads would end that, but {reason}"
    )]
    IdleTeam {
        /// Threads that were asked for.
        size: usize,
        /// Why they are not there.
        reason: String,
    },
    /// A number that has to lie in a range does not.
    #[error("{name} is {value}, it has to be {expected}")]
    OutOfRange {
        /// The argument.
        name: &'static str,
        /// Its value.
        value: f64,
        /// The values that are allowed.
        expected: &'static str,
    },
}
