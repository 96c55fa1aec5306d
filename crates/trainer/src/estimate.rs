//! What a run will need before any machine is rented: `tenk-pretrain plan`.
//!
//! Arithmetic on the configuration alone, but for the constants of a CPU, which are measured: parameters, FLOPs, memory, the
//! largest micro-batch, communication, time of a step, hours as a range, passes over the corpus,
//! cost. The constants of a GPU and of the published data are fitted on one published row
//! each; what they predict for the other rows stands in [`published`].

pub mod cpu;
pub mod device;
pub mod memory;
pub mod network;
pub mod published;
mod report;
pub mod step_time;
mod text;
pub mod work;

pub use report::{Asked, Estimate};
pub use text::text;
