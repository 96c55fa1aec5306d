//! Merges the bytes of one word into tokens by the ranks of their pairs.

use rustc_hash::FxHashMap;

use crate::merge_long::merge_long;
use crate::{TokenId, Tokenizer, alphabet};

/// Words up to this many bytes are merged by scanning; longer ones with a heap, so that a word
/// of a megabyte is not quadratic.
const SCAN_LIMIT: usize = 64;

/// Rank of a pair that does not merge.
pub(crate) const NO_RANK: u32 = u32::MAX;

/// Token of each byte, and rank and result of each pair that merges.
#[derive(Debug)]
pub(crate) struct MergeTable {
    byte_tokens: [TokenId; 256],
    pairs: FxHashMap<u64, Merge>,
}

/// What a pair becomes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Merge {
    pub(crate) rank: u32,
    pub(crate) token: TokenId,
}

/// A token of the word being merged and the merge with its right neighbour.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Symbol {
    token: TokenId,
    merge: Merge,
}

impl MergeTable {
    pub(crate) fn new(tokenizer: &Tokenizer) -> Self {
        let mut byte_tokens = [0; 256];
        for (byte, token) in (0..=255u8).zip(&mut byte_tokens) {
            let spelled = alphabet::char_of(byte).to_string();
            *token = tokenizer.id(&spelled).unwrap_or(tokenizer.special().unk);
        }
        let mut pairs = FxHashMap::default();
        pairs.reserve(tokenizer.merges().len());
        let mut joined = String::new();
        for (rank, &(left, right)) in (0..).zip(tokenizer.merges()) {
            joined.clear();
            joined.push_str(tokenizer.token(left).unwrap_or_default());
            joined.push_str(tokenizer.token(right).unwrap_or_default());
            if let Some(token) = tokenizer.id(&joined) {
                // a pair that is listed twice has its last rank, as in Hugging Face
                pairs.insert(key(left, right), Merge { rank, token });
            }
        }
        Self { byte_tokens, pairs }
    }

    pub(crate) fn byte_token(&self, byte: u8) -> TokenId {
        self.byte_tokens[usize::from(byte)]
    }

    #[inline]
    pub(crate) fn merge_of(&self, left: TokenId, right: TokenId) -> Merge {
        const NONE: Merge = Merge {
            rank: NO_RANK,
            token: 0,
        };
        self.pairs.get(&key(left, right)).copied().unwrap_or(NONE)
    }

    /// Appends the tokens of `word`: the pair of lowest rank, leftmost first, merges until
    /// none is left. `scratch` is any buffer, kept by the caller.
    pub(crate) fn merge_word(&self, word: &[u8], scratch: &mut Vec<Symbol>, out: &mut Vec<TokenId>) {
        if word.len() > SCAN_LIMIT {
            return merge_long(self, word, out);
        }
        scratch.clear();
        scratch.extend(word.iter().map(|&byte| Symbol {
            token: self.byte_token(byte),
            merge: Merge {
                rank: NO_RANK,
                token: 0,
            },
        }));
        for i in 1..scratch.len() {
            scratch[i - 1].merge = self.merge_of(scratch[i - 1].token, scratch[i].token);
        }
        while let Some(i) = lowest(scratch) {
            self.apply(scratch, i);
        }
        out.extend(scratch.iter().map(|symbol| symbol.token));
    }

    /// Merges symbol `i` with the next one and looks up both new pairs.
    fn apply(&self, symbols: &mut Vec<Symbol>, i: usize) {
        symbols[i].token = symbols[i].merge.token;
        symbols.remove(i + 1);
        symbols[i].merge = match symbols.get(i + 1) {
            Some(next) => self.merge_of(symbols[i].token, next.token),
            None => Merge {
                rank: NO_RANK,
                token: 0,
            },
        };
        if i > 0 {
            symbols[i - 1].merge = self.merge_of(symbols[i - 1].token, symbols[i].token);
        }
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

#[inline]
fn key(left: TokenId, right: TokenId) -> u64 {
    u64::from(left) << 32 | u64::from(right)
}
