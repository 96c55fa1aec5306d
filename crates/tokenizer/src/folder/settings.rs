//! What the small files of a tokenizer folder say, put together as `transformers` 5 does.
//!
//! `tokenizer_config.json` comes first. Where it has `added_tokens_decoder`, no other file adds tokens.
//! Where it has none, as in older folders, `special_tokens_map.json`, `added_tokens.json` and the added
//! tokens of `tokenizer.json` follow, and the later file wins. Tokens are added in the order of the ids
//! that they state, then the named special tokens that are missing, then further special tokens.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::TokenizerError;
use crate::folder::argument::Argument;
use crate::folder::class::{Class, class};
use crate::folder::file_names::{ADDED_TOKENS_JSON, SPECIAL_TOKENS_MAP_JSON, TOKENIZER_CONFIG_JSON};
use crate::folder::ordered::{Json, Object};
use crate::folder::read::{object, parse, read};
use crate::folder::stated_token::StatedToken;
use crate::folder::tokenizer_json::Entries;
use crate::special::Role;
use crate::tokenizer::TruncationSide;

pub(super) const EXTRA: &str = "extra_special_tokens";
pub(super) const EXTRA_BEFORE: &str = "additional_special_tokens";
const SPECIFIC: &str = "model_specific_special_tokens";

/// The settings of a folder.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(super) folder: PathBuf,
    pub(crate) class: Class,
    /// Whether `tokenizer_config.json` names the class.
    pub(crate) names_class: bool,
    pub(super) arguments: Object<Argument>,
    /// Special tokens with names of their own, of `tokenizer_config.json`.
    pub(super) specific: Object<Argument>,
    /// `added_tokens_decoder`: nothing else is added where it is there.
    pub(super) decoder: Option<BTreeMap<u64, StatedToken>>,
    pub(super) added_tokens: Vec<(String, u64)>,
    /// Texts by which `added_tokens.json` knows a token for special.
    pub(super) special: HashSet<String>,
}

impl Settings {
    pub(crate) fn read(folder: &Path) -> Result<Self, TokenizerError> {
        let config = object(&folder.join(TOKENIZER_CONFIG_JSON))?.unwrap_or_default();
        let mut settings = Self {
            class: class(folder, &config)?,
            names_class: config.get("tokenizer_class").and_then(Json::text).is_some(),
            folder: folder.to_path_buf(),
            arguments: Object::default(),
            specific: Object::default(),
            decoder: None,
            added_tokens: Vec::new(),
            special: HashSet::new(),
        };
        settings.take_config(&config)?;
        settings.refuse_other_inputs()?;
        if settings.decoder.is_none() {
            settings.take_special_tokens_map()?;
            settings.know_special();
            let path = folder.join(ADDED_TOKENS_JSON);
            if path.exists() {
                settings.added_tokens = parse::<Entries<u64>>(&path, &read(&path)?)?.0;
            }
        }
        settings.take_named_extras();
        Ok(settings)
    }

    /// A model without an attention mask would see the padding.
    fn refuse_other_inputs(&self) -> Result<(), TokenizerError> {
        let inputs = self
            .arguments
            .get("model_input_names")
            .map(Argument::list)
            .unwrap_or_default();
        let masked = inputs.is_empty() || inputs.iter().any(|name| name.text() == Some("attention_mask"));
        if masked {
            return Ok(());
        }
        Err(TokenizerError::unfit(
            &self.folder,
            "its model_input_names lack attention_mask".to_owned(),
        ))
    }

    /// A setting that is true or false; false where no file has it.
    pub(crate) fn flag(&self, key: &str) -> Result<bool, TokenizerError> {
        match self.arguments.get(key) {
            None => Ok(false),
            Some(Argument::Json(Json::Bool(value))) => Ok(*value),
            Some(_) => Err(TokenizerError::unfit(
                &self.folder,
                format!("its {key} is neither true nor false"),
            )),
        }
    }

    /// `truncation_side`, or what `tokenizer.json` says.
    pub(crate) fn truncation_side(&self, in_file: Option<&Value>) -> Result<TruncationSide, TokenizerError> {
        let Some(stated) = self.arguments.get("truncation_side") else {
            let left = in_file.and_then(Value::as_str) == Some("Left");
            return Ok(if left {
                TruncationSide::Left
            } else {
                TruncationSide::Right
            });
        };
        match stated.text() {
            Some("left") => Ok(TruncationSide::Left),
            Some("right") => Ok(TruncationSide::Right),
            _ => Err(TokenizerError::unfit(
                &self.folder,
                "its truncation_side is neither left nor right".to_owned(),
            )),
        }
    }

    fn take_config(&mut self, config: &Object<Json>) -> Result<(), TokenizerError> {
        for (key, value) in config.iter() {
            if key == "fast_tokenizer_files" {
                let path = self.folder.join(TOKENIZER_CONFIG_JSON);
                return Err(TokenizerError::unfit(
                    &path,
                    "its fast_tokenizer_files name other files for other versions of transformers".to_owned(),
                ));
            }
            if key == "added_tokens_decoder" {
                self.decoder = Some(self.numbered(value)?);
            } else if key.ends_with("_token") && !Role::is_key(key) && value.text().is_some() {
                self.specific.set(key, Argument::Json(value.clone()));
            } else {
                self.arguments.set(key, Argument::Json(value.clone()));
            }
        }
        let stated = self.arguments.get(EXTRA).is_some_and(Argument::is_true);
        if let Some(before) = self.arguments.get(EXTRA_BEFORE).filter(|_| !stated).cloned() {
            self.arguments.set(EXTRA, before);
        }
        self.take_named_extras();
        if let Some(Argument::Json(Json::Object(stated))) = self.arguments.get(SPECIFIC)
            && self.specific.is_empty()
        {
            let tokens = stated.iter();
            self.specific = tokens
                .map(|(key, value)| (key.to_owned(), Argument::Json(value.clone())))
                .collect();
        }
        Ok(())
    }

    /// Takes an object of further special tokens for tokens with names of their own.
    fn take_named_extras(&mut self) {
        if let Some(Argument::Json(Json::Object(extras))) = self.arguments.get(EXTRA).cloned() {
            for (key, value) in extras.iter() {
                self.specific.set(key, Argument::Json(value.clone()));
            }
            self.arguments.remove(EXTRA);
        }
    }

    fn numbered(&self, value: &Json) -> Result<BTreeMap<u64, StatedToken>, TokenizerError> {
        let path = self.folder.join(TOKENIZER_CONFIG_JSON);
        let failed = || {
            TokenizerError::unfit(
                &path,
                "its added_tokens_decoder is no object from id to added token".to_owned(),
            )
        };
        let entries = value.object().ok_or_else(failed)?.iter();
        entries
            .map(|(id, token)| {
                let token = token.object().and_then(StatedToken::of).ok_or_else(failed)?;
                Ok((id.parse().map_err(|_| failed())?, token))
            })
            .collect()
    }

    fn take_special_tokens_map(&mut self) -> Result<(), TokenizerError> {
        let path = self.folder.join(SPECIAL_TOKENS_MAP_JSON);
        for (key, value) in object(&path)?.unwrap_or_default().iter() {
            let as_token = |value: &Json| match value.object() {
                None => Ok(Argument::Json(value.clone())),
                Some(object) => StatedToken::of(object)
                    .map(|token| Argument::Token(token.into_special()))
                    .ok_or_else(|| {
                        TokenizerError::unfit(&path, format!("its {key} has an object that is no token"))
                    }),
            };
            let taken = match value {
                Json::Object(_) if key == EXTRA => Argument::Json(value.clone()),
                Json::List(list) if key == EXTRA => {
                    let mut all = self.arguments.get(EXTRA).map(Argument::list).unwrap_or_default();
                    for token in list {
                        all.push(as_token(token)?);
                    }
                    Argument::Tokens(all)
                }
                // without effect where the key of today is there
                Json::List(_) if key == EXTRA_BEFORE && self.arguments.get(EXTRA).is_some() => continue,
                value => as_token(value)?,
            };
            self.arguments.set(key, taken);
        }
        Ok(())
    }

    fn know_special(&mut self) {
        let named = Role::ALL.iter().filter_map(|role| self.arguments.get(role.key()));
        let extras = self.arguments.get(EXTRA).map(Argument::list).unwrap_or_default();
        let texts = named.chain(&extras).filter_map(Argument::text);
        self.special = texts.map(str::to_owned).collect();
    }
}
