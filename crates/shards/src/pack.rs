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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{Blocks, documents, numbered, shard_of};

    const EOS: u32 = 2;

    fn pack(reader: &ShardReader, max_length: u32) -> Vec<PackedSequence> {
        pack_shard(
            0,
            reader,
            0..reader.num_blocks(),
            max_length,
            PackingMode::FullSentences,
        )
        .unwrap()
    }

    fn read(reader: &ShardReader, row: &PackedSequence) -> Vec<u32> {
        let mut tokens = Vec::new();
        read_sequence(reader, row, EOS, &mut tokens).unwrap();
        tokens
    }

    /// Lengths of the sequences that documents of these block lengths give at T = 12.
    fn lengths(documents: &[Vec<usize>]) -> Vec<u32> {
        let (_folder, reader) = shard_of(&numbered(documents));
        pack(&reader, 12).iter().map(|row| row.length).collect()
    }

    #[test]
    fn blocks_around_the_capacity_are_packed_whole() {
        assert_eq!(lengths(&[vec![10]]), [10]);
        assert_eq!(lengths(&[vec![9]]), [9]);
        assert_eq!(lengths(&[vec![11]]), [10, 1]);
        assert_eq!(lengths(&[vec![9, 1, 9, 2]]), [10, 9, 2]);
        assert_eq!(lengths(&[vec![20]]), [10, 10]);
        assert_eq!(lengths(&[vec![21, 9, 1]]), [10, 10, 10, 1]);
    }

    #[test]
    fn a_block_that_does_not_fit_begins_a_sequence_even_when_it_is_cut() {
        assert_eq!(lengths(&[vec![3, 25, 4]]), [3, 10, 10, 9]);
    }

    #[test]
    fn a_separator_takes_the_room_of_a_token() {
        assert_eq!(lengths(&[vec![5], vec![4]]), [10]);
        assert_eq!(lengths(&[vec![5], vec![5]]), [5, 5]);
        assert_eq!(
            lengths(&[vec![5], vec![], vec![4]]),
            [10],
            "an empty document adds none"
        );
        assert_eq!(lengths(&[vec![10], vec![1]]), [10, 1]);
    }

    #[test]
    fn an_empty_shard_has_no_sequence() {
        assert!(lengths(&[]).is_empty());
        assert!(lengths(&[vec![], vec![]]).is_empty());
    }

    #[test]
    fn a_sequence_reads_with_its_separators() {
        let (_folder, reader) = shard_of(&[vec![vec![10, 11], vec![12]], vec![], vec![vec![13, 14]]]);
        let rows = pack(&reader, 12);
        assert_eq!(
            rows,
            [PackedSequence {
                shard: 0,
                block: 0,
                token_offset: 0,
                length: 6
            }]
        );
        assert_eq!(read(&reader, &rows[0]), [10, 11, 12, EOS, 13, 14]);
    }

    #[test]
    fn too_short_a_sequence_length_is_refused() {
        let (_folder, reader) = shard_of(&[vec![vec![1]]]);
        for max_length in 0..3 {
            let error = pack_shard(0, &reader, 0..1, max_length, PackingMode::FullSentences).unwrap_err();
            assert!(matches!(error, ShardError::SequenceLength { .. }));
        }
        let error = pack_shard(0, &reader, 0..2, 12, PackingMode::FullSentences).unwrap_err();
        assert!(matches!(error, ShardError::OutOfRange { .. }));
    }

    #[test]
    fn a_row_that_does_not_fit_the_shard_is_an_error() {
        let (_folder, reader) = shard_of(&[vec![vec![10, 11], vec![12]]]);
        for (block, token_offset, length) in [(2, 0, 1), (0, 3, 1), (0, 0, 4), (1, 1, 1), (u32::MAX, 0, 1)] {
            let row = PackedSequence {
                shard: 0,
                block,
                token_offset,
                length,
            };
            let error = read_sequence(&reader, &row, EOS, &mut Vec::new()).unwrap_err();
            assert!(matches!(error, ShardError::PackingRow { .. }), "{row:?}: {error}");
        }
    }

    /// Tokens of documents in order, a separator before each but the first that has any.
    fn stream(documents: &[Blocks]) -> Vec<u32> {
        let texts = documents
            .iter()
            .map(|blocks| blocks.concat())
            .filter(|text| !text.is_empty());
        texts.collect::<Vec<_>>().join(&EOS)
    }

    proptest! {
        #[test]
        fn every_token_comes_once_and_in_order(documents in documents(40), max_length in 3u32..20) {
            let (_folder, reader) = shard_of(&documents);
            let rows = pack(&reader, max_length);
            let sequences: Vec<Vec<u32>> = rows.iter().map(|row| read(&reader, row)).collect();
            let mut expected = stream(&documents).into_iter().peekable();
            for (row, tokens) in rows.iter().zip(&sequences) {
                prop_assert_eq!(tokens.len(), row.length as usize);
                prop_assert!(!tokens.is_empty() && row.length <= max_length - 2);
                prop_assert!(tokens[0] != EOS && *tokens.last().unwrap() != EOS);
                // a separator at a sequence's start is left out
                expected.next_if_eq(&EOS);
                for &token in tokens {
                    prop_assert_eq!(Some(token), expected.next());
                }
            }
            prop_assert_eq!(expected.next(), None);
        }

        #[test]
        fn no_sequence_could_take_the_next_block(documents in documents(15), max_length in 3u32..20) {
            let (_folder, reader) = shard_of(&documents);
            let rows = pack(&reader, max_length);
            for pair in rows.windows(2) {
                let (row, next) = (pair[0], pair[1]);
                if next.token_offset > 0 {
                    prop_assert_eq!(row.length, max_length - 2, "a cut block fills its sequence");
                    continue;
                }
                let block = next.block as usize;
                let new_document = reader.document_of_block(block) != reader.document_of_block(block - 1);
                let needed = reader.block_length(block) + usize::from(new_document);
                prop_assert!(row.length as usize + needed > max_length as usize - 2);
            }
        }

        #[test]
        fn a_source_is_packed_from_its_own_blocks_alone(documents in documents(12), cut in 0usize..8) {
            let (_folder, reader) = shard_of(&documents);
            let cut = cut.min(documents.len());
            let block = documents[..cut].iter().map(Vec::len).sum();
            let mode = PackingMode::FullSentences;
            let parts = [(0..block, &documents[..cut]), (block..reader.num_blocks(), &documents[cut..])];
            for (blocks, own) in parts {
                let rows = pack_shard(3, &reader, blocks, 12, mode).unwrap();
                let read: Vec<u32> =
                    rows.iter().flat_map(|row| read(&reader, row)).filter(|&token| token != EOS).collect();
                let own: Vec<u32> = own.iter().flatten().flatten().copied().collect();
                prop_assert_eq!(read, own);
                prop_assert!(rows.iter().all(|row| row.shard == 3));
            }
        }
    }
}
