//! Reads a tokenizer folder and refuses what is not byte-level BPE as RoBERTa uses it.
//!
//! `tokenizer.json` is read if it is there, else `vocab.json` with `merges.txt`. What would
//! change ids (a normalizer, a prefix space, another split, dropout ...) is refused, naming it;
//! what does not (post-processor, truncation, padding) is left aside. Of the files beside, `beside`
//! says what would change ids.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::path::Path;

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::beside;
use crate::files::{MERGES_TXT, TOKENIZER_JSON, VOCAB_JSON};
use crate::folder::check_manifest;
use crate::read::{parse, read};
use crate::{TokenId, Tokenizer, TokenizerError};

impl Tokenizer {
    /// Opens a tokenizer folder: `tokenizer.json`, or `vocab.json` with `merges.txt`. If the
    /// folder has a `manifest.json` of ours, it must fit.
    ///
    /// # Errors
    /// [`TokenizerError::Unfit`] for a tokenizer of another kind, naming what lacks;
    /// [`TokenizerError::Manifest`] when the manifest names another tokenizer; the others when
    /// a file is missing or cannot be read.
    pub fn open(folder: &Path) -> Result<Self, TokenizerError> {
        let json = folder.join(TOKENIZER_JSON);
        let (vocab, merges) = (folder.join(VOCAB_JSON), folder.join(MERGES_TXT));
        let mut tokenizer = if json.exists() {
            Self::from_tokenizer_json(&json)?
        } else if vocab.exists() && merges.exists() {
            Self::from_vocab_and_merges(&vocab, &merges)?
        } else {
            return Err(TokenizerError::NoTokenizer {
                folder: folder.to_path_buf(),
            });
        };
        beside::refuse_what_changes_ids(folder)?;
        check_manifest(folder, &mut tokenizer)?;
        Ok(tokenizer)
    }

    fn from_tokenizer_json(path: &Path) -> Result<Self, TokenizerError> {
        let bytes = read(path)?;
        let pipeline: Pipeline<'_> = parse(path, &bytes)?;
        if let Some(lacks) = pipeline.misfit() {
            return Err(TokenizerError::Unfit {
                path: path.to_path_buf(),
                lacks,
            });
        }
        let spellings = pipeline.added_tokens.iter().map(|token| token.content.as_str());
        if let Some(lacks) = beside::added_token_misfit(spellings) {
            return Err(TokenizerError::Unfit {
                path: path.to_path_buf(),
                lacks,
            });
        }
        let mut entries = pipeline.model.vocab.0;
        add_missing(&mut entries, pipeline.added_tokens);
        Self::from_entries(path, entries, &pipeline.model.merges)
    }

    fn from_vocab_and_merges(vocab: &Path, merges: &Path) -> Result<Self, TokenizerError> {
        let entries: Entries = parse(vocab, &read(vocab)?)?;
        let text = String::from_utf8_lossy(&read(merges)?).into_owned();
        Self::from_entries(vocab, entries.0, &parse_merges(merges, &text)?)
    }

    fn from_entries(
        origin: &Path,
        entries: Vec<(String, TokenId)>,
        merges: &[Merge<'_>],
    ) -> Result<Self, TokenizerError> {
        let unfit = |lacks| TokenizerError::Unfit {
            path: origin.to_path_buf(),
            lacks,
        };
        let tokens = in_id_order(entries).map_err(unfit)?;
        let ids: HashMap<&str, TokenId> = tokens.iter().map(String::as_str).zip(0..).collect();
        let id = |token: &str| {
            let unknown = || unfit(format!("a merge uses {token:?}, which has no id"));
            ids.get(token).copied().ok_or_else(unknown)
        };
        let merges = merges
            .iter()
            .map(|Merge(left, right)| Ok((id(left)?, id(right)?)))
            .collect::<Result<_, TokenizerError>>()?;
        drop(ids);
        Self::from_parts(origin, tokens, merges)
    }
}

fn parse_merges<'a>(path: &Path, text: &'a str) -> Result<Vec<Merge<'a>>, TokenizerError> {
    let lines = (1..).zip(text.lines());
    lines
        .filter(|(_, line)| !line.starts_with("#version") && !line.is_empty())
        .map(|(line, text)| {
            let pair = split_merge(text).map(|(left, right)| Merge(left.into(), right.into()));
            pair.ok_or_else(|| TokenizerError::MergeLine {
                path: path.to_path_buf(),
                line,
            })
        })
        .collect()
}

fn split_merge(text: &str) -> Option<(&str, &str)> {
    let (left, right) = text.split_once(' ')?;
    let whole = !left.is_empty() && !right.is_empty() && !right.contains(' ');
    whole.then_some((left, right))
}

/// Added tokens that the vocabulary lacks get the ids that they state.
fn add_missing(entries: &mut Vec<(String, TokenId)>, added: Vec<AddedToken>) {
    let known: HashSet<&str> = entries.iter().map(|(token, _)| token.as_str()).collect();
    let mut seen = HashSet::new();
    let missing: Vec<AddedToken> = added
        .into_iter()
        .filter(|token| !known.contains(token.content.as_str()) && seen.insert(token.content.clone()))
        .collect();
    entries.extend(missing.into_iter().map(|token| (token.content, token.id)));
}

/// The tokens by id; ids must be 0, 1, 2 ... without holes.
fn in_id_order(mut entries: Vec<(String, TokenId)>) -> Result<Vec<String>, String> {
    entries.sort_by_key(|(_, id)| *id);
    for (expected, (token, id)) in (0..).zip(&entries) {
        if *id != expected {
            return Err(format!(
                "ids are not 0, 1, 2 ...: {token:?} has {id}, not {expected}"
            ));
        }
    }
    Ok(entries.into_iter().map(|(token, _)| token).collect())
}

#[derive(Deserialize)]
struct Pipeline<'a> {
    #[serde(default)]
    added_tokens: Vec<AddedToken>,
    #[serde(default)]
    normalizer: Value,
    #[serde(default)]
    pre_tokenizer: Value,
    #[serde(borrow)]
    model: Model<'a>,
}

#[derive(Deserialize)]
struct AddedToken {
    id: TokenId,
    content: String,
}

#[derive(Deserialize)]
struct Model<'a> {
    #[serde(default = "bpe")]
    r#type: String,
    #[serde(default)]
    dropout: Option<f32>,
    #[serde(default)]
    continuing_subword_prefix: Option<String>,
    #[serde(default)]
    end_of_word_suffix: Option<String>,
    #[serde(default)]
    byte_fallback: bool,
    #[serde(default)]
    ignore_merges: bool,
    vocab: Entries,
    #[serde(default, borrow)]
    merges: Vec<Merge<'a>>,
}

fn bpe() -> String {
    "BPE".to_owned()
}

impl Pipeline<'_> {
    /// The first thing in which this is not RoBERTa's pipeline.
    fn misfit(&self) -> Option<String> {
        let model = &self.model;
        if model.r#type != "BPE" {
            return Some(format!("its model is {}, not BPE", model.r#type));
        }
        if !self.normalizer.is_null() {
            return Some("it has a normalizer".to_owned());
        }
        self.pre_tokenizer_misfit()
            .or_else(|| model.misfit().map(str::to_owned))
    }

    fn pre_tokenizer_misfit(&self) -> Option<String> {
        let split = &self.pre_tokenizer;
        match split.get("type").and_then(Value::as_str) {
            Some("ByteLevel") if split.get("add_prefix_space") == Some(&Value::Bool(true)) => {
                Some("its pre_tokenizer adds a prefix space".to_owned())
            }
            Some("ByteLevel") if split.get("use_regex") == Some(&Value::Bool(false)) => {
                Some("its pre_tokenizer does not split words (use_regex is false)".to_owned())
            }
            Some("ByteLevel") => None,
            Some(other) => Some(format!("its pre_tokenizer is {other}, not ByteLevel")),
            None => Some("it lacks the ByteLevel pre_tokenizer".to_owned()),
        }
    }
}

impl Model<'_> {
    fn misfit(&self) -> Option<&'static str> {
        let filled = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
        match self {
            model if model.dropout.is_some_and(|rate| rate > 0.0) => Some("it has BPE dropout"),
            model if filled(&model.continuing_subword_prefix) => Some("it has a continuing_subword_prefix"),
            model if filled(&model.end_of_word_suffix) => Some("it has an end_of_word_suffix"),
            model if model.byte_fallback => Some("it uses byte_fallback"),
            model if model.ignore_merges => Some("it uses ignore_merges"),
            _ => None,
        }
    }
}

/// A token of a merge, borrowed from the file's text unless it has escapes.
#[derive(Deserialize)]
struct Token<'a>(#[serde(borrow)] Cow<'a, str>);

/// One merge in either form that `tokenizer.json` files have: `"a b"` or `["a", "b"]`.
struct Merge<'a>(Cow<'a, str>, Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Merge<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // by hand, because an untagged enum copies every element first
        struct MergeVisitor;
        impl<'de> Visitor<'de> for MergeVisitor {
            type Value = Merge<'de>;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a merge: two tokens in a list, or in a string with a space between")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Merge<'de>, E> {
                let pair = split_merge(text);
                let (left, right) = pair.ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))?;
                Ok(Merge(left.to_owned().into(), right.to_owned().into()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Merge<'de>, A::Error> {
                let wrong = |count| de::Error::invalid_length(count, &MergeVisitor);
                let Token(left) = list.next_element()?.ok_or_else(|| wrong(0))?;
                let Token(right) = list.next_element()?.ok_or_else(|| wrong(1))?;
                match list.next_element::<de::IgnoredAny>()? {
                    None => Ok(Merge(left, right)),
                    Some(_) => Err(wrong(3)),
                }
            }
        }
        deserializer.deserialize_any(MergeVisitor)
    }
}

/// The entries of a JSON object from token to id, in file order and with repetitions.
struct Entries(Vec<(String, TokenId)>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntriesVisitor;
        impl<'de> Visitor<'de> for EntriesVisitor {
            type Value = Entries;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object from token to id")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut entries = Vec::with_capacity(1 << 16);
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(EntriesVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_added_tokens_as_there_are_entries_take_no_quadratic_time() {
        // Compared one with the other, 200,000 times 200,000 tokens take minutes.
        let count = 200_000;
        let mut entries: Vec<_> = (0..count).map(|id| (format!("known-{id}"), id)).collect();
        let added = (0..count).flat_map(|id| {
            [("known", id), ("new", id), ("new", id)].map(|(kind, id)| AddedToken {
                id: count + id,
                content: format!("{kind}-{id}"),
            })
        });
        let added: Vec<AddedToken> = added.collect();
        let start = std::time::Instant::now();
        add_missing(&mut entries, added);
        assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
        assert_eq!(entries.len(), 2 * count as usize);
        assert_eq!(
            entries.last(),
            Some(&(format!("new-{}", count - 1), 2 * count - 1))
        );
    }
}
