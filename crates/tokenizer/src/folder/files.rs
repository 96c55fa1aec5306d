//! The five files of a tokenizer folder, byte for byte, in the form that Hugging Face reads.
//!
//! | file | holds |
//! |---|---|
//! | `tokenizer.json` | the whole pipeline: `ByteLevel` pre-tokenizer, BPE, `RobertaProcessing` |
//! | `tokenizer_config.json` | class, special tokens, `model_max_length` |
//! | `special_tokens_map.json` | the special tokens by role |
//! | `vocab.json`, `merges.txt` | the vocabulary and the merges alone, for older readers |
//!
//! Keys of the objects made by `json!` are written in the order of the alphabet, so that the
//! bytes are the same whether or not a feature of `serde_json` keeps the order of insertion.

use std::fmt::Write as _;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::folder::file_names::{
    MERGES_TXT, SPECIAL_TOKENS_MAP_JSON, TOKENIZER_CONFIG_JSON, TOKENIZER_JSON, VOCAB_JSON,
};
use crate::folder::tokenizer_json::Entries;
use crate::special::{FIRST_SPECIALS, MASK};
use crate::{TokenId, Tokenizer, TokenizerError};

impl Tokenizer {
    /// Names and contents of the files of a tokenizer folder: our five, or those that a folder had
    /// where ours would say something else. `model_max_length` is the longest sequence that the model
    /// takes, `<s>` and `</s>` included.
    ///
    /// # Errors
    /// [`TokenizerError::Serialize`], which no vocabulary is known to cause.
    pub fn files(&self, model_max_length: usize) -> Result<Vec<(&'static str, Vec<u8>)>, TokenizerError> {
        if !self.files.is_empty() {
            return self.kept_files(model_max_length);
        }
        Ok(vec![
            (TOKENIZER_JSON, to_json(TOKENIZER_JSON, &self.json())?),
            (
                TOKENIZER_CONFIG_JSON,
                to_json(TOKENIZER_CONFIG_JSON, &config(model_max_length))?,
            ),
            (
                SPECIAL_TOKENS_MAP_JSON,
                to_json(SPECIAL_TOKENS_MAP_JSON, &special_tokens_map())?,
            ),
            (VOCAB_JSON, to_json(VOCAB_JSON, &Vocab(self.tokens()))?),
            (MERGES_TXT, self.merges_txt().into_bytes()),
        ])
    }

    /// The files that the folder had, with the longest sequence in `tokenizer_config.json`.
    fn kept_files(&self, model_max_length: usize) -> Result<Vec<(&'static str, Vec<u8>)>, TokenizerError> {
        let mut files = self.files.clone();
        for (name, bytes) in &mut files {
            if *name == TOKENIZER_CONFIG_JSON {
                *bytes = with_entry(name, bytes, ("model_max_length", json!(model_max_length)))?;
            }
        }
        Ok(files)
    }

    fn json(&self) -> Written<'_> {
        let special = self.special();
        Written {
            version: "1.0",
            truncation: None,
            padding: None,
            added_tokens: self.added_tokens(),
            normalizer: None,
            pre_tokenizer: byte_level(false),
            post_processor: json!({
                "add_prefix_space": false,
                "cls": ["<s>", special.bos],
                "sep": ["</s>", special.eos],
                "trim_offsets": true,
                "type": "RobertaProcessing",
            }),
            decoder: byte_level(true),
            model: WrittenModel {
                r#type: "BPE",
                dropout: None,
                unk_token: None,
                continuing_subword_prefix: "",
                end_of_word_suffix: "",
                fuse_unk: false,
                byte_fallback: false,
                ignore_merges: false,
                vocab: Vocab(self.tokens()),
                merges: self.merges().iter().map(|&merge| self.spelled(merge)).collect(),
            },
        }
    }

    fn added_tokens(&self) -> Vec<Value> {
        let specials = FIRST_SPECIALS
            .into_iter()
            .zip(0..)
            .chain([(MASK, self.special().mask)]);
        specials.map(|(content, id)| added_token(id, content)).collect()
    }

    fn spelled(&self, (left, right): (TokenId, TokenId)) -> [&str; 2] {
        [left, right].map(|id| self.token(id).unwrap_or_default())
    }

    fn merges_txt(&self) -> String {
        let mut text = String::from("#version: 0.2\n");
        for &merge in self.merges() {
            let [left, right] = self.spelled(merge);
            // writing to a String cannot fail
            let _ = writeln!(text, "{left} {right}");
        }
        text
    }
}

/// A JSON object with one entry put in or replaced; the others stay as they are and in their order,
/// which decides about the ids of some added tokens.
pub(crate) fn with_entry(
    file: &'static str,
    object: &[u8],
    (key, value): (&str, Value),
) -> Result<Vec<u8>, TokenizerError> {
    let failed = |source| TokenizerError::Serialize { file, source };
    let mut entries: Entries<Box<RawValue>> = serde_json::from_slice(object).map_err(failed)?;
    entries.0.retain(|(known, _)| known != key);
    let value = serde_json::value::to_raw_value(&value).map_err(failed)?;
    entries.0.push((key.to_owned(), value));
    let lines: Vec<String> = entries
        .0
        .iter()
        .map(|(key, value)| format!("  {}: {value}", json!(key)))
        .collect();
    Ok(format!("{{\n{}\n}}\n", lines.join(",\n")).into_bytes())
}

fn to_json(file: &'static str, value: &impl Serialize) -> Result<Vec<u8>, TokenizerError> {
    let mut bytes =
        serde_json::to_vec_pretty(value).map_err(|source| TokenizerError::Serialize { file, source })?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn byte_level(add_prefix_space: bool) -> Value {
    json!({
        "add_prefix_space": add_prefix_space,
        "trim_offsets": true,
        "type": "ByteLevel",
        "use_regex": true,
    })
}

/// `<mask>` takes the space before it, as RoBERTa's does: "the <mask> rose" has no lone `Ġ`.
fn added_token(id: TokenId, content: &str) -> Value {
    json!({
        "content": content,
        "id": id,
        "lstrip": content == MASK,
        "normalized": false,
        "rstrip": false,
        "single_word": false,
        "special": true,
    })
}

fn mask_token() -> Value {
    json!({
        "__type": "AddedToken",
        "content": MASK,
        "lstrip": true,
        "normalized": false,
        "rstrip": false,
        "single_word": false,
        "special": true,
    })
}

fn config(model_max_length: usize) -> Value {
    json!({
        "add_prefix_space": false,
        "bos_token": "<s>",
        "clean_up_tokenization_spaces": false,
        "cls_token": "<s>",
        "eos_token": "</s>",
        "errors": "replace",
        "mask_token": mask_token(),
        "model_max_length": model_max_length,
        "pad_token": "<pad>",
        "sep_token": "</s>",
        "tokenizer_class": "RobertaTokenizer",
        "trim_offsets": true,
        "unk_token": "<unk>",
    })
}

fn special_tokens_map() -> Value {
    json!({
        "bos_token": "<s>",
        "cls_token": "<s>",
        "eos_token": "</s>",
        "mask_token": {
            "content": MASK,
            "lstrip": true,
            "normalized": false,
            "rstrip": false,
            "single_word": false,
        },
        "pad_token": "<pad>",
        "sep_token": "</s>",
        "unk_token": "<unk>",
    })
}

#[derive(Serialize)]
struct Written<'a> {
    version: &'static str,
    truncation: Option<()>,
    padding: Option<()>,
    added_tokens: Vec<Value>,
    normalizer: Option<()>,
    pre_tokenizer: Value,
    post_processor: Value,
    decoder: Value,
    model: WrittenModel<'a>,
}

#[derive(Serialize)]
struct WrittenModel<'a> {
    r#type: &'static str,
    dropout: Option<f32>,
    unk_token: Option<&'static str>,
    continuing_subword_prefix: &'static str,
    end_of_word_suffix: &'static str,
    fuse_unk: bool,
    byte_fallback: bool,
    ignore_merges: bool,
    vocab: Vocab<'a>,
    merges: Vec<[&'a str; 2]>,
}

/// Tokens as an object from spelling to id, in id order.
struct Vocab<'a>(&'a [String]);

impl Serialize for Vocab<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (id, token) in self.0.iter().enumerate() {
            map.serialize_entry(token, &id)?;
        }
        map.end()
    }
}
