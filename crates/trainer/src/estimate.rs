//! What a run will need before any machine is rented: `tenk-pretrain plan`.
//!
//! Arithmetic on the configuration alone, but for the constants of a CPU, which are measured, and for
//! what a run that has begun has measured itself ([`measured`]): parameters, FLOPs, memory, the
//! largest micro-batch, communication, time of a step, hours as a range, passes over the corpus,
//! cost. The constants of a GPU and of the published data are fitted on one published row
//! each; what they predict for the other rows stands in [`published`].

mod advice_text;
pub(crate) mod cpu;
pub(crate) mod device;
pub(crate) mod error;
pub(crate) mod measured;
pub(crate) mod memory;
pub(crate) mod network;
pub(crate) mod published;
mod report;
pub(crate) mod step_time;
pub(crate) mod suggest;
mod text;

pub(crate) use advice_text::{text_of_remaining, text_of_suggestions};
pub(crate) use report::{Asked, Estimate};
pub(crate) use text::text;
