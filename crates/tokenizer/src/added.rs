//! Tokens that text is searched for before it is split into words, as the files of a folder state them.

use serde::Deserialize;
use serde_json::Value;
use tokenizers::AddedToken;

use crate::TokenId;

/// An added token as a file writes it.
#[expect(clippy::struct_excessive_bools, reason = "the fields of the file")]
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
pub(crate) struct StatedToken {
    pub(crate) content: String,
    #[serde(default)]
    single_word: bool,
    #[serde(default)]
    lstrip: bool,
    #[serde(default)]
    rstrip: bool,
    /// The opposite of `special` where it is not stated.
    #[serde(default)]
    normalized: Option<bool>,
    #[serde(default)]
    pub(crate) special: bool,
}

/// One of `added_tokens` in `tokenizer.json`.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct NumberedToken {
    pub(crate) id: TokenId,
    #[serde(flatten)]
    pub(crate) token: StatedToken,
}

/// A token where a file may also give its text alone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
#[serde(untagged)]
pub(crate) enum Spelled {
    Text(String),
    Token(StatedToken),
}

impl StatedToken {
    pub(crate) fn new(content: &str, special: bool) -> Self {
        Self {
            content: content.to_owned(),
            single_word: false,
            lstrip: false,
            rstrip: false,
            normalized: None,
            special,
        }
    }

    /// As the library takes it.
    pub(crate) fn resolved(&self, special: bool) -> AddedToken {
        AddedToken {
            content: self.content.clone(),
            single_word: self.single_word,
            lstrip: self.lstrip,
            rstrip: self.rstrip,
            normalized: self.normalized.unwrap_or(!special),
            special,
        }
    }
}

impl Spelled {
    pub(crate) fn parse(value: &Value) -> Option<Self> {
        serde_json::from_value(value.clone()).ok()
    }

    pub(crate) fn content(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Token(token) => &token.content,
        }
    }

    /// The same, marked as special where the file has an object.
    pub(crate) fn special(self) -> Self {
        match self {
            Self::Token(token) => Self::Token(StatedToken {
                special: true,
                ..token
            }),
            text @ Self::Text(_) => text,
        }
    }

    /// As an added token. One that is text alone is special.
    pub(crate) fn token(&self) -> StatedToken {
        match self {
            Self::Text(text) => StatedToken::new(text, true),
            Self::Token(token) => token.clone(),
        }
    }
}
