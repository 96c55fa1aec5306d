//! How long NCCL may take.

use std::time::Duration;

/// Deadlines of NCCL.
#[derive(Debug, Clone, Copy)]
pub struct NcclTimes {
    /// For every call, and for every bucket to be summed.
    pub call: Duration,
    /// For NCCL to end once it is aborted.
    pub abort: Duration,
}
