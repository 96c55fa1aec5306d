//! What was in a slot of a step: provenance, and the text with its masks visible.

use std::ops::Range;
use std::path::PathBuf;

use masking::MaskedPositions;
use shards::{DocumentRow, PackedSequence, ShardReader};
use tokenizer::Tokenizer;

use crate::assembly::Assembly;
use crate::error::LoaderError;
use crate::ids::{GlobalIndex, SampleIndex, Step};
use crate::load::Loader;

/// One slot of one step.
#[derive(Debug, Clone, PartialEq)]
pub struct SequenceDescription {
    /// Slot in the step.
    pub slot: u64,
    /// Number in the order of the run.
    pub global_index: GlobalIndex,
    /// Name of the source.
    pub source: String,
    /// Epoch of the source.
    pub epoch: u64,
    /// Row of the packing index.
    pub row: SampleIndex,
    /// The shard, without extension.
    pub shard: PathBuf,
    /// Where in the shard.
    pub packed: PackedSequence,
    /// The documents that it takes text from, in order.
    pub documents: Vec<DocumentRow>,
    /// Digest of the slot.
    pub digest: u64,
    /// The text as the model sees it, a masked token as `⟦shown|original⟧`.
    pub text: String,
}

impl Loader {
    /// Tells what `slot` of the step after `step` finished ones holds.
    ///
    /// # Errors
    /// [`LoaderError::OutOfRange`] if a step has no such slot; else those of
    /// [`Loader::micro_batch`] and of reading the table of documents.
    pub fn describe(&self, step: Step, slot: u64) -> Result<SequenceDescription, LoaderError> {
        Self::check_index("slot", slot, self.config().global_batch_size)?;
        let mut assembly = Assembly::new(self.format(), step, 0, 1);
        self.push_slot(&mut assembly, step, slot)?;
        let (ids, masked) = assembly.last_row();
        let text = visible_masks(self.tokenizer(), ids, masked);

        let global_index = self.global_index(step, slot)?;
        let sample = self.sample(global_index);
        let packed = self.packed_sequence(sample.row);
        let shard = self.corpus().shard(packed.shard)?;
        let documents = overlapped_documents(shard, &packed)
            .map(|document| self.corpus().document_row(packed.shard, document))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(SequenceDescription {
            slot,
            global_index,
            source: self.source_name(sample.source).to_owned(),
            epoch: sample.epoch,
            row: sample.row,
            shard: shard.path().to_owned(),
            packed,
            documents,
            digest: assembly.finish().digest,
            text,
        })
    }
}

/// The documents of `reader` that `packed` takes tokens from.
fn overlapped_documents(reader: &ShardReader, packed: &PackedSequence) -> Range<usize> {
    let mut block = packed.block as usize;
    let first = reader.document_of_block(block);
    let (mut last, mut end) = (first, reader.document_blocks(first).end);
    let mut left = packed.length as usize;
    let mut available = reader.block_length(block) - packed.token_offset as usize;
    while left > available {
        left -= available;
        block += 1;
        available = reader.block_length(block);
        if block >= end && available > 0 {
            left -= 1;
            last = reader.document_of_block(block);
            end = reader.document_blocks(last).end;
        }
    }
    first..last + 1
}

/// The text of a row, each masked token as `⟦shown|original⟧`.
fn visible_masks(tokenizer: &Tokenizer, ids: &[u32], masked: &MaskedPositions) -> String {
    let mut text = String::new();
    let mut next = 0;
    for (&position, &label) in masked.positions.iter().zip(&masked.labels) {
        let position = position as usize;
        text += &tokenizer.decode(&ids[next..position]);
        let (shown, original) = (
            tokenizer.decode(&ids[position..=position]),
            tokenizer.decode(&[label]),
        );
        text.extend(["⟦", &shown, "|", &original, "⟧"]);
        next = position + 1;
    }
    text + &tokenizer.decode(&ids[next..])
}
