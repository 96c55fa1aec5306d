//! The loader: corpus, packing indices and settings in; micro-batches out, by number.

use std::ops::Range;
use std::sync::Arc;

use masking::MaskKey;
use shards::{Corpus, PackedSequence, Packing};
use tokenizer::Tokenizer;

use crate::assembly::{Assembly, RowFormat, push_packed};
use crate::config::LoaderConfig;
use crate::error::LoaderError;
use crate::evaluation::Evaluation;
use crate::excluded::Excluded;
use crate::ids::{GlobalIndex, Step};
use crate::micro_batch::MicroBatch;
use crate::phases::{OpenPhase, open_phases, phase_rows};
use crate::sample_order::{SampleOrder, SampleRef};
use crate::shares;

/// Makes any micro-batch of any step: a pure function of its settings and the numbers.
#[derive(Debug)]
pub struct Loader {
    config: LoaderConfig,
    num_micro_batches: u64,
    corpus: Arc<Corpus>,
    tokenizer: Arc<Tokenizer>,
    phases: Vec<OpenPhase>,
    order: SampleOrder,
    excluded: Excluded,
}

impl Loader {
    /// Checks that settings, corpus, packing indices (one of each sequence length of the
    /// phases) and tokenizer fit each other.
    ///
    /// # Errors
    /// [`LoaderError::Mismatch`] and [`LoaderError::NoPacking`] name what does not fit;
    /// [`LoaderError::Weights`], [`LoaderError::MicroBatchSize`], [`LoaderError::Phases`],
    /// [`LoaderError::Exclude`] the setting that is wrong; [`LoaderError::NoSequences`] an
    /// empty corpus.
    pub fn new(
        config: LoaderConfig,
        corpus: Arc<Corpus>,
        packings: &[Arc<Packing>],
        tokenizer: Arc<Tokenizer>,
    ) -> Result<Self, LoaderError> {
        let num_micro_batches = shares::num_micro_batches(config.global_batch_size, config.micro_batch_size)?;
        check_fit(&corpus, packings, &tokenizer)?;
        let phases = open_phases(&config, packings, &tokenizer)?;
        let rows = phase_rows(&config, &corpus, &phases);
        let order = SampleOrder::new(config.seed, rows)?;
        let excluded = Excluded::find(&corpus, &config.exclude)?;
        Ok(Self {
            config,
            num_micro_batches,
            corpus,
            tokenizer,
            phases,
            order,
            excluded,
        })
    }

    /// Micro-batch `index` of those that take `step` to the next.
    ///
    /// # Errors
    /// [`LoaderError::OutOfRange`] if a step has no such micro-batch;
    /// [`LoaderError::Sequence`] where a sequence holds a token outside the vocabulary.
    pub fn micro_batch(&self, step: Step, index: u64) -> Result<MicroBatch, LoaderError> {
        Self::check_index("micro-batch", index, self.num_micro_batches)?;
        let size = self.config.micro_batch_size;
        let mut assembly = Assembly::new(self.format_at(step)?, step, index, capacity_hint(size));
        for slot in index * size..(index + 1) * size {
            self.push_slot(&mut assembly, step, slot)?;
        }
        Ok(assembly.finish())
    }

    /// The run of micro-batches that `rank` takes of every step.
    pub fn micro_batches_of_rank(&self, rank: u32, world_size: u32) -> Range<u64> {
        shares::micro_batches_of_rank(self.num_micro_batches, rank, world_size)
    }

    /// The sequence at `global`.
    pub fn sample(&self, global: GlobalIndex) -> SampleRef {
        self.order.sample(global)
    }

    /// Name of the source with index `source`, as a [`SampleRef`] has it.
    ///
    /// # Panics
    /// If there is no such source, as indexing a slice does.
    pub fn source_name(&self, source: usize) -> &str {
        &self.order.sources()[source].name
    }

    /// The number that a slot of a step has in the order of the run.
    ///
    /// # Errors
    /// [`LoaderError::OutOfRange`] for a step so late that 64 bits do not number its slots.
    pub fn global_index(&self, step: Step, slot: u64) -> Result<GlobalIndex, LoaderError> {
        let batch = self.config.global_batch_size;
        let first = step.0.checked_mul(batch);
        let number = first.and_then(|first| first.checked_add(slot));
        number.map(GlobalIndex).ok_or(LoaderError::OutOfRange {
            what: "step",
            index: step.0,
            num: u64::MAX / batch,
        })
    }

    /// Micro-batches a step, over all ranks.
    pub fn num_micro_batches(&self) -> u64 {
        self.num_micro_batches
    }

    /// The settings.
    pub fn config(&self) -> &LoaderConfig {
        &self.config
    }

    /// The name of a source and the number of its training sequences after the last phase, in
    /// order of index.
    pub fn sources(&self) -> impl Iterator<Item = (&str, u64)> {
        let sources = self.order.sources().iter();
        sources.map(|source| (source.name.as_str(), source.num_rows))
    }

    /// The held-out sequences of every source that has some, in order of name, packed as
    /// `full-sentences` of the run's own length whatever the training data is, so that runs
    /// compare, with the masks of `mask_seed` ([`crate::EVALUATION_MASK_SEED`] for all runs but old ones).
    /// With a `limit` that many of each, evenly spaced.
    ///
    /// # Errors
    /// [`LoaderError::Shards`] where a held-out file cannot be read.
    pub fn held_out(&self, limit: Option<u64>, mask_seed: u64) -> Result<Vec<Evaluation>, LoaderError> {
        let format = RowFormat::new(&self.config, self.config.sequence_length, &self.tokenizer)?;
        let mut evaluations = Vec::new();
        for source in self.corpus.held_out_sources() {
            if let Some(reader) = self.corpus.held_out(source)? {
                let evaluation = Evaluation::new(source, reader, format.clone(), &self.config, mask_seed)?;
                evaluations.push(evaluation.limited(limit));
            }
        }
        Ok(evaluations)
    }

    pub(crate) fn corpus(&self) -> &Corpus {
        &self.corpus
    }

    pub(crate) fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    pub(crate) fn excluded(&self) -> &Excluded {
        &self.excluded
    }

    /// How rows of the batch drawn at `step` are made.
    ///
    /// # Errors
    /// As [`Self::global_index`].
    pub(crate) fn format_at(&self, step: Step) -> Result<&RowFormat, LoaderError> {
        let phase = self.order.phase_of(self.global_index(step, 0)?);
        Ok(&self.phases[phase].format)
    }

    /// The place of a sample in the corpus.
    pub(crate) fn packed_sequence(&self, sample: &SampleRef) -> Result<PackedSequence, LoaderError> {
        // A row of the order is one of the packing index, whose rows are counted by usize.
        let row = usize::try_from(sample.row.0).unwrap_or(usize::MAX);
        Ok(self.phases[sample.phase].packing.row(row)?)
    }

    pub(crate) fn check_index(what: &'static str, index: u64, num: u64) -> Result<(), LoaderError> {
        if index < num {
            Ok(())
        } else {
            Err(LoaderError::OutOfRange { what, index, num })
        }
    }

    /// Adds the sequence of `slot` to `assembly`.
    pub(crate) fn push_slot(
        &self,
        assembly: &mut Assembly<'_>,
        step: Step,
        slot: u64,
    ) -> Result<(), LoaderError> {
        let sample = self.sample(self.global_index(step, slot)?);
        let packed = self.packed_sequence(&sample)?;
        let key = MaskKey {
            seed: self.config.seed,
            epoch: sample.epoch,
            sample: sample.row.0,
        };
        let reader = self.corpus.shard(packed.shard)?;
        push_packed(assembly, (slot, key), reader, &packed, &self.excluded)
    }
}

fn capacity_hint(num_sequences: u64) -> usize {
    usize::try_from(num_sequences).unwrap_or(usize::MAX)
}

fn check_fit(corpus: &Corpus, packings: &[Arc<Packing>], tokenizer: &Tokenizer) -> Result<(), LoaderError> {
    check_equal(
        ("the tokenizer's hash", tokenizer.hash()),
        ("the corpus's manifest", corpus.manifest().tokenizer_hash.as_str()),
        "use the tokenizer that the corpus was built with",
    )?;
    packings.iter().try_for_each(|packing| {
        check_equal(
            ("the corpus's hash", corpus.corpus_hash()),
            ("the packing index", packing.corpus_hash()),
            "delete the packing index, the next run builds it",
        )
    })
}

fn check_equal(
    (what, found): (&'static str, &str),
    (expected_by, expected): (&'static str, &str),
    way_out: &'static str,
) -> Result<(), LoaderError> {
    if found == expected {
        return Ok(());
    }
    Err(LoaderError::Mismatch {
        what,
        found: found.to_owned(),
        expected_by,
        expected: expected.to_owned(),
        way_out,
    })
}
