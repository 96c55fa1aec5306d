//! Which tokens make up each training sequence of a shard, and reading one.
//!
//! `full-sentences` (Liu et al. 2019, section 4.2): whole blocks are put into a sequence while
//! they fit into `T - 2` tokens, the rest of `T` being `<s>` and the last `</s>`. Where the
//! sequence goes on in another document, a `</s>` between them counts too. A block longer than
//! `T - 2` begins a sequence of its own and is cut; its rest begins the next sequence, which
//! further blocks follow. A sequence never crosses a shard or a source.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::{ShardError, ShardReader};

/// How blocks are put into sequences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PackingMode {
    /// Whole blocks across document boundaries, `</s>` between documents.
    FullSentences,
}

impl PackingMode {
    /// The name in file names and configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::FullSentences => "full-sentences",
        }
    }

    pub(crate) fn code(self) -> u32 {
        match self {
            Self::FullSentences => 0,
        }
    }

    pub(crate) fn from_code(code: u32) -> Option<Self> {
        (code == Self::FullSentences.code()).then_some(Self::FullSentences)
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
    let PackingMode::FullSentences = mode;
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
    capacity: u32,
    open: Option<PackedSequence>,
    rows: Vec<PackedSequence>,
}

impl Packer {
    fn add(&mut self, block: u32, length: u32, begins_document: bool) {
        if let Some(row) = &mut self.open {
            let needed = u64::from(row.length) + u64::from(begins_document) + u64::from(length);
            if needed <= u64::from(self.capacity) {
                row.length += u32::from(begins_document) + length;
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

/// Appends the tokens of a sequence to `out`, `eos` wherever the document changes; `<s>` and
/// the last `</s>` are the caller's.
///
/// # Errors
/// [`ShardError::PackingRow`] if the row does not fit the shard; [`ShardError::Read`] if the
/// disk fails. `out` may then hold a part.
pub fn read_sequence(
    reader: &ShardReader,
    row: &PackedSequence,
    eos: u32,
    out: &mut Vec<u32>,
) -> Result<(), ShardError> {
    let misfit = || ShardError::PackingRow {
        path: reader.path().to_path_buf(),
        block: row.block,
        token_offset: row.token_offset,
        length: row.length,
    };
    let (mut block, mut from) = (row.block as usize, row.token_offset as usize);
    if block >= reader.num_blocks() {
        return Err(misfit());
    }
    let mut document_end = reader.document_blocks(reader.document_of_block(block)).end;
    let mut left = row.length as usize;
    loop {
        let tokens = reader.block(block)?;
        let available = tokens.len().checked_sub(from).ok_or_else(misfit)?;
        let taken = available.min(left);
        tokens.copy_into(out, from..from + taken);
        left -= taken;
        block += 1;
        from = 0;
        // blocks without tokens, which foreign files may hold, are passed over as in packing
        while left > 0 && block < reader.num_blocks() && reader.block_length(block) == 0 {
            block += 1;
        }
        if left == 0 {
            return Ok(());
        }
        if block >= reader.num_blocks() {
            return Err(misfit());
        }
        if block >= document_end {
            out.push(eos);
            left -= 1;
            document_end = reader.document_blocks(reader.document_of_block(block)).end;
        }
    }
}
