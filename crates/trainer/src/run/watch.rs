//! Who watches over a run while it trains: that no rank is lost, and that its cores are not crowded.

pub(crate) mod crowd;
pub(crate) mod liveness;
