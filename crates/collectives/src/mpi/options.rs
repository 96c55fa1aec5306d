//! How MPI is used.

use std::time::Duration;

/// How an [`Mpi`] works.
#[derive(Debug, Clone, Copy)]
pub struct MpiOptions {
    /// Deadline of every call.
    pub timeout: Duration,
    /// Large reductions work in place in the caller's slice, and sums by this library's own ways,
    /// instead of through a copy and MPI's own call.
    pub zero_copy: bool,
    /// Ranks that are all on one host add up in memory that they share.
    pub shared_memory: bool,
}

impl MpiOptions {
    /// The default way with this deadline.
    pub fn new(timeout: Duration) -> Self {
        Self {
            timeout,
            zero_copy: true,
            shared_memory: true,
        }
    }
}
