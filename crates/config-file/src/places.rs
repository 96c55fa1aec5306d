//! Where each key of a configuration stands, for messages about values that only fit no other.

use std::collections::BTreeMap;

use crate::Place;

/// The place of every key: in the file, or in the override that set it.
///
/// Two are always equal: where keys stand is no part of what a configuration says.
#[derive(Debug, Clone, Default)]
pub struct Places(BTreeMap<String, Place>);

impl Places {
    pub(crate) fn new(places: impl Iterator<Item = (String, Place)>) -> Self {
        Self(places.collect())
    }

    /// The place of `key` (`section.key`, `section.list[0].key`), or of the nearest section
    /// around it that is there.
    pub fn of(&self, key: &str) -> Option<&Place> {
        let mut key = key;
        loop {
            if let Some(place) = self.0.get(key) {
                return Some(place);
            }
            let end = key.rfind(['.', '['])?;
            key = &key[..end];
        }
    }
}

impl PartialEq for Places {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Places {}
