//! Tokens that text is searched for before it is split into words, as the files of a folder state them.

use serde::Deserialize;
use tokenizers::AddedToken;

use crate::TokenId;
use crate::folder::ordered::{Json, Object};

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
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
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
            normalized: Some(!special),
            special,
        }
    }

    /// The object of a file; `None` for one that is no token.
    pub(crate) fn of(object: &Object<Json>) -> Option<Self> {
        let flag = |key| match object.get(key) {
            None => Some(false),
            Some(Json::Bool(value)) => Some(*value),
            Some(_) => None,
        };
        Some(Self {
            content: object.get("content")?.text()?.to_owned(),
            single_word: flag("single_word")?,
            lstrip: flag("lstrip")?,
            rstrip: flag("rstrip")?,
            normalized: match object.get("normalized") {
                None | Some(Json::Null) => None,
                Some(_) => Some(flag("normalized")?),
            },
            special: flag("special")?,
        })
    }

    /// The same, marked as special.
    pub(crate) fn into_special(self) -> Self {
        Self {
            special: true,
            ..self
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
    /// A text, or an object that says of itself that it is an added token.
    pub(crate) fn of(value: &Json) -> Option<Self> {
        match value {
            Json::Text(text) => Some(Self::Text(text.clone())),
            Json::Object(object) if object.get("__type").and_then(Json::text) == Some("AddedToken") => {
                StatedToken::of(object).map(Self::Token)
            }
            _ => None,
        }
    }

    pub(crate) fn content(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Token(token) => &token.content,
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
