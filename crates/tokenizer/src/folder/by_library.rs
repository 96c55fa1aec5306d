//! Opens a folder whose tokenizer our own encoder does not cover, through the crate `tokenizers`.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use crate::folder::class::Class;
use crate::folder::file_names::TOKENIZER_JSON;
use crate::folder::settings::Settings;
use crate::folder::stated_token::NumberedToken;
use crate::folder::tokenizer_json::MergeEntry;
use crate::library::canonical::canonical;
use crate::library::pipeline::{Mode, Pipeline, PipelineSpec, caught};
use crate::special::{Ends, Role, SpecialTokens};
use crate::vocabulary::FoundVocabulary;
use crate::{TokenId, Tokenizer, TokenizerError};

/// Ids may have holes, at most so many.
const MOST_HOLES: usize = 1 << 16;

/// A `tokenizer.json` that is read, with the settings beside it.
pub(crate) struct FoundFile<'a> {
    /// What errors name.
    pub(crate) file: &'a Path,
    pub(crate) settings: &'a Settings,
    /// `tokenizer.json`, or what the older files come to.
    pub(crate) json: Value,
}

/// `vocab.json` and `merges.txt` in the form of `tokenizer.json`.
pub(crate) fn roberta_json(vocab: &Value, merges: &[MergeEntry<'_>]) -> Value {
    let merges: Vec<[&str; 2]> = merges
        .iter()
        .map(|MergeEntry(left, right)| [&**left, &**right])
        .collect();
    json!({"model": {"type": "BPE", "vocab": vocab, "merges": merges}})
}

impl FoundFile<'_> {
    /// Opens it. `why` says what our own encoder does not cover.
    pub(crate) fn open(self, why: &str) -> Result<Tokenizer, TokenizerError> {
        let in_file: Vec<NumberedToken> = match self.json.get("added_tokens") {
            None | Some(Value::Null) => Vec::new(),
            Some(list) => serde_json::from_value(list.clone()).map_err(|source| TokenizerError::Json {
                path: self.file.to_path_buf(),
                source,
            })?,
        };
        let side = self
            .settings
            .truncation_side(self.json["truncation"].get("direction"))?;
        let spec = PipelineSpec {
            json: self.json_in_effect(why)?,
            tokens: self
                .settings
                .tokens(&in_file, self.json["padding"]["pad_token"].as_str())?,
            split_special_tokens: self.settings.flag("split_special_tokens")?,
        };
        let made = spec.build(Mode::Text).map_err(|message| {
            let lacks = format!("{why}; the crate `tokenizers` cannot do it either: {message}");
            TokenizerError::unfit(self.file, lacks)
        })?;
        let tokens = tokens_by_id(&made).map_err(|lacks| TokenizerError::unfit(self.file, lacks))?;
        let ends = self.ends(&made, &spec)?;
        let (special, missing) = special(&made, &spec, &ends);
        let hash =
            durable::sha256_hex(format!("tenk tokenizer 2\n{}", canonical(&spec, &made, &ends)).as_bytes());
        let found = FoundVocabulary {
            tokens,
            special,
            ends,
            hash,
        };
        let mut tokenizer = Tokenizer::from_pipeline(found, missing, Pipeline::new(spec, made));
        tokenizer.truncation_side = side;
        tokenizer.notes.push(format!(
            "{why}: texts are encoded by the crate `tokenizers`, 20 to 40 times slower than by our own encoder"
        ));
        Ok(tokenizer)
    }

    /// What of `tokenizer.json` takes effect.
    fn json_in_effect(&self, why: &str) -> Result<Value, TokenizerError> {
        let model = &self.json["model"];
        if self.settings.class == Class::Roberta {
            if model["type"].as_str().is_some_and(|model| model != "BPE") {
                return Err(TokenizerError::unfit(self.file, why.to_owned()));
            }
            let split = json!({"type": "ByteLevel", "trim_offsets": true, "use_regex": true,
                               "add_prefix_space": self.settings.flag("add_prefix_space")?});
            return Ok(json!({
                "model": {"type": "BPE", "vocab": model["vocab"], "merges": model["merges"]},
                "pre_tokenizer": split,
                "decoder": {"type": "ByteLevel", "trim_offsets": true, "use_regex": true, "add_prefix_space": true},
            }));
        }
        if model["dropout"].as_f64().is_some_and(|rate| rate > 0.0) {
            let lacks = "it has BPE dropout, which gives other ids each time".to_owned();
            return Err(TokenizerError::unfit(self.file, lacks));
        }
        let parts = [
            "model",
            "normalizer",
            "pre_tokenizer",
            "post_processor",
            "decoder",
        ];
        let taken = parts
            .into_iter()
            .map(|part| (part.to_owned(), self.json[part].clone()));
        Ok(taken.collect())
    }

    /// The tokens around a text.
    fn ends(&self, made: &tokenizers::Tokenizer, spec: &PipelineSpec) -> Result<Ends, TokenizerError> {
        let unfit = |lacks: String| TokenizerError::unfit(self.file, lacks);
        if self.settings.class == Class::Roberta {
            let id = |role: Role| {
                let text = spec.tokens.named.get(&role).map_or(role.text(), String::as_str);
                let missing = || unfit(format!("its vocabulary lacks the {} {text:?}", role.key()));
                made.token_to_id(text).ok_or_else(missing)
            };
            return Ok(Ends {
                before: vec![id(Role::Cls)?],
                after: vec![id(Role::Sep)?],
            });
        }
        let encoding = caught(|| made.encode("a", true).map_err(|error| error.to_string())).map_err(unfit)?;
        let (ids, around) = (encoding.get_ids(), encoding.get_special_tokens_mask());
        let content = caught(|| made.encode("a", false).map_err(|error| error.to_string())).map_err(unfit)?;
        if let Some(id) = ids.iter().find(|id| made.id_to_token(**id).is_none()) {
            return Err(unfit(format!(
                "its post_processor puts the id {id} around a text, which no token has"
            )));
        }
        let first = around.iter().take_while(|mask| **mask == 1).count();
        let last = around.iter().rev().take_while(|mask| **mask == 1).count();
        if first == ids.len() {
            let lacks =
                "nothing is left of the text \"a\", so the tokens around a text cannot be told from it";
            return Err(unfit(lacks.to_owned()));
        }
        let whole = ids[first..ids.len() - last] == *content.get_ids();
        if !whole || encoding.get_type_ids().iter().any(|kind| *kind != 0) {
            let lacks =
                "its post_processor does more than put tokens around a text, or gives it another type";
            return Err(unfit(lacks.to_owned()));
        }
        Ok(Ends {
            before: ids[..first].to_vec(),
            after: ids[ids.len() - last..].to_vec(),
        })
    }
}

/// The special tokens, and the roles that no token of the folder has: a text needs none of them but the
/// tokens around it.
fn special(made: &tokenizers::Tokenizer, spec: &PipelineSpec, ends: &Ends) -> (SpecialTokens, Vec<Role>) {
    let mut missing = Vec::new();
    let mut id = |role: Role| {
        let text = spec.tokens.named.get(&role).map_or(role.text(), String::as_str);
        made.token_to_id(text).unwrap_or_else(|| {
            missing.push(role);
            0
        })
    };
    let only = |ids: &[TokenId]| <[TokenId; 1]>::try_from(ids).map(|[id]| id).ok();
    let special = SpecialTokens {
        bos: only(&ends.before).unwrap_or_else(|| id(Role::Bos)),
        pad: id(Role::Pad),
        eos: only(&ends.after).unwrap_or_else(|| id(Role::Eos)),
        unk: id(Role::Unk),
        mask: id(Role::Mask),
    };
    (special, missing)
}

/// The tokens by id; an id that no token has is an empty text.
fn tokens_by_id(made: &tokenizers::Tokenizer) -> Result<Vec<String>, String> {
    let by_token: BTreeMap<String, TokenId> = made.get_vocab(true).into_iter().collect();
    let size = by_token.values().max().map_or(0, |id| *id as usize + 1);
    if size == 0 {
        return Err(format!("{TOKENIZER_JSON} has no vocabulary"));
    }
    if size > by_token.len() + MOST_HOLES {
        return Err(format!(
            "its largest id is {}, and it has {} tokens: {MOST_HOLES} ids without a token are the most",
            size - 1,
            by_token.len()
        ));
    }
    let mut tokens = vec![String::new(); size];
    for (token, id) in by_token {
        tokens[id as usize] = token;
    }
    Ok(tokens)
}
