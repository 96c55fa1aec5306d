//! A configuration as text, and as one hash that says whether two are the same.

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::ConfigError;

/// The configuration as a TOML file that [`crate::load`] reads back.
///
/// # Errors
/// [`ConfigError::Unwritable`] when TOML cannot express it (what is not a struct or a map at
/// the top, a map whose keys are not text).
pub fn to_toml<T: Serialize>(config: &T) -> Result<String, ConfigError> {
    toml::to_string_pretty(config).map_err(|error| ConfigError::Unwritable {
        message: error.to_string(),
    })
}

/// SHA-256 of the configuration's canonical JSON (keys sorted, no spaces), as 64 hex digits.
///
/// The order of fields in the struct, and of keys in the file, does not matter.
///
/// # Errors
/// [`ConfigError::Unwritable`] when JSON cannot express it.
pub fn fingerprint<T: Serialize>(config: &T) -> Result<String, ConfigError> {
    let value = serde_json::to_value(config).map_err(|error| ConfigError::Unwritable {
        message: error.to_string(),
    })?;
    let mut canonical = String::new();
    write_canonical(&value, &mut canonical);
    Ok(format!("{:x}", Sha256::digest(canonical.as_bytes())))
}

/// Sorts by itself: whether `serde_json`'s maps are sorted depends on a feature that any
/// crate of a build can switch.
fn write_canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<(&String, &Value)> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            write_list(out, '{', '}', &entries, |(key, value), out| {
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                write_canonical(value, out);
            });
        }
        Value::Array(items) => write_list(out, '[', ']', items, write_canonical),
        scalar => out.push_str(&scalar.to_string()),
    }
}

fn write_list<I>(
    out: &mut String,
    open: char,
    close: char,
    items: &[I],
    write_item: impl Fn(&I, &mut String),
) {
    out.push(open);
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write_item(item, out);
    }
    out.push(close);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;
    use crate::load_str;

    #[derive(Serialize)]
    struct Forward {
        seed: u64,
        rate: f64,
    }

    #[derive(Serialize)]
    struct Backward {
        rate: f64,
        seed: u64,
    }

    #[test]
    fn the_order_of_fields_does_not_matter_and_the_values_do() {
        let forward = fingerprint(&Forward { seed: 1, rate: 0.5 }).unwrap();
        let backward = fingerprint(&Backward { rate: 0.5, seed: 1 }).unwrap();
        let other = fingerprint(&Forward { seed: 2, rate: 0.5 }).unwrap();
        assert_eq!(forward, backward);
        assert_ne!(forward, other);
        assert_eq!(forward.len(), 64);
    }

    #[test]
    fn the_hash_is_that_of_the_canonical_text() {
        let mut text = String::new();
        let value = serde_json::json!({"b": [1, {"d": null, "c": "x\"y"}], "a": 0.1});
        write_canonical(&value, &mut text);
        assert_eq!(text, r#"{"a":0.1,"b":[1,{"c":"x\"y","d":null}]}"#);
    }

    #[test]
    fn what_is_not_a_table_is_refused_in_words() {
        let error = to_toml(&7).unwrap_err();
        assert!(matches!(error, ConfigError::Unwritable { .. }), "{error}");
    }

    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    #[serde(deny_unknown_fields)]
    struct Config {
        name: String,
        rate: f64,
        weights: BTreeMap<String, u32>,
        list: Vec<i64>,
        limit: Option<u32>,
    }

    proptest! {
        #[test]
        fn what_is_written_as_toml_reads_back_with_the_same_fingerprint(
            name in ".*",
            rate in -1e300..1e300_f64,
            weights in prop::collection::btree_map("[A-Za-z/-]{1,8}", any::<u32>(), 0..4),
            list in prop::collection::vec(any::<i64>(), 0..4),
            limit in any::<Option<u32>>(),
        ) {
            let config = Config { name, rate, weights, list, limit };
            let text = to_toml(&config).unwrap();
            let back: Config = load_str(&text, "x.toml".as_ref(), &[]).unwrap();
            prop_assert_eq!(fingerprint(&back).unwrap(), fingerprint(&config).unwrap());
            prop_assert_eq!(back, config);
        }
    }
}
