//! The tokens that a folder adds to its vocabulary, as they are handed to the crate `tokenizers`.

use std::collections::BTreeMap;

use tokenizers::AddedToken;

use crate::special::Role;

/// The tokens that a folder adds to its vocabulary, in the order in which they are added.
#[derive(Debug, Default)]
pub(crate) struct AddedTokens {
    /// Those that `tokenizer.json` adds by itself, before the others.
    pub(crate) in_file: Vec<AddedToken>,
    /// All others.
    pub(crate) further: Vec<AddedToken>,
    /// Text of each special token that has a part to play, where the folder has it.
    pub(crate) named: BTreeMap<Role, String>,
}

impl AddedTokens {
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
