//! Opens a folder whose tokenizer our own encoder does not cover, through the crate `tokenizers`.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use crate::added::NumberedToken;
use crate::encode::SpelledSpecials;
use crate::files::{MERGES_TXT, TOKENIZER_JSON, VOCAB_JSON, with_entry};
use crate::open::unfit;
use crate::pipeline::{Pipeline, PipelineSpec};
use crate::read::read;
use crate::settings::{ADDED_TOKENS_JSON, Class, SPECIAL_TOKENS_MAP_JSON, Settings, TOKENIZER_CONFIG_JSON};
use crate::tokenizer_json::Merge;
use crate::vocabulary::{Ends, SpecialTokens};
use crate::{TokenId, Tokenizer, TokenizerError};

/// Ids may have holes; a table of so many entries fits into any memory.
const LARGEST_VOCABULARY: usize = 1 << 24;

/// A folder that is read, with its `tokenizer.json`.
pub(crate) struct Found<'a> {
    pub(crate) folder: &'a Path,
    /// The file that errors name.
    pub(crate) path: &'a Path,
    pub(crate) settings: &'a Settings,
    /// `tokenizer.json`, or what the older files come to.
    pub(crate) json: Value,
}

/// `vocab.json` and `merges.txt` in the form of `tokenizer.json`.
pub(crate) fn roberta_json(vocab: &Value, merges: &[Merge<'_>]) -> Value {
    let merges: Vec<[&str; 2]> = merges
        .iter()
        .map(|Merge(left, right)| [&**left, &**right])
        .collect();
    json!({"model": {"type": "BPE", "vocab": vocab, "merges": merges}})
}

impl Found<'_> {
    /// Opens it. `why` says what our own encoder does not cover.
    pub(crate) fn open(self, why: &str) -> Result<Tokenizer, TokenizerError> {
        let in_file: Vec<NumberedToken> = match self.json.get("added_tokens") {
            None | Some(Value::Null) => Vec::new(),
            Some(list) => serde_json::from_value(list.clone()).map_err(|source| TokenizerError::Json {
                path: self.path.to_path_buf(),
                source,
            })?,
        };
        let tokens = self.settings.tokens(&in_file)?;
        let json = self.json_in_effect(why)?;
        let spec = PipelineSpec {
            json: Some(json.clone()),
            ..PipelineSpec::new(self.settings, tokens)
        };
        let made = spec
            .build(&json, SpelledSpecials::Recognized)
            .map_err(|message| {
                unfit(
                    self.path,
                    format!("{why}; the crate `tokenizers` cannot do it either: {message}"),
                )
            })?;
        let vocabulary = vocabulary(&made).map_err(|lacks| unfit(self.path, lacks))?;
        let ends = self.ends(&made, &spec)?;
        let special = self.special(&made, &spec, &ends)?;
        let mut tokenizer = Tokenizer::from_pipeline(vocabulary, special, ends, Pipeline::new(spec));
        tokenizer.notes.push(format!(
            "{why}: texts are encoded by the crate `tokenizers`, some ten times slower than by our own encoder"
        ));
        tokenizer.files = self.files()?;
        Ok(tokenizer)
    }

    /// What of `tokenizer.json` takes effect.
    fn json_in_effect(&self, why: &str) -> Result<Value, TokenizerError> {
        let model = &self.json["model"];
        if self.settings.class == Class::Roberta {
            if model["type"].as_str().is_some_and(|model| model != "BPE") {
                return Err(unfit(self.path, why.to_owned()));
            }
            return Ok(json!({
                "model": {"type": "BPE", "vocab": model["vocab"], "merges": model["merges"],
                          "continuing_subword_prefix": "", "end_of_word_suffix": "", "fuse_unk": false},
                "pre_tokenizer": {"type": "ByteLevel", "trim_offsets": true, "use_regex": true,
                                  "add_prefix_space": self.settings.flag("add_prefix_space")},
            }));
        }
        if model["dropout"].as_f64().is_some_and(|rate| rate > 0.0) {
            let lacks = "it has BPE dropout, which gives other ids each time".to_owned();
            return Err(unfit(self.path, lacks));
        }
        let parts = ["model", "normalizer", "pre_tokenizer", "post_processor"];
        Ok(parts
            .into_iter()
            .map(|part| (part.to_owned(), self.json[part].clone()))
            .collect())
    }

    /// The tokens around a text.
    fn ends(&self, made: &tokenizers::Tokenizer, spec: &PipelineSpec) -> Result<Ends, TokenizerError> {
        if self.settings.class == Class::Roberta {
            let id = |name| self.id_of(made, spec, name);
            return Ok(Ends {
                before: vec![id("cls_token")?],
                after: vec![id("sep_token")?],
            });
        }
        let encoding = made
            .encode("a", true)
            .map_err(|error| unfit(self.path, error.to_string()))?;
        let (ids, around) = (encoding.get_ids(), encoding.get_special_tokens_mask());
        let first = around.iter().take_while(|mask| **mask == 1).count();
        let last = around.iter().rev().take_while(|mask| **mask == 1).count();
        if first == ids.len() {
            let lacks =
                "it has no token for the letter a, so the tokens around a text cannot be told from it";
            return Err(unfit(self.path, lacks.to_owned()));
        }
        Ok(Ends {
            before: ids[..first].to_vec(),
            after: ids[ids.len() - last..].to_vec(),
        })
    }

    fn special(
        &self,
        made: &tokenizers::Tokenizer,
        spec: &PipelineSpec,
        ends: &Ends,
    ) -> Result<SpecialTokens, TokenizerError> {
        let only = |ids: &[TokenId]| <[TokenId; 1]>::try_from(ids).map(|[id]| id).ok();
        let id = |name| self.id_of(made, spec, name);
        Ok(SpecialTokens {
            bos: only(&ends.before).map_or_else(|| id("bos_token"), Ok)?,
            pad: id("pad_token")?,
            eos: only(&ends.after).map_or_else(|| id("eos_token"), Ok)?,
            unk: id("unk_token")?,
            mask: id("mask_token")?,
        })
    }

    /// Id of a named special token; of RoBERTa's where no file names one.
    fn id_of(
        &self,
        made: &tokenizers::Tokenizer,
        spec: &PipelineSpec,
        name: &'static str,
    ) -> Result<TokenId, TokenizerError> {
        let text = spec
            .named
            .get(name)
            .map_or_else(|| Settings::default_of(name), String::as_str);
        made.token_to_id(text).ok_or_else(|| {
            unfit(
                self.folder,
                format!("no file names its {name}, and its vocabulary has no {text}"),
            )
        })
    }

    /// The files of the folder as they are, for a corpus and a model that are made with it.
    fn files(&self) -> Result<Vec<(&'static str, Vec<u8>)>, TokenizerError> {
        let mut files = Vec::new();
        for name in [
            TOKENIZER_JSON,
            TOKENIZER_CONFIG_JSON,
            SPECIAL_TOKENS_MAP_JSON,
            ADDED_TOKENS_JSON,
            VOCAB_JSON,
            MERGES_TXT,
        ] {
            let path = self.folder.join(name);
            if path.exists() {
                files.push((name, read(&path)?));
            }
        }
        if !self.settings.names_class {
            // else another reader's choice would depend on a `config.json` that is not copied
            let at = files.iter().position(|(name, _)| *name == TOKENIZER_CONFIG_JSON);
            let config = at.map_or_else(|| b"{}".to_vec(), |at| files.swap_remove(at).1);
            let class = ("tokenizer_class", json!(self.settings.class.name()));
            files.push((
                TOKENIZER_CONFIG_JSON,
                with_entry(TOKENIZER_CONFIG_JSON, &config, class)?,
            ));
        }
        Ok(files)
    }
}

/// The tokens by id; an id that no token has is an empty text.
fn vocabulary(made: &tokenizers::Tokenizer) -> Result<Vec<String>, String> {
    let by_token: BTreeMap<String, TokenId> = made.get_vocab(true).into_iter().collect();
    let size = by_token.values().max().map_or(0, |id| *id as usize + 1);
    if size > LARGEST_VOCABULARY {
        return Err(format!(
            "its largest id is {}, and {LARGEST_VOCABULARY} entries are the most",
            size - 1
        ));
    }
    let mut tokens = vec![String::new(); size];
    for (token, id) in by_token {
        tokens[id as usize] = token;
    }
    Ok(tokens)
}
