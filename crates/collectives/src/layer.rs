//! A backend that lies over another one: every call goes to the one below, and a layer says only
//! what it does besides.

use std::fmt;

use crate::{Bucket, Collective, CollectiveError, DeviceReduce, Operation, Rank, SumOrder};

/// What a sum gave.
#[derive(Debug)]
pub enum Sum<'a> {
    /// Of f32.
    F32(&'a mut [f32]),
    /// Of f64.
    F64(&'a mut [f64]),
    /// Of u64.
    U64(&'a mut [u64]),
}

/// A layer over another backend. Public for the compiler alone: no other crate can name it.
pub trait Layer: Send + fmt::Debug {
    /// The backend below.
    fn below(&self) -> &dyn Collective;

    /// The backend below, to call it.
    fn below_mut(&mut self) -> &mut dyn Collective;

    /// Before the next call, which is not made when this fails.
    fn before(&mut self, operation: Operation) -> Result<(), CollectiveError> {
        let _ = operation;
        Ok(())
    }

    /// After a sum that went well.
    fn after_sum(&mut self, sum: Sum<'_>) {
        let _ = sum;
    }

    /// Before the backend below is told.
    fn before_step(&mut self, step: u64) {
        let _ = step;
    }

    /// Before the backend below is told.
    fn before_bucket(&mut self, bucket: Bucket) {
        let _ = bucket;
    }

    /// Sums on devices: this layer's own, else those of the backend below.
    fn own_device_reduce(&mut self) -> Option<&mut dyn DeviceReduce> {
        self.below_mut().device_reduce()
    }
}

impl<L: Layer> Collective for L {
    fn rank(&self) -> Rank {
        self.below().rank()
    }

    fn world_size(&self) -> u32 {
        self.below().world_size()
    }

    fn local_rank(&self) -> u32 {
        self.below().local_rank()
    }

    fn local_size(&self) -> u32 {
        self.below().local_size()
    }

    fn calls_made(&self) -> u64 {
        self.below().calls_made()
    }

    fn at_step(&mut self, step: u64) {
        self.before_step(step);
        self.below_mut().at_step(step);
    }

    fn at_bucket(&mut self, bucket: Bucket) {
        self.before_bucket(bucket);
        self.below_mut().at_bucket(bucket);
    }

    fn wait_asleep(&mut self, asleep: bool) {
        self.below_mut().wait_asleep(asleep);
    }

    fn sum_order(&self) -> SumOrder {
        self.below().sum_order()
    }

    fn device_reduce(&mut self) -> Option<&mut dyn DeviceReduce> {
        self.own_device_reduce()
    }

    fn barrier(&mut self) -> Result<(), CollectiveError> {
        self.before(Operation::Barrier)?;
        self.below_mut().barrier()
    }

    fn all_reduce_sum_f32(&mut self, values: &mut [f32]) -> Result<(), CollectiveError> {
        self.before(Operation::AllReduceSum)?;
        self.below_mut().all_reduce_sum_f32(values)?;
        self.after_sum(Sum::F32(values));
        Ok(())
    }

    fn all_reduce_sum_f64(&mut self, values: &mut [f64]) -> Result<(), CollectiveError> {
        self.before(Operation::AllReduceSum)?;
        self.below_mut().all_reduce_sum_f64(values)?;
        self.after_sum(Sum::F64(values));
        Ok(())
    }

    fn all_reduce_sum_u64(&mut self, values: &mut [u64]) -> Result<(), CollectiveError> {
        self.before(Operation::AllReduceSum)?;
        self.below_mut().all_reduce_sum_u64(values)?;
        self.after_sum(Sum::U64(values));
        Ok(())
    }

    fn all_reduce_min_f64(&mut self, values: &mut [f64]) -> Result<(), CollectiveError> {
        self.before(Operation::AllReduceMin)?;
        self.below_mut().all_reduce_min_f64(values)
    }

    fn all_reduce_max_f64(&mut self, values: &mut [f64]) -> Result<(), CollectiveError> {
        self.before(Operation::AllReduceMax)?;
        self.below_mut().all_reduce_max_f64(values)
    }

    fn broadcast(&mut self, root: Rank, bytes: &mut Vec<u8>) -> Result<(), CollectiveError> {
        self.before(Operation::Broadcast)?;
        self.below_mut().broadcast(root, bytes)
    }

    fn all_gather(&mut self, bytes: &[u8]) -> Result<Vec<Vec<u8>>, CollectiveError> {
        self.before(Operation::AllGather)?;
        self.below_mut().all_gather(bytes)
    }

    fn all_to_all(&mut self, parts: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, CollectiveError> {
        self.before(Operation::AllToAll)?;
        self.below_mut().all_to_all(parts)
    }

    fn abort(&mut self, message: &str) {
        self.below_mut().abort(message);
    }
}
