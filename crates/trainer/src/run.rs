//! A run from its start to its end: its folder and what stands in it, its data, its loop, and why it stops.

pub(crate) mod data;
pub mod evaluate;
pub mod exit;
pub(crate) mod find_checkpoint;
pub mod launch;
pub(crate) mod lineage;
pub mod logs;
pub(crate) mod memory;
pub mod metrics;
pub(crate) mod progress_report;
pub(crate) mod run_folder;
pub(crate) mod saved_state;
pub mod session;
pub(crate) mod staging;
pub mod stop;
pub(crate) mod text_dates;
pub mod train;
pub(crate) mod unigram;

#[cfg(test)]
pub(crate) mod test_corpus;
#[cfg(test)]
pub(crate) mod tests;
