//! The text whose hash names a tokenizer that the crate `tokenizers` encodes: all that changes the ids of
//! a corpus, and the same for any files that say the same.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::TokenId;
use crate::library::pipeline::PipelineSpec;
use crate::special::Ends;

/// The parts of the pipeline, the added tokens by id and the tokens around a text.
pub(crate) fn canonical(spec: &PipelineSpec, made: &tokenizers::Tokenizer, ends: &Ends) -> String {
    let added: BTreeMap<TokenId, Value> = made
        .get_added_tokens_decoder()
        .into_iter()
        .map(|(id, token)| {
            // fields of our own choice, so that a release of the crate changes no hash
            let flags = [token.single_word, token.lstrip, token.rstrip, token.normalized];
            (
                id,
                json!([token.content, flags, spec.tokens.is_named(&token.content)]),
            )
        })
        .collect();
    let mut text = String::new();
    for part in ["normalizer", "pre_tokenizer"] {
        write_sorted(&without_defaults(&spec.json[part]), &mut text);
        text.push('\n');
    }
    let mut model = without_defaults(&spec.json["model"]);
    model["merges"] = pairs(&spec.json["model"]["merges"]);
    write_sorted(&model, &mut text);
    text.push('\n');
    let added: Vec<Value> = added.into_iter().map(|(id, token)| json!([id, token])).collect();
    write_sorted(
        &json!({"added": added, "before": ends.before, "after": ends.after}),
        &mut text,
    );
    text
}

/// Merges in the one of their two forms that has no spaces to split at.
fn pairs(merges: &Value) -> Value {
    let pair = |merge: &Value| match merge.as_str().and_then(|text| text.split_once(' ')) {
        Some((left, right)) => json!([left, right]),
        None => merge.clone(),
    };
    merges
        .as_array()
        .map_or(Value::Null, |merges| merges.iter().map(pair).collect())
}

/// An object without what says nothing: null, false, empty text, and where offsets are cut.
fn without_defaults(part: &Value) -> Value {
    let Value::Object(object) = part else {
        return part.clone();
    };
    let says = |key: &str, value: &Value| {
        key != "trim_offsets"
            && !matches!(value, Value::Null | Value::Bool(false))
            && value.as_str() != Some("")
    };
    let kept = object.iter().filter(|(key, value)| says(key, value));
    kept.map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// Writes `value` with the keys of every object in the order of the alphabet, whether or not a feature
/// of `serde_json` keeps the order of the file.
fn write_sorted(value: &Value, out: &mut String) {
    match value {
        Value::Object(object) => {
            let mut entries: Vec<_> = object.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            write_list(out, ['{', '}'], entries, |(key, value), out| {
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                write_sorted(value, out);
            });
        }
        Value::Array(items) => write_list(out, ['[', ']'], items, write_sorted),
        plain => out.push_str(&plain.to_string()),
    }
}

fn write_list<T>(
    out: &mut String,
    [open, close]: [char; 2],
    items: impl IntoIterator<Item = T>,
    write: impl Fn(T, &mut String),
) {
    out.push(open);
    for (place, item) in items.into_iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        write(item, out);
    }
    out.push(close);
}
