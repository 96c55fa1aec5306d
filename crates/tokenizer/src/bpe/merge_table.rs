//! Which pairs of tokens merge, and into what.

use rustc_hash::FxHashMap;

use crate::bpe::alphabet;
use crate::special::TokenId;

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

impl MergeTable {
    /// `id` is that of a token; bytes without one are `unknown`.
    pub(crate) fn new(
        tokens: &[String],
        merges: &[(TokenId, TokenId)],
        id: impl Fn(&str) -> Option<TokenId>,
        unknown: TokenId,
    ) -> Self {
        let mut byte_tokens = [0; 256];
        for (byte, token) in (0..=255u8).zip(&mut byte_tokens) {
            let spelled = alphabet::char_of(byte).to_string();
            *token = id(&spelled).unwrap_or(unknown);
        }
        let mut pairs = FxHashMap::default();
        pairs.reserve(merges.len());
        let mut joined = String::new();
        for (rank, &(left, right)) in (0..).zip(merges) {
            joined.clear();
            for part in [left, right] {
                joined.push_str(tokens.get(part as usize).map_or("", String::as_str));
            }
            if let Some(token) = id(&joined) {
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
}

#[inline]
fn key(left: TokenId, right: TokenId) -> u64 {
    u64::from(left) << 32 | u64::from(right)
}
