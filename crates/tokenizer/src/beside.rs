//! What the files beside `tokenizer.json`, or beside `vocab.json` and `merges.txt`, say about ids.
//! `transformers` obeys them; the encoder of this crate does not, so what would change ids is refused
//! by name.

use std::path::Path;

use serde_json::{Map, Value};

use crate::TokenizerError;
use crate::read::{parse, read};
use crate::vocabulary::{FIRST_SPECIALS, MASK};

const TOKENIZER_CONFIG_JSON: &str = "tokenizer_config.json";
const SPECIAL_TOKENS_MAP_JSON: &str = "special_tokens_map.json";
const ADDED_TOKENS_JSON: &str = "added_tokens.json";

/// What is wrong with added tokens, if one is not a special token of RoBERTa.
pub(crate) fn added_token_misfit<'a>(mut spellings: impl Iterator<Item = &'a str>) -> Option<String> {
    let known = |token: &str| token == MASK || FIRST_SPECIALS.contains(&token);
    let other = spellings.find(|token| !known(token))?;
    Some(format!(
        "it has the added token {other:?}, which text would be searched for"
    ))
}

/// Refuses added tokens and a prefix space that a file beside the vocabulary asks for.
pub(crate) fn refuse_what_changes_ids(folder: &Path) -> Result<(), TokenizerError> {
    for (name, misfit) in [
        (
            TOKENIZER_CONFIG_JSON,
            config_misfit as fn(&Map<String, Value>) -> Option<String>,
        ),
        (SPECIAL_TOKENS_MAP_JSON, special_tokens_misfit),
        (ADDED_TOKENS_JSON, added_tokens_misfit),
    ] {
        let path = folder.join(name);
        if !path.exists() {
            continue;
        }
        if let Some(lacks) = misfit(&parse(&path, &read(&path)?)?) {
            return Err(TokenizerError::Unfit { path, lacks });
        }
    }
    Ok(())
}

fn added_tokens_misfit(tokens: &Map<String, Value>) -> Option<String> {
    added_token_misfit(tokens.keys().map(String::as_str))
}

fn config_misfit(config: &Map<String, Value>) -> Option<String> {
    let prefix_space = config.get("add_prefix_space");
    if prefix_space.is_some_and(|value| *value != Value::Bool(false) && !value.is_null()) {
        return Some("add_prefix_space puts a space before every text".to_owned());
    }
    let added = config.get("added_tokens_decoder").and_then(Value::as_object);
    let spellings = added.into_iter().flat_map(Map::values).filter_map(spelling);
    added_token_misfit(spellings).or_else(|| special_tokens_misfit(config))
}

/// `bos_token` and its like, and lists of further ones.
fn special_tokens_misfit(map: &Map<String, Value>) -> Option<String> {
    let lists = ["additional_special_tokens", "extra_special_tokens"];
    let further = lists.into_iter().filter_map(|key| map.get(key)).flat_map(members);
    let named = map
        .iter()
        .filter(|(key, _)| key.ends_with("_token"))
        .map(|(_, value)| value);
    added_token_misfit(named.chain(further).filter_map(spelling))
}

fn members(list: &Value) -> Vec<&Value> {
    match list {
        Value::Array(list) => list.iter().collect(),
        Value::Object(map) => map.values().collect(),
        _ => Vec::new(),
    }
}

/// A token's text: a string, or an object that has it as `content`.
fn spelling(token: &Value) -> Option<&str> {
    token.as_str().or_else(|| token.get("content")?.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use durable::{DISK, commit_bytes};
    use serde_json::json;

    fn refusal(files: &[(&str, Value)]) -> Option<String> {
        let scratch = tempfile::tempdir().unwrap();
        let folder = scratch.path().join("tokenizer");
        let made = crate::train(std::iter::once("net sales net sales".to_owned()), 300).unwrap();
        made.save(&DISK, &folder, 512, Value::Null).unwrap();
        for (name, content) in files {
            commit_bytes(&DISK, &folder.join(name), content.to_string().as_bytes()).unwrap();
        }
        crate::Tokenizer::open(&folder)
            .err()
            .map(|error| error.to_string())
    }

    #[test]
    fn files_beside_the_vocabulary_that_change_ids_are_refused_by_name() {
        let token = |content: &str| json!({"content": content, "lstrip": true, "special": true});
        for (file, content, word) in [
            (
                TOKENIZER_CONFIG_JSON,
                json!({"add_prefix_space": true}),
                "add_prefix_space",
            ),
            (TOKENIZER_CONFIG_JSON, json!({"cls_token": "[CLS]"}), "[CLS]"),
            (
                TOKENIZER_CONFIG_JSON,
                json!({"added_tokens_decoder": {"300": token("EBITDA")}}),
                "EBITDA",
            ),
            (
                TOKENIZER_CONFIG_JSON,
                json!({"extra_special_tokens": {"image_token": "<image>"}}),
                "<image>",
            ),
            (
                TOKENIZER_CONFIG_JSON,
                json!({"image_token": "<image>"}),
                "<image>",
            ),
            (
                SPECIAL_TOKENS_MAP_JSON,
                json!({"mask_token": token("[MASK]")}),
                "[MASK]",
            ),
            (
                SPECIAL_TOKENS_MAP_JSON,
                json!({"additional_special_tokens": ["<x>", token("<y>")]}),
                "<x>",
            ),
            (ADDED_TOKENS_JSON, json!({"EBITDA": 300}), "EBITDA"),
        ] {
            let said = refusal(&[(file, content.clone())]).unwrap_or_default();
            assert!(said.contains(word) && said.contains(file), "{content}: {said}");
        }
    }

    #[test]
    fn the_special_tokens_of_roberta_change_nothing_in_any_spelling() {
        let token = |content: &str| json!({"__type": "AddedToken", "content": content, "lstrip": true});
        let config = json!({
            "add_prefix_space": false, "mask_token": token("<mask>"), "bos_token": "<s>", "sep_token": null,
            "added_tokens_decoder": {"0": token("<s>"), "299": token("<mask>")}, "model_max_length": 1e30,
        });
        let files = [
            (TOKENIZER_CONFIG_JSON, config),
            (
                SPECIAL_TOKENS_MAP_JSON,
                json!({"mask_token": token("<mask>"), "pad_token": "<pad>"}),
            ),
            (ADDED_TOKENS_JSON, json!({"<mask>": 299})),
        ];
        assert_eq!(refusal(&files), None);
    }
}
