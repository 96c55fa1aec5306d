//! The trait of a back end that sums gradients where they lie, in the memory of devices.
//!
//! A [`Collective`](crate::Collective) that has one hands it out. Everything but gradients goes on
//! through host memory.

use std::fmt;

use crate::{Bucket, CollectiveError, DeviceBuffer};

/// Sums numbers in the memory of devices over all ranks, beside what the devices compute. After a
/// failed call every later one is refused.
///
/// # Errors
/// Every method ends in an error that names the rank and the bucket.
#[expect(
    clippy::missing_errors_doc,
    reason = "all methods share the errors of the trait's doc"
)]
pub trait DeviceReduce: Send + fmt::Debug {
    /// Queues the sum of `buffer`, in place: behind what the device was given so far, beside what it
    /// is given from now on. All ranks queue the same buckets in the same order. Until
    /// [`DeviceReduce::finish`] nothing else may use these numbers.
    fn start(&mut self, buffer: DeviceBuffer, bucket: Bucket) -> Result<(), CollectiveError>;

    /// Looks at the sums that are under way, without waiting for them: for whoever waits for something
    /// else, which may itself wait for a device that hangs.
    fn look(&mut self) -> Result<(), CollectiveError>;

    /// Waits until all queued sums are finished; what the device is given from then on comes after
    /// them.
    fn finish(&mut self) -> Result<(), CollectiveError>;
}
