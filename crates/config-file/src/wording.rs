//! serde's words for a value that does not fit, in words that need no knowledge of Rust.

/// What stands in the configuration and what has to stand there; `message` as it is where it is
/// no such message of serde's.
pub(crate) fn in_plain_words(message: &str) -> String {
    let rest = ["invalid type: ", "invalid value: "]
        .into_iter()
        .find_map(|start| message.strip_prefix(start));
    let parts = rest.and_then(|rest| rest.rsplit_once(", expected "));
    parts.map_or_else(
        || message.to_owned(),
        |(found, expected)| format!("it has to be {}, not {}", wanted(expected), given(found)),
    )
}

fn wanted(expected: &str) -> &str {
    match expected {
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65,535",
        "u32" => "a whole number from 0 to 4,294,967,295",
        "u64" | "u128" | "usize" => "a whole number of at least 0",
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a string" | "path string" | "string or map" => "a text in quotes",
        "a sequence" => "a list, as [a, b]",
        "a map" => "a table, as { key = value }",
        _ if expected.starts_with("struct ") => "a section of keys",
        _ => expected,
    }
}

fn given(found: &str) -> String {
    match found.split_once(' ') {
        Some(("string", text)) => format!("the text {text}"),
        Some(("integer", number)) => number.trim_matches('`').to_owned(),
        Some(("boolean", truth)) => truth.trim_matches('`').to_owned(),
        _ => match found.strip_prefix("floating point ") {
            Some(number) => number.trim_matches('`').to_owned(),
            None if found == "sequence" => "a list".to_owned(),
            None if found == "map" => "a table".to_owned(),
            None => found.to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_named_as_people_call_them() {
        for (message, plain) in [
            (
                "invalid type: string \"a, expected b\", expected u64",
                "it has to be a whole number of at least 0, not the text \"a, expected b\"",
            ),
            (
                "invalid value: integer `5000000000`, expected u32",
                "it has to be a whole number from 0 to 4,294,967,295, not 5000000000",
            ),
            (
                "invalid type: floating point `1.5`, expected usize",
                "it has to be a whole number of at least 0, not 1.5",
            ),
            (
                "invalid type: boolean `true`, expected path string",
                "it has to be a text in quotes, not true",
            ),
            (
                "invalid type: sequence, expected f64",
                "it has to be a number, not a list",
            ),
            (
                "invalid type: integer `3`, expected struct RunSection",
                "it has to be a section of keys, not 3",
            ),
            ("duplicate field `a`", "duplicate field `a`"),
        ] {
            assert_eq!(in_plain_words(message), plain);
        }
    }
}
