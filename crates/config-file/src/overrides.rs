//! `section.key=value` from the command line, merged over what the file says.
//!
//! Each override is parsed as a TOML document of its own that begins where the file and the
//! overrides before it end, so that every key and value of the merged table carries a span
//! that says where it came from.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::ConfigError;

/// An override as TOML, at its own stretch of byte offsets.
#[derive(Debug)]
pub(crate) struct Override<'a> {
    /// As given.
    pub(crate) text: &'a str,
    /// Its stretch of offsets, behind those of the file.
    pub(crate) span: Range<usize>,
    document: String,
    num_keys: usize,
}

/// Parses all overrides; the first may use offsets from `start` on.
pub(crate) fn parse_all(texts: &[String], start: usize) -> Result<Vec<Override<'_>>, ConfigError> {
    let mut start = start;
    texts
        .iter()
        .map(|text| {
            let parsed = Override::parse(text, start)?;
            start = parsed.span.end;
            Ok(parsed)
        })
        .collect()
}

impl<'a> Override<'a> {
    fn parse(text: &'a str, start: usize) -> Result<Self, ConfigError> {
        let malformed = |reason: String| ConfigError::MalformedOverride {
            text: text.to_owned(),
            reason,
        };
        let (key, value) = text
            .split_once('=')
            .ok_or_else(|| malformed("has no `=`".to_owned()))?;
        let (key, value) = (key.trim(), value.trim());
        let num_keys =
            count_keys(key).ok_or_else(|| malformed(format!("begins with `{key}`, which is not a key")))?;
        if value.is_empty() {
            return Err(malformed("has no value (an empty text is \"\")".to_owned()));
        }
        let value = toml_value(value)
            .map_err(|message| malformed(format!("has a value that is not TOML ({message})")))?;
        let document = format!("{}{key} = {value}\n", "\n".repeat(start));
        Ok(Self {
            text,
            span: start..document.len(),
            document,
            num_keys,
        })
    }

    /// Puts the value into `table`, making sections on the way and replacing what is there.
    pub(crate) fn merge_into<'t>(&'t self, table: &mut DeTable<'t>) -> Result<(), ConfigError> {
        let document = DeTable::parse(&self.document)
            .expect("key and value were parsed apart")
            .into_inner();
        merge(table, document, self.num_keys).map_err(|section| ConfigError::MalformedOverride {
            text: self.text.to_owned(),
            reason: format!("sets a key inside `{section}`, which is a value and not a section"),
        })
    }
}

/// The number of parts of a dotted key; `None` when it is not one.
fn count_keys(key: &str) -> Option<usize> {
    if key.contains(['\n', '[', '#']) {
        return None;
    }
    let document = format!("{key} = 0");
    let mut table = &DeTable::parse(&document).ok()?.into_inner();
    let mut num_keys = 0;
    loop {
        num_keys += 1;
        let (_, value) = table.iter().next()?;
        match value.get_ref() {
            DeValue::Table(inner) => table = inner,
            _ => return Some(num_keys),
        }
    }
}

/// The value as TOML; a bare word becomes a text in quotes.
fn toml_value(value: &str) -> Result<String, String> {
    match DeValue::parse(value) {
        Ok(_) => Ok(value.to_owned()),
        Err(error) if value.starts_with(['[', '{', '"', '\'']) => Err(error.message().to_owned()),
        Err(_) => Ok(toml::Value::from(value).to_string()),
    }
}

fn merge<'t>(table: &mut DeTable<'t>, document: DeTable<'t>, num_keys: usize) -> Result<(), String> {
    for (key, value) in document {
        let is_section = num_keys > 1;
        let existing = table.get_mut(key.get_ref().as_ref());
        match (existing.map(Spanned::get_mut), value.get_ref()) {
            (Some(DeValue::Table(existing)), DeValue::Table(_)) if is_section => {
                let DeValue::Table(inner) = value.into_inner() else {
                    unreachable!("matched as a table above");
                };
                return merge(existing, inner, num_keys - 1)
                    .map_err(|section| format!("{}.{section}", key.get_ref()));
            }
            (Some(_), _) if is_section => return Err(key.into_inner().into_owned()),
            _ => {
                // Removed first: an insert would keep the old key, with its place in the file.
                table.remove(key.get_ref().as_ref());
                table.insert(key, value);
            }
        }
    }
    Ok(())
}
