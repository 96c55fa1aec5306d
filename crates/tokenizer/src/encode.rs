//! Turns text into token ids.

use crate::bpe::merge_table::MergeTable;
use crate::bpe::merge_word::{Symbol, merge_word};
use crate::bpe::split::word_end;
use crate::bpe::word_cache::WordCache;
use crate::library::pipeline::{Mode, Pipeline};
use crate::spelled::SpelledTokens;
use crate::vocabulary::Vocabulary;
use crate::{TokenId, TokenizerError};

/// Encodes text with a word cache of its own: one a thread, kept as long as there is text. Its results
/// do not depend on what it encoded before. Its memory is bounded (a few MiB) but for folders that the
/// crate `tokenizers` encodes, where a text takes up to some hundred times its bytes.
#[derive(Debug)]
pub struct Encoder<'t> {
    by: By<'t>,
    mode: Mode,
}

#[derive(Debug)]
enum By<'t> {
    Own(OwnEncoder<'t>, &'t SpelledTokens),
    Library(&'t Pipeline, &'t Vocabulary),
}

#[derive(Debug)]
struct OwnEncoder<'t> {
    table: &'t MergeTable,
    cache: WordCache,
    scratch: Vec<Symbol>,
}

impl<'t> Encoder<'t> {
    pub(crate) fn own(table: &'t MergeTable, spelled: &'t SpelledTokens, mode: Mode) -> Self {
        let own = OwnEncoder {
            table,
            cache: WordCache::new(),
            scratch: Vec::new(),
        };
        Self {
            by: By::Own(own, spelled),
            mode,
        }
    }

    pub(crate) fn by_library(pipeline: &'t Pipeline, vocabulary: &'t Vocabulary, mode: Mode) -> Self {
        Self {
            by: By::Library(pipeline, vocabulary),
            mode,
        }
    }

    /// Appends the ids of `text` to `out`. No special token is put around it.
    ///
    /// # Errors
    /// [`TokenizerError::Pipeline`] where the crate `tokenizers` encodes and fails, or finds a special
    /// token in the text of a corpus. A folder that our own encoder covers has no such error.
    pub fn encode_into(&mut self, text: &str, out: &mut Vec<TokenId>) -> Result<(), TokenizerError> {
        match &mut self.by {
            By::Own(own, _) if self.mode == Mode::Corpus => own.encode_into(text, out),
            By::Own(own, spelled) => {
                let encode = |(own, out): &mut (&mut OwnEncoder<'_>, &mut Vec<TokenId>), part: &str| {
                    own.encode_into(part, out);
                };
                let token = |(_, out): &mut (&mut OwnEncoder<'_>, &mut Vec<TokenId>), id| out.push(id);
                spelled.split(
                    text,
                    self.mode == Mode::LowerCaseText,
                    &mut (own, out),
                    (encode, token),
                );
            }
            By::Library(pipeline, vocabulary) => {
                let start = out.len();
                pipeline.encode_into(self.mode, text, out)?;
                if self.mode == Mode::Corpus {
                    refuse_special(vocabulary, &out[start..])?;
                }
            }
        }
        Ok(())
    }
}

/// A corpus has special tokens between documents only.
fn refuse_special(vocabulary: &Vocabulary, ids: &[TokenId]) -> Result<(), TokenizerError> {
    let special = vocabulary.special.ids();
    match ids.iter().find(|id| special.contains(id)) {
        None => Ok(()),
        Some(id) => Err(TokenizerError::Pipeline {
            message: format!(
                "a document's text gives the special token {:?}, which a corpus has only between documents",
                vocabulary.token(*id).unwrap_or_default()
            ),
        }),
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
                .tokens_into(word, out, |out| merge_word(table, word, scratch, out));
            at = end;
        }
    }
}
