//! From a file and overrides to the caller's struct.

use std::fs;
use std::io;
use std::path::Path;

use serde::de::DeserializeOwned;
use toml::de::{DeTable, Deserializer};

use crate::explain::Source;
use crate::overrides::parse_all;
use crate::{ConfigError, Places};

/// Reads a configuration file, with `section.key=value` overrides laid over it in order.
///
/// The value of an override is TOML; a word that is not becomes a text (`bf16` is `"bf16"`).
/// `T` and the structs in it should have `#[serde(deny_unknown_fields)]`.
///
/// # Errors
/// [`ConfigError`]: no such file, not TOML, a malformed override, a key that is unknown or
/// missing, a wrong value; each names file, line and column, or the override.
pub fn load<T: DeserializeOwned>(path: &Path, overrides: &[String]) -> Result<T, ConfigError> {
    Ok(load_with_places(path, overrides)?.0)
}

/// [`load`], and where each key stands.
///
/// # Errors
/// As [`load`].
pub fn load_with_places<T: DeserializeOwned>(
    path: &Path,
    overrides: &[String],
) -> Result<(T, Places), ConfigError> {
    let text = fs::read_to_string(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => ConfigError::Missing {
            path: path.to_path_buf(),
        },
        _ => ConfigError::Unreadable {
            path: path.to_path_buf(),
            source,
        },
    })?;
    read(&text, path, overrides)
}

/// [`load`] of a text that is in memory; `origin` names it in messages.
///
/// # Errors
/// As [`load`], without those of reading the file.
pub fn load_str<T: DeserializeOwned>(
    text: &str,
    origin: &Path,
    overrides: &[String],
) -> Result<T, ConfigError> {
    Ok(read(text, origin, overrides)?.0)
}

fn read<T: DeserializeOwned>(
    text: &str,
    origin: &Path,
    overrides: &[String],
) -> Result<(T, Places), ConfigError> {
    // An error at the end of the file has the offset behind its last byte: one is left free.
    let overrides = parse_all(overrides, text.len() + 1)?;
    let mut source = Source::new(text, origin, &overrides);
    let mut root = DeTable::parse(text).map_err(|error| source.syntax(&error))?;
    for one in &overrides {
        one.merge_into(root.get_mut())?;
    }
    source.note_keys(root.get_ref());
    let config = T::deserialize(Deserializer::from(root)).map_err(|error| source.explain(&error))?;
    Ok((config, source.places()))
}

#[cfg(test)]
mod tests;
