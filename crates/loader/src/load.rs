//! The loader: corpus, packing index and settings in; micro-batches out, by number.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use masking::{MaskKey, MaskingConfig, Vocabulary};
use shards::{Corpus, PackedSequence, Packing, ShardError, ShardReader, read_sequence};
use tokenizer::Tokenizer;

use crate::assembly::{Assembly, RowFormat};
use crate::error::LoaderError;
use crate::evaluation::Evaluation;
use crate::ids::{GlobalIndex, SampleIndex, Step};
use crate::micro_batch::MicroBatch;
use crate::sample_order::{SampleOrder, SampleRef, SourceRows};
use crate::shares;

/// What the data of a run depends on, beside corpus and packing index.
#[derive(Debug, Clone, PartialEq)]
pub struct LoaderConfig {
    /// Seed of the run.
    pub seed: u64,
    /// Weight of each source; without, a source weighs as many as it has sequences.
    pub weights: Option<BTreeMap<String, u64>>,
    /// Tokens of a sequence, `<s>` and `</s>` included.
    pub sequence_length: usize,
    /// Sequences a step, over all ranks.
    pub global_batch_size: u64,
    /// Sequences of a micro-batch.
    pub micro_batch_size: u64,
    /// Share of the tokens that is masked.
    pub mlm_probability: f64,
    /// Whether words are masked whole.
    pub whole_word: bool,
}

/// Makes any micro-batch of any step: a pure function of its settings and the numbers.
#[derive(Debug)]
pub struct Loader {
    config: LoaderConfig,
    num_micro_batches: u64,
    corpus: Arc<Corpus>,
    packing: Arc<Packing>,
    tokenizer: Arc<Tokenizer>,
    format: RowFormat,
    order: SampleOrder,
}

impl Loader {
    /// Checks that settings, corpus, packing index and tokenizer fit each other.
    ///
    /// # Errors
    /// [`LoaderError::Mismatch`] names the field that differs; [`LoaderError::Weights`],
    /// [`LoaderError::MicroBatchSize`], [`LoaderError::Masking`] the setting that is wrong;
    /// [`LoaderError::NoSequences`] an empty corpus.
    pub fn new(
        config: LoaderConfig,
        corpus: Arc<Corpus>,
        packing: Arc<Packing>,
        tokenizer: Arc<Tokenizer>,
    ) -> Result<Self, LoaderError> {
        let num_micro_batches = shares::num_micro_batches(config.global_batch_size, config.micro_batch_size)?;
        check_fit(&config, &corpus, &packing, &tokenizer)?;
        let sources = source_rows(&corpus, &packing);
        if sources.iter().all(|source| source.num_rows == 0) {
            return Err(LoaderError::NoSequences);
        }
        Ok(Self {
            num_micro_batches,
            format: row_format(&config, &tokenizer)?,
            order: SampleOrder::new(config.seed, sources, config.weights.as_ref())?,
            corpus,
            packing,
            tokenizer,
            config,
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
        let mut assembly = Assembly::new(&self.format, step, index, capacity_hint(size));
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

    /// The name of a source and the number of its training sequences, in order of index.
    pub fn sources(&self) -> impl Iterator<Item = (&str, u64)> {
        let sources = self.order.sources().iter();
        sources.map(|source| (source.name.as_str(), source.num_rows))
    }

    /// The held-out sequences of every source that has some, in order of name. With a
    /// `limit` that many of each, evenly spaced.
    ///
    /// # Errors
    /// [`LoaderError::Shards`] where a held-out file cannot be read.
    pub fn held_out(&self, limit: Option<u64>) -> Result<Vec<Evaluation>, LoaderError> {
        let mut evaluations = Vec::new();
        for source in self.corpus.held_out_sources() {
            if let Some(reader) = self.corpus.held_out(source)? {
                let evaluation = Evaluation::new(source, reader, self.format.clone(), &self.config)?;
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

    pub(crate) fn format(&self) -> &RowFormat {
        &self.format
    }

    pub(crate) fn packed_sequence(&self, row: SampleIndex) -> PackedSequence {
        // A row of the order is one of the packing index, whose rows are counted by usize.
        self.packing.row(usize::try_from(row.0).unwrap_or(usize::MAX))
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
        let packed = self.packed_sequence(sample.row);
        let key = MaskKey {
            seed: self.config.seed,
            epoch: sample.epoch,
            sample: sample.row.0,
        };
        push_packed(assembly, slot, key, self.corpus.shard(packed.shard)?, &packed)
    }
}

/// Adds one packed sequence of `reader` to `assembly`.
pub(crate) fn push_packed(
    assembly: &mut Assembly<'_>,
    slot: u64,
    key: MaskKey,
    reader: &ShardReader,
    packed: &PackedSequence,
) -> Result<(), LoaderError> {
    let format = assembly.format();
    if packed.length as usize + 2 > format.sequence_length {
        return Err(LoaderError::Shards(ShardError::PackingRow {
            path: reader.path().to_owned(),
            block: packed.block,
            token_offset: packed.token_offset,
            length: packed.length,
        }));
    }
    read_sequence(reader, packed, format.eos, assembly.begin_row())?;
    assembly
        .end_row(slot, key)
        .map_err(|source| LoaderError::Sequence {
            path: reader.path().to_owned(),
            block: packed.block,
            token_offset: packed.token_offset,
            source,
        })
}

fn capacity_hint(num_sequences: u64) -> usize {
    usize::try_from(num_sequences).unwrap_or(usize::MAX)
}

fn source_rows(corpus: &Corpus, packing: &Packing) -> Vec<SourceRows> {
    let rows = |name: &str| {
        let rows = packing.for_source(name).unwrap_or_default();
        SourceRows {
            name: name.to_owned(),
            first_row: rows.start as u64,
            num_rows: rows.len() as u64,
        }
    };
    corpus.sources().map(rows).collect()
}

fn row_format(config: &LoaderConfig, tokenizer: &Tokenizer) -> Result<RowFormat, LoaderError> {
    let special = tokenizer.special();
    Ok(RowFormat {
        bos: special.bos,
        eos: special.eos,
        pad: special.pad,
        sequence_length: config.sequence_length,
        masking: MaskingConfig::new(config.mlm_probability, config.whole_word)?,
        vocabulary: Vocabulary::new(special.mask, &tokenizer.special_table(), tokenizer.word_starts())?
            .with_newline(tokenizer.newline()),
    })
}

fn check_fit(
    config: &LoaderConfig,
    corpus: &Corpus,
    packing: &Packing,
    tokenizer: &Tokenizer,
) -> Result<(), LoaderError> {
    check_equal(
        ("the tokenizer's hash", tokenizer.hash()),
        ("the corpus's manifest", corpus.manifest().tokenizer_hash.as_str()),
        "use the tokenizer that the corpus was built with",
    )?;
    check_equal(
        ("the corpus's hash", corpus.corpus_hash()),
        ("the packing index", packing.corpus_hash()),
        "delete the packing index, the next run builds it",
    )?;
    check_equal(
        (
            "data.sequence_length",
            config.sequence_length.to_string().as_str(),
        ),
        ("the packing index", packing.max_length().to_string().as_str()),
        "take the packing index of that length",
    )
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
