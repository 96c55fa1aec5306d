//! Which tokens a folder adds to its vocabulary, by its settings and its `tokenizer.json`.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::TokenizerError;
use crate::folder::argument::Argument;
use crate::folder::class::Class;
use crate::folder::ordered::{Json, Object};
use crate::folder::settings::{EXTRA, EXTRA_BEFORE, Settings};
use crate::folder::stated_token::{NumberedToken, Spelled, StatedToken};
use crate::library::added_tokens::AddedTokens;
use crate::special::Role;

impl Settings {
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
    ) -> Result<AddedTokens, TokenizerError> {
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
        Ok(AddedTokens {
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
