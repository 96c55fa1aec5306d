//! What keeps a run from being planned.

use std::path::PathBuf;

use crate::run::plan::smaller_micro_batch::SmallerMicroBatch;

/// An error of `tenk-pretrain plan`.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EstimateError {
    /// Accelerators that are to be planned for on the network of a host's CPU ranks.
    #[error(
        "--network host joins ranks of a CPU (--device cpu), and --device is {device}; name the network of its nodes"
    )]
    NetworkOfCpus {
        /// The device.
        device: String,
    },
    /// A precision of which no rate is known on accelerators.
    #[error(
        "training.precision = \"{precision}\" is for proofs, and no rate of {device} in it is published; plan for another precision, or for --device cpu, which is measured"
    )]
    NoPublishedRate {
        /// The device.
        device: &'static str,
        /// The precision.
        precision: &'static str,
    },
    /// The folder of `plan --from` is none of a run.
    #[error(
        "--from {} has no config.toml, so it is not a run folder; name the run.dir of a run that has started",
        run.display()
    )]
    NoRun {
        /// The folder.
        run: PathBuf,
    },
    /// A run has not measured its rate yet.
    #[error(
        "--from {}: it has measured {steps} steps{}, and a rate takes 50 of them in at least 5 lines of metrics.jsonl; ask again when it has taken more{}, or plan by --config and --device",
        run.display(),
        if *world_size > 0 { format!(" on its {world_size} ranks") } else { String::new() },
        if *logging > 10 { format!(" (a line has {logging} steps, logging.every_steps)") } else { String::new() }
    )]
    NotMeasured {
        /// The run folder.
        run: PathBuf,
        /// Measured steps.
        steps: u64,
        /// Ranks that the run has now; 0 where it has taken no step.
        world_size: usize,
        /// `logging.every_steps`
        logging: u64,
    },
    /// A planned micro-batch needs more memory than the device has.
    #[error("training.micro_batch_size = {micro_batch_size} does not fit on {device}: {way_out}")]
    PlanDoesNotFit {
        /// The device.
        device: &'static str,
        /// Sequences of the micro-batch.
        micro_batch_size: u64,
        /// What would fit.
        way_out: SmallerMicroBatch,
    },
}
