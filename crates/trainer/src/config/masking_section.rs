//! `[masking]`: the scheme under its own key, or under the one of older programs.

use masking::{MaskingConfig, MaskingError, MaskingScheme};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// `[masking]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Keys")]
pub(crate) struct MaskingSection {
    /// Share of tokens that is predicted; 15 % (Devlin et al. 2019, 3.1; Liu et al. 2019).
    pub mlm_probability: f64,
    /// Which tokens are masked together; RoBERTa masks each by itself.
    pub scheme: MaskingScheme,
    /// Share of the predicted tokens that become the mask (Devlin et al. 2019, 3.1).
    pub mask_replace_prob: f64,
    /// Share that become a random token; the rest stays as it is (Devlin et al. 2019, 3.1).
    pub random_replace_prob: f64,
}

impl Default for MaskingSection {
    fn default() -> Self {
        Self {
            mlm_probability: 0.15,
            scheme: MaskingScheme::default(),
            mask_replace_prob: 0.8,
            random_replace_prob: 0.1,
        }
    }
}

impl MaskingSection {
    /// The section as the masks are made with.
    ///
    /// # Errors
    /// When one of its shares is none.
    pub(crate) fn config(&self) -> Result<MaskingConfig, MaskingError> {
        MaskingConfig::new(self.mlm_probability, self.scheme)?
            .with_replacement(self.mask_replace_prob, self.random_replace_prob)
    }
}

/// The keys that a file may have. `whole_word` was the choice of the scheme when there were two;
/// run folders of that time are still read.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Keys {
    mlm_probability: f64,
    scheme: Option<MaskingScheme>,
    whole_word: Option<bool>,
    mask_replace_prob: f64,
    random_replace_prob: f64,
}

impl Default for Keys {
    fn default() -> Self {
        let section = MaskingSection::default();
        Self {
            mlm_probability: section.mlm_probability,
            scheme: None,
            whole_word: None,
            mask_replace_prob: section.mask_replace_prob,
            random_replace_prob: section.random_replace_prob,
        }
    }
}

impl TryFrom<Keys> for MaskingSection {
    type Error = String;

    fn try_from(keys: Keys) -> Result<Self, String> {
        Ok(Self {
            mlm_probability: keys.mlm_probability,
            scheme: scheme(keys.scheme, keys.whole_word)?,
            mask_replace_prob: keys.mask_replace_prob,
            random_replace_prob: keys.random_replace_prob,
        })
    }
}

/// The scheme that both keys name. Both may stand where they agree; where not, neither is more
/// right than the other.
fn scheme(scheme: Option<MaskingScheme>, whole_word: Option<bool>) -> Result<MaskingScheme, String> {
    let older = whole_word.map(of_whole_word);
    match (scheme, older) {
        (Some(scheme), Some(older)) if scheme != older => Err(
            "masking.scheme and masking.whole_word contradict each other; remove whole_word, which is the older name"
                .to_owned(),
        ),
        (scheme, older) => Ok(scheme.or(older).unwrap_or_default()),
    }
}

fn of_whole_word(whole_word: bool) -> MaskingScheme {
    if whole_word {
        MaskingScheme::WholeWord
    } else {
        MaskingScheme::Token
    }
}

/// Puts the older key in the place of `scheme` where it had a value for it: so the section has
/// stood in every checkpoint, and is part of its fingerprint.
pub(crate) fn name_as_checkpoints_do(section: &mut Value) {
    let older = [false, true]
        .into_iter()
        .find(|&older| section[SCHEME] == json!(of_whole_word(older)));
    if let Some(older) = older {
        rename(section, SCHEME, WHOLE_WORD, json!(older));
    }
}

/// Puts `scheme` in the place of the older key, for messages: so files are written.
pub(crate) fn name_as_files_do(section: &mut Value) {
    if let Some(older) = section[WHOLE_WORD].as_bool() {
        rename(section, WHOLE_WORD, SCHEME, json!(of_whole_word(older)));
    }
}

const SCHEME: &str = "scheme";
const WHOLE_WORD: &str = "whole_word";

fn rename(section: &mut Value, from: &str, to: &str, value: Value) {
    if let Some(keys) = section.as_object_mut() {
        keys.remove(from);
        keys.insert(to.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct File {
        #[serde(default)]
        masking: MaskingSection,
    }

    fn read(text: &str, overrides: &[&str]) -> Result<MaskingSection, String> {
        let overrides: Vec<String> = overrides.iter().map(ToString::to_string).collect();
        config_file::load_str(text, Path::new("run.toml"), &overrides)
            .map(|file: File| file.masking)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_older_key_is_read_as_the_scheme_that_it_meant() {
        for (keys, expected) in [
            ("", MaskingScheme::Token),
            ("scheme = 'token'", MaskingScheme::Token),
            ("scheme = 'whole-word'", MaskingScheme::WholeWord),
            ("whole_word = false", MaskingScheme::Token),
            ("whole_word = true", MaskingScheme::WholeWord),
            (
                "whole_word = true\nscheme = 'whole-word'",
                MaskingScheme::WholeWord,
            ),
        ] {
            let section = read(&format!("[masking]\n{keys}\n"), &[]).unwrap();
            assert_eq!(section.scheme, expected, "{keys}");
        }
        let overridden = read("[masking]\nwhole_word = true\n", &["masking.whole_word=false"]);
        assert_eq!(overridden.unwrap().scheme, MaskingScheme::Token);
    }

    #[test]
    fn keys_that_contradict_each_other_are_refused_with_their_place_and_the_way_out() {
        let error = read("\n[masking]\nscheme = 'token'\n", &["masking.whole_word=true"]).unwrap_err();
        for part in [
            "run.toml, line 2",
            "`masking`",
            "masking.whole_word contradict",
            "remove whole_word",
        ] {
            assert!(error.contains(part), "{part}: {error}");
        }
    }

    #[test]
    fn another_scheme_is_refused_with_the_list() {
        let error = read("[masking]\nscheme = 'whole-words'\n", &[]).unwrap_err();
        assert!(
            error.contains("masking.scheme") && error.contains("whole-word"),
            "{error}"
        );
        let error = read("[masking]\nwhole_words = true\n", &[]).unwrap_err();
        assert!(error.contains("masking.whole_words"), "{error}");
    }
}
