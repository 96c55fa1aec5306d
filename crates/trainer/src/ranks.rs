//! What the ranks of a run have to do with each other: that they are the same, agree, are there, and have
//! cores of their own.

pub(crate) mod affinity;
pub(crate) mod agree;
pub(crate) mod crowd;
pub(crate) mod drift;
pub(crate) mod identity;
pub(crate) mod last_resort;
pub(crate) mod launcher;
pub(crate) mod liveness;
pub(crate) mod processor;
pub(crate) mod reproducibility_key;
pub(crate) mod shared_memory;
