//! Where a key of the configuration stands, in front of messages about it.

use std::fmt;

use config_file::{Place, Places};

/// The place of a key, where that is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct KeyPlace(Option<Box<Place>>);

impl KeyPlace {
    /// The place of `key` among those of a configuration.
    pub(crate) fn of(places: &Places, key: &str) -> Self {
        Self(places.of(key).cloned().map(Box::new))
    }
}

/// `run.toml, line 3, column 1: `, or nothing.
impl fmt::Display for KeyPlace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(place) => write!(formatter, "{place}: "),
            None => Ok(()),
        }
    }
}
