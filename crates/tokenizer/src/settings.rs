//! What the small files of a tokenizer folder say, put together as `transformers` 5 does.
//!
//! `tokenizer_config.json` comes first. Where it has `added_tokens_decoder`, no other file adds tokens.
//! Where it has none, as in older folders, `special_tokens_map.json`, `added_tokens.json` and the added
//! tokens of `tokenizer.json` follow, and the later file wins. Tokens are added in the order of the ids
//! that they state, then the named special tokens that are missing, then further special tokens.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use serde_json::Value;
use tokenizers::AddedToken;

use crate::TokenizerError;
use crate::added::{NumberedToken, Spelled, StatedToken};
use crate::class::{Class, class};
use crate::names::{ADDED_TOKENS_JSON, SPECIAL_TOKENS_MAP_JSON, TOKENIZER_CONFIG_JSON};
use crate::ordered::{Json, Object};
use crate::read::{object, parse, read};
use crate::tokenizer_json::Entries;
use crate::vocabulary::{FIRST_SPECIALS, MASK};

/// A special token with a part to play.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    Bos,
    Eos,
    Unk,
    Sep,
    Pad,
    Cls,
    Mask,
}

impl Role {
    /// In the order in which they are added.
    pub(crate) const ALL: [Self; 7] = [
        Self::Bos,
        Self::Eos,
        Self::Unk,
        Self::Sep,
        Self::Pad,
        Self::Cls,
        Self::Mask,
    ];

    /// The key in a file.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Bos => "bos_token",
            Self::Eos => "eos_token",
            Self::Unk => "unk_token",
            Self::Sep => "sep_token",
            Self::Pad => "pad_token",
            Self::Cls => "cls_token",
            Self::Mask => "mask_token",
        }
    }

    /// RoBERTa's text.
    pub(crate) fn text(self) -> &'static str {
        let [bos, pad, eos, unk] = FIRST_SPECIALS;
        match self {
            Self::Bos | Self::Cls => bos,
            Self::Eos | Self::Sep => eos,
            Self::Unk => unk,
            Self::Pad => pad,
            Self::Mask => MASK,
        }
    }

    fn is_key(key: &str) -> bool {
        Self::ALL.iter().any(|role| role.key() == key)
    }
}

const EXTRA: &str = "extra_special_tokens";
const EXTRA_BEFORE: &str = "additional_special_tokens";
const SPECIFIC: &str = "model_specific_special_tokens";

/// The side on which a sequence that is too long is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TruncationSide {
    /// The first tokens go.
    Left,
    /// The last tokens go.
    #[default]
    Right,
}

/// A value that a file or two have come to.
#[derive(Debug, Clone)]
enum Argument {
    Json(Json),
    Token(StatedToken),
    /// `extra_special_tokens`, where the map adds to it.
    Tokens(Vec<Argument>),
}

impl Argument {
    fn spelled(&self) -> Option<Spelled> {
        match self {
            Self::Json(json) => Spelled::of(json),
            Self::Token(token) => Some(Spelled::Token(token.clone())),
            Self::Tokens(_) => None,
        }
    }

    fn is_true(&self) -> bool {
        match self {
            Self::Json(json) => json.is_true(),
            Self::Token(_) => true,
            Self::Tokens(tokens) => !tokens.is_empty(),
        }
    }

    /// The text by which `added_tokens.json` knows it for special: an object of `tokenizer_config.json`
    /// is none yet.
    fn text(&self) -> Option<&str> {
        match self {
            Self::Json(json) => json.text(),
            Self::Token(token) => Some(&token.content),
            Self::Tokens(_) => None,
        }
    }

    fn list(&self) -> Vec<Self> {
        match self {
            Self::Json(Json::List(list)) => list.iter().cloned().map(Self::Json).collect(),
            Self::Tokens(tokens) => tokens.clone(),
            _ => Vec::new(),
        }
    }
}

/// The settings of a folder.
#[derive(Debug)]
pub(crate) struct Settings {
    folder: PathBuf,
    pub(crate) class: Class,
    /// Whether `tokenizer_config.json` names the class.
    pub(crate) names_class: bool,
    arguments: Object<Argument>,
    /// Special tokens with names of their own, of `tokenizer_config.json`.
    specific: Object<Argument>,
    /// `added_tokens_decoder`: nothing else is added where it is there.
    decoder: Option<BTreeMap<u64, StatedToken>>,
    added_tokens: Vec<(String, u64)>,
    /// Texts by which `added_tokens.json` knows a token for special.
    special: HashSet<String>,
}

/// The tokens that a folder adds to its vocabulary, in the order in which they are added.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    /// Those that `tokenizer.json` adds by itself, before the others.
    pub(crate) in_file: Vec<AddedToken>,
    /// All others.
    pub(crate) further: Vec<AddedToken>,
    /// Text of each special token that has a part to play, where the folder has it.
    pub(crate) named: BTreeMap<Role, String>,
}

impl Tokens {
    pub(crate) fn all(&self) -> impl Iterator<Item = &AddedToken> {
        self.in_file.iter().chain(&self.further)
    }

    /// Whether a special token with a part to play has this text.
    pub(crate) fn is_named(&self, text: &str) -> bool {
        self.named.values().any(|named| named == text)
    }

    /// The first special token that is not RoBERTa's.
    pub(crate) fn other_name(&self) -> Option<String> {
        self.named.iter().find_map(|(role, text)| {
            let (key, default) = (role.key(), role.text());
            (text != default).then(|| format!("its {key} is {text:?}, not {default:?}"))
        })
    }
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

    /// Further special tokens without a name.
    fn extras(&self) -> Result<Vec<Spelled>, TokenizerError> {
        let of_today = self.arguments.get(EXTRA);
        let list = of_today
            .or_else(|| self.arguments.get(EXTRA_BEFORE))
            .map(Argument::list);
        let tokens = list.unwrap_or_default().into_iter();
        tokens.map(|token| self.spelled(EXTRA, &token)).collect()
    }

    fn spelled(&self, key: &str, value: &Argument) -> Result<Spelled, TokenizerError> {
        let failed =
            || TokenizerError::unfit(&self.folder, format!("its {key} has something that is no token"));
        value.spelled().ok_or_else(failed)
    }

    /// The special tokens with a name. `padding` is the one that `tokenizer.json` pads with.
    fn named(&self, padding: Option<&str>) -> Result<Object<Spelled>, TokenizerError> {
        let mut named = Object::default();
        for role in Role::ALL {
            let stated = match self.arguments.get(role.key()) {
                Some(Argument::Json(Json::Null))
                    if self.class == Class::Roberta && matches!(role, Role::Cls | Role::Sep) =>
                {
                    return Err(TokenizerError::unfit(
                        &self.folder,
                        format!("its {} is null, and {} needs one", role.key(), self.class.name()),
                    ));
                }
                Some(Argument::Json(Json::Null)) => None,
                Some(value) => Some(self.spelled(role.key(), value)?),
                None if self.class == Class::Roberta => Some(Spelled::Text(role.text().to_owned())),
                None if role == Role::Pad => padding.map(|text| Spelled::Text(text.to_owned())),
                None => None,
            };
            if let Some(token) = stated {
                named.set(role.key(), token);
            }
        }
        // first those that are no text in `tokenizer_config.json`, or come from another file
        for (key, value) in self.arguments.iter() {
            if key.ends_with("_token")
                && !Role::is_key(key)
                && let Some(token) = value.spelled()
            {
                named.set(key, token);
            }
        }
        for (key, value) in self.specific.iter() {
            named.set(key, self.spelled(key, value)?);
        }
        Ok(named)
    }

    /// The tokens that are added, where `tokenizer.json` adds `in_file` and pads with `padding`.
    pub(crate) fn tokens(
        &self,
        in_file: &[NumberedToken],
        padding: Option<&str>,
    ) -> Result<Tokens, TokenizerError> {
        let (named, extras) = (self.named(padding)?, self.extras()?);
        let by_id = self.by_id(in_file);
        let named = self.with_stated_flags(named, in_file);
        let obeyed: Vec<&StatedToken> = match self.class {
            Class::Roberta => Vec::new(),
            Class::TokenizerJson => in_file.iter().map(|numbered| &numbered.token).collect(),
        };
        let texts: HashSet<&str> = named.iter().map(|(_, token)| token.content()).collect();
        let present: HashSet<&str> = obeyed
            .iter()
            .copied()
            .chain(by_id.values())
            .map(|token| &*token.content)
            .collect();
        let mut seen = HashSet::new();
        let special = named.iter().map(|(_, token)| token).chain(&extras);
        let missing = special.filter(|token| !present.contains(token.content()) && seen.insert(*token));
        let further = by_id.values().cloned().chain(missing.map(Spelled::token));
        let further = further.map(|token| token.resolved(token.special || texts.contains(&*token.content)));
        let role = |role: Role| Some((role, named.get(role.key())?.content().to_owned()));
        Ok(Tokens {
            in_file: obeyed
                .into_iter()
                .map(|token| token.resolved(token.special))
                .collect(),
            further: further.collect(),
            named: Role::ALL.into_iter().filter_map(role).collect(),
        })
    }

    /// The special tokens that files name take the flags of an added token of the same text, even of one
    /// whose id another file gives to another token.
    fn with_stated_flags(&self, mut named: Object<Spelled>, in_file: &[NumberedToken]) -> Object<Spelled> {
        let of_files: HashMap<&str, StatedToken> = if let Some(decoder) = &self.decoder {
            let tokens = decoder.values();
            tokens
                .map(|token| (token.content.as_str(), token.clone()))
                .collect()
        } else {
            let of = |text: &str| StatedToken::new(text, self.special.contains(text));
            let added = self.added_tokens.iter();
            let added = added.map(|(text, _)| (text.as_str(), of(text)));
            let in_file = in_file.iter().map(|numbered| &numbered.token);
            added
                .chain(in_file.map(|token| (token.content.as_str(), token.clone())))
                .collect()
        };
        for role in Role::ALL
            .iter()
            .filter(|role| self.arguments.get(role.key()).is_some())
        {
            let text = named.get(role.key()).map(Spelled::content);
            if let Some(token) = text.and_then(|text| of_files.get(text)) {
                named.set(role.key(), Spelled::Token(token.clone()));
            }
        }
        named
    }

    /// The added tokens that state an id, by that id.
    fn by_id(&self, in_file: &[NumberedToken]) -> BTreeMap<u64, StatedToken> {
        if let Some(decoder) = &self.decoder {
            return decoder.clone();
        }
        let stated = self.added_tokens.iter();
        let stated = stated.map(|(text, id)| (*id, StatedToken::new(text, self.special.contains(text))));
        let in_file = in_file
            .iter()
            .map(|numbered| (u64::from(numbered.id), numbered.token.clone()));
        stated.chain(in_file).collect()
    }
}
