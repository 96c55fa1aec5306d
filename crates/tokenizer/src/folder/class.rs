//! Who reads a tokenizer folder, in the words of `transformers` 5.

use std::path::Path;

use crate::TokenizerError;
use crate::folder::file_names::{CONFIG_JSON, TOKENIZER_CONFIG_JSON, TOKENIZER_JSON};
use crate::folder::ordered::{Json, Object};
use crate::folder::read::object;

/// Models whose tokenizer is `RobertaTokenizer` where no file names one.
const OF_ROBERTA: [&str; 5] = [
    "roberta",
    "roberta-prelayernorm",
    "bart",
    "longformer",
    "data2vec-text",
];

/// The class of a tokenizer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// `RobertaTokenizer`: takes vocabulary, merges and added tokens, and has a pipeline of its own.
    Roberta,
    /// `PreTrainedTokenizerFast`: does what `tokenizer.json` says.
    TokenizerJson,
}

impl Class {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Roberta => "RobertaTokenizer",
            Self::TokenizerJson => "PreTrainedTokenizerFast",
        }
    }
}

/// The class that `tokenizer_config.json` or `config.json` names, or the one of its `model_type`. Where
/// there is no model, a `tokenizer.json` means what it says.
pub(crate) fn class(folder: &Path, config: &Object<Json>) -> Result<Class, TokenizerError> {
    let model = object(&folder.join(CONFIG_JSON))?;
    let stated = |object: Option<&Object<Json>>, key| object?.get(key)?.text().map(str::to_owned);
    let in_config = stated(Some(config), "tokenizer_class");
    let file = match in_config {
        Some(_) => TOKENIZER_CONFIG_JSON,
        None => CONFIG_JSON,
    };
    if let Some(named) = in_config.or_else(|| stated(model.as_ref(), "tokenizer_class")) {
        return match named.as_str() {
            "RobertaTokenizer" | "RobertaTokenizerFast" => Ok(Class::Roberta),
            "PreTrainedTokenizerFast" | "PreTrainedTokenizer" | "TokenizersBackend" => {
                Ok(Class::TokenizerJson)
            }
            other => Err(TokenizerError::unfit(
                &folder.join(file),
                format!(
                    "its tokenizer_class is {other}, neither RobertaTokenizer nor PreTrainedTokenizerFast"
                ),
            )),
        };
    }
    match stated(model.as_ref(), "model_type") {
        Some(of) if !OF_ROBERTA.contains(&of.as_str()) => Err(TokenizerError::unfit(
            &folder.join(CONFIG_JSON),
            format!(
                "its model_type is {of}, whose tokenizer is another one; tokenizer_class in {TOKENIZER_CONFIG_JSON} may name RobertaTokenizer or PreTrainedTokenizerFast"
            ),
        )),
        None if model.is_none() && folder.join(TOKENIZER_JSON).exists() => Ok(Class::TokenizerJson),
        _ => Ok(Class::Roberta),
    }
}
