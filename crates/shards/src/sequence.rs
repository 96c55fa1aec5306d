//! Reading one packed sequence: which pieces of which documents it is made of, and its tokens.

use std::ops::Range;

use crate::{PackedSequence, ShardError, ShardReader};

/// A run of tokens of one block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The document, as an index into the shard.
    pub document: usize,
    /// The block, as an index into the shard.
    pub block: usize,
    /// The tokens of the block.
    pub tokens: Range<usize>,
}

/// The pieces that `row` is made of, in order. Between pieces of different documents stands a
/// separator, which counts as a token of the row.
///
/// # Errors
/// [`ShardError::PackingRow`], as an item, if the row does not fit the shard.
pub fn pieces<'a>(
    reader: &'a ShardReader,
    row: &PackedSequence,
) -> impl Iterator<Item = Result<Piece, ShardError>> + 'a {
    Pieces {
        reader,
        row: *row,
        block: row.block as usize,
        from: row.token_offset as usize,
        left: row.length as usize,
        document: None,
    }
}

struct Pieces<'a> {
    reader: &'a ShardReader,
    row: PackedSequence,
    /// The next block.
    block: usize,
    /// The next token in it.
    from: usize,
    /// Tokens of the row that are still to come.
    left: usize,
    /// The document of the last piece, and its end.
    document: Option<(usize, usize)>,
}

impl Pieces<'_> {
    fn next_piece(&mut self) -> Result<Piece, ShardError> {
        // blocks without tokens, which foreign files may hold, are passed over as in packing
        while self.document.is_some()
            && self.block < self.reader.num_blocks()
            && self.reader.block_length(self.block) == 0
        {
            self.block += 1;
        }
        let (block, from) = (self.block, self.from);
        if block >= self.reader.num_blocks() {
            return Err(self.misfit());
        }
        let document = self.enter_document(block)?;
        let length = self.reader.block_length(block);
        let available = length.checked_sub(from).ok_or_else(|| self.misfit())?;
        let taken = available.min(self.left);
        self.left -= taken;
        self.block += 1;
        self.from = 0;
        Ok(Piece {
            document,
            block,
            tokens: from..from + taken,
        })
    }

    /// The document of `block`; a change of document takes the room of a separator.
    fn enter_document(&mut self, block: usize) -> Result<usize, ShardError> {
        if let Some((document, end)) = self.document {
            if block < end {
                return Ok(document);
            }
            self.left = self.left.saturating_sub(1);
            if self.left == 0 {
                return Err(self.misfit());
            }
        }
        let document = self.reader.document_of_block(block);
        self.document = Some((document, self.reader.document_blocks(document).end));
        Ok(document)
    }

    fn misfit(&self) -> ShardError {
        ShardError::PackingRow {
            path: self.reader.path().to_path_buf(),
            block: self.row.block,
            token_offset: self.row.token_offset,
            length: self.row.length,
        }
    }
}

impl Iterator for Pieces<'_> {
    type Item = Result<Piece, ShardError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        let piece = self.next_piece();
        if piece.is_err() {
            self.left = 0;
        }
        Some(piece)
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
    read_kept(reader, row, eos, |_| true, out)
}

/// [`read_sequence`] of the documents that `keep` says yes to: the others leave no token and
/// no separator.
///
/// # Errors
/// As [`read_sequence`].
pub fn read_kept(
    reader: &ShardReader,
    row: &PackedSequence,
    eos: u32,
    keep: impl Fn(usize) -> bool,
    out: &mut Vec<u32>,
) -> Result<(), ShardError> {
    let mut last = None;
    for piece in pieces(reader, row) {
        let piece = piece?;
        if !keep(piece.document) {
            continue;
        }
        if last.is_some_and(|last| last != piece.document) {
            out.push(eos);
        }
        last = Some(piece.document);
        reader.block(piece.block)?.copy_into(out, piece.tokens);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::small_corpus::shard_of;

    const EOS: u32 = 2;

    fn row(block: u32, token_offset: u32, length: u32) -> PackedSequence {
        PackedSequence {
            shard: 0,
            block,
            token_offset,
            length,
        }
    }

    /// Blocks 10 11 | 12, nothing, 13 14 15 | 16, 17.
    fn three_documents() -> (tempfile::TempDir, ShardReader) {
        shard_of(&[
            vec![vec![10, 11], vec![12]],
            vec![],
            vec![vec![13, 14, 15], vec![16]],
            vec![vec![17]],
        ])
    }

    #[test]
    fn pieces_name_document_block_and_tokens() {
        let (_folder, reader) = three_documents();
        let piece = |document, block, tokens| Piece {
            document,
            block,
            tokens,
        };
        let found: Vec<Piece> = pieces(&reader, &row(0, 1, 7)).map(Result::unwrap).collect();
        let expected = [
            piece(0, 0, 1..2),
            piece(0, 1, 0..1),
            piece(2, 2, 0..3),
            piece(2, 3, 0..1),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_left_out_document_leaves_no_token_and_no_second_separator() {
        let (_folder, reader) = three_documents();
        let read = |row: &PackedSequence, left_out: &[usize]| {
            let mut tokens = Vec::new();
            read_kept(&reader, row, EOS, |d| !left_out.contains(&d), &mut tokens).unwrap();
            tokens
        };
        let whole = row(0, 0, 10);
        assert_eq!(read(&whole, &[]), [10, 11, 12, EOS, 13, 14, 15, 16, EOS, 17]);
        assert_eq!(read(&whole, &[2]), [10, 11, 12, EOS, 17]);
        assert_eq!(read(&whole, &[0]), [13, 14, 15, 16, EOS, 17]);
        assert_eq!(read(&whole, &[0, 3]), [13, 14, 15, 16]);
        assert!(read(&whole, &[0, 2, 3]).is_empty());
    }

    #[test]
    fn a_row_that_does_not_fit_the_shard_is_an_error() {
        let (_folder, reader) = shard_of(&[vec![vec![10, 11], vec![12]], vec![vec![13]]]);
        for row in [
            row(3, 0, 1),
            row(0, 3, 1),
            row(0, 0, 4),
            row(0, 0, 6),
            row(1, 2, 1),
            row(u32::MAX, 0, 1),
        ] {
            let error = read_sequence(&reader, &row, EOS, &mut Vec::new()).unwrap_err();
            assert!(matches!(error, ShardError::PackingRow { .. }), "{row:?}: {error}");
            assert!(pieces(&reader, &row).last().unwrap().is_err());
        }
    }
}
