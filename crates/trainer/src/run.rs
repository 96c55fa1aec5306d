//! A run from its start to its end: its folder and what stands in it, its data, its loop, and why it stops.

pub(crate) mod beginning;
pub(crate) mod data;
pub(crate) mod dry_run;
pub(crate) mod evaluate;
pub(crate) mod exit;
pub(crate) mod find_checkpoint;
pub(crate) mod launch;
pub(crate) mod lineage;
pub(crate) mod logs;
pub(crate) mod memory;
pub(crate) mod metrics;
pub(crate) mod plan;
pub(crate) mod progress_report;
pub(crate) mod run_folder;
pub(crate) mod saved_run_error;
pub(crate) mod saved_state;
pub(crate) mod session;
pub(crate) mod smaller_micro_batch;
pub(crate) mod staging;
pub(crate) mod stop;
pub(crate) mod stop_reason;
pub(crate) mod synthetic;
pub(crate) mod text_dates;
pub(crate) mod timestamp;
pub(crate) mod train;
pub(crate) mod unigram;

#[cfg(test)]
pub(crate) mod test_corpus;
#[cfg(test)]
pub(crate) mod tests;
