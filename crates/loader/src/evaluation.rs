//! Held-out sequences as micro-batches, with masks that are the same at every evaluation and, by
//! default, in every run.

use std::ops::Range;

use masking::MaskKey;
use shards::{PackedSequence, PackingMode, ShardReader, pack_shard};
use xxhash_rust::xxh3::xxh3_64;

use crate::assembly::{Assembly, RowFormat, push_packed};
use crate::config::LoaderConfig;
use crate::error::LoaderError;
use crate::excluded::Excluded;
use crate::ids::Step;
use crate::micro_batch::MicroBatch;

/// The seed of the masks of evaluation, whatever the run's own is: runs of other seeds are evaluated on
/// the same tokens. Before it was one for all, a run used its own.
pub const EVALUATION_MASK_SEED: u64 = 0;

/// Keeps the masks of evaluation apart from those of training under the same seed: `evaluate`.
const PURPOSE_SEED: u64 = 0x6576_616c_7561_7465;

/// The held-out sequences of one source.
#[derive(Debug)]
pub struct Evaluation {
    source: String,
    reader: ShardReader,
    rows: Vec<PackedSequence>,
    format: RowFormat,
    seed: u64,
    micro_batch_size: usize,
}

impl Evaluation {
    pub(crate) fn new(
        source: &str,
        reader: ShardReader,
        format: RowFormat,
        config: &LoaderConfig,
        mask_seed: u64,
    ) -> Result<Self, LoaderError> {
        let length = u32::try_from(format.sequence_length).unwrap_or(u32::MAX);
        let blocks = 0..reader.num_blocks();
        Ok(Self {
            source: source.to_owned(),
            rows: pack_shard(0, &reader, blocks, length, PackingMode::FullSentences)?,
            reader,
            format,
            seed: mask_seed ^ PURPOSE_SEED,
            micro_batch_size: usize::try_from(config.micro_batch_size).unwrap_or(usize::MAX),
        })
    }

    /// At most `limit` sequences, evenly spaced over all of them.
    pub(crate) fn limited(mut self, limit: Option<u64>) -> Self {
        let num = self.rows.len();
        let keep = limit.map_or(num, |limit| usize::try_from(limit).map_or(num, |l| l.min(num)));
        self.rows = (0..keep).map(|i| self.rows[i * num / keep]).collect();
        self
    }

    /// Name of the source.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Sequences to evaluate.
    pub fn num_sequences(&self) -> usize {
        self.rows.len()
    }

    /// Micro-batches of them; the last one may have fewer sequences.
    pub fn num_micro_batches(&self) -> usize {
        self.rows.len().div_ceil(self.micro_batch_size)
    }

    /// The micro-batches that `rank` takes.
    pub fn micro_batches_of_rank(&self, rank: u32, world_size: u32) -> Range<usize> {
        let start = |rank: u32| self.num_micro_batches() * rank as usize / world_size as usize;
        start(rank)..start(rank + 1)
    }

    /// Micro-batch `index`.
    ///
    /// # Errors
    /// [`LoaderError::OutOfRange`] if there is none;
    /// [`LoaderError::Sequence`] where a sequence holds a token outside the vocabulary.
    pub fn micro_batch(&self, index: usize) -> Result<MicroBatch, LoaderError> {
        let first = index.saturating_mul(self.micro_batch_size).min(self.rows.len());
        let rows = &self.rows[first..];
        let rows = &rows[..rows.len().min(self.micro_batch_size)];
        if rows.is_empty() {
            return Err(LoaderError::OutOfRange {
                what: "micro-batch",
                index: index as u64,
                num: self.num_micro_batches() as u64,
            });
        }
        let mut assembly = Assembly::new(&self.format, Step(0), index as u64, rows.len());
        for (slot, packed) in (first as u64..).zip(rows) {
            let slot_and_key = (slot, self.mask_key(packed));
            push_packed(
                &mut assembly,
                slot_and_key,
                &self.reader,
                packed,
                &Excluded::default(),
            )?;
        }
        Ok(assembly.finish())
    }

    /// A sequence is known by where it starts, so that a limit changes no mask.
    fn mask_key(&self, packed: &PackedSequence) -> MaskKey {
        MaskKey {
            seed: self.seed ^ xxh3_64(self.source.as_bytes()),
            epoch: 0,
            sample: (u64::from(packed.block) << 32) | u64::from(packed.token_offset),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_corpus::{TestCorpus, config};

    #[test]
    fn a_mask_is_another_for_every_bit_of_seed_block_and_offset() {
        let test = TestCorpus::new();
        let loader = test.loader(config(10, 5)).unwrap();
        let mut evaluation = loader.held_out(None, EVALUATION_MASK_SEED).unwrap().remove(0);
        let first = PackedSequence {
            shard: 0,
            block: 5,
            token_offset: 7,
            length: 3,
        };
        let key = evaluation.mask_key(&first);
        assert_eq!((key.epoch, key.sample), (0, 5 << 32 | 7));
        for bit in 0..32 {
            let block = PackedSequence {
                block: first.block ^ 1 << bit,
                ..first
            };
            let offset = PackedSequence {
                token_offset: first.token_offset ^ 1 << bit,
                ..first
            };
            let samples = [&block, &offset].map(|row| evaluation.mask_key(row).sample);
            assert!(samples.iter().all(|sample| *sample != key.sample) && samples[0] != samples[1]);
        }
        for bit in 0..64 {
            evaluation.seed ^= 1 << bit;
            assert_ne!(evaluation.mask_key(&first).seed, key.seed, "bit {bit}");
            evaluation.seed ^= 1 << bit;
        }
    }
}
