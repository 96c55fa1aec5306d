//! The training loop; bin tenk-pretrain.
//!
//! From a TOML file to checkpoints: a checked plan, the same on all ranks; steps whose data and
//! arithmetic do not depend on the number of ranks; metrics, evaluation, resuming, stopping.
//! It does not know how text becomes shards, nor what is done with a model afterwards.

pub mod commands;
pub mod config;
pub mod error;
pub mod estimate;
pub mod ranks;
pub mod run;
pub mod step;
