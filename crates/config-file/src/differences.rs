//! Which keys differ between two configurations.

use std::fmt;

use serde_json::Value;

/// One key whose value is not the same on both sides.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// The full key, sections joined by dots; empty when the whole values differ in kind.
    pub key: String,
    /// The value on the left; `None` when the key is not there.
    pub left: Option<Value>,
    /// The value on the right; `None` when the key is not there.
    pub right: Option<Value>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |value: &Option<Value>| {
            value
                .as_ref()
                .map_or_else(|| "absent".to_owned(), Value::to_string)
        };
        write!(
            f,
            "`{}`: {} against {}",
            self.key,
            show(&self.left),
            show(&self.right)
        )
    }
}

/// Every key whose value differs, sorted by key; lists are compared as wholes.
pub fn differences(left: &Value, right: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    compare("", Some(left), Some(right), &mut found);
    found.sort_by(|a, b| a.key.cmp(&b.key));
    found
}

fn compare(key: &str, left: Option<&Value>, right: Option<&Value>, found: &mut Vec<Difference>) {
    if let (Some(Value::Object(left)), Some(Value::Object(right))) = (left, right) {
        for (name, value) in left {
            compare(&join(key, name), Some(value), right.get(name), found);
        }
        for (name, value) in right.iter().filter(|(name, _)| !left.contains_key(*name)) {
            compare(&join(key, name), None, Some(value), found);
        }
    } else if left != right {
        found.push(Difference {
            key: key.to_owned(),
            left: left.cloned(),
            right: right.cloned(),
        });
    }
}

fn join(key: &str, name: &str) -> String {
    if key.is_empty() {
        name.to_owned()
    } else {
        format!("{key}.{name}")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn equal_values_differ_in_nothing() {
        let value = json!({"a": {"b": [1, 2]}, "c": null});
        assert_eq!(differences(&value, &value), []);
    }

    #[test]
    fn changed_added_and_removed_keys_are_found_in_order() {
        let left = json!({"z": 1, "run": {"seed": 1, "dir": "x"}, "list": [1, 2]});
        let right = json!({"z": 1, "run": {"seed": 2, "stop": "y"}, "list": [2, 1]});
        let lines: Vec<String> = differences(&left, &right)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            lines,
            [
                "`list`: [1,2] against [2,1]",
                "`run.dir`: \"x\" against absent",
                "`run.seed`: 1 against 2",
                "`run.stop`: absent against \"y\"",
            ]
        );
    }
}
