//! Why data cannot be loaded.

use std::path::PathBuf;

use masking::MaskingError;
use shards::ShardError;

/// What is wrong with the settings, the corpus or one of its sequences.
#[derive(Debug, thiserror::Error)]
pub enum LoaderError {
    /// Weights that cannot be used.
    #[error("data.weights: {problem}; give every source of the corpus a whole number")]
    Weights {
        /// What is wrong with them.
        problem: String,
    },
    /// Phases that do not follow each other.
    #[error("data.phases: until_step is {ends:?}: it must start above 0 and rise from phase to phase")]
    Phases {
        /// `until_step` of each phase.
        ends: Vec<u64>,
    },
    /// No packing index of a length that a phase has.
    #[error(
        "there is no packing index for sequences of {sequence_length} tokens, only of {found:?}: \
         build one for every data.sequence_length and data.phases.sequence_length"
    )]
    NoPacking {
        /// Length of the phase.
        sequence_length: usize,
        /// Lengths that there are.
        found: Vec<u32>,
    },
    /// Documents that cannot be left out.
    #[error("data.exclude: {}", excluded_problem(.unknown, .held_out))]
    Exclude {
        /// Ids that the corpus does not have.
        unknown: Vec<String>,
        /// Ids of held-out documents.
        held_out: Vec<String>,
    },
    /// Steps to pass over that are no range.
    #[error(
        "data.skip_steps: {text:?} is not a range of steps; write \"41200..41250\" (without step 41250), \
         \"41200..=41250\" (with it) or \"41200\", from step 1 on"
    )]
    SkipSteps {
        /// What was given.
        text: String,
    },
    /// A batch without sequences.
    #[error("training.global_batch_size and training.micro_batch_size must be at least 1")]
    EmptyBatch,
    /// The micro-batch does not divide the batch.
    #[error(
        "training.micro_batch_size = {micro_batch_size} does not divide \
         training.global_batch_size = {global_batch_size}: the nearest that do are {nearest}"
    )]
    MicroBatchSize {
        /// Sequences a micro-batch.
        micro_batch_size: u64,
        /// Sequences a step.
        global_batch_size: u64,
        /// Divisors next to the micro-batch size.
        nearest: String,
    },
    /// Corpus, packing index, tokenizer and settings are not made for each other.
    #[error("{what} is {found}, but {expected_by} says {expected}: {way_out}")]
    Mismatch {
        /// The field that differs.
        what: &'static str,
        /// Its value.
        found: String,
        /// What it was compared with.
        expected_by: &'static str,
        /// The value there.
        expected: String,
        /// What to do.
        way_out: &'static str,
    },
    /// A corpus without a single sequence.
    #[error("the corpus holds no training sequence: build it from more documents")]
    NoSequences,
    /// A sequence that cannot be masked, such as one with a token outside the vocabulary.
    #[error(
        "{path}, block {block}, token {token_offset} on: cannot mask the sequence; \
         check the corpus with tenk-corpus verify"
    )]
    Sequence {
        /// The shard or held-out file, without extension.
        path: PathBuf,
        /// Block that the sequence starts in.
        block: u32,
        /// Token of the block that it starts at.
        token_offset: u32,
        /// What is wrong.
        #[source]
        source: MaskingError,
    },
    /// A slot or micro-batch that a step does not have, or a step that cannot be numbered.
    #[error("{what} {index} does not exist: there are {num} (counted from 0)")]
    OutOfRange {
        /// `slot`, `micro-batch`, `step`.
        what: &'static str,
        /// The number that was asked for.
        index: u64,
        /// How many there are.
        num: u64,
    },
    /// Settings of masking that make no sense.
    #[error(transparent)]
    Masking(#[from] MaskingError),
    /// A shard, manifest or packing index that cannot be read.
    #[error(transparent)]
    Shards(#[from] ShardError),
    /// The thread that reads ahead ended by a panic.
    #[error("the thread that prepares batches stopped without a result: this is a bug in tenk")]
    PrefetchStopped,
    /// The thread that reads ahead cannot be started.
    #[error("cannot start the thread that prepares batches (check the limit of processes)")]
    PrefetchSpawn(#[source] std::io::Error),
}

fn excluded_problem(unknown: &[String], held_out: &[String]) -> String {
    let mut problems = Vec::new();
    if !unknown.is_empty() {
        problems.push(format!(
            "the corpus has no document {} (`tenk-pretrain replay` prints the ids)",
            unknown.join(", ")
        ));
    }
    if !held_out.is_empty() {
        problems.push(format!(
            "{} is held out and never trained on: take it out of the list",
            held_out.join(", ")
        ));
    }
    problems.join("; ")
}
