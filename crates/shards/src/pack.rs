//! Which tokens make up each training sequence of a shard.
//!
//! A sequence has `T - 2` tokens at most; `<s>` and the last `</s>` are the rest of `T`. It
//! never crosses a shard or a source. The modes are those of Liu et al. 2019, section 4.2, and
//! of fairseq and Megatron-LM for plain streams:
//!
//! - `full-sentences`: whole blocks while they fit. Where the sequence goes on in another
//!   document, a `</s>` between them counts too. A block longer than `T - 2` begins a sequence
//!   of its own and is cut; its rest begins the next sequence, which further blocks follow.
//! - `doc-sentences`: the same, but a sequence ends with its document.
//! - `contiguous`: the stream of all tokens, `</s>` between documents, cut after every `T - 2`.
//!   A `</s>` that would begin or end a sequence is left out, for `<s>` or `</s>` stands there.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::{ShardError, ShardReader};

/// How blocks are put into sequences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PackingMode {
    /// Whole blocks across document boundaries, `</s>` between documents: RoBERTa's own.
    #[default]
    FullSentences,
    /// Whole blocks of one document.
    DocSentences,
    /// The stream of tokens, cut at every length.
    Contiguous,
}

impl PackingMode {
    /// All modes; the code of each is its place.
    pub const ALL: [Self; 3] = [Self::FullSentences, Self::DocSentences, Self::Contiguous];

    /// The name in file names and configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::FullSentences => "full-sentences",
            Self::DocSentences => "doc-sentences",
            Self::Contiguous => "contiguous",
        }
    }

    /// The mode of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.name() == name)
    }

    pub(crate) fn code(self) -> u32 {
        match self {
            Self::FullSentences => 0,
            Self::DocSentences => 1,
            Self::Contiguous => 2,
        }
    }

    pub(crate) fn from_code(code: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.code() == code)
    }
}

/// A training sequence: `length` tokens from `token_offset` of `block` on, a `</s>` wherever
/// the document changes counted, `<s>` and the last `</s>` not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PackedSequence {
    /// Index of the shard.
    pub shard: u32,
    /// Its first block in the shard.
    pub block: u32,
    /// First token in that block.
    pub token_offset: u32,
    /// Tokens of the sequence without `<s>` and the last `</s>`; never 0.
    pub length: u32,
}

/// Packs the blocks of one source of a shard. `shard` is written into the rows.
///
/// # Errors
/// [`ShardError::SequenceLength`] if `max_length` is below 3; [`ShardError::OutOfRange`] if
/// `blocks` goes beyond the shard or beyond what a row can name.
pub fn pack_shard(
    shard: u32,
    reader: &ShardReader,
    blocks: Range<usize>,
    max_length: u32,
    mode: PackingMode,
) -> Result<Vec<PackedSequence>, ShardError> {
    let capacity = max_length.checked_sub(2).filter(|&capacity| capacity > 0);
    let capacity = capacity.ok_or(ShardError::SequenceLength { max_length })?;
    if blocks.end > reader.num_blocks() || u32::try_from(blocks.end).is_err() {
        return Err(ShardError::OutOfRange {
            path: reader.path().to_path_buf(),
            what: "block",
            index: blocks.end as u64,
            count: reader.num_blocks() as u64,
        });
    }
    let mut packer = Packer {
        shard,
        capacity,
        mode,
        open: None,
        rows: Vec::new(),
    };
    let Some(last) = blocks.clone().next_back() else {
        return Ok(packer.rows);
    };
    for document in reader.document_of_block(blocks.start)..=reader.document_of_block(last) {
        let own = reader.document_blocks(document);
        let mut is_first = true;
        for block in own.start.max(blocks.start)..own.end.min(blocks.end) {
            let length = u32::try_from(reader.block_length(block)).unwrap_or(0);
            if length > 0 {
                packer.add(u32::try_from(block).unwrap_or(u32::MAX), length, is_first);
                is_first = false;
            }
        }
    }
    packer.close();
    Ok(packer.rows)
}

/// The sequence that is being filled, and those that are full.
struct Packer {
    shard: u32,
    /// T - 2.
    capacity: u32,
    mode: PackingMode,
    open: Option<PackedSequence>,
    rows: Vec<PackedSequence>,
}

impl Packer {
    fn add(&mut self, block: u32, length: u32, begins_document: bool) {
        match self.mode {
            PackingMode::FullSentences => self.add_whole(block, length, begins_document),
            PackingMode::DocSentences => {
                if begins_document {
                    self.close();
                }
                self.add_whole(block, length, false);
            }
            PackingMode::Contiguous => self.add_stream(block, length, begins_document),
        }
    }

    /// Adds the block where it fits, else to new sequences.
    fn add_whole(&mut self, block: u32, length: u32, separated: bool) {
        if let Some(row) = &mut self.open {
            let needed = u64::from(row.length) + u64::from(separated) + u64::from(length);
            if needed <= u64::from(self.capacity) {
                row.length += u32::from(separated) + length;
                return;
            }
            self.close();
        }
        let mut token_offset = 0;
        while length - token_offset > self.capacity {
            self.open = Some(self.row(block, token_offset, self.capacity));
            self.close();
            token_offset += self.capacity;
        }
        self.open = Some(self.row(block, token_offset, length - token_offset));
    }

    /// Fills every sequence to the last token.
    fn add_stream(&mut self, block: u32, length: u32, separated: bool) {
        if separated && let Some(row) = &mut self.open {
            row.length += 1;
            if row.length == self.capacity {
                // no token follows the separator in this sequence
                row.length -= 1;
                self.close();
            }
        }
        let mut token_offset = 0;
        while token_offset < length {
            let mut row = self.open.take().unwrap_or(self.row(block, token_offset, 0));
            let taken = (self.capacity - row.length).min(length - token_offset);
            row.length += taken;
            token_offset += taken;
            self.open = Some(row);
            if row.length == self.capacity {
                self.close();
            }
        }
    }

    fn row(&self, block: u32, token_offset: u32, length: u32) -> PackedSequence {
        PackedSequence {
            shard: self.shard,
            block,
            token_offset,
            length,
        }
    }

    fn close(&mut self) {
        self.rows.extend(self.open.take());
    }
}

#[cfg(test)]
mod tests;
