//! One process: every collective is the identity.

use crate::{
    Collective, CollectiveError, Operation, Rank,
    call::{Call, Sequence},
};

/// A world of one rank.
#[derive(Debug, Default)]
pub struct Single {
    sequence: Sequence,
    aborted: Option<String>,
}

impl Single {
    /// A world of one rank.
    pub fn new() -> Self {
        Self::default()
    }

    fn step(&mut self, operation: Operation) -> Result<Call, CollectiveError> {
        let call = self.sequence.next(operation);
        match &self.aborted {
            None => Ok(call),
            Some(message) => Err(CollectiveError::Aborted {
                rank: Rank(0),
                call,
                by: Rank(0),
                message: message.clone(),
            }),
        }
    }
}

impl Collective for Single {
    fn rank(&self) -> Rank {
        Rank(0)
    }

    fn world_size(&self) -> u32 {
        1
    }

    fn local_rank(&self) -> u32 {
        0
    }

    fn local_size(&self) -> u32 {
        1
    }

    fn calls_made(&self) -> u64 {
        self.sequence.made()
    }

    fn barrier(&mut self) -> Result<(), CollectiveError> {
        self.step(Operation::Barrier).map(drop)
    }

    fn all_reduce_sum_f32(&mut self, _values: &mut [f32]) -> Result<(), CollectiveError> {
        self.step(Operation::AllReduceSum).map(drop)
    }

    fn all_reduce_sum_f64(&mut self, _values: &mut [f64]) -> Result<(), CollectiveError> {
        self.step(Operation::AllReduceSum).map(drop)
    }

    fn all_reduce_sum_u64(&mut self, _values: &mut [u64]) -> Result<(), CollectiveError> {
        self.step(Operation::AllReduceSum).map(drop)
    }

    fn all_reduce_min_f64(&mut self, _values: &mut [f64]) -> Result<(), CollectiveError> {
        self.step(Operation::AllReduceMin).map(drop)
    }

    fn all_reduce_max_f64(&mut self, _values: &mut [f64]) -> Result<(), CollectiveError> {
        self.step(Operation::AllReduceMax).map(drop)
    }

    fn broadcast(&mut self, root: Rank, _bytes: &mut Vec<u8>) -> Result<(), CollectiveError> {
        let call = self.step(Operation::Broadcast)?;
        if root == Rank(0) {
            return Ok(());
        }
        Err(CollectiveError::Failed {
            rank: Rank(0),
            call,
            message: format!("rank {root} is not one of 1 rank"),
        })
    }

    fn all_gather(&mut self, bytes: &[u8]) -> Result<Vec<Vec<u8>>, CollectiveError> {
        self.step(Operation::AllGather)?;
        Ok(vec![bytes.to_vec()])
    }

    fn all_to_all(&mut self, mut parts: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, CollectiveError> {
        self.step(Operation::AllToAll)?;
        parts.resize(1, Vec::new());
        Ok(parts)
    }

    fn abort(&mut self, message: &str) {
        self.aborted.get_or_insert_with(|| message.to_owned());
    }
}
