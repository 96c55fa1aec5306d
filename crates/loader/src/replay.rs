//! What was in a slot of a step: provenance, and the text with its masks visible.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::PathBuf;

use masking::MaskedPositions;
use shards::{DocumentRow, PackedSequence, Piece, ShardError, ShardReader, pieces};
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
    /// The documents that it is packed from, in order.
    pub documents: Vec<DocumentPart>,
    /// Digest of the slot.
    pub digest: u64,
    /// The text as the model sees it, a masked token as `⟦shown|original⟧`.
    pub text: String,
}

/// The part of a sequence that comes from one document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentPart {
    /// The document.
    pub row: DocumentRow,
    /// Tokens of the document before the part.
    pub first_token: u64,
    /// Tokens of the part.
    pub num_tokens: u64,
    /// Whether `data.exclude` leaves it out: its tokens are then not in the text.
    pub excluded: bool,
}

/// A [`DocumentPart`] before its document is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Part {
    document: usize,
    first_token: u64,
    num_tokens: u64,
}

impl Loader {
    /// Tells what `slot` of the step after `step` finished ones holds.
    ///
    /// # Errors
    /// As [`Self::describe_slots`].
    pub fn describe(&self, step: Step, slot: u64) -> Result<SequenceDescription, LoaderError> {
        let mut described = self.describe_slots(step, slot..slot.saturating_add(1))?;
        described.pop().ok_or(LoaderError::OutOfRange {
            what: "slot",
            index: slot,
            num: self.config().global_batch_size,
        })
    }

    /// Tells what `slots` of the step after `step` finished ones hold.
    ///
    /// # Errors
    /// [`LoaderError::OutOfRange`] if a step has no such slot; else those of
    /// [`Loader::micro_batch`] and of reading the table of documents.
    pub fn describe_slots(
        &self,
        step: Step,
        slots: Range<u64>,
    ) -> Result<Vec<SequenceDescription>, LoaderError> {
        let (mut described, mut parts) = (Vec::new(), Vec::new());
        for slot in slots {
            Self::check_index("slot", slot, self.config().global_batch_size)?;
            let (sequence, own_parts) = self.describe_slot(step, slot)?;
            described.push(sequence);
            parts.push(own_parts);
        }
        let keys = described.iter().zip(&parts).flat_map(|(sequence, parts)| {
            let shard = sequence.packed.shard;
            parts.iter().map(move |part| (shard, part.document))
        });
        let keys: BTreeSet<(u32, usize)> = keys.collect();
        let rows = self.corpus().document_rows(&keys)?;
        let rows: BTreeMap<(u32, usize), DocumentRow> = keys.into_iter().zip(rows).collect();
        for (sequence, parts) in described.iter_mut().zip(parts) {
            let shard = sequence.packed.shard;
            let named = parts.into_iter().filter_map(|part| {
                Some(DocumentPart {
                    row: rows.get(&(shard, part.document))?.clone(),
                    first_token: part.first_token,
                    num_tokens: part.num_tokens,
                    excluded: self.excluded().contains(shard, part.document),
                })
            });
            sequence.documents = named.collect();
        }
        Ok(described)
    }

    /// The slot without its documents, and those as places.
    fn describe_slot(&self, step: Step, slot: u64) -> Result<(SequenceDescription, Vec<Part>), LoaderError> {
        let mut assembly = Assembly::new(self.format_at(step)?, step, 0, 1);
        self.push_slot(&mut assembly, step, slot)?;
        let (ids, masked) = assembly.last_row();
        let text = visible_masks(self.tokenizer(), ids, masked);
        let global_index = self.global_index(step, slot)?;
        let sample = self.sample(global_index);
        let packed = self.packed_sequence(&sample)?;
        let shard = self.corpus().shard(packed.shard)?;
        let sequence = SequenceDescription {
            slot,
            global_index,
            source: self.source_name(sample.source).to_owned(),
            epoch: sample.epoch,
            row: sample.row,
            shard: shard.path().to_owned(),
            packed,
            documents: Vec::new(),
            digest: assembly.finish().digest,
            text,
        };
        Ok((sequence, parts(shard, &packed)?))
    }
}

/// The documents of `reader` that `packed` takes tokens from.
fn parts(reader: &ShardReader, packed: &PackedSequence) -> Result<Vec<Part>, ShardError> {
    let mut parts: Vec<Part> = Vec::new();
    for piece in pieces(reader, packed) {
        let Piece {
            document,
            block,
            tokens,
        } = piece?;
        let num_tokens = tokens.len() as u64;
        match parts.last_mut() {
            Some(part) if part.document == document => part.num_tokens += num_tokens,
            _ => {
                let first_block = reader.document_blocks(document).start;
                let before = reader.tokens_before(block) - reader.tokens_before(first_block);
                parts.push(Part {
                    document,
                    first_token: before + tokens.start as u64,
                    num_tokens,
                });
            }
        }
    }
    Ok(parts)
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
