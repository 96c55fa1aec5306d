//! What the small files of a tokenizer folder say, put together as `transformers` 5 does.
//!
//! `tokenizer_config.json` comes first. Where it has `added_tokens_decoder`, no other file adds tokens.
//! Where it has none, as in older folders, `special_tokens_map.json`, `added_tokens.json` and the added
//! tokens of `tokenizer.json` follow, and the later file wins. Tokens are added in the order of the ids
//! that they state, then the named special tokens that lack, then further special tokens.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;
use tokenizers::AddedToken;

use crate::TokenizerError;
use crate::added::{NumberedToken, Spelled, StatedToken};
use crate::read::{parse, read};
use crate::tokenizer_json::Entries;
use crate::vocabulary::{FIRST_SPECIALS, MASK};

pub(crate) const TOKENIZER_CONFIG_JSON: &str = "tokenizer_config.json";
pub(crate) const SPECIAL_TOKENS_MAP_JSON: &str = "special_tokens_map.json";
pub(crate) const ADDED_TOKENS_JSON: &str = "added_tokens.json";
const CONFIG_JSON: &str = "config.json";

/// The named special tokens in the order in which they are added, with the text that each has in the
/// class `RobertaTokenizer` where no file names it.
const NAMED: [(&str, &str); 7] = [
    ("bos_token", FIRST_SPECIALS[0]),
    ("eos_token", FIRST_SPECIALS[2]),
    ("unk_token", FIRST_SPECIALS[3]),
    ("sep_token", FIRST_SPECIALS[2]),
    ("pad_token", FIRST_SPECIALS[1]),
    ("cls_token", FIRST_SPECIALS[0]),
    ("mask_token", MASK),
];
const EXTRA: &str = "extra_special_tokens";
const EXTRA_BEFORE: &str = "additional_special_tokens";

/// Who reads the folder, in the words of `transformers`.
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

/// The side on which a sequence that is too long is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TruncationSide {
    /// The first tokens go.
    Left,
    /// The last tokens go.
    #[default]
    Right,
}

/// The settings of a folder.
#[derive(Debug)]
pub(crate) struct Settings {
    folder: PathBuf,
    pub(crate) class: Class,
    /// Whether `tokenizer_config.json` names the class.
    pub(crate) names_class: bool,
    /// Keys and values in the order of the file; the later of two wins.
    arguments: Vec<(String, Value)>,
    /// Special tokens with names of their own.
    specific: Vec<(String, Spelled)>,
    /// `added_tokens_decoder`: nothing else is added where it is there.
    decoder: Option<BTreeMap<u64, StatedToken>>,
    added_tokens: Vec<(String, u64)>,
}

/// The tokens that a folder adds to its vocabulary.
#[derive(Debug)]
pub(crate) struct Tokens {
    /// In the order in which they are added.
    pub(crate) added: Vec<AddedToken>,
    /// Text of each of the seven special tokens that have a part to play, where the folder has it.
    pub(crate) named: BTreeMap<String, String>,
}

impl Settings {
    pub(crate) fn read(folder: &Path) -> Result<Self, TokenizerError> {
        let config = object(&folder.join(TOKENIZER_CONFIG_JSON))?.unwrap_or_default();
        let mut settings = Self {
            class: class(folder, &config)?,
            names_class: config
                .iter()
                .any(|(key, value)| key == "tokenizer_class" && value.is_string()),
            folder: folder.to_path_buf(),
            arguments: Vec::new(),
            specific: Vec::new(),
            decoder: None,
            added_tokens: Vec::new(),
        };
        settings.take_config(config)?;
        if settings.decoder.is_none() {
            settings.take_special_tokens_map()?;
            let path = folder.join(ADDED_TOKENS_JSON);
            if path.exists() {
                settings.added_tokens = parse::<Entries<u64>>(&path, &read(&path)?)?.0;
            }
        }
        Ok(settings)
    }

    /// Text of a named special token of RoBERTa.
    pub(crate) fn default_of(name: &str) -> &'static str {
        NAMED
            .iter()
            .find(|(known, _)| *known == name)
            .map_or("", |(_, text)| text)
    }

    /// Text of every named special token of RoBERTa.
    pub(crate) fn default_names() -> BTreeMap<String, String> {
        NAMED
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect()
    }

    /// The first named special token that is not RoBERTa's.
    pub(crate) fn other_name(tokens: &Tokens) -> Option<String> {
        NAMED.iter().find_map(|(name, default)| {
            let text = tokens.named.get(*name).filter(|text| text != default)?;
            Some(format!("its {name} is {text:?}, not {default:?}"))
        })
    }

    pub(crate) fn flag(&self, key: &str) -> bool {
        self.argument(key) == Some(&Value::Bool(true))
    }

    /// `truncation_side`, or what `tokenizer.json` says.
    pub(crate) fn truncation_side(&self, in_file: Option<&Value>) -> TruncationSide {
        let stated = self
            .argument("truncation_side")
            .or(in_file)
            .and_then(Value::as_str);
        match stated {
            Some(side) if side.eq_ignore_ascii_case("left") => TruncationSide::Left,
            _ => TruncationSide::Right,
        }
    }

    fn argument(&self, key: &str) -> Option<&Value> {
        let found = self.arguments.iter().rev().find(|(name, _)| name == key);
        found.map(|(_, value)| value)
    }

    fn set(&mut self, key: &str, value: Value) {
        self.arguments.push((key.to_owned(), value));
    }

    fn take_config(&mut self, config: Vec<(String, Value)>) -> Result<(), TokenizerError> {
        let is_named = |key: &str| NAMED.iter().any(|(name, _)| *name == key);
        for (key, value) in config {
            if key == "added_tokens_decoder" {
                self.decoder = Some(self.numbered(&key, value)?);
            } else if key.ends_with("_token") && !is_named(&key) {
                if let Value::String(text) = value {
                    self.specific.push((key, Spelled::Text(text)));
                }
            } else {
                self.set(&key, value);
            }
        }
        let extra = self.tokens_at(EXTRA);
        let stated = !extra.is_empty() || matches!(self.argument(EXTRA), Some(Value::Object(_)));
        if let Some(before) = self.argument(EXTRA_BEFORE).filter(|_| !stated).cloned() {
            self.set(EXTRA, before);
        }
        if let Some(Value::Object(_)) = self.argument(EXTRA) {
            let named = self.named_extras()?;
            self.arguments.retain(|(name, _)| name != EXTRA);
            self.specific.extend(named);
        }
        Ok(())
    }

    /// An object of further special tokens, in the order of the file.
    fn named_extras(&self) -> Result<Vec<(String, Spelled)>, TokenizerError> {
        #[derive(Deserialize)]
        struct Extras {
            extra_special_tokens: Entries<Spelled>,
        }
        let path = self.folder.join(TOKENIZER_CONFIG_JSON);
        Ok(parse::<Extras>(&path, &read(&path)?)?.extra_special_tokens.0)
    }

    fn numbered(&self, key: &str, value: Value) -> Result<BTreeMap<u64, StatedToken>, TokenizerError> {
        serde_json::from_value(value).map_err(|source| TokenizerError::Unfit {
            path: self.folder.join(TOKENIZER_CONFIG_JSON),
            lacks: format!("{key} is no object from id to added token: {source}"),
        })
    }

    fn take_special_tokens_map(&mut self) -> Result<(), TokenizerError> {
        for (key, value) in object(&self.folder.join(SPECIAL_TOKENS_MAP_JSON))?.unwrap_or_default() {
            let is_named = NAMED.iter().any(|(name, _)| *name == key);
            let spelled = Spelled::parse(&value).map(Spelled::special);
            match spelled {
                Some(token) if key.ends_with("_token") && !is_named => {
                    self.specific.retain(|(name, _)| *name != key);
                    self.specific.insert(0, (key, token));
                }
                _ if key == EXTRA && value.is_array() => {
                    let mut all = self
                        .argument(EXTRA)
                        .and_then(Value::as_array)
                        .cloned()
                        .unwrap_or_default();
                    all.extend(value.as_array().into_iter().flatten().cloned());
                    self.set(EXTRA, Value::Array(all));
                }
                _ if key == EXTRA_BEFORE && self.argument(EXTRA).is_none() => self.set(EXTRA, value),
                _ if is_named => self.set(&key, special(value)),
                _ => self.set(&key, value),
            }
        }
        Ok(())
    }

    fn tokens_at(&self, key: &str) -> Vec<Spelled> {
        let list = self.argument(key).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Spelled::parse).collect()
    }

    /// The named special tokens that files state; `None` for one that is stated to be none.
    fn stated_names(&self) -> Result<BTreeMap<&'static str, Option<Spelled>>, TokenizerError> {
        let mut names = BTreeMap::new();
        for (name, _) in NAMED {
            let stated = match self.argument(name) {
                None => continue,
                Some(Value::Null) => None,
                Some(value) => Some(Spelled::parse(value).ok_or_else(|| TokenizerError::Unfit {
                    path: self.folder.clone(),
                    lacks: format!("its {name} is {value}, which is no token"),
                })?),
            };
            names.insert(name, stated);
        }
        Ok(names)
    }

    /// The tokens that are added, where `tokenizer.json` has these.
    pub(crate) fn tokens(&self, in_file: &[NumberedToken]) -> Result<Tokens, TokenizerError> {
        let mut names = self.stated_names()?;
        let extras = self.tokens_at(EXTRA);
        let by_id = self.by_id(&names, &extras, in_file);
        for stated in names.values_mut().flatten() {
            let same = by_id.values().rfind(|token| token.content == stated.content());
            if let Some(token) = same {
                *stated = Spelled::Token(token.clone());
            }
        }
        let mut named: Vec<(&str, Spelled)> = Vec::new();
        for (name, default) in NAMED {
            let of_class = (self.class == Class::Roberta).then(|| Spelled::Text(default.to_owned()));
            let token = names.remove(name).unwrap_or(of_class);
            named.extend(token.map(|token| (name, token)));
        }
        named.extend(
            self.specific
                .iter()
                .map(|(name, token)| (name.as_str(), token.clone())),
        );
        let present: BTreeSet<&str> = self
            .already_there(in_file)
            .chain(by_id.values())
            .map(|token| &*token.content)
            .collect();
        let mut seen = HashSet::new();
        let all = named.iter().map(|(_, token)| token).chain(&extras);
        let lacking = all.filter(|token| !present.contains(token.content()) && seen.insert(*token));
        let names: HashSet<&str> = named.iter().map(|(_, token)| token.content()).collect();
        let already_there = self
            .already_there(in_file)
            .map(|token| token.resolved(token.special));
        let further = by_id.values().cloned().chain(lacking.map(Spelled::token));
        let further = further.map(|token| token.resolved(token.special || names.contains(&*token.content)));
        Ok(Tokens {
            added: already_there.chain(further).collect(),
            named: NAMED
                .iter()
                .filter_map(|(name, _)| {
                    let (_, token) = named.iter().find(|(known, _)| known == name)?;
                    Some(((*name).to_owned(), token.content().to_owned()))
                })
                .collect(),
        })
    }

    /// What `tokenizer.json` adds by itself.
    fn already_there<'a>(&self, in_file: &'a [NumberedToken]) -> impl Iterator<Item = &'a StatedToken> {
        let all = self.class == Class::TokenizerJson;
        in_file
            .iter()
            .filter(move |_| all)
            .map(|numbered| &numbered.token)
    }

    /// The added tokens that state an id, by that id.
    fn by_id(
        &self,
        names: &BTreeMap<&'static str, Option<Spelled>>,
        extras: &[Spelled],
        in_file: &[NumberedToken],
    ) -> BTreeMap<u64, StatedToken> {
        if let Some(decoder) = &self.decoder {
            return decoder.clone();
        }
        let special: BTreeSet<&str> = names
            .values()
            .flatten()
            .chain(extras)
            .map(Spelled::content)
            .collect();
        let stated = self.added_tokens.iter();
        let mut by_id: BTreeMap<u64, StatedToken> = stated
            .map(|(text, id)| (*id, StatedToken::new(text, special.contains(&**text))))
            .collect();
        by_id.extend(
            in_file
                .iter()
                .map(|numbered| (u64::from(numbered.id), numbered.token.clone())),
        );
        by_id
    }
}

fn special(value: Value) -> Value {
    match value {
        Value::Object(mut token) => {
            token.insert("special".to_owned(), Value::Bool(true));
            Value::Object(token)
        }
        other => other,
    }
}

/// An object in the order of the file; `None` where there is no file.
fn object(path: &Path) -> Result<Option<Vec<(String, Value)>>, TokenizerError> {
    if !path.exists() {
        return Ok(None);
    }
    Ok(Some(parse::<Entries<Value>>(path, &read(path)?)?.0))
}

/// Who reads the folder: the class that `tokenizer_config.json` or `config.json` names. Where none is
/// named, `RobertaTokenizer` reads it; but a `tokenizer.json` alone means what it says.
fn class(folder: &Path, config: &[(String, Value)]) -> Result<Class, TokenizerError> {
    let model = object(&folder.join(CONFIG_JSON))?;
    let alone = model.is_none() && config.is_empty();
    let stated = |object: &[(String, Value)]| {
        let found = object.iter().rfind(|(key, _)| key == "tokenizer_class");
        found.and_then(|(_, value)| value.as_str()).map(str::to_owned)
    };
    let in_config = stated(config);
    let file = if in_config.is_some() {
        TOKENIZER_CONFIG_JSON
    } else {
        CONFIG_JSON
    };
    match in_config
        .or_else(|| stated(model.as_deref().unwrap_or_default()))
        .as_deref()
    {
        Some("RobertaTokenizer" | "RobertaTokenizerFast") => Ok(Class::Roberta),
        Some("PreTrainedTokenizerFast" | "PreTrainedTokenizer" | "TokenizersBackend") => {
            Ok(Class::TokenizerJson)
        }
        Some(other) => Err(TokenizerError::Unfit {
            path: folder.join(file),
            lacks: format!(
                "its tokenizer_class is {other}, neither RobertaTokenizer nor PreTrainedTokenizerFast"
            ),
        }),
        None if alone && folder.join(crate::files::TOKENIZER_JSON).exists() => Ok(Class::TokenizerJson),
        None => Ok(Class::Roberta),
    }
}
