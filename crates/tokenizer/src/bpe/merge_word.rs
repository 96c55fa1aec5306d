//! Merges the bytes of one word into tokens by the ranks of their pairs.

use crate::bpe::merge_long::merge_long;
use crate::bpe::merge_table::{Merge, MergeTable, NO_RANK};
use crate::special::TokenId;

/// Words up to this many bytes are merged by scanning; longer ones with a heap, so that a word
/// of a megabyte is not quadratic.
const SCAN_LIMIT: usize = 64;

/// A token of the word being merged and the merge with its right neighbor.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Symbol {
    token: TokenId,
    merge: Merge,
}

/// Appends the tokens of `word`: the pair of lowest rank, leftmost first, merges until
/// none is left. `scratch` is any buffer, kept by the caller.
pub(crate) fn merge_word(table: &MergeTable, word: &[u8], scratch: &mut Vec<Symbol>, out: &mut Vec<TokenId>) {
    if word.len() > SCAN_LIMIT {
        return merge_long(table, word, out);
    }
    scratch.clear();
    scratch.extend(word.iter().map(|&byte| Symbol {
        token: table.byte_token(byte),
        merge: Merge {
            rank: NO_RANK,
            token: 0,
        },
    }));
    for i in 1..scratch.len() {
        scratch[i - 1].merge = table.merge_of(scratch[i - 1].token, scratch[i].token);
    }
    while let Some(i) = lowest(scratch) {
        apply(table, scratch, i);
    }
    out.extend(scratch.iter().map(|symbol| symbol.token));
}

/// Merges symbol `i` with the next one and looks up both new pairs.
fn apply(table: &MergeTable, symbols: &mut Vec<Symbol>, i: usize) {
    symbols[i].token = symbols[i].merge.token;
    symbols.remove(i + 1);
    symbols[i].merge = match symbols.get(i + 1) {
        Some(next) => table.merge_of(symbols[i].token, next.token),
        None => Merge {
            rank: NO_RANK,
            token: 0,
        },
    };
    if i > 0 {
        symbols[i - 1].merge = table.merge_of(symbols[i - 1].token, symbols[i].token);
    }
}

/// The first symbol whose pair has the lowest rank.
#[inline]
fn lowest(symbols: &[Symbol]) -> Option<usize> {
    let (mut best, mut rank) = (None, NO_RANK);
    for (i, symbol) in symbols.iter().enumerate() {
        if symbol.merge.rank < rank {
            (best, rank) = (Some(i), symbol.merge.rank);
        }
    }
    best
}
