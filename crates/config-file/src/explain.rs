//! From the parser's and serde's errors to ours: the place, the full key and the way out.

use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::nearest::nearest;
use crate::overrides::Override;
use crate::wording::in_plain_words;
use crate::{ConfigError, Place, Places};

/// A file's text and its overrides, with the place of every key in them.
pub(crate) struct Source<'a> {
    text: &'a str,
    origin: &'a Path,
    overrides: &'a [Override<'a>],
    keys: Vec<Key>,
}

struct Key {
    path: String,
    name: Range<usize>,
    value: Range<usize>,
}

impl<'a> Source<'a> {
    pub(crate) fn new(text: &'a str, origin: &'a Path, overrides: &'a [Override<'a>]) -> Self {
        Self {
            text,
            origin,
            overrides,
            keys: Vec::new(),
        }
    }

    /// The error for text that is not TOML.
    pub(crate) fn syntax(&self, error: &toml::de::Error) -> ConfigError {
        ConfigError::Syntax {
            place: Box::new(self.place(error.span().map_or(0, |span| span.start))),
            message: error.message().to_owned(),
        }
    }

    /// Remembers where every key and value of the merged table stands.
    pub(crate) fn note_keys(&mut self, table: &DeTable<'_>) {
        note_table("", table, &mut self.keys);
    }

    /// Where every key stands.
    pub(crate) fn places(&self) -> Places {
        let place = |key: &Key| (key.path.clone(), self.place(key.name.start));
        Places::new(self.keys.iter().map(place))
    }

    /// The error for a table that does not fit the struct.
    ///
    /// serde hands over words only; the names are taken from between their back quotes.
    pub(crate) fn explain(&self, error: &toml::de::Error) -> ConfigError {
        let message = error.message();
        let span = error.span().unwrap_or(0..0);
        let mut quoted = message.split('`').skip(1).step_by(2).map(str::to_owned);
        let place = Box::new(self.place(span.start));
        let key = self.key_at(&span);
        if message.starts_with("unknown field `") {
            let found = quoted.next().unwrap_or_default();
            let known: Vec<String> = quoted.collect();
            return ConfigError::UnknownKey {
                place,
                key: self.key_named(&span).unwrap_or_else(|| found.clone()),
                nearest: nearest(&found, &known).cloned(),
                known,
            };
        }
        if message.starts_with("unknown variant `") {
            let found = quoted.next().unwrap_or_default();
            let known: Vec<String> = quoted.collect();
            return ConfigError::UnknownChoice {
                place,
                key,
                nearest: nearest(&found, &known).cloned(),
                found,
                known,
            };
        }
        if message.starts_with("missing field `") {
            let field = quoted.next().unwrap_or_default();
            return ConfigError::MissingKey {
                origin: self.origin.to_path_buf(),
                key: join(&key, &field),
            };
        }
        ConfigError::WrongValue {
            place,
            key,
            message: in_plain_words(message),
        }
    }

    fn place(&self, offset: usize) -> Place {
        if let Some(one) = self.overrides.iter().find(|one| one.span.contains(&offset)) {
            return Place::Override {
                text: one.text.to_owned(),
            };
        }
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Place::File {
            path: self.origin.to_path_buf(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }

    /// The key whose name stands at `span`.
    fn key_named(&self, span: &Range<usize>) -> Option<String> {
        self.keys
            .iter()
            .find(|key| key.name == *span)
            .map(|key| key.path.clone())
    }

    /// The key whose value stands at `span`, or the narrowest one around it; empty at the top.
    fn key_at(&self, span: &Range<usize>) -> String {
        let exact = self.keys.iter().find(|key| key.value == *span);
        let around = || {
            self.keys
                .iter()
                .filter(|key| key.value.start <= span.start && span.end <= key.value.end)
                .min_by_key(|key| key.value.len())
        };
        exact
            .or_else(around)
            .map_or_else(String::new, |key| key.path.clone())
    }
}

fn note_table(path: &str, table: &DeTable<'_>, keys: &mut Vec<Key>) {
    for (name, value) in table {
        let path = join(path, name.get_ref());
        note_value(&path, name.span(), value, keys);
    }
}

fn note_value(path: &str, name: Range<usize>, value: &Spanned<DeValue<'_>>, keys: &mut Vec<Key>) {
    keys.push(Key {
        path: path.to_owned(),
        name,
        value: value.span(),
    });
    match value.get_ref() {
        DeValue::Table(table) => note_table(path, table, keys),
        DeValue::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                note_value(&format!("{path}[{index}]"), item.span(), item, keys);
            }
        }
        _ => {}
    }
}

fn join(section: &str, name: &str) -> String {
    if section.is_empty() {
        name.to_owned()
    } else {
        format!("{section}.{name}")
    }
}
