//! A text as a sequence of tokens: `<s>` text `</s>`, or what else the tokenizer folder puts around a
//! text, cut where the model ends.

use std::borrow::Cow;
use std::sync::Arc;

use hf_folder::SentenceModules;
use tokenizer::{Tokenizer, TokenizerError, TruncationSide};

/// One text as the model sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sequence {
    pub(crate) input_ids: Vec<u32>,
    pub(crate) truncated: bool,
}

impl Sequence {
    /// Puts the tokens of the folder around content tokens, keeping at most `max_length` tokens in all.
    pub(crate) fn new(tokenizer: &Tokenizer, content: &[u32], max_length: usize) -> Self {
        let ends = tokenizer.ends();
        let room = max_length.saturating_sub(ends.before.len() + ends.after.len());
        let kept = match tokenizer.truncation_side() {
            TruncationSide::Right => &content[..content.len().min(room)],
            TruncationSide::Left => &content[content.len().saturating_sub(room)..],
        };
        Self {
            input_ids: [&ends.before, kept, &ends.after].concat(),
            truncated: kept.len() < content.len(),
        }
    }

    /// Its tokens, those around the text included.
    pub fn num_tokens(&self) -> usize {
        self.input_ids.len()
    }

    /// Whether the text was longer and was cut.
    pub fn is_truncated(&self) -> bool {
        self.truncated
    }
}

/// Makes sequences for one model, apart from its weights: in any thread, any number at once.
#[derive(Debug, Clone)]
pub struct Sequencer {
    tokenizer: Arc<Tokenizer>,
    max_length: usize,
    prompt: String,
    lower_case: bool,
}

impl Sequencer {
    pub(crate) fn new(tokenizer: Arc<Tokenizer>, max_length: usize, sentence: &SentenceModules) -> Self {
        Self {
            tokenizer,
            max_length,
            prompt: sentence.prompt.clone(),
            lower_case: sentence.lower_case,
        }
    }

    /// The sequences of `texts`, in their order. An empty text is `<s></s>`.
    ///
    /// # Errors
    /// [`TokenizerError::Pipeline`] where the folder's tokenizer cannot encode a text;
    /// [`TokenizerError::NoTokens`] where a text gives no token and the folder puts none around it.
    pub fn sequences(&self, texts: &[impl AsRef<str>]) -> Result<Vec<Sequence>, TokenizerError> {
        let mut encoder = if self.lower_case {
            self.tokenizer.lower_case_text_encoder()
        } else {
            self.tokenizer.text_encoder()
        };
        let mut content = Vec::new();
        let mut sequences = Vec::with_capacity(texts.len());
        for text in texts {
            content.clear();
            let mut text = Cow::Borrowed(text.as_ref());
            if !self.prompt.is_empty() {
                text = Cow::Owned(format!("{}{text}", self.prompt));
            }
            encoder.encode_into(&text, &mut content)?;
            let sequence = Sequence::new(&self.tokenizer, &content, self.max_length);
            if sequence.input_ids.is_empty() {
                return Err(TokenizerError::NoTokens {
                    text_index: sequences.len(),
                });
            }
            sequences.push(sequence);
        }
        Ok(sequences)
    }
}
