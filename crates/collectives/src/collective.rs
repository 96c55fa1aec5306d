//! The trait that every backend implements.

use std::fmt;

use crate::{Bucket, CollectiveError, DeviceReduce, Rank, SumOrder};

/// Collective communication between the ranks of one run.
///
/// Every result is bit for bit the same on all ranks. A failed call leaves the backend
/// unusable: the caller reports the error and calls [`Collective::abort`].
///
/// # Errors
/// Every method ends in [`CollectiveError::Mismatch`] when ranks make different calls, in
/// [`CollectiveError::Deadline`] when a rank does not arrive in time, in
/// [`CollectiveError::Aborted`] when a rank gave up, and in [`CollectiveError::Failed`] when
/// the transport reports a failure.
#[expect(
    clippy::missing_errors_doc,
    reason = "all methods share the errors of the trait's doc"
)]
pub trait Collective: Send + fmt::Debug {
    /// This process's rank.
    fn rank(&self) -> Rank;

    /// The number of ranks.
    fn world_size(&self) -> u32;

    /// This rank's number among the ranks of its host.
    fn local_rank(&self) -> u32;

    /// The number of ranks on this host.
    fn local_size(&self) -> u32;

    /// How many calls this rank has made, failed ones included: the sequence number of the last.
    fn calls_made(&self) -> u64;

    /// Tells a backend that reports where its ranks are that this one works on `step`, from 1.
    fn at_step(&mut self, step: u64) {
        let _ = step;
    }

    /// Tells a backend that reports where its ranks are that this one sums this part of the gradients
    /// of its step.
    fn at_bucket(&mut self, bucket: Bucket) {
        let _ = bucket;
    }

    /// Tells a backend whose waits begin awake whether others want the cores: then they sleep at once.
    fn wait_asleep(&mut self, asleep: bool) {
        let _ = asleep;
    }

    /// In which order this backend adds large sums up.
    fn sum_order(&self) -> SumOrder {
        SumOrder::RankOrder
    }

    /// Sums of numbers in the memory of devices, where this backend has them.
    fn device_reduce(&mut self) -> Option<&mut dyn DeviceReduce> {
        None
    }

    /// Waits until every rank has called it.
    fn barrier(&mut self) -> Result<(), CollectiveError>;

    /// Replaces `values` by their element-wise sum over all ranks.
    fn all_reduce_sum_f32(&mut self, values: &mut [f32]) -> Result<(), CollectiveError>;

    /// Replaces `values` by their element-wise sum over all ranks.
    fn all_reduce_sum_f64(&mut self, values: &mut [f64]) -> Result<(), CollectiveError>;

    /// Replaces `values` by their element-wise sum over all ranks, modulo 2^64.
    fn all_reduce_sum_u64(&mut self, values: &mut [u64]) -> Result<(), CollectiveError>;

    /// Replaces `values` by their element-wise minimum over all ranks.
    fn all_reduce_min_f64(&mut self, values: &mut [f64]) -> Result<(), CollectiveError>;

    /// Replaces `values` by their element-wise maximum over all ranks.
    fn all_reduce_max_f64(&mut self, values: &mut [f64]) -> Result<(), CollectiveError>;

    /// Replaces `bytes` on every rank by those of `root`; lengths may differ before.
    fn broadcast(&mut self, root: Rank, bytes: &mut Vec<u8>) -> Result<(), CollectiveError>;

    /// Every rank's `bytes`, in rank order; lengths may differ.
    fn all_gather(&mut self, bytes: &[u8]) -> Result<Vec<Vec<u8>>, CollectiveError>;

    /// Sends `parts[rank]` to each rank, this one included, and returns what each has sent here,
    /// in rank order. Lengths are free; missing parts are empty.
    fn all_to_all(&mut self, parts: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, CollectiveError>;

    /// Tells all ranks to give up. Under MPI the process ends here and the launcher ends the
    /// others; the other backends return and fail every later call of every rank.
    fn abort(&mut self, message: &str);
}
