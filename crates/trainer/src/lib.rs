//! The training loop; bin tenk-pretrain.
//!
//! From a TOML file to checkpoints: a checked plan, the same on all ranks; steps whose data and
//! arithmetic do not depend on the number of ranks; metrics, evaluation, resuming, stopping.
//! It does not know how text becomes shards, nor what is done with a model afterwards.

pub mod affinity;
mod agree;
pub mod command;
pub mod compare;
pub mod config;
mod crowd;
mod data;
mod device;
mod drift;
pub mod error;
pub mod estimate;
pub mod evaluate;
pub mod exit;
mod export;
pub mod gpu_check;
mod gradients;
mod identity;
mod last_resort;
pub mod launch;
mod launcher;
mod lineage;
mod liveness;
pub mod logs;
mod loss_scale;
mod memory;
pub mod meters;
pub mod metrics;
mod model_section;
mod optimizer;
pub mod overlap;
pub mod plan;
mod plan_command;
pub mod precision;
pub mod processor;
mod progress_report;
pub mod ready;
pub mod reduction;
pub mod replay;
mod run_folder;
mod saved_run;
mod saved_state;
mod schedule;
mod session;
mod shared_memory;
mod staging;
pub mod step;
pub mod stop;
mod text_dates;
pub mod train;
mod trainee;
mod unigram;

#[cfg(test)]
mod test_corpus;
#[cfg(test)]
mod tests;

pub use config::RunConfig;
pub use error::TrainError;
pub use plan::TrainPlan;
pub use schedule::Schedule;
pub use session::Session;
