//! What the data of a run depends on: its settings, and its phases.

use std::collections::BTreeMap;

use masking::MaskingConfig;

use crate::ids::Step;
use crate::skipped_steps::SkippedSteps;

/// What the data of a run depends on, beside corpus and packing indices.
#[derive(Debug, Clone, PartialEq)]
pub struct LoaderConfig {
    /// Seed of the run.
    pub seed: u64,
    /// Weight of each source; without, a source weighs as many as it has sequences.
    pub weights: Option<BTreeMap<String, u64>>,
    /// Tokens of a sequence, `<s>` and `</s>` included.
    pub sequence_length: usize,
    /// Phases with weights or lengths of their own, in order; after the last one the two keys
    /// above hold.
    pub phases: Vec<Phase>,
    /// Sequences a step, over all ranks.
    pub global_batch_size: u64,
    /// Sequences of a micro-batch.
    pub micro_batch_size: u64,
    /// How much is masked, and how.
    pub masking: MaskingConfig,
    /// Ids of documents that are left out of every sequence.
    pub exclude: Vec<String>,
    /// Steps that [`crate::Loader::steps`] passes over.
    pub skip_steps: SkippedSteps,
}

impl LoaderConfig {
    /// The sequence lengths of all phases in order, the run's own last.
    pub(crate) fn sequence_lengths(&self) -> impl Iterator<Item = usize> {
        let lengths = self.phases.iter().map(|phase| phase.sequence_length);
        let own = self.sequence_length;
        lengths.map(move |length| length.unwrap_or(own)).chain([own])
    }

    /// The weights of all phases in order, the run's own last.
    pub(crate) fn weights_of_phases(&self) -> impl Iterator<Item = Option<&BTreeMap<String, u64>>> {
        let weights = self.phases.iter().map(|phase| phase.weights.as_ref());
        let own = self.weights.as_ref();
        weights.map(move |weights| weights.or(own)).chain([own])
    }
}

/// Weights and sequence length of the steps before `until_step`; what it leaves open is that
/// of the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phase {
    /// The phase covers the batches drawn at steps below this one.
    pub until_step: Step,
    /// Weight of each source.
    pub weights: Option<BTreeMap<String, u64>>,
    /// Tokens of a sequence, `<s>` and `</s>` included.
    pub sequence_length: Option<usize>,
}
