//! A text as a sequence of tokens: `<s>` text `</s>`, cut where the model ends.

use std::borrow::Cow;
use std::sync::Arc;

use hf_folder::SentenceModules;
use tokenizer::{Encoder, Tokenizer};

/// One text as the model sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sequence {
    pub(crate) input_ids: Vec<u32>,
    pub(crate) truncated: bool,
}

impl Sequence {
    /// Wraps content tokens in `<s>` and `</s>`, keeping at most `max_length` tokens in all.
    pub(crate) fn new(tokenizer: &Tokenizer, content: &[u32], max_length: usize) -> Self {
        let special = tokenizer.special();
        let kept = content.len().min(max_length.saturating_sub(2));
        let mut input_ids = Vec::with_capacity(kept + 2);
        input_ids.push(special.bos);
        input_ids.extend_from_slice(&content[..kept]);
        input_ids.push(special.eos);
        Self {
            input_ids,
            truncated: kept < content.len(),
        }
    }

    /// Its tokens, `<s>` and `</s>` included.
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
    pub fn sequences(&self, texts: &[impl AsRef<str>]) -> Vec<Sequence> {
        let mut encoder = self.tokenizer.encoder();
        let mut content = Vec::new();
        let mut sequences = Vec::with_capacity(texts.len());
        for text in texts {
            content.clear();
            let mut text = Cow::Borrowed(text.as_ref());
            if !self.prompt.is_empty() {
                text = Cow::Owned(format!("{}{text}", self.prompt));
            }
            if self.lower_case {
                // character by character, as the normalizer of `tokenizers`
                text = Cow::Owned(text.chars().flat_map(char::to_lowercase).collect());
            }
            encoder.encode_into(&text, &mut content);
            sequences.push(Sequence::new(&self.tokenizer, &content, self.max_length));
        }
        sequences
    }
}

/// Appends the tokens of `text`, in which `mask` stands for the mask token. As in
/// `transformers`, the mask takes the white space before it.
pub(crate) fn encode_with_masks(
    tokenizer: &Tokenizer,
    encoder: &mut Encoder<'_>,
    text: &str,
    mask: &str,
    content: &mut Vec<u32>,
) {
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(mask) {
        encoder.encode_into(before.trim_end(), content);
        content.push(tokenizer.special().mask);
        rest = after;
    }
    encoder.encode_into(rest, content);
}
