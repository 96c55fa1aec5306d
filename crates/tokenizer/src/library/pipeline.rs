//! Encodes by the crate `tokenizers` what our own encoder does not cover: slower, and the same ids.
//!
//! A [`PipelineSpec`] says what the files of a folder come to: a `tokenizer.json` in effect and the
//! tokens that are added to it. From it a pipeline is made for each [`Mode`].

use std::borrow::Cow;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

use serde_json::{Value, json};
use tokenizers::{AddedToken, NormalizedString, Normalizer};

use crate::library::added_tokens::AddedTokens;
use crate::{TokenId, TokenizerError};

/// What text is encoded for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// A corpus: special tokens with a part to play are text where a document spells them.
    Corpus,
    /// A user's text, as `AutoTokenizer` has it.
    Text,
    /// The same in lower case, as `do_lower_case` of `sentence-transformers` has it.
    LowerCaseText,
}

/// What a pipeline is made of.
#[derive(Debug)]
pub(crate) struct PipelineSpec {
    /// A `tokenizer.json` without added tokens, truncation and padding.
    pub(crate) json: Value,
    pub(crate) tokens: AddedTokens,
    /// `split_special_tokens`: special tokens are never recognized.
    pub(crate) split_special_tokens: bool,
}

/// The pipelines of a folder, made when they are first needed.
pub(crate) struct Pipeline {
    spec: PipelineSpec,
    /// One for each mode.
    made: [OnceLock<Result<tokenizers::Tokenizer, String>>; 3],
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tokens = &self.spec.tokens;
        formatter
            .debug_struct("Pipeline")
            .field("tokens", tokens)
            .finish_non_exhaustive()
    }
}

impl PipelineSpec {
    pub(crate) fn build(&self, mode: Mode) -> Result<tokenizers::Tokenizer, String> {
        let json = match mode {
            Mode::LowerCaseText => Cow::Owned(in_lower_case(&self.json)),
            Mode::Corpus | Mode::Text => Cow::Borrowed(&self.json),
        };
        caught(|| {
            let mut made: tokenizers::Tokenizer =
                serde_json::from_str(&json.to_string()).map_err(|error| error.to_string())?;
            // two calls, as `transformers` has it: they number otherwise than one
            for tokens in [&self.tokens.in_file, &self.tokens.further] {
                let tokens = tokens.iter().cloned().map(|mut token| {
                    if mode == Mode::Corpus {
                        token.special = self.tokens.is_named(&token.content);
                    }
                    token
                });
                made.add_tokens(tokens).map_err(|error| error.to_string())?;
            }
            refuse_empty(&made, self.tokens.all())?;
            made.set_encode_special_tokens(mode == Mode::Corpus || self.split_special_tokens);
            Ok(made)
        })
    }
}

impl Pipeline {
    /// `made` is the one for [`Mode::Text`].
    pub(crate) fn new(spec: PipelineSpec, made: tokenizers::Tokenizer) -> Self {
        let made = [OnceLock::new(), OnceLock::from(Ok(made)), OnceLock::new()];
        Self { spec, made }
    }

    pub(crate) fn tokens(&self) -> &AddedTokens {
        &self.spec.tokens
    }

    fn of(&self, mode: Mode) -> Result<&tokenizers::Tokenizer, TokenizerError> {
        let made = self.made[mode as usize].get_or_init(|| self.spec.build(mode));
        let failed = |message: &String| TokenizerError::Pipeline {
            message: message.clone(),
        };
        made.as_ref().map_err(failed)
    }

    /// Appends the ids of `text`, without the tokens around it.
    pub(crate) fn encode_into(
        &self,
        mode: Mode,
        text: &str,
        out: &mut Vec<TokenId>,
    ) -> Result<(), TokenizerError> {
        let made = self.of(mode)?;
        let encoding = caught(|| made.encode_fast(text, false).map_err(|error| error.to_string()));
        let encoding = encoding.map_err(|message| TokenizerError::Pipeline { message })?;
        out.extend_from_slice(encoding.get_ids());
        Ok(())
    }

    /// The text of `ids`; `None` where the folder's decoder fails.
    pub(crate) fn decode(&self, ids: &[TokenId]) -> Option<String> {
        let made = self.of(Mode::Text).ok()?;
        caught(|| made.decode(ids, false).map_err(|error| error.to_string())).ok()
    }
}

/// The crate searches a text for ever for a token that its normalizer makes empty.
fn refuse_empty<'a>(
    made: &tokenizers::Tokenizer,
    tokens: impl Iterator<Item = &'a AddedToken>,
) -> Result<(), String> {
    let Some(normalizer) = made.get_normalizer() else {
        return Ok(());
    };
    for token in tokens.filter(|token| token.normalized) {
        let mut text = NormalizedString::from(token.content.as_str());
        normalizer
            .normalize(&mut text)
            .map_err(|error| error.to_string())?;
        if text.get().is_empty() && !token.content.is_empty() {
            return Err(format!(
                "its normalizer leaves nothing of the added token {:?}",
                token.content
            ));
        }
    }
    Ok(())
}

/// The crate panics on some broken folders, and where a regular expression of a folder gives up.
pub(crate) fn caught<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().cloned();
        let said = said.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(said.unwrap_or_else(|| "it panicked".to_owned()))
    })
}

/// The same pipeline with `Lowercase` before its normalizer, unless it has one.
fn in_lower_case(json: &Value) -> Value {
    let lower = json!({"type": "Lowercase"});
    let existing = match &json["normalizer"] {
        Value::Null => Vec::new(),
        sequence if sequence["type"] == "Sequence" => {
            sequence["normalizers"].as_array().cloned().unwrap_or_default()
        }
        one => vec![one.clone()],
    };
    let mut changed = json.clone();
    if !existing
        .iter()
        .any(|normalizer| normalizer["type"] == "Lowercase")
    {
        let all: Vec<Value> = [lower].into_iter().chain(existing).collect();
        changed["normalizer"] = json!({"type": "Sequence", "normalizers": all});
    }
    changed
}
