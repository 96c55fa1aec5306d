//! A value of the small files of a folder, which may come from one of them or from two.

use crate::folder::ordered::Json;
use crate::folder::stated_token::{Spelled, StatedToken};

/// A value that a file or two have come to.
#[derive(Debug, Clone)]
pub(crate) enum Argument {
    Json(Json),
    Token(StatedToken),
    /// `extra_special_tokens`, where the map adds to it.
    Tokens(Vec<Argument>),
}

impl Argument {
    pub(crate) fn spelled(&self) -> Option<Spelled> {
        match self {
            Self::Json(json) => Spelled::of(json),
            Self::Token(token) => Some(Spelled::Token(token.clone())),
            Self::Tokens(_) => None,
        }
    }

    pub(crate) fn is_true(&self) -> bool {
        match self {
            Self::Json(json) => json.is_true(),
            Self::Token(_) => true,
            Self::Tokens(tokens) => !tokens.is_empty(),
        }
    }

    /// The text by which `added_tokens.json` knows it for special: an object of `tokenizer_config.json`
    /// is none yet.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Json(json) => json.text(),
            Self::Token(token) => Some(&token.content),
            Self::Tokens(_) => None,
        }
    }

    pub(crate) fn list(&self) -> Vec<Self> {
        match self {
            Self::Json(Json::List(list)) => list.iter().cloned().map(Self::Json).collect(),
            Self::Tokens(tokens) => tokens.clone(),
            _ => Vec::new(),
        }
    }
}
