//! Encodes by the crate `tokenizers` what our own encoder does not cover: slower, and the same ids.
//!
//! A [`PipelineSpec`] says what the files of a folder come to: a `tokenizer.json` in effect and the
//! tokens that are added to it. From it a pipeline is made for each way to treat special tokens.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::OnceLock;

use serde_json::{Value, json};
use tokenizers::AddedToken;

use crate::encode::SpelledSpecials;
use crate::settings::{Settings, Tokens};
use crate::vocabulary::{FIRST_SPECIALS, MASK};
use crate::{TokenId, TokenizerError};

/// What a pipeline is made of.
#[derive(Debug)]
pub(crate) struct PipelineSpec {
    /// A `tokenizer.json` without added tokens, truncation and padding. `None` where our own encoder
    /// covers it, so that only text that spells an added token comes here.
    pub(crate) json: Option<Value>,
    /// In the order in which they are added.
    pub(crate) added: Vec<AddedToken>,
    /// Text of each of the seven special tokens that have a part to play: `<s>` and its like.
    pub(crate) named: BTreeMap<String, String>,
    /// `split_special_tokens`: special tokens are never recognized.
    pub(crate) split_special_tokens: bool,
}

/// The pipelines of a folder, made when they are first needed.
pub(crate) struct Pipeline {
    spec: PipelineSpec,
    /// One for each of [`SpelledSpecials`].
    made: [OnceLock<Result<tokenizers::Tokenizer, String>>; 2],
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Pipeline")
            .field("added", &self.spec.added)
            .finish_non_exhaustive()
    }
}

impl PipelineSpec {
    /// Of the tokenizers that are trained here.
    pub(crate) fn roberta() -> Self {
        let token = |text| AddedToken::from(text, true).lstrip(text == MASK);
        Self {
            json: None,
            added: FIRST_SPECIALS.into_iter().chain([MASK]).map(token).collect(),
            named: Settings::default_names(),
            split_special_tokens: false,
        }
    }

    /// What a folder asks for, around our own encoder.
    pub(crate) fn new(settings: &Settings, tokens: Tokens) -> Self {
        Self {
            json: None,
            added: tokens.added,
            named: tokens.named,
            split_special_tokens: settings.flag("split_special_tokens"),
        }
    }

    /// Makes the pipeline around `json` that treats special tokens so.
    pub(crate) fn build(
        &self,
        json: &Value,
        spelled: SpelledSpecials,
    ) -> Result<tokenizers::Tokenizer, String> {
        let mut made: tokenizers::Tokenizer =
            serde_json::from_str(&json.to_string()).map_err(|error| error.to_string())?;
        let added = self.added.iter().cloned().map(|mut token| {
            if spelled == SpelledSpecials::AsText {
                token.special = self.named.values().any(|text| *text == token.content);
            }
            token
        });
        made.add_tokens(added).map_err(|error| error.to_string())?;
        made.set_encode_special_tokens(spelled == SpelledSpecials::AsText || self.split_special_tokens);
        Ok(made)
    }

    /// Everything that changes the ids of a corpus, the same for any files that say the same.
    pub(crate) fn canonical(&self) -> String {
        let mut text = String::new();
        let added = json!({"added": self.added, "named": self.named});
        for part in self.json.iter().chain([&added]) {
            write_sorted(part, &mut text);
            text.push('\n');
        }
        text
    }
}

impl Pipeline {
    pub(crate) fn new(spec: PipelineSpec) -> Self {
        Self {
            spec,
            made: [OnceLock::new(), OnceLock::new()],
        }
    }

    pub(crate) fn spec(&self) -> &PipelineSpec {
        &self.spec
    }

    /// Whether `text` spells a token that text is searched for.
    pub(crate) fn finds_added(&self, text: &str) -> bool {
        let mut added = self.spec.added.iter().map(|token| token.content.as_str());
        added.any(|token| !token.is_empty() && text.contains(token))
    }

    /// Appends the ids of `text`, without the tokens around it. `own_json` is the `tokenizer.json` of a
    /// tokenizer that our own encoder covers.
    pub(crate) fn encode_into(
        &self,
        own_json: impl FnOnce() -> Result<Value, TokenizerError>,
        spelled: SpelledSpecials,
        text: &str,
        out: &mut Vec<TokenId>,
    ) -> Result<(), TokenizerError> {
        let failed = |message| TokenizerError::Pipeline { message };
        let made = self.made[spelled as usize].get_or_init(|| match &self.spec.json {
            Some(json) => self.spec.build(json, spelled),
            None => own_json()
                .map_err(|error| error.to_string())
                .and_then(|json| self.spec.build(&json, spelled)),
        });
        let encoding = made
            .as_ref()
            .map_err(|message| failed(message.clone()))?
            .encode_fast(text, false);
        out.extend_from_slice(encoding.map_err(|error| failed(error.to_string()))?.get_ids());
        Ok(())
    }
}

/// Writes `value` with the keys of every object in the order of the alphabet, whether or not a feature
/// of `serde_json` keeps the order of the file.
pub(crate) fn write_sorted(value: &Value, out: &mut String) {
    match value {
        Value::Object(object) => {
            let mut entries: Vec<_> = object.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            write_list(out, ['{', '}'], entries, |(key, value), out| {
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                write_sorted(value, out);
            });
        }
        Value::Array(items) => write_list(out, ['[', ']'], items, write_sorted),
        plain => out.push_str(&plain.to_string()),
    }
}

fn write_list<T>(
    out: &mut String,
    [open, close]: [char; 2],
    items: impl IntoIterator<Item = T>,
    write: impl Fn(T, &mut String),
) {
    out.push(open);
    for (place, item) in items.into_iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        write(item, out);
    }
    out.push(close);
}
