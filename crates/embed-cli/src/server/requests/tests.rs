use super::super::options::MAX_TEXTS;
use super::*;
use crate::server::json::EncodingFormat;

const DIMENSION: usize = 16;

fn texts(kind: Kind, body: impl AsRef<[u8]>) -> Vec<String> {
    kind.parse(body.as_ref(), DIMENSION).unwrap().texts
}

fn refusal(kind: Kind, body: impl AsRef<[u8]>) -> String {
    let body = body.as_ref();
    let error = kind
        .parse(body, DIMENSION)
        .expect_err(&String::from_utf8_lossy(body));
    assert_eq!(error.status().as_u16(), 400, "{error}");
    error.to_string()
}

fn ensure_says(kind: Kind, body: impl AsRef<[u8]>, words: &[&str]) {
    let said = refusal(kind, body.as_ref());
    for word in words {
        assert!(
            said.contains(word),
            "{}: no {word} in {said}",
            String::from_utf8_lossy(body.as_ref())
        );
    }
}

#[test]
fn null_stands_for_what_is_left_out() {
    for body in [
        r#"{"input": "a"}"#,
        r#"{"input": "a", "encoding_format": null}"#,
        r#"{"input": "a", "encoding_format": "float", "dimensions": null, "user": null, "model": null}"#,
        r#"{"dimensions": 16, "user": "u", "model": "m", "input": "a"}"#,
    ] {
        let asked = Kind::Embeddings.parse(body.as_bytes(), DIMENSION).unwrap();
        assert_eq!(asked.form, Form::OpenAi(EncodingFormat::Float), "{body}");
        assert_eq!(asked.texts, ["a"]);
    }
    ensure_says(
        Kind::Embeddings,
        r#"{"input": null}"#,
        &["input: ", "null", "column 14"],
    );
    ensure_says(Kind::Json, r#"{"text_inputs": null}"#, &["text_inputs: ", "null"]);
    ensure_says(Kind::Json, "null", &["null", "text_inputs"]);
}

#[test]
fn a_list_is_texts_and_never_the_fields_of_an_object() {
    assert_eq!(
        texts(Kind::Json, r#"["a", "b"]"#),
        texts(Kind::Json, r#"{"inputs": ["a", "b"]}"#)
    );
    assert_eq!(
        Kind::Json.parse(b"[]", DIMENSION).unwrap().form,
        Form::One(Some(0))
    );
    assert_eq!(
        Kind::Json.parse(b"\"a\"", DIMENSION).unwrap().form,
        Form::One(None)
    );
    let lines = Kind::JsonLines
        .parse(b"[\"a\", \"b\"]\n{\"inputs\": \"c\"}\n\"d\"", DIMENSION)
        .unwrap();
    assert_eq!(lines.texts, ["a", "b", "c", "d"]);
    assert_eq!(lines.form, Form::Lines(vec![Some(2), None, None]));
    ensure_says(Kind::Json, r#"[["a"]]"#, &["[0]: ", "sequence"]);
    ensure_says(Kind::Json, r#"[{"text_inputs": "a"}]"#, &["[0]: ", "map"]);
    ensure_says(Kind::Embeddings, r#"["a"]"#, &["sequence", "the key input"]);
    ensure_says(
        Kind::Embeddings,
        r#"["a", "m", "float", 16, "u"]"#,
        &["sequence", "the key input"],
    );
    ensure_says(Kind::Embeddings, r#""a""#, &["the key input"]);
    // What serde takes for an enum.
    ensure_says(
        Kind::Embeddings,
        r#"{"input": "a", "encoding_format": {"float": null}}"#,
        &["encoding_format: ", "map"],
    );
}

#[test]
fn what_is_wrong_is_said_with_its_key_and_place() {
    let cases: [(Kind, &str, &[&str]); 21] = [
        (
            Kind::Json,
            r#"{"text_inputs": "a", "inputs": "b"}"#,
            &["inputs: ", "once"],
        ),
        (
            Kind::Json,
            r#"{"inputs": "a", "inputs": "a"}"#,
            &["inputs: ", "once"],
        ),
        (
            Kind::Json,
            r#"{"mode": "x", "inputs": "a"}"#,
            &["`mode`", "text_inputs", "column"],
        ),
        (Kind::Json, r#"{"Inputs": "a"}"#, &["`Inputs`"]),
        (Kind::Json, "{}", &["text_inputs", "missing"]),
        (
            Kind::Json,
            r#"{"inputs": {"a": 1}}"#,
            &["inputs: ", "map", "a text or a list of texts"],
        ),
        (
            Kind::Json,
            r#"{"inputs": ["a", "b", 7]}"#,
            &["inputs[2]: ", "`7`", "column 23"],
        ),
        (Kind::Json, r#"{"inputs": ["a", null]}"#, &["inputs[1]: ", "null"]),
        (Kind::Json, r#"{"inputs": true}"#, &["inputs: ", "true"]),
        (Kind::Json, r#"{"inputs": "a"} {"inputs": "b"}"#, &["column 17"]),
        (Kind::Json, r#"{"inputs": "a",}"#, &["column 16"]),
        (Kind::Json, r"{'inputs': 'a'}", &["line 1 column 2"]),
        (
            Kind::Embeddings,
            r#"{"input": "a", "input": "b"}"#,
            &["input: ", "twice"],
        ),
        (
            Kind::Embeddings,
            r#"{"input": "a", "user": null, "user": null}"#,
            &["user: ", "twice"],
        ),
        (
            Kind::Embeddings,
            r#"{"input": "a", "truncate": true}"#,
            &["`truncate`", "encoding_format"],
        ),
        (
            Kind::Embeddings,
            r#"{"input": "a", "encoding_format": "int8"}"#,
            &["encoding_format: ", "`int8`", "base64"],
        ),
        (
            Kind::Embeddings,
            r#"{"input": "a", "encoding_format": 1}"#,
            &["encoding_format: ", "`1`"],
        ),
        (
            Kind::Embeddings,
            r#"{"input": "a", "dimensions": "16"}"#,
            &["dimensions: ", "\"16\""],
        ),
        (
            Kind::Embeddings,
            r#"{"input": "a", "dimensions": -1}"#,
            &["dimensions: ", "`-1`"],
        ),
        (
            Kind::Embeddings,
            r#"{"input": "a", "dimensions": 1e999}"#,
            &["dimensions: ", "out of range"],
        ),
        (
            Kind::Embeddings,
            r#"{"input": "a", "model": ["m"]}"#,
            &["model: ", "sequence"],
        ),
    ];
    for (kind, body, words) in cases {
        ensure_says(kind, body, words);
    }
    let long = format!("{{\"{}\": 1}}", "k".repeat(1 << 20));
    assert!(refusal(Kind::Json, long).len() < 300);
}

#[test]
fn what_is_no_unicode_is_refused_and_a_byte_order_mark_is_no_text() {
    for body in [
        &b"{\"inputs\": \"\xff\"}"[..],
        b"{\"inputs\": \"\xed\xa0\x80\"}",
        b"{\"inputs\": \"\xc0\xaf\"}",
        b"{\"\xff\": \"a\"}",
        br#"{"inputs": "\ud800"}"#,
        br#"{"inputs": "\udc00"}"#,
        br#"{"inputs": "\ud800\ud800"}"#,
        br#"{"inputs": ["a", "\ud83d"]}"#,
        br#"{"inputs": "\u12"}"#,
        b"\xff\xfe{\x00",
    ] {
        ensure_says(Kind::Json, body, &["line 1 column"]);
        ensure_says(Kind::JsonLines, body, &["line 1"]);
    }
    ensure_says(Kind::Json, b"{\"inputs\": \"a\nb\"}", &["line 2 column 0"]);
    ensure_says(Kind::JsonLines, b"{\"inputs\": \"a\nb\"}", &["line 1"]);
    assert_eq!(texts(Kind::Json, br#"{"inputs": "\ud83d\ude00"}"#), ["\u{1f600}"]);
    assert_eq!(texts(Kind::Json, b"\xef\xbb\xbf{\"inputs\": \"a\"}"), ["a"]);
    assert_eq!(
        texts(Kind::JsonLines, b"\xef\xbb\xbf\"a\"\r\n\"b\"\r\n"),
        ["a", "b"]
    );
    assert_eq!(texts(Kind::Text, b"\xef\xbb\xbfa"), ["a"]);
    assert_eq!(texts(Kind::Text, "a\u{feff}"), ["a\u{feff}"]);
    ensure_says(Kind::Text, b"good \xff", &["byte 5"]);
}

#[test]
fn nesting_of_any_depth_is_refused_without_harm() {
    for depth in [1 << 10, 1 << 20] {
        for (open, close) in [("[", "]"), ("{\"inputs\":", "}"), ("{\"input\":[", "]}")] {
            let nested = open.repeat(depth) + "\"a\"" + &close.repeat(depth);
            for kind in [Kind::Json, Kind::JsonLines, Kind::Embeddings] {
                refusal(kind, &nested);
                refusal(kind, open.repeat(depth));
            }
        }
    }
}

#[test]
fn blank_lines_at_the_end_of_json_lines_are_none_and_others_are_named() {
    for end in ["", "\n", "\r\n", "\n\n\n", "\r\n\r\n", "\n \t\n", "\n  ", " "] {
        let body = format!("{{\"inputs\": \"a\"}}\r\n[\"b\"]{end}");
        assert_eq!(texts(Kind::JsonLines, &body), ["a", "b"], "{end:?}");
        assert!(texts(Kind::JsonLines, end).is_empty(), "{end:?}");
    }
    for body in [
        "{\"inputs\": \"a\"}\n\n{\"inputs\": \"b\"}",
        "\"a\"\r\n\r\n\"b\"\r\n",
        "\"a\"\n  \n\"b\"",
    ] {
        ensure_says(Kind::JsonLines, body, &["line 2", "column"]);
    }
    ensure_says(Kind::JsonLines, "\n\"a\"", &["line 1"]);
    ensure_says(
        Kind::JsonLines,
        "{\"inputs\": \"a\"}\n{\"inputs\": 3}\n",
        &["line 2", "column 12", "inputs: "],
    );
    let said = refusal(Kind::JsonLines, "\"a\"\n{\"inputs\": 3}");
    assert!(!said.contains("line 1"), "{said}");
}

#[test]
fn texts_and_lines_are_counted_while_they_are_read() {
    let is_too_many = |kind: Kind, body: String| match kind.parse(body.as_bytes(), DIMENSION) {
        Err(ApiError::TooManyTexts) => true,
        Ok(asked) => {
            assert!(asked.texts.len() <= MAX_TEXTS);
            false
        }
        Err(error) => panic!("{error}"),
    };
    // What follows the text that is too much is not even read.
    let list = |count: usize, rest: &str| format!("[{}{rest}", vec!["\"\""; count].join(","));
    let object = |key: &str, list: String| format!("{{\"{key}\": {list}}}");
    assert!(!is_too_many(Kind::Json, list(MAX_TEXTS, "]")));
    assert!(is_too_many(Kind::Json, list(MAX_TEXTS + 1, ", no JSON")));
    assert!(!is_too_many(
        Kind::Embeddings,
        object("input", list(MAX_TEXTS, "]"))
    ));
    assert!(is_too_many(
        Kind::Embeddings,
        object("input", list(MAX_TEXTS + 1, ", no JSON"))
    ));
    assert!(!is_too_many(Kind::JsonLines, "\"\"\n".repeat(MAX_TEXTS)));
    assert!(is_too_many(Kind::JsonLines, "\"\"\n".repeat(MAX_TEXTS + 1)));
    assert!(is_too_many(Kind::JsonLines, "[]\n".repeat(MAX_TEXTS + 1)));
    let halves = format!("{}\n{}", list(MAX_TEXTS / 2, "]"), list(MAX_TEXTS / 2, "]"));
    assert!(!is_too_many(Kind::JsonLines, halves.clone()));
    assert!(is_too_many(Kind::JsonLines, halves + "\n\"one more\""));
    assert!(is_too_many(
        Kind::JsonLines,
        "\"a\"\n".repeat(MAX_TEXTS) + "no JSON"
    ));
}
