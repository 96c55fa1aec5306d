//! `tokenizer.json`: what it holds, and whether our own encoder does what it says.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Value, json};

use crate::TokenId;
use crate::folder::stated_token::NumberedToken;
use crate::special::FIRST_SPECIALS;

/// The parts that change ids.
#[derive(Deserialize)]
pub(crate) struct TokenizerJson<'a> {
    #[serde(default)]
    pub(crate) added_tokens: Vec<NumberedToken>,
    #[serde(default)]
    pub(crate) normalizer: Value,
    #[serde(default)]
    pub(crate) pre_tokenizer: Value,
    #[serde(default)]
    pub(crate) post_processor: Value,
    #[serde(default)]
    truncation: Value,
    #[serde(default)]
    padding: Value,
    #[serde(borrow)]
    pub(crate) model: Model<'a>,
}

#[derive(Deserialize)]
pub(crate) struct Model<'a> {
    #[serde(default = "bpe")]
    r#type: String,
    #[serde(default)]
    pub(crate) dropout: Option<f32>,
    #[serde(default)]
    continuing_subword_prefix: Option<String>,
    #[serde(default)]
    end_of_word_suffix: Option<String>,
    #[serde(default)]
    byte_fallback: bool,
    #[serde(default)]
    ignore_merges: bool,
    pub(crate) vocab: Entries<TokenId>,
    #[serde(default, borrow)]
    pub(crate) merges: Vec<MergeEntry<'a>>,
}

fn bpe() -> String {
    "BPE".to_owned()
}

impl TokenizerJson<'_> {
    /// The first thing in which this is not RoBERTa's pipeline.
    pub(crate) fn misfit(&self) -> Option<String> {
        let normalizer = || (!self.normalizer.is_null()).then(|| "it has a normalizer".to_owned());
        self.model_misfit()
            .or_else(normalizer)
            .or_else(|| self.pre_tokenizer_misfit())
            .or_else(|| self.model.misfit().map(str::to_owned))
            .or_else(|| self.ends_misfit())
    }

    /// Whether the model is another one than BPE.
    pub(crate) fn model_misfit(&self) -> Option<String> {
        let model = &self.model.r#type;
        (model != "BPE").then(|| format!("its model is {model}, not BPE"))
    }

    /// What `RobertaTokenizer` of `transformers` 5 leaves aside although it would change ids.
    /// A prefix space and the tokens around a text are always those of the small files.
    pub(crate) fn left_aside(&self) -> Option<String> {
        if !self.normalizer.is_null() {
            return Some("it has a normalizer".to_owned());
        }
        let model = self.model.misfit().map(str::to_owned);
        model.or_else(|| self.split_misfit())
    }

    /// On which side `truncation` cuts.
    pub(crate) fn truncation_side(&self) -> Option<&Value> {
        self.truncation.get("direction")
    }

    /// The token that `padding` names.
    pub(crate) fn padding(&self) -> Option<&str> {
        self.padding.get("pad_token").and_then(Value::as_str)
    }

    fn ends_misfit(&self) -> Option<String> {
        let [bos, _, eos, _] = FIRST_SPECIALS;
        let ends = &self.post_processor;
        let fits = match ends.get("type").and_then(Value::as_str) {
            Some("RobertaProcessing") => ends["cls"] == json!([bos, 0]) && ends["sep"] == json!([eos, 2]),
            _ => false,
        };
        (!fits).then(|| format!("its post_processor is not RobertaProcessing with {bos} and {eos}"))
    }

    fn pre_tokenizer_misfit(&self) -> Option<String> {
        let prefix_space = self.pre_tokenizer.get("add_prefix_space") == Some(&Value::Bool(true));
        let misfit = || prefix_space.then(|| "its pre_tokenizer adds a prefix space".to_owned());
        self.split_misfit().or_else(misfit)
    }

    fn split_misfit(&self) -> Option<String> {
        let split = &self.pre_tokenizer;
        match split.get("type").and_then(Value::as_str) {
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
#[derive(Debug)]
pub(crate) struct MergeEntry<'a>(pub(crate) Cow<'a, str>, pub(crate) Cow<'a, str>);

/// The two tokens of a merge that are written with a space between.
pub(crate) fn split_merge(text: &str) -> Option<(&str, &str)> {
    let (left, right) = text.split_once(' ')?;
    let whole = !left.is_empty() && !right.is_empty() && !right.contains(' ');
    whole.then_some((left, right))
}

impl<'de: 'a, 'a> Deserialize<'de> for MergeEntry<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // by hand, because an untagged enum copies every element first
        struct MergeVisitor;
        impl<'de> Visitor<'de> for MergeVisitor {
            type Value = MergeEntry<'de>;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a merge: two tokens in a list, or in a string with a space between")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<MergeEntry<'de>, E> {
                let pair = split_merge(text);
                let (left, right) = pair.ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))?;
                Ok(MergeEntry(left.to_owned().into(), right.to_owned().into()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<MergeEntry<'de>, A::Error> {
                let wrong = |count| de::Error::invalid_length(count, &MergeVisitor);
                let Token(left) = list.next_element()?.ok_or_else(|| wrong(0))?;
                let Token(right) = list.next_element()?.ok_or_else(|| wrong(1))?;
                match list.next_element::<de::IgnoredAny>()? {
                    None => Ok(MergeEntry(left, right)),
                    Some(_) => Err(wrong(3)),
                }
            }
        }
        deserializer.deserialize_any(MergeVisitor)
    }
}

/// The entries of a JSON object, in file order and with repetitions.
pub(crate) struct Entries<T>(pub(crate) Vec<(String, T)>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntriesVisitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for EntriesVisitor<T> {
            type Value = Entries<T>;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<T>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(EntriesVisitor(PhantomData))
    }
}
