//! A process of a run among the others: its cores, what all ranks agree on, what it is asked, and how it ends.

pub(crate) mod affinity;
pub(crate) mod agree;
pub(crate) mod drift;
pub(crate) mod exit;
pub(crate) mod last_resort;
pub(crate) mod launcher;
pub(crate) mod logs;
pub(crate) mod processor;
pub(crate) mod shared_memory;
pub(crate) mod stop;
pub(crate) mod stop_reason;
pub(crate) mod timestamp;
