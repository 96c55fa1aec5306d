//! The training loop; bin tenk-pretrain.
//!
//! From a TOML file to checkpoints: a checked plan, the same on all ranks; steps whose data and
//! arithmetic do not depend on the number of ranks; metrics, evaluation, resuming, stopping.
//! It does not know how text becomes shards, nor what is done with a model afterwards.
//!
//! The program is all that uses it, so that nothing else is public.

mod commands;
mod config;
mod error;
mod estimate;
mod ranks;
mod run;
mod step;

pub use commands::{Arguments, run_command};
pub use ranks::exit::{ExitStatus, end};
