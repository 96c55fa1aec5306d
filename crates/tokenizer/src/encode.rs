//! Turns text into token ids.

use crate::cache::WordCache;
use crate::merge::{MergeTable, Symbol};
use crate::split::word_end;
use crate::{TokenId, Tokenizer, TokenizerError};

/// What becomes of a special token that a text spells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpelledSpecials {
    /// Text: so it is in a corpus, where `</s>` in a document ends nothing.
    AsText,
    /// The special token, as `AutoTokenizer` of `transformers` has it.
    Recognized,
}

/// Encodes text with a word cache of its own: one a thread, kept as long as there is text.
/// Its memory is bounded (a few MiB) and its results do not depend on what it encoded before.
#[derive(Debug)]
pub struct Encoder<'t> {
    /// None where all text goes through the pipeline.
    own: Option<OwnEncoder<'t>>,
    tokenizer: &'t Tokenizer,
    spelled: SpelledSpecials,
}

#[derive(Debug)]
struct OwnEncoder<'t> {
    table: &'t MergeTable,
    cache: WordCache,
    scratch: Vec<Symbol>,
}

impl<'t> Encoder<'t> {
    pub(crate) fn new(tokenizer: &'t Tokenizer, spelled: SpelledSpecials) -> Self {
        let own = |table| OwnEncoder {
            table,
            cache: WordCache::new(),
            scratch: Vec::new(),
        };
        Self {
            own: tokenizer.merge_table().map(own),
            tokenizer,
            spelled,
        }
    }

    /// Appends the ids of `text` to `out`. No special token is added.
    ///
    /// # Errors
    /// [`TokenizerError::Pipeline`] where the crate `tokenizers` encodes and fails. A folder that our
    /// own encoder covers has no such error, unless special tokens are recognized and `text` has one.
    pub fn encode_into(&mut self, text: &str, out: &mut Vec<TokenId>) -> Result<(), TokenizerError> {
        let pipeline = self.tokenizer.pipeline();
        match &mut self.own {
            Some(own) if self.spelled == SpelledSpecials::AsText || !pipeline.finds_added(text) => {
                own.encode_into(text, out);
                Ok(())
            }
            _ => pipeline.encode_into(|| self.tokenizer.tokenizer_json(), self.spelled, text, out),
        }
    }
}

impl OwnEncoder<'_> {
    fn encode_into(&mut self, text: &str, out: &mut Vec<TokenId>) {
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
