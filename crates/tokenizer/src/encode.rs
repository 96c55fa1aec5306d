//! Turns text into token ids.

use crate::TokenId;
use crate::cache::WordCache;
use crate::merge::{MergeTable, Symbol};
use crate::split::word_end;

/// Encodes text with a word cache of its own: one a thread, kept as long as there is text.
/// Its memory is bounded (a few MiB) and its results do not depend on what it encoded before.
#[derive(Debug)]
pub struct Encoder<'t> {
    table: &'t MergeTable,
    cache: WordCache,
    scratch: Vec<Symbol>,
}

impl<'t> Encoder<'t> {
    pub(crate) fn new(table: &'t MergeTable) -> Self {
        Self {
            table,
            cache: WordCache::new(),
            scratch: Vec::new(),
        }
    }

    /// Appends the ids of `text` to `out`. No special token is added, and text that spells one
    /// is encoded as the text that it is.
    pub fn encode_into(&mut self, text: &str, out: &mut Vec<TokenId>) {
        let bytes = text.as_bytes();
        out.reserve(bytes.len() / 4);
        let mut at = 0;
        while at < bytes.len() {
            let end = word_end(bytes, at);
            let word = &bytes[at..end];
            let (table, scratch) = (self.table, &mut self.scratch);
            self.cache
                .tokens_into(word, out, |out| table.merge_word(word, scratch, out));
            at = end;
        }
    }
}
